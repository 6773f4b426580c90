// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Which groups are known not to be listed, on the machine's own cgroup2: as
 * directories come and go.
 */

#include <errno.h>

#include "tests/netns/test-processes-lib.h"

static int compare(const void *a, const void *b) {
        return known_group_compare_key(a, b);
}

static const KnownGroup *find(Fixture *fixture, const char *path) {
        const KnownGroup key = { .id = fixture_group_id(fixture, path) };

        return array_search(cgroup2_known(fixture->cgroup2), &key, compare, NULL);
}

static void watch(Fixture *fixture, const char *path) {
        CLEANUP(array_clear) Array paths = ARRAY_INIT(const char *);

        if (path)
                g_assert_nonnull(array_append(&paths, &path));
        g_assert_cmpint(cgroup2_watch_newcomers(fixture->cgroup2, &paths), ==, 1);
}

static bool is_known(Fixture *fixture, const void *path) {
        const KnownGroup *group = find(fixture, path);

        return group && !group->is_above;
}

static bool is_above(Fixture *fixture, const void *path) {
        const KnownGroup *group = find(fixture, path);

        return group && group->is_above;
}

typedef struct Old {
        uint64_t id;
} Old;

static bool is_forgotten(Fixture *fixture, const void *userdata) {
        const KnownGroup key = { .id = ((const Old *)userdata)->id };

        return !array_search(cgroup2_known(fixture->cgroup2), &key, compare, NULL);
}

static void test_knows_all_around(Fixture *fixture) {
        g_autofree char *listed = fixture_group(fixture, "slice/listed");
        g_autofree char *below = fixture_group(fixture, "slice/listed/below");
        g_autofree char *beside = fixture_group(fixture, "slice/beside");
        g_autofree char *far = fixture_group(fixture, "far/away");
        g_autofree char *slice = g_path_get_dirname(listed);
        g_autofree char *top_of_far = g_path_get_dirname(far);

        watch(fixture, listed);
        g_assert_true(is_above(fixture, ""));
        g_assert_true(is_above(fixture, fixture->top));
        g_assert_true(is_above(fixture, slice));
        g_assert_null(find(fixture, listed));
        g_assert_null(find(fixture, below));
        g_assert_true(is_known(fixture, beside));
        g_assert_true(is_known(fixture, top_of_far));
        g_assert_null(find(fixture, far)); /* with the one above it */
        watch(fixture, NULL);
        g_assert_cmpuint(cgroup2_known(fixture->cgroup2)->n, ==, 0);
}

static void test_learns_of_new_ones(Fixture *fixture) {
        g_autofree char *slice = fixture_group(fixture, "slice");
        g_autofree char *listed = g_build_filename(slice, "inner/listed", NULL);
        g_autofree char *beside = NULL, *inner = NULL, *again = NULL;
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        pid_t pid;
        Old old;

        watch(fixture, listed);
        g_assert_true(is_above(fixture, slice));
        beside = fixture_group(fixture, "slice/beside");
        g_assert_null(find(fixture, beside));
        fixture_wait(fixture, is_known, beside);
        pid = fixture_child(fixture, beside, NULL, NULL);
        g_assert_cmpint(cgroup2_list_known_members(
                                fixture->cgroup2, fixture_group_id(fixture, beside), &pids),
                ==, 0);
        g_assert_cmpuint(pids.n, ==, 1);
        g_assert_cmpint(*(pid_t *)array_at(&pids, 0), ==, pid);
        {
                CLEANUP(process_clear) Process process = fixture_open(pid);

                g_assert_cmpint(cgroup2_exclude_process(
                                        fixture->cgroup2, &process, CGROUP2_EXCLUDED, NULL, NULL),
                        ==, 1);
        }
        pids.n = 0;
        g_assert_cmpint(cgroup2_list_known_members(
                                fixture->cgroup2, fixture_group_id(fixture, beside), &pids),
                ==, 0);
        g_assert_cmpuint(pids.n, ==, 0); /* in a group of ours */
        fixture_end_child(fixture, pid);

        inner = fixture_group(fixture, "slice/inner");
        fixture_wait(fixture, is_above, inner);
        again = fixture_group(fixture, "slice/inner/listed");
        g_assert_null(find(fixture, again));
        old.id = fixture_group_id(fixture, beside);
        fixture_remove_group(fixture, beside);
        fixture_wait(fixture, is_forgotten, &old);
        g_assert_cmpint(cgroup2_list_known_members(fixture->cgroup2, old.id, &pids), ==, -ENOENT);
        g_assert_null(find(fixture, again));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        fixture_test_add("/cgroup2-known/knows-all-around-what-is-listed", test_knows_all_around);
        fixture_test_add("/cgroup2-known/learns-of-new-ones", test_learns_of_new_ones);
        return g_test_run();
}
