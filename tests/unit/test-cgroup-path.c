// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/cgroup-path.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void test_takes_canonical_paths(void) {
        static const struct {
                const char *path;
                uint32_t level;
                size_t parent_length;
                const char *name;
        } cases[] = {
                { "", 0, 0, "" },
                { "a", 1, 0, "a" },
                { "a/b", 2, 1, "b" },
                { "user.slice/user-1000.slice/app-a\\x2db.scope", 3, 26, "app-a\\x2db.scope" },
                { "...", 1, 0, "..." },
                { "a/..b/.c", 3, 5, ".c" },
                { "with blank/\303\244", 2, 10, "\303\244" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(cgroup_path_check(cases[i].path), ==, 0);
                g_assert_cmpuint(cgroup_path_level(cases[i].path), ==, cases[i].level);
                g_assert_cmpuint(
                        cgroup_path_parent_length(cases[i].path), ==, cases[i].parent_length);
                g_assert_cmpstr(cgroup_path_name(cases[i].path), ==, cases[i].name);
        }
}

static void test_refuses_what_leads_astray(void) {
        static const char *const paths[] = {
                "/",
                "/a",
                "a/",
                "a//b",
                ".",
                "..",
                "a/.",
                "a/..",
                "../a",
                "a/../b",
                "./a",
                "a\nb",
                "a/\t",
                "a\177",
                "//",
                "/..",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
                g_assert_cmpint(cgroup_path_check(paths[i]), ==, -EINVAL);
}

static void test_refuses_what_is_too_long(void) {
        g_autofree char *name = g_strnfill(NAME_MAX, 'a');
        g_autofree char *longer = g_strnfill(NAME_MAX + 1, 'a');
        g_autofree char *longest = g_strnfill(PATH_MAX, 'a');
        g_autoptr(GString) deep = g_string_new("a");
        char joined[PATH_MAX];

        g_assert_cmpint(cgroup_path_check(name), ==, 0);
        g_assert_cmpint(cgroup_path_check(longer), ==, -ENAMETOOLONG);
        g_assert_cmpint(cgroup_path_check(longest), ==, -ENAMETOOLONG);
        while (cgroup_path_level(deep->str) < CGROUP_PATH_LEVEL_MAX)
                g_string_append(deep, "/a");
        g_assert_cmpint(cgroup_path_check(deep->str), ==, 0);
        g_string_append(deep, "/a");
        g_assert_cmpint(cgroup_path_check(deep->str), ==, -E2BIG);

        longest[PATH_MAX - 3] = '\0';
        g_assert_cmpint(cgroup_path_join(longest, "b", joined), ==, 0);
        g_assert_cmpuint(strlen(joined), ==, PATH_MAX - 1);
        g_assert_cmpint(cgroup_path_join(longest, "bc", joined), ==, -ENAMETOOLONG);
        g_assert_cmpint(cgroup_path_join("", "bc", joined), ==, 0);
        g_assert_cmpstr(joined, ==, "bc");
}

static void test_finds_our_names(void) {
        static const struct {
                const char *path;
                size_t first, second; /* lengths; 0: none */
        } cases[] = {
                { "", 0, 0 },
                { "a/b", 0, 0 },
                { "talpid-excluded", 15, 0 },
                { "a/talpid-included/x", 17, 0 },
                { "a/talpid-excluded/talpid-included", 17, 33 },
                { "a/talpid-excluded2", 0, 0 },
                { "a/xtalpid-excluded/talpid-exclude", 0, 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                size_t length = 0;

                g_assert_cmpint(cgroup_path_find_our_name(cases[i].path, 0, &length), ==,
                        cases[i].first != 0);
                g_assert_cmpuint(length, ==, cases[i].first);
                if (!cases[i].first)
                        continue;
                g_assert_cmpint(cgroup_path_find_our_name(cases[i].path, length, &length), ==,
                        cases[i].second != 0);
                if (cases[i].second)
                        g_assert_cmpuint(length, ==, cases[i].second);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cgroup-path/takes-canonical-paths", test_takes_canonical_paths);
        g_test_add_func("/cgroup-path/refuses-what-leads-astray", test_refuses_what_leads_astray);
        g_test_add_func("/cgroup-path/refuses-what-is-too-long", test_refuses_what_is_too_long);
        g_test_add_func("/cgroup-path/finds-our-names", test_finds_our_names);
        return g_test_run();
}
