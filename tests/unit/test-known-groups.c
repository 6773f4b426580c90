// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/known-groups.h"

#include <glib.h>

static const char *const listed_paths[] = { "a/b", "a/b-c/d", "system.slice/x.service", "z" };

static Array make_listed(void) {
        Array listed = ARRAY_INIT(const char *);

        for (size_t i = 0; i < G_N_ELEMENTS(listed_paths); i++)
                g_assert_nonnull(array_append(&listed, &listed_paths[i]));
        g_assert_cmpint(array_sort(&listed, known_groups_compare_paths), ==, 0);
        return listed;
}

static void what_is_listed_is_so_with_all_below(void) {
        static const char *const yes[] = { "a/b", "a/b/c", "a/b/c/d", "z", "z/y", "a/b-c/d/e" };
        static const char *const no[] = { "", "a", "a/bc", "a/b-c", "zz", "system.slice",
                "system.slice/x.service2", "system.slice/x" };
        CLEANUP(array_clear) Array listed = make_listed();

        for (size_t i = 0; i < G_N_ELEMENTS(yes); i++)
                g_assert_true(known_groups_is_listed(&listed, yes[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(no); i++)
                g_assert_false(known_groups_is_listed(&listed, no[i]));
}

static void whatever_leads_to_a_listed_one_is_above(void) {
        static const char *const yes[] = { "", "a", "a/b-c", "system.slice" };
        static const char *const no[] = { "z", "a/b", "a/b-", "system", "system.slice/x.service",
                "b" };
        CLEANUP(array_clear) Array listed = make_listed(), none = ARRAY_INIT(const char *);

        for (size_t i = 0; i < G_N_ELEMENTS(yes); i++)
                g_assert_true(known_groups_is_above(&listed, yes[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(no); i++)
                g_assert_false(known_groups_is_above(&listed, no[i]));
        g_assert_false(known_groups_is_above(&none, ""));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/known-groups/what-is-listed-is-so-with-all-below",
                what_is_listed_is_so_with_all_below);
        g_test_add_func("/known-groups/whatever-leads-to-a-listed-one-is-above",
                whatever_leads_to_a_listed_one_is_above);
        return g_test_run();
}
