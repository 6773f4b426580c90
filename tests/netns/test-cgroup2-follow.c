// SPDX-License-Identifier: GPL-3.0-or-later

/* Groups of others, followed through their removal and return. */

#include "backends/cgroup2/cgroup2.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"
#include "tests/netns/test-processes-lib.h"

static bool has_appeared(Fixture *fixture, const void *userdata) {
        return fixture->n_appeared >= GPOINTER_TO_UINT(userdata);
}

static bool is_gone(Fixture *fixture, const void *userdata) {
        return fixture->n_gone >= GPOINTER_TO_UINT(userdata);
}

static void test_follows_a_path_through_its_return(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "a.slice/b.scope");
        g_autofree char *slice = fixture_group(fixture, "a.slice");
        Cgroup2Group group;
        uint64_t first;

        g_assert_cmpint(cgroup2_follow(fixture->cgroup2, unit, &group), ==, 1);
        g_assert_cmpint(cgroup2_follow(fixture->cgroup2, unit, &group), ==, -EEXIST);
        first = group.id;
        g_assert_cmpuint(first, ==, fixture_group_id(fixture, unit));
        g_assert_cmpuint(group.level, ==, 3);

        fixture_remove_group(fixture, unit);
        fixture_wait(fixture, is_gone, GUINT_TO_POINTER(1));
        g_assert_cmpuint(fixture->last_gone_id, ==, first);
        g_assert_cmpint(cgroup2_open_group(first, fixture->cgroup2), ==, -ENOENT);

        g_free(fixture_group(fixture, "a.slice/b.scope"));
        fixture_wait(fixture, has_appeared, GUINT_TO_POINTER(1));
        g_assert_cmpuint(fixture->last_id, !=, first);
        g_assert_cmpuint(fixture->last_id, ==, fixture_group_id(fixture, unit));
        g_assert_cmpstr(fixture->last_path, ==, unit);

        /* The whole branch goes and comes between two turns of the loop. */
        first = fixture->last_id;
        fixture_remove_group(fixture, slice);
        g_free(fixture_group(fixture, "a.slice/b.scope"));
        fixture_wait(fixture, has_appeared, GUINT_TO_POINTER(2));
        g_assert_cmpuint(fixture->n_gone, ==, 2);
        g_assert_cmpuint(fixture->last_gone_id, ==, first);
        g_assert_cmpuint(fixture->last_id, ==, fixture_group_id(fixture, unit));

        g_assert_cmpint(cgroup2_unfollow(fixture->cgroup2, unit), ==, 0);
        g_assert_cmpint(cgroup2_unfollow(fixture->cgroup2, unit), ==, -ENOENT);
        fixture_remove_group(fixture, slice);
        while (sd_event_run(fixture->event, 0) > 0)
                ;
        g_assert_cmpuint(fixture->n_gone, ==, 2);
}

static void test_waits_for_a_path_level_by_level(Fixture *fixture) {
        g_autofree char *path = g_build_filename(fixture->top, "a/b/c/d", NULL);
        Cgroup2Group group;

        g_assert_cmpint(cgroup2_follow(fixture->cgroup2, path, &group), ==, 0);
        g_free(fixture_group(fixture, "a"));
        while (sd_event_run(fixture->event, 0) > 0)
                ;
        g_free(fixture_group(fixture, "a/b"));
        g_free(fixture_group(fixture, "a/other/c/d"));
        while (sd_event_run(fixture->event, 0) > 0)
                ;
        g_assert_cmpuint(fixture->n_appeared, ==, 0);
        g_free(fixture_group(fixture, "a/b/c/d"));
        fixture_wait(fixture, has_appeared, GUINT_TO_POINTER(1));
        g_assert_cmpuint(fixture->last_id, ==, fixture_group_id(fixture, path));
}

static void test_follows_many_through_a_storm(Fixture *fixture) {
        enum { N = 200, ROUNDS = 20 };
        Cgroup2Group group;

        for (unsigned i = 0; i < N; i++) {
                g_autofree char *path = g_strdup_printf("%s/s/u%u", fixture->top, i);

                g_assert_cmpint(cgroup2_follow(fixture->cgroup2, path, &group), ==, 0);
        }
        for (unsigned round = 0; round < ROUNDS; round++) {
                g_autofree char *slice = fixture_group(fixture, "s");

                for (unsigned i = 0; i < N; i++) {
                        g_autofree char *name = g_strdup_printf("s/u%u", i);

                        g_free(fixture_group(fixture, name));
                }
                if (round + 1 < ROUNDS)
                        fixture_remove_group(fixture, slice);
                if (round % 4 == 0)
                        (void)sd_event_run(fixture->event, 0);
        }
        while (sd_event_run(fixture->event, 0) > 0)
                ;
        g_assert_cmpuint(fixture->n_appeared - fixture->n_gone, ==, N);
        for (unsigned i = 0; i < N; i++) {
                g_assert_cmpint(cgroup2_group_at(fixture->cgroup2, i, &group), ==, 1);
                g_assert_cmpuint(group.id, ==, fixture_group_id(fixture, group.path));
        }
}

