// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <string.h>

#include "tests/unit/split-world.h"

#include "tests/lib/cases.h"

#define BOOT split_world_owner(ALICE, "")
#define CLIENT split_world_owner(ALICE, ":1.5")
#define OTHER_UNIT "user.slice/b.service"
#define OTHER_OURS OTHER_UNIT "/" FAKE_OURS

static SplitWorld *world_with_process(void) {
        SplitWorld *w = split_world_new();

        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        return w;
}

/* Taking out */

static void test_marked_first(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        split_world_assert_log(w, "prepare 100 "); /* nobody moved yet */
        g_assert_false(split_world_is_out(w, 100));
        split_world_run(w); /* split_world_free() sees that the mark was there */
        split_world_assert_log(w, "prepare 100 exclude 100 ");
        g_assert_cmpint(end.result, ==, 0);
        g_assert_cmpuint(end.answer.n_moved, ==, 1);
        g_assert_cmpstr(end.answer.group, ==, OURS);
        g_assert_true(split_world_is_out(w, 100));
        g_assert_true(split_world_is_marked(w, OURS));
        split_world_assert_told(w, "excluded 100 ");
}

static void test_out_already(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        split_world_assert_told(w, "excluded 100 ");
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        g_assert_cmpuint(end.answer.n_moved, ==, 0);
        g_assert_cmpstr(end.answer.group, ==, OURS);
        split_world_assert_told(w, "");
}

/* A child in the same unit, one in another, and somebody who is no child. */
static SplitWorld *world_with_family(void) {
        SplitWorld *w = world_with_process();

        fake_processes_start(&w->system, 101, 100, ALICE, UNIT);
        fake_processes_start(&w->system, 102, 101, ALICE, OTHER_UNIT);
        fake_processes_start(&w->system, 103, 1, ALICE, UNIT);
        return w;
}

static void test_children(void) {
        g_autoptr(SplitWorld) w = world_with_family();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        split_world_run(w);
        g_assert_cmpuint(end.answer.n_moved, ==, 3);
        g_assert_cmpstr(end.answer.group, ==, OURS);
        g_assert_true(split_world_is_out(w, 101));
        g_assert_true(split_world_is_out(w, 102));
        g_assert_false(split_world_is_out(w, 103));
        g_assert_true(split_world_is_marked(w, OURS));
        g_assert_true(split_world_is_marked(w, OTHER_OURS));
        split_world_assert_told(w, "excluded 100 ");

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, false, &end), ==, 0);
        split_world_run(w);
        g_assert_cmpuint(end.answer.n_moved, ==, 3);
        split_world_assert_untouched(w);
}

static void test_alone(void) {
        g_autoptr(SplitWorld) w = world_with_family();
        SplitEnd end;

        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        g_assert_cmpuint(end.answer.n_moved, ==, 1);
        g_assert_false(split_world_is_out(w, 101));
        fake_processes_start(&w->system, 104, 100, ALICE, UNIT);
        g_assert_true(split_world_is_out(w, 104)); /* to come */
        g_assert_cmpuint(split_controller_count(w->controller), ==, 2);
}

/* A child that is found when the others are marked. */
static void test_found_later(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        fake_processes_start(&w->system, 102, 100, ALICE, OTHER_UNIT);
        split_world_run(w); /* split_world_free() sees that the mark was there */
        g_assert_cmpuint(end.answer.n_moved, ==, 2);
        g_assert_true(split_world_is_marked(w, OTHER_OURS));
        g_assert_nonnull(split_world_wanted_group(w, OTHER_OURS));
}

/* A child that goes to another unit while it is moved. */
static void go_elsewhere(const GroupPlace *place, void *userdata) {
        SplitWorld *w = userdata;
        FakeProcess *child = fake_processes_find(&w->system, 102);

        (void)g_strlcpy(child->unit, OTHER_UNIT, sizeof(child->unit));
}

static SplitWorld *world_with_restless_child(void) {
        SplitWorld *w = world_with_process();

        fake_processes_start(&w->system, 102, 100, ALICE, UNIT);
        w->system.before_move = go_elsewhere; /* nobody could know that group before */
        return w;
}

static void test_late_group(void) {
        g_autoptr(SplitWorld) w = world_with_restless_child();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        split_world_run(w);
        g_assert_cmpuint(end.answer.n_moved, ==, 2);
        g_assert_true(split_world_is_marked(w, OTHER_OURS));
        g_assert_nonnull(split_world_wanted_group(w, OTHER_OURS));
}

