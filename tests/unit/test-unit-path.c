// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/unit-path.h"

#include <glib.h>
#include <string.h>

#define MANAGER "user.slice/user-1000.slice/user@1000.service"

/* Names, and one of the places where systemd has it: seen on Debian 12 and Fedora. */
static const struct {
        const char *name, *path;
        uint32_t uid;
} places[] = {
        { "cups.service", "system.slice/cups.service", 0 },
        { "dbus.socket", "system.slice/dbus.socket", 0 },
        { "tmp.mount", "system.slice/tmp.mount", 0 },
        { "dev-sda2.swap", "system.slice/dev-sda2.swap", 0 },
        { "init.scope", "init.scope", 0 },
        { "docker-0af3.scope", "system.slice/docker-0af3.scope", 0 },
        { "libpod-0af3.scope", "machine.slice/libpod-0af3.scope", 0 },
        { "getty@tty1.service", "system.slice/system-getty.slice/getty@tty1.service", 0 },
        { "systemd-fsck@dev-sda1.service",
                "system.slice/system-systemd\\x2dfsck.slice/systemd-fsck@dev-sda1.service", 0 },
        { "a\\x2db@c.service", "system.slice/system-a\\x5cx2db.slice/a\\x2db@c.service", 0 },
        { "user@1000.service", "system.slice/user@1000.service", 0 },
        { "system.slice", "system.slice", 0 },
        { "system-getty.slice", "system.slice/system-getty.slice", 0 },
        { "user-1000.slice", "user.slice/user-1000.slice", 0 },
        { "a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice", 0 },
        { "system-systemd\\x2dfsck.slice", "system.slice/system-systemd\\x2dfsck.slice", 0 },
        /* cgroup.procs, memory.max and so on are the kernel's. */
        { "cpu.service", "system.slice/_cpu.service", 0 },
        { "memory.slice", "_memory.slice", 0 },
        { "cgroup.service", "system.slice/_cgroup.service", 0 },
        { "_x.service", "system.slice/__x.service", 0 },
        { "cpux.service", "system.slice/cpux.service", 0 },
        { "memory-a.slice", "_memory.slice/memory-a.slice", 0 },

        { "app-firefox-77.scope", MANAGER "/app.slice/app-firefox-77.scope", 1000 },
        { "gnome-session-manager@gnome.service",
                MANAGER "/app.slice/app-gnome\\x2dsession\\x2dmanager.slice/"
                        "gnome-session-manager@gnome.service",
                1000 },
        { "org.gnome.Shell@x11.service", MANAGER "/session.slice/org.gnome.Shell@x11.service",
                1000 },
        { "tracker.service", MANAGER "/background.slice/tracker.service", 1000 },
        { "libpod-0af3.scope", MANAGER "/user.slice/libpod-0af3.scope", 1000 },
        { "init.scope", MANAGER "/init.scope", 1000 },
        { "session-2.scope", "user.slice/user-1000.slice/session-2.scope", 1000 },
        { "app.slice", MANAGER "/app.slice", 1000 },
        { "app-a-b.slice", MANAGER "/app.slice/app-a.slice/app-a-b.slice", 1000 },
        { "a.service",
                "user.slice/user-4294967294.slice/user@4294967294.service/app.slice/a.service",
                4294967294 },
};

static void test_places(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
                char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
                size_t n, n_found = 0;

                g_test_message("%s", places[i].name);
                g_assert_true(unit_name_is_valid(places[i].name));
                n = unit_paths(places[i].name, places[i].uid, paths);
                for (size_t j = 0; j < n; j++) {
                        n_found += strcmp(paths[j], places[i].path) == 0;
                        for (size_t k = 0; k < j; k++)
                                g_assert_cmpstr(paths[j], !=, paths[k]);
                }
                g_assert_cmpuint(n_found, ==, 1);
        }
}

static const struct {
        const char *name;
        bool valid;
} names[] = {
        { "a.service", true },
        { "a:b_c.d-e\\x20@f@g.service", true },
        { "-.mount", true },
        { "", false },
        { "a", false },
        { ".service", false },
        { "a.timer", false },
        { "a.target", false },
        { "a.service ", false },
        { "a b.service", false },
        { "a/b.service", false },
        { "../a.service", false },
        { ".a.service", false },
        { "@a.service", false },
        { "a@.service", false },
        { "a\n.service", false },
        { "\xc3\xa4.service", false },
        { "a.service\xff", false },
        { "-.slice", false },
        { "a-.slice", false },
        { "-a.slice", false },
        { "a--b.slice", false },
        { "a@b.slice", false },
};

static void test_names(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *shown = g_strescape(names[i].name, NULL);

                g_test_message("'%s'", shown);
                g_assert_cmpint(unit_name_is_valid(names[i].name), ==, names[i].valid);
        }
}

/* No path is cut: it is whole, or it is not there. */
static void test_long(void) {
        for (size_t length = 1; length < 300; length++) {
                g_autofree char *fill = g_strnfill(length, 'a');
                g_autofree char *dashes = g_strnfill(length, '-');
                g_autofree char *plain = g_strconcat(fill, ".service", NULL);
                g_autofree char *template = g_strconcat("a", dashes, "@x.service", NULL);
                const char *const both[] = { plain, template };

                for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
                        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
                        size_t n;

                        g_assert_cmpint(unit_name_is_valid(both[i]), ==, strlen(both[i]) < 256);
                        if (!unit_name_is_valid(both[i]))
                                continue;
                        n = unit_paths(both[i], i * 1000, paths);
                        g_assert_cmpuint(n, >=, 1);
                        for (size_t j = 0; j < n; j++)
                                g_assert_true(g_str_has_suffix(paths[j], both[i]));
                }
        }
}

/* Slices lie in one another: 255 bytes of name can be kilobytes of path. */
static void test_deep(void) {
        g_autoptr(GString) name = g_string_new("a");
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        bool fitted = true;

        while (name->len < 240) {
                g_autofree char *slice = NULL;
                size_t n;

                (void)g_string_append(name, "-a");
                slice = g_strconcat(name->str, ".slice", NULL);
                n = unit_paths(slice, 0, paths);
                g_assert_true(n == 0 || fitted); /* never again */
                fitted = n == 1;
                if (fitted)
                        g_assert_true(g_str_has_suffix(paths[0], slice));
        }
        g_assert_false(fitted);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/unit-path/is-where-systemd-has-the-unit", test_places);
        g_test_add_func("/unit-path/names-that-no-unit-has-are-refused", test_names);
        g_test_add_func("/unit-path/long-names-are-whole-or-not-there", test_long);
        g_test_add_func("/unit-path/slices-too-deep-have-no-path", test_deep);
        return g_test_run();
}
