// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <string.h>

#include "tests/unit/split-world.h"

#include "tests/lib/cases.h"

#define BOOT split_world_owner(ALICE, "")
#define OTHER_UNIT "user.slice/b.service"

/* Bringing back */

static void test_back(void) {
        g_autoptr(SplitWorld) w = split_world_new();
        SplitEnd end;

        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        g_assert_cmpint(split_world_include(w, 100, &end), ==, 0);
        g_assert_cmpuint(end.answer.n_moved, ==, 1);
        split_world_assert_told(w, "excluded 100 included 100 request ");
        split_world_assert_untouched(w);

        g_assert_cmpint(split_world_include(w, 100, &end), ==, 0); /* who is in is no error */
        g_assert_cmpuint(end.answer.n_moved, ==, 0);
        split_world_assert_told(w, "");
}

static void on_cleared(int result, const Refusal *why, const SplitAnswer *answer, void *userdata) {
        SplitEnd *end = userdata;

        end->n++;
        end->result = result;
        end->why = *why;
        end->answer = *answer;
}

static int clear(SplitWorld *w, uid_t uid, bool everybody, SplitEnd *end) {
        int r;

        *end = (SplitEnd){ 0 };
        r = split_controller_clear(
                w->controller, uid, everybody, SPLIT_SOCKETS_RESET, on_cleared, end, &end->why);
        g_assert_cmpuint(end->n, ==, 0);
        split_world_run(w);
        g_assert_cmpuint(end->n, ==, r < 0 ? 0 : 1);
        return r;
}

/* alice's 100 and 102, bob's 104 in the same group as 100. */
static SplitWorld *world_of_two_users(void) {
        SplitWorld *w = split_world_new();
        SplitEnd end;

        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        fake_processes_start(&w->system, 101, 100, ALICE, UNIT);
        fake_processes_start(&w->system, 102, 101, ALICE, OTHER_UNIT);
        fake_processes_start(&w->system, 103, 1, ALICE, UNIT);
        fake_processes_start(&w->system, 104, 1, BOB, UNIT);
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        g_assert_cmpint(split_world_exclude(w, 102, BOOT, &end), ==, 0);
        g_assert_cmpint(split_world_exclude(w, 104, split_world_owner(BOB, ""), &end), ==, 0);
        (void)g_string_truncate(w->told, 0);
        return w;
}

static void test_clear(void) {
        g_autoptr(SplitWorld) w = world_of_two_users();
        SplitEnd end;

        g_assert_cmpint(clear(w, ALICE, /* everybody= */ false, &end), ==, 0);
        g_assert_cmpuint(end.answer.n_moved, ==, 2);
        g_assert_cmpuint(w->system.n_swept_pids, ==, 2);
        split_world_assert_told(w, "included 100 cleared included 102 cleared ");
        g_assert_true(split_world_is_out(w, 104));
        g_assert_true(split_world_is_marked(w, OURS));
        g_assert_cmpint(clear(w, ALICE, /* everybody= */ true, &end), ==, 0);
        split_world_assert_told(w, "included 104 cleared ");
        split_world_assert_untouched(w);
}

static void test_clear_fails(void) {
        g_autoptr(SplitWorld) w = world_of_two_users();
        SplitEnd end;

        split_world_fail(w, FAKE_INCLUDE, -EROFS, "mounted read-only");
        g_assert_cmpint(clear(w, ALICE, /* everybody= */ false, &end), ==, 0);
        g_assert_cmpint(end.result, ==, -EPERM);
        g_assert_cmpstr(end.why.text, ==, "process 100: mounted read-only");
        g_assert_true(split_world_is_out(w, 100));
}

/* Lists and limits */

static int count_visit(const SplitMember *member, void *userdata) {
        g_string_append_printf(userdata, "%d %s %s ", member->pid,
                member->selector ? member->selector->value : "-", member->executable + 17);
        return 0;
}

static int stop_visit(const SplitMember *member, void *userdata) {
        (*(unsigned *)userdata)++;
        return -E2BIG;
}