static void refuse_mark(SplitWorld *w, uint64_t id) {
        fake_backend_refuse(&w->kernel, OPERATION_ADD,
                &(Fact){ .kind = FACT_MARKED_GROUP,
                        .marked_group = { .id = id,
                                .level = 3,
                                .mark = OURS_DEFAULT_MARK,
                                .mask = OURS_DEFAULT_MARK_MASK } },
                -ENOSPC, "no room for the program", 100);
}

static void test_late_mark_fails(void) {
        g_autoptr(SplitWorld) w = world_with_restless_child();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        refuse_mark(w, w->system.last_id + 1);
        split_world_run(w);
        g_assert_cmpint(end.result, ==, -EPERM);
        g_assert_nonnull(strstr(end.why.text, "no room for the program"));
        split_world_assert_untouched(w);
}

/* Groups that go before they are used */

static void remove_ours(SplitWorld *w, bool is_told) {
        const GroupPlace place = *fake_processes_find_group(&w->system, OURS);

        fake_processes_remove_group(&w->system, OURS);
        if (is_told)
                split_controller_on_group(w->controller, &place, /* gone= */ true);
}

static void test_goes_before_move(void) {
        for (int is_told = 0; is_told < 2; is_told++) {
                g_autoptr(SplitWorld) w = world_with_family();
                SplitEnd end;

                g_assert_cmpint(
                        split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, true, &end), ==,
                        0);
                remove_ours(w, is_told);
                split_world_run(w); /* split_world_free() sees that the mark was there */
                g_assert_cmpint(end.result, ==, 0);
                g_assert_cmpuint(end.answer.n_moved, ==, 3);
                g_assert_true(split_world_is_marked(w, OURS));
                g_assert_nonnull(split_world_wanted_group(w, OURS));
                split_world_assert_told(w, "excluded 100 ");
        }
}

/* What is gone cannot be marked. */
static void test_goes_under_mark(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        refuse_mark(w, fake_processes_find_group(&w->system, OURS)->id);
        remove_ours(w, /* is_told= */ false);
        split_world_run(w);
        g_assert_cmpint(end.result, ==, 0);
        g_assert_cmpuint(end.n, ==, 1);
        g_assert_true(split_world_is_marked(w, OURS));
}

/* Somebody who removes it each time does not keep the service busy for ever. */
static void test_goes_each_time(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end = { .n = 0 };
        unsigned n_removed = 0;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        while (end.n == 0) {
                if (fake_processes_find_group(&w->system, OURS) && !split_world_is_out(w, 100)) {
                        remove_ours(w, /* is_told= */ false);
                        g_assert_cmpuint(++n_removed, <, 100);
                }
                g_assert_cmpint(sd_event_run(w->event, 0), >, 0);
        }
        split_world_run(w);
        g_assert_cmpint(end.result, ==, 0);
        g_assert_true(split_world_is_out(w, 100));
        g_assert_true(split_world_is_marked(w, OURS));
        g_assert_cmpuint(n_removed, >, 1);
        w->n_unmarked_moves = 0; /* then it is moved first, and marked a turn later */
}

/* Refusals */

static void test_never(void) {
        static const struct {
                pid_t pid;
                bool is_kernel_thread;
                const char *says;
        } cases[] = {
                { 1, false, "process 1 is the init process" },
                { 0, false, "is this service" },
                { 7, true, "process 7 is a thread of the kernel" },
        };
        g_autoptr(SplitWorld) w = split_world_new();
        SplitEnd end;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                pid_t pid = cases[i].pid ? cases[i].pid : getpid();

                fake_processes_start(&w->system, pid, 0, 0, UNIT);
                fake_processes_find(&w->system, pid)->process.is_kernel_thread =
                        cases[i].is_kernel_thread;
                g_assert_cmpint(split_world_exclude(w, pid, BOOT, &end), ==, -EPERM);
                g_assert_cmpint(end.why.code, ==, REFUSAL_INVALID_ARGS);
                g_assert_nonnull(strstr(end.why.text, cases[i].says));
        }
        split_world_assert_log(w, "");
        split_world_assert_untouched(w);
}

static void test_no_mechanism(void) {
        g_autoptr(SplitWorld) w = split_world_prepare();
        SplitEnd end = { 0 };

        w->config.processes = NULL;
        w->config.mechanism = "none";
        w->config.reason = "the sky is too low";
        split_world_start(w);
        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, i, &end),
                        ==, -EPERM);
                g_assert_cmpint(end.why.code, ==, REFUSAL_BACKEND_UNAVAILABLE);
                g_assert_nonnull(strstr(end.why.text, "the sky is too low"));
        }
        g_assert_cmpuint(split_controller_count(w->controller), ==, 0);
        g_assert_false(split_controller_is_available(w->controller));
        split_world_assert_untouched(w);
}

