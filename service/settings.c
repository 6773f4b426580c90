// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "backends/base/cleanup.h"
#include "service/bus/log-control.h"
#include "service/model/numbers.h"

static int parse_number(const char *text, uint64_t *ret, char **ret_end) {
        if (!isdigit((unsigned char)text[0]))
                return -EINVAL; /* strtoull() takes blanks and signs */
        errno = 0;
        *ret = strtoull(text, ret_end, 0);
        return errno ? -ERANGE : 0;
}

/* Leaves *value alone where the variable is not set or empty. */
static int read_number(SettingsLookup lookup, const char *name, uint32_t *value, Refusal *why) {
        const char *text = lookup(name);
        uint64_t number;
        char *end;

        if (!text || !text[0])
                return 0;
        if (parse_number(text, &number, &end) < 0 || *end || number > UINT32_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s=%.32s is not a number from 0 to 4294967295, such as 1985 or 0x10", name,
                        text);
        *value = (uint32_t)number;
        return 0;
}

static bool is_set(SettingsLookup lookup, const char *name) {
        const char *text = lookup(name);

        return text && text[0];
}

static unsigned find_fixed(SettingsLookup lookup) {
        unsigned fixed = 0;

        if (is_set(lookup, "TALPID_MARK") || is_set(lookup, "TALPID_MARK_MASK"))
                fixed |= NUMBERS_FIXED_MARK;
        if (is_set(lookup, "TALPID_TUNNEL_TABLE") || is_set(lookup, "TALPID_EXCLUDED_TABLE"))
                fixed |= NUMBERS_FIXED_TABLES;
        if (is_set(lookup, "TALPID_RULE_PRIORITY"))
                fixed |= NUMBERS_FIXED_PRIORITY;
        return fixed;
}

static int read_log_level(SettingsLookup lookup, int *level, Refusal *why) {
        const char *text = lookup("TALPID_LOG_LEVEL");
        int parsed;

        if (!text || !text[0])
                return 0;
        parsed = log_level_parse(text);
        if (parsed < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_LOG_LEVEL=%.32s is not error, warning, notice, info or debug",
                        text);
        *level = parsed;
        return 0;
}

int settings_parse_timeout(const char *text, usec_t *ret_usec) {
        uint64_t number, unit;
        char *end;

        if (strcmp(text, "infinity") == 0) {
                *ret_usec = USEC_INFINITY;
                return 0;
        }
        if (parse_number(text, &number, &end) < 0)
                return -EINVAL;
        if (*end == '\0' || strcmp(end, "s") == 0)
                unit = USEC_PER_SEC;
        else if (strcmp(end, "ms") == 0)
                unit = USEC_PER_MSEC;
        else
                return -EINVAL;
        if (number > UINT32_MAX)
                return -EINVAL;
        *ret_usec = number * unit;
        return 0;
}

static int read_idle_timeout(SettingsLookup lookup, usec_t *timeout_usec, Refusal *why) {
        const char *text = lookup("TALPID_IDLE_TIMEOUT");

        if (!text || !text[0] || settings_parse_timeout(text, timeout_usec) == 0)
                return 0;
        return refusal_set(why, REFUSAL_INVALID_ARGS,
                "TALPID_IDLE_TIMEOUT=%.32s is not a time such as 30s, 500ms or infinity", text);
}

/* systemd gives a list of directories; ours is the first. */
static int read_directory(SettingsLookup lookup, char *directory, Refusal *why) {
        const char *text = lookup("RUNTIME_DIRECTORY");
        size_t length;

        if (!text || !text[0])
                text = "/run/talpid";
        length = strcspn(text, ":");
        if (text[0] != '/' || length >= SETTINGS_DIRECTORY_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "RUNTIME_DIRECTORY=%.64s is no absolute path of less than %d bytes", text,
                        SETTINGS_DIRECTORY_MAX);
        (void)snprintf(directory, SETTINGS_DIRECTORY_MAX, "%.*s", (int)length, text);
        return 0;
}

/* Where it is not given nothing is permanent: a machine without systemd has to choose a place. */
static int read_state_directory(SettingsLookup lookup, char *directory, Refusal *why) {
        const char *text = lookup("STATE_DIRECTORY");
        size_t length;

        if (!text || !text[0])
                return 0;
        length = strcspn(text, ":");
        if (text[0] != '/' || length >= SETTINGS_DIRECTORY_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "STATE_DIRECTORY=%.64s is no absolute path of less than %d bytes", text,
                        SETTINGS_DIRECTORY_MAX);
        (void)snprintf(directory, SETTINGS_DIRECTORY_MAX, "%.*s", (int)length, text);
        return 0;
}