static void test_list(void) {
        g_autoptr(SplitWorld) w = world_of_two_users();
        g_autoptr(GString) visited = g_string_new("");
        unsigned n = 0;

        g_assert_cmpint(
                split_world_add_selector(w, "cgroup", UNIT, BOOT, /* permanent= */ false), ==, 0);
        g_assert_cmpint(
                split_world_add_selector(w, "cgroup", "system.slice", BOOT, /* permanent= */ false),
                ==, 0);
        (void)fake_processes_make_group(&w->system, "system.slice");
        split_controller_on_group(w->controller,
                fake_processes_find_group(&w->system, "system.slice"), /* gone= */ false);
        g_assert_cmpint(split_controller_list(w->controller, count_visit, visited), ==, 0);
        g_assert_cmpstr(visited->str, ==,
                "100 - 100 104 - 104 102 - 102 101 system.slice 101 103 system.slice 103 ");
        g_assert_cmpuint(split_controller_count(w->controller), ==, 5);
        g_assert_cmpint(split_controller_list(w->controller, stop_visit, &n), ==, -E2BIG);
        g_assert_cmpuint(n, ==, 1);
}

static void test_limit(void) {
        g_autoptr(SplitWorld) w = split_world_new();
        SplitEnd end;

        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        for (int i = 1; i < SPLIT_PROCESSES_PER_USER_MAX; i++)
                fake_processes_start(&w->system, 10000 + i, 100, ALICE, UNIT);
        fake_processes_start(&w->system, 200, 1, ALICE, UNIT);
        fake_processes_start(&w->system, 201, 1, BOB, UNIT);
        g_assert_cmpint(split_world_exclude(w, 200, BOOT, &end), ==, -EPERM);
        g_assert_cmpint(end.why.code, ==, REFUSAL_LIMITS_EXCEEDED);
        g_assert_nonnull(strstr(end.why.text, "user 1000 would have more than 4096"));
        g_assert_cmpint(split_world_exclude(w, 201, split_world_owner(BOB, ""), &end), ==, 0);

        fake_processes_end(&w->system, 10001);
        g_assert_cmpint(split_world_exclude(w, 200, BOOT, &end), ==, 0);
}

/* Calls that are not answered yet: none of them is in a group. */
static void test_limit_counts_calls(void) {
        g_autoptr(SplitWorld) w = split_world_new();
        SplitEnd ends[3];

        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &ends[0]), ==, 0);
        for (int i = 2; i < SPLIT_PROCESSES_PER_USER_MAX; i++)
                fake_processes_start(&w->system, 10000 + i, 100, ALICE, UNIT);
        for (int i = 0; i < 3; i++)
                fake_processes_start(&w->system, 200 + i, 1, i == 2 ? BOB : ALICE, UNIT);
        for (int i = 0; i < 3; i++) {
                Owner owner = split_world_owner(i == 2 ? BOB : ALICE, "");

                g_assert_cmpint(split_world_submit(w, 200 + i, owner, false, SPLIT_SOCKETS_KEEP,
                                        true, &ends[i]),
                        ==, i == 1 ? -EPERM : 0);
        }
        split_world_run(w);
        g_assert_cmpint(ends[0].result, ==, 0);
        g_assert_cmpint(ends[2].result, ==, 0);
        g_assert_true(split_world_is_out(w, 200));
        g_assert_false(split_world_is_out(w, 201));
        g_assert_cmpuint(
                split_controller_count(w->controller), ==, SPLIT_PROCESSES_PER_USER_MAX + 1);
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "process-comes-back", test_back },
                { "clear-is-one-users-or-all", test_clear },
                { "failing-clear-says-who", test_clear_fails },
                { "list-visits-each-process-once", test_list },
                { "processes-are-limited-by-user", test_limit },
                { "limit-counts-calls-that-are-under-way", test_limit_counts_calls },
        };

        return CASES_MAIN(argc, argv, "/split-members/", tests);
}