/* Each step fails in each way: who it was is said, and nothing is half done. */

static const struct {
        int error;
        const char *text;
        RefusalCode code;
        const char *says;
} faults[] = {
        { -ESRCH, "", REFUSAL_PROCESS_GONE, "process 100 ended meanwhile" },
        { -EOPNOTSUPP, "its group is threaded", REFUSAL_NOT_SUPPORTED,
                "process 100: its group is threaded" },
        { -EPERM, "", REFUSAL_NOT_SUPPORTED, "process 100: Operation not permitted" },
        { -EXDEV, "it is elsewhere", REFUSAL_NOT_SUPPORTED, "process 100: it is elsewhere" },
        { -EROFS, "mounted read-only", REFUSAL_BACKEND_UNAVAILABLE,
                "process 100: mounted read-only" },
        { -EBUSY, "", REFUSAL_BACKEND_UNAVAILABLE, "process 100: Device or resource busy" },
};

static void test_step_fails(FakeStep step, bool children, unsigned n_moved) {
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
                g_autoptr(SplitWorld) w = world_with_family();
                SplitEnd end;
                int r;

                split_world_fail(w, step, faults[i].error, faults[i].text);
                w->system.n_moved_at_fault = n_moved;
                r = split_world_submit(w, 100, CLIENT, children, SPLIT_SOCKETS_KEEP, true, &end);
                split_world_run(w);
                g_assert_cmpint(r < 0 ? r : end.result, ==, -EPERM);
                g_assert_cmpint(end.why.code, ==, faults[i].code);
                g_assert_cmpstr(end.why.text, ==, faults[i].says);
                split_world_assert_told(w, "");
                split_world_assert_untouched(w);
        }
}

static void test_prepare_fails(void) {
        test_step_fails(FAKE_PREPARE, /* children= */ true, 0);
}

static void test_exclude_fails(void) {
        test_step_fails(FAKE_EXCLUDE, /* children= */ false, 0);
}

static void test_exclude_half(void) {
        test_step_fails(FAKE_EXCLUDE, /* children= */ true, 1);
        test_step_fails(FAKE_EXCLUDE, /* children= */ true, 2);
}

static void test_no_memory(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        split_world_fail(w, FAKE_PREPARE, -ENOMEM, "");
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, -ENOMEM);
        split_world_fail(w, FAKE_PREPARE, 0, "");
        split_world_fail(w, FAKE_EXCLUDE, -ENOMEM, "");
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, -ENOMEM);
        split_world_assert_untouched(w);
}

/* The kernel takes the mark of the n-th group no more. */
static void test_mark_fails(void) {
        for (size_t refused = 0; refused < 2; refused++) {
                g_autoptr(SplitWorld) w = world_with_family();
                const GroupPlace *place;
                SplitEnd end;

                g_assert_cmpint(
                        split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, true, &end), ==,
                        0);
                place = fake_processes_find_group(&w->system, refused ? OTHER_OURS : OURS);
                refuse_mark(w, place->id);
                split_world_run(w);
                g_assert_cmpuint(end.n, ==, 1);
                g_assert_cmpint(end.result, <, 0);
                g_assert_nonnull(strstr(end.why.text, "no room for the program"));
                split_world_assert_told(w, "");
                split_world_assert_untouched(w);
        }
}

static void test_process_ends(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        fake_processes_end(&w->system, 100);
        split_world_run(w);
        g_assert_cmpint(end.result, ==, -EPERM);
        g_assert_cmpint(end.why.code, ==, REFUSAL_PROCESS_GONE);
        split_world_assert_untouched(w);
}

static void test_sweep_fails(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        split_world_fail(w, FAKE_SWEEP, -EPERM, "CAP_SYS_PTRACE is missing");
        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_RESET, true, &end), ==, 0);
        split_world_run(w);
        g_assert_cmpint(end.result, ==, 0);
        g_assert_true(split_world_is_out(w, 100));
}

static void test_include_fails(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
                g_autoptr(SplitWorld) w = world_with_process();
                SplitEnd end;

                g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
                split_world_assert_told(w, "excluded 100 ");
                split_world_fail(w, FAKE_INCLUDE, faults[i].error, faults[i].text);
                g_assert_cmpint(split_world_include(w, 100, &end), ==, -EPERM);
                g_assert_cmpint(end.why.code, ==, faults[i].code);
                g_assert_cmpstr(end.why.text, ==, faults[i].says);
                g_assert_true(split_world_is_marked(w, OURS)); /* who is out stays out whole */
                split_world_assert_told(w, "");
        }
}