static int read_firewall_debug(SettingsLookup lookup, bool *debug, Refusal *why) {
        const char *text = lookup("TALPID_FIREWALL_DEBUG");

        if (!text || !text[0])
                return 0;
        if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_FIREWALL_DEBUG=%.32s is not 0 or 1", text);
        *debug = text[0] == '1';
        return 0;
}

static int read_mechanism(SettingsLookup lookup, char mechanism[static 16], Refusal *why) {
        static const char *const names[] = { "bpf", "nftables", "net_cls", "none" };
        const char *text = lookup("TALPID_MECHANISM");

        if (!text || !text[0])
                return 0;
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                if (strcmp(text, names[i]) == 0) {
                        (void)snprintf(mechanism, 16, "%s", text);
                        return 0;
                }
        return refusal_set(why, REFUSAL_INVALID_ARGS,
                "TALPID_MECHANISM=%.32s is not bpf, nftables, net_cls or none", text);
}

/* Leaves @ret alone where the variable is not set. Trailing slashes go. */
static int read_path(
        SettingsLookup lookup, const char *name, char ret[SETTINGS_DIRECTORY_MAX], Refusal *why) {
        const char *text = lookup(name);
        size_t length;

        if (!text || !text[0])
                return 0;
        length = strlen(text);
        while (length > 1 && text[length - 1] == '/')
                length--;
        if (text[0] != '/' || length >= SETTINGS_DIRECTORY_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s=%.64s is no absolute path of less than %d bytes", name, text,
                        SETTINGS_DIRECTORY_MAX);
        (void)snprintf(ret, SETTINGS_DIRECTORY_MAX, "%.*s", (int)length, text);
        return 0;
}

static int read_bpf_directory(SettingsLookup lookup, char *directory, Refusal *why) {
        int r = read_path(lookup, "TALPID_BPF_FS", directory, why);

        if (r >= 0 && strcmp(directory, "/") == 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "TALPID_BPF_FS=/ is no directory in a BPF file system, such as %s",
                        SETTINGS_BPF_DIRECTORY);
        return r;
}

int settings_read(SettingsLookup lookup, Settings *ret, Refusal *why) {
        Settings settings = {
                .ours = OURS_DEFAULT,
                .log_level = LOG_INFO,
                .idle_timeout_usec = SETTINGS_IDLE_TIMEOUT_USEC,
                .bpf_directory = SETTINGS_BPF_DIRECTORY,
        };
        const struct {
                const char *name;
                uint32_t *value;
        } numbers[] = {
                { "TALPID_MARK", &settings.ours.mark },
                { "TALPID_MARK_MASK", &settings.ours.mark_mask },
                { "TALPID_TUNNEL_TABLE", &settings.ours.tunnel_table },
                { "TALPID_EXCLUDED_TABLE", &settings.ours.excluded_table },
                { "TALPID_RULE_PRIORITY", &settings.ours.rule_priority },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LENGTH(numbers); i++)
                r = read_number(lookup, numbers[i].name, numbers[i].value, why);
        if (r >= 0)
                r = read_log_level(lookup, &settings.log_level, why);
        if (r >= 0)
                r = read_idle_timeout(lookup, &settings.idle_timeout_usec, why);
        if (r >= 0)
                r = read_directory(lookup, settings.directory, why);
        if (r >= 0)
                r = read_state_directory(lookup, settings.state_directory, why);
        if (r >= 0)
                r = read_firewall_debug(lookup, &settings.firewall_debug, why);
        if (r >= 0)
                r = read_mechanism(lookup, settings.mechanism, why);
        if (r >= 0)
                r = read_path(lookup, "TALPID_CGROUP2_FS", settings.cgroup2_mount, why);
        if (r >= 0)
                r = read_path(lookup, "TALPID_NET_CLS_MOUNT_DIR", settings.net_cls_directory, why);
        if (r >= 0)
                r = read_bpf_directory(lookup, settings.bpf_directory, why);
        if (r >= 0)
                r = numbers_check(&settings.ours, why);
        if (r < 0)
                return r;

        settings.fixed = find_fixed(lookup);
        *ret = settings;
        return 0;
}
