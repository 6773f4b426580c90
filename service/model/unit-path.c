// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/unit-path.h"

#include <stdio.h>
#include <string.h>

#include "backends/base/cleanup.h"

#define UNIT_NAME_MAX 256 /* with its end, as in systemd */

/* The end of the name, if it has one of that type. */
static const char *find_suffix(const char *name, const char *suffix) {
        size_t length = strlen(name), n = strlen(suffix);

        return length > n && strcmp(name + length - n, suffix) == 0 ? name + length - n : NULL;
}

/* Parts between dashes are its parents, so that none can be empty. */
static bool is_slice_name(const char *name, const char *end) {
        if (name[0] == '-' || end[-1] == '-' || memchr(name, '@', (size_t)(end - name)))
                return false;
        for (const char *at = name; at + 1 < end; at++)
                if (at[0] == '-' && at[1] == '-')
                        return false;
        return true;
}

bool unit_name_is_valid(const char *name) {
        static const char *const types[] = { ".service", ".scope", ".slice", ".socket", ".mount",
                ".swap" };
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789:-_.\\@";
        size_t length = strlen(name);
        const char *end = NULL;

        if (length >= UNIT_NAME_MAX || strspn(name, allowed) != length || name[0] == '.' ||
                name[0] == '@')
                return false;
        for (size_t i = 0; !end && i < ARRAY_LENGTH(types); i++)
                end = find_suffix(name, types[i]);
        if (!end || end[-1] == '@')
                return false;
        return strcmp(end, ".slice") != 0 || is_slice_name(name, end);
}

/* A name that the kernel could take for one of its own files begins with "_". */
static bool needs_underscore(const char *name) {
        static const char *const words[] = { "cgroup", "cpu", "cpuacct", "cpuset", "io", "blkio",
                "memory", "devices", "pids", "bpf-firewall", "bpf-devices", "bpf-foreign",
                "bpf-socket-bind", "bpf-restrict-network-interfaces" };

        if (name[0] == '_')
                return true;
        for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
                size_t n = strlen(words[i]);

                if (strncmp(name, words[i], n) == 0 && name[n] == '.')
                        return true;
        }
        return false;
}

/* Appends a part of a path. Return: whether there was room. */
static bool append_part(char path[static GROUP_PATH_MAX], const char *name, size_t length) {
        size_t at = strlen(path);
        int n = snprintf(path + at, GROUP_PATH_MAX - at, "%s%s%.*s", at ? "/" : "",
                needs_underscore(name) ? "_" : "", (int)length, name);

        return n > 0 && at + (size_t)n < GROUP_PATH_MAX;
}

/* "a-b.slice" is in "a.slice". */
static bool append_slice(char path[static GROUP_PATH_MAX], const char *name) {
        char parent[UNIT_NAME_MAX + sizeof(".slice")];

        for (const char *dash = strchr(name, '-'); dash; dash = strchr(dash + 1, '-')) {
                (void)snprintf(parent, sizeof(parent), "%.*s.slice", (int)(dash - name), name);
                if (!append_part(path, parent, strlen(parent)))
                        return false;
        }
        return append_part(path, name, strlen(name));
}

/* "system-getty.slice" for getty@tty1.service; dashes of its own are none of the slice. */
static bool append_template_slice(
        char path[static GROUP_PATH_MAX], const char *prefix, const char *name) {
        char slice[GROUP_PATH_MAX];
        int n = snprintf(slice, sizeof(slice), "%s-", prefix);

        for (; *name != '@'; name++) {
                const char *format = *name == '-' || *name == '\\' ? "\\x%02x" : "%c";

                if ((size_t)n + 4 >= sizeof(slice))
                        return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                n += snprintf(slice + n, sizeof(slice) - (size_t)n, format, *name);
#pragma GCC diagnostic pop
        }
        if ((size_t)n + sizeof(".slice") > sizeof(slice))
                return false;
        memcpy(slice + n, ".slice", sizeof(".slice"));
        return append_part(path, slice, strlen(slice));
}

/* The places that are tried, one behind the other. */
typedef struct Places {
        const char *name;
        char base[GROUP_PATH_MAX]; /* of the manager */
        char (*paths)[GROUP_PATH_MAX];
        size_t n;
} Places;

/* @template: as in append_template_slice(), or NULL. */
static void put(Places *places, const char *slice, const char *template) {
        char *path = places->paths[places->n];

        (void)snprintf(path, GROUP_PATH_MAX, "%s", places->base);
        if (slice && !append_part(path, slice, strlen(slice)))
                return;
        if (template && !append_template_slice(path, template, places->name))
                return;
        if (append_part(path, places->name, strlen(places->name)))
                places->n++;
}

static void put_slice(Places *places) {
        char *path = places->paths[places->n];

        (void)snprintf(path, GROUP_PATH_MAX, "%s", places->base);
        if (append_slice(path, places->name))
                places->n++;
}

static void put_system_unit(Places *places) {
        if (strchr(places->name, '@'))
                put(places, "system.slice", "system");
        put(places, "system.slice", NULL);
        put(places, "machine.slice", NULL); /* containers, virtual machines */
        put(places, NULL, NULL);            /* init.scope */
}

/* What systemd --user has, and sessions of logind. */
static void put_user_unit(Places *places, uint32_t uid) {
        static const char *const slices[] = { "app.slice", "session.slice", "background.slice",
                "user.slice" };

        if (strchr(places->name, '@'))
                put(places, "app.slice", "app");
        for (size_t i = 0; i < ARRAY_LENGTH(slices); i++)
                put(places, slices[i], NULL);
        put(places, NULL, NULL);
        (void)snprintf(places->base, sizeof(places->base), "user.slice/user-%u.slice", uid);
        put(places, NULL, NULL);
}

size_t unit_paths(
        const char *name, uint32_t uid, char paths[static UNIT_PATHS_MAX][GROUP_PATH_MAX]) {
        Places places = { .name = name, .paths = paths };

        if (uid != 0)
                (void)snprintf(places.base, sizeof(places.base),
                        "user.slice/user-%u.slice/user@%u.service", uid, uid);
        if (find_suffix(name, ".slice"))
                put_slice(&places);
        else if (uid == 0)
                put_system_unit(&places);
        else
                put_user_unit(&places, uid);
        return places.n;
}