/* Two at once */

static void test_two_in_one_group(void) {
        g_autoptr(SplitWorld) w = world_with_family();
        SplitEnd first, second;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &first), ==, 0);
        g_assert_cmpint(
                split_world_submit(w, 103, BOOT, false, SPLIT_SOCKETS_KEEP, true, &second), ==, 0);
        g_assert_cmpuint(split_controller_n_requests(w->controller), ==, 2);
        fake_processes_end(&w->system, 100);
        split_world_run(w);
        g_assert_cmpint(first.result, ==, -EPERM);
        g_assert_cmpint(second.result, ==, 0);
        g_assert_true(split_world_is_out(w, 103));
        g_assert_true(split_world_is_marked(w, OURS));
}

static void test_stop_with_requests(void) {
        g_autoptr(SplitWorld) w = world_with_family();
        SplitEnd first, second;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_RESET, true, &first), ==, 0);
        g_assert_cmpint(
                split_world_submit(w, 103, BOOT, false, SPLIT_SOCKETS_KEEP, false, &second), ==, 0);
        split_world_stop(w);
        g_assert_cmpuint(first.n + second.n, ==, 0);
}

/* Open sockets */

static void set_tunnel(SplitWorld *w) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_SET_TUNNEL;
        (void)g_strlcpy(change.tunnel.device, "wg0", IFNAMSIZ);
        change.tunnel.fail_closed = true;
        g_assert_cmpint(split_world_change(w, &change), ==, 0);
}

/* The second sweep is for a socket() that was under way; it finds nothing of the first again. */
static void test_counted_once(void) {
        static const SplitSocketCounts sockets = { 5, 2, 1, 3 };
        g_autoptr(SplitWorld) w = world_with_process();

        for (int is_exclude = 1; is_exclude >= 0; is_exclude--) {
                SplitEnd end;

                w->system.sockets = sockets;
                w->system.n_sweeps = 0;
                g_assert_cmpint(split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_MIGRATE,
                                        is_exclude, &end),
                        ==, 0);
                split_world_run(w);
                g_assert_cmpuint(w->system.n_sweeps, ==, 2);
                g_assert_cmpmem(&end.answer.sockets, sizeof(sockets), &sockets, sizeof(sockets));
        }
}