static void test_bounds_what_it_follows(Fixture *fixture) {
        Cgroup2Group group;
        int r = 0;
        unsigned n;

        for (n = 0; r == 0 && n < 100000; n++) {
                g_autofree char *path = g_strdup_printf("%s/n%u", fixture->top, n);

                r = cgroup2_follow(fixture->cgroup2, path, &group);
        }
        g_assert_cmpint(r, ==, -ENOSPC);
        g_assert_cmpuint(n, ==, 16385);
        for (n = 0; n < 16384; n++) {
                g_autofree char *path = g_strdup_printf("%s/n%u", fixture->top, n);

                g_assert_cmpint(cgroup2_unfollow(fixture->cgroup2, path), ==, 0);
        }
        g_assert_cmpint(cgroup2_follow(fixture->cgroup2, "one-more", &group), ==, 0);
}

static void test_refuses_paths_that_lead_out(Fixture *fixture) {
        static const char *const paths[] = { "/", "/etc", "../x", "a/../../etc", "a//b", "./a",
                "a/", "..", "a\nb", CGROUP_PATH_EXCLUDED, "a/" CGROUP_PATH_INCLUDED };
        CLEANUP_FD int root = cgroup_tree_open_root(fixture->mount), own = -1;
        Cgroup2Group group;

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_assert_cmpint(cgroup2_follow(fixture->cgroup2, paths[i], &group), ==, -EINVAL);
                g_assert_cmpint(cgroup_tree_open(root, paths[i]), <, 0);
                g_assert_cmpint(cgroup2_unfollow(fixture->cgroup2, paths[i]), ==, -ENOENT);
        }
        g_assert_cmpint(cgroup2_follow(fixture->cgroup2, "", &group), ==, -EINVAL);
        own = cgroup_tree_open(root, "");
        g_assert_cmpint(own, >=, 0);
        g_assert_cmpuint(fixture_n_groups(fixture), ==, 0);
        g_assert_cmpint(cgroup_tree_open(root, "cgroup.procs"), ==, -ENOTDIR);
}

static void look_through_a_mount(Fixture *fixture, void *userdata) {
        g_autofree char *full = g_build_filename(fixture->mount, userdata, NULL);
        CLEANUP_FD int root = -1;
        Cgroup2Group group;

        g_assert_cmpint(mount("/etc", full, NULL, MS_BIND, NULL), ==, 0);
        fixture_reopen(fixture);
        root = cgroup_tree_open_root(fixture->mount);
        g_assert_cmpint(cgroup_tree_open(root, userdata), ==, -EXDEV);
        g_assert_cmpint(cgroup2_follow(fixture->cgroup2, userdata, &group), ==, 0);
}

static void test_does_not_cross_mounts(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit");
        Cgroup2 *cgroup2 = NULL;

        fixture_run_apart(fixture, CLONE_NEWNS, look_through_a_mount, unit);
        g_assert_cmpint(cgroup2_open(fixture->event, "/etc", &cgroup2), ==, -ENODEV);
        g_assert_cmpint(cgroup2_open(fixture->event, "/nowhere", &cgroup2), ==, -ENOENT);
        g_assert_null(cgroup2);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        fixture_test_add("/cgroup2-follow/follows-a-path-through-its-return",
                test_follows_a_path_through_its_return);
        fixture_test_add("/cgroup2-follow/waits-for-a-path-level-by-level",
                test_waits_for_a_path_level_by_level);
        fixture_test_add(
                "/cgroup2-follow/follows-many-through-a-storm", test_follows_many_through_a_storm);
        fixture_test_add("/cgroup2-follow/bounds-what-it-follows", test_bounds_what_it_follows);
        fixture_test_add(
                "/cgroup2-follow/refuses-paths-that-lead-out", test_refuses_paths_that_lead_out);
        fixture_test_add("/cgroup2-follow/does-not-cross-mounts", test_does_not_cross_mounts);
        return g_test_run();
}