static void test_sweeps(void) {
        enum { SETTLED = OURS_DEFAULT_MARK_MASK };
        static const struct {
                SplitMode mode;
                bool is_exclude, disabled;
                SplitSockets sockets;
                unsigned n_sweeps;
                uint32_t mark;
                unsigned n_old_sources; /* eth0 and wg0 have one each */
                unsigned n_old_groups;
        } cases[] = {
                { SPLIT_EXCLUDE, true, false, SPLIT_SOCKETS_KEEP, 0, 0, 0, 0 },
                { SPLIT_EXCLUDE, true, false, SPLIT_SOCKETS_MIGRATE, 2, OURS_DEFAULT_MARK, 1, 0 },
                { SPLIT_EXCLUDE, true, false, SPLIT_SOCKETS_RESET, 2, OURS_DEFAULT_MARK, 1, 0 },
                { SPLIT_EXCLUDE, true, true, SPLIT_SOCKETS_RESET, 0, 0, 0, 0 },
                { SPLIT_EXCLUDE, false, false, SPLIT_SOCKETS_RESET, 2, SETTLED, 1, 1 },
                { SPLIT_EXCLUDE, false, true, SPLIT_SOCKETS_RESET, 0, 0, 0, 0 },
                { SPLIT_INCLUDE, true, false, SPLIT_SOCKETS_RESET, 2, 0x20000000, 1, 0 },
                { SPLIT_INCLUDE, false, false, SPLIT_SOCKETS_MIGRATE, 2, SETTLED, 1, 1 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(SplitWorld) w = world_with_process();
                const SplitChange split = { .has_enabled = true,
                        .enabled = !cases[i].disabled,
                        .has_mode = true,
                        .mode = cases[i].mode };
                SplitEnd end;

                w->system.before_move = NULL; /* of marks the other tests */
                set_tunnel(w);
                g_assert_cmpint(split_world_set(w, &split), ==, 0);
                if (!cases[i].is_exclude)
                        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
                g_assert_cmpint(split_world_submit(w, 100, BOOT, false, cases[i].sockets,
                                        cases[i].is_exclude, &end),
                        ==, 0);
                split_world_run(w);
                g_assert_cmpint(end.result, ==, 0);
                g_assert_cmpuint(w->system.n_sweeps, ==, cases[i].n_sweeps);
                if (cases[i].n_sweeps == 0)
                        continue;
                g_assert_cmpint(w->system.swept.policy, ==, cases[i].sockets);
                g_assert_cmphex(w->system.swept.mark, ==, cases[i].mark);
                g_assert_cmphex(w->system.swept.mask, ==, OURS_DEFAULT_MARK_MASK);
                g_assert_cmpuint(w->system.n_old_sources, ==, cases[i].n_old_sources);
                g_assert_cmpuint(w->system.n_old_groups, ==, cases[i].n_old_groups);
        }
}

/* Who is listed already when the mode changes keeps sockets of the other one. */
static void test_mode_turns(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        static const struct {
                bool enabled;
                SplitMode mode;
                unsigned n_sweeps;
                SplitSockets policy;
                uint32_t mark;
                unsigned n_old_groups; /* of the last sweep */
        } steps[] = {
                { true, SPLIT_EXCLUDE, 0, 0, 0, 0 },
                { true, SPLIT_INCLUDE, 2, SPLIT_SOCKETS_RESET, 0x20000000, 0 },
                { true, SPLIT_INCLUDE, 0, 0, 0, 0 },
                { true, SPLIT_EXCLUDE, 2, SPLIT_SOCKETS_MIGRATE, OURS_DEFAULT_MARK, 1 },
                { false, SPLIT_INCLUDE, 0, 0, 0, 0 },
                { true, SPLIT_INCLUDE, 2, SPLIT_SOCKETS_RESET, 0x20000000, 0 },
                { false, SPLIT_INCLUDE, 0, 0, 0, 0 },
        };
        SplitEnd end;

        set_tunnel(w);
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
                const SplitChange split = { .has_enabled = true,
                        .enabled = steps[i].enabled,
                        .has_mode = true,
                        .mode = steps[i].mode };

                w->system.n_sweeps = 0;
                g_assert_cmpint(split_world_set(w, &split), ==, 0);
                split_world_run(w);
                g_assert_cmpuint(w->system.n_sweeps, ==, steps[i].n_sweeps);
                if (steps[i].n_sweeps == 0)
                        continue;
                g_assert_cmpint(w->system.swept.policy, ==, steps[i].policy);
                g_assert_cmphex(w->system.swept.mark, ==, steps[i].mark);
                g_assert_cmpuint(w->system.n_old_groups, ==, steps[i].n_old_groups);
        }
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "group-is-marked-before-the-first-process-comes", test_marked_first },
                { "who-is-out-already-is-no-error", test_out_already },
                { "children-go-along-each-below-its-own-unit", test_children },
                { "without-children-those-to-come-alone", test_alone },
                { "child-found-later-is-marked-first", test_found_later },
                { "group-that-came-late-is-marked-too", test_late_group },
                { "group-that-goes-before-the-move-is-made-anew", test_goes_before_move },
                { "group-that-goes-under-its-mark-is-made-anew", test_goes_under_mark },
                { "group-that-goes-each-time-ends-the-tries", test_goes_each_time },
                { "failing-late-mark-leaves-nothing", test_late_mark_fails },
                { "init-kernel-threads-and-this-service-are-refused", test_never },
                { "without-a-mechanism-the-reason-is-told", test_no_mechanism },
                { "failing-prepare-leaves-nothing", test_prepare_fails },
                { "failing-mark-leaves-nothing", test_mark_fails },
                { "failing-move-leaves-nothing", test_exclude_fails },
                { "half-a-tree-goes-back", test_exclude_half },
                { "without-memory-nothing-is-left", test_no_memory },
                { "process-that-ends-on-the-way-is-told-as-gone", test_process_ends },
                { "failing-sweep-is-no-failure", test_sweep_fails },
                { "failing-return-says-who", test_include_fails },
                { "failing-request-leaves-the-group-to-another", test_two_in_one_group },
                { "stop-forgets-what-is-under-way", test_stop_with_requests },
                { "sockets-are-swept-twice-and-counted-once", test_counted_once },
                { "sweep-knows-mark-and-sources-of-the-path", test_sweeps },
                { "open-sockets-follow-the-mode", test_mode_turns },
        };

        return CASES_MAIN(argc, argv, "/split-requests/", tests);
}
