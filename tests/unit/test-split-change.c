// SPDX-License-Identifier: GPL-3.0-or-later

/* Another mechanism comes into force while processes are out. */

#include <errno.h>
#include <string.h>

#include "tests/unit/split-world.h"

#include "tests/lib/cases.h"

#define BOOT split_world_owner(ALICE, "")
#define CLIENT split_world_owner(ALICE, ":1.5")

static SplitWorld *world_with_process(void) {
        SplitWorld *w = split_world_new();

        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        return w;
}

static void test_same_groups(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(split_world_exclude(w, 100, CLIENT, &end), ==, 0);
        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        (void)g_string_truncate(w->told, 0);
        split_controller_change_mechanism(
                w->controller, &w->system.processes, "nftables", "programs cannot be attached");
        split_world_assert_told(w, ""); /* from the loop alone */
        split_world_run(w);
        split_world_assert_told(w, "bpf-to-nftables active " UNIT " ");
        g_assert_cmpstr(split_controller_mechanism(w->controller), ==, "nftables");
        g_assert_true(split_world_is_out(w, 100));
        g_assert_true(split_world_is_marked(w, OURS));
        g_assert_true(split_world_is_marked(w, UNIT));
        g_assert_cmpint(split_world_drop_client(w, ":1.5"), ==, 0);
        g_assert_false(split_world_is_out(w, 100));
}

static void test_none_left(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        split_controller_change_mechanism(w->controller, NULL, "none", "the sky is too low");
        split_world_run(w);
        split_world_assert_told(w, "bpf-to-none waiting " UNIT " ");
        g_assert_false(split_controller_is_available(w->controller));
        g_assert_cmpint(split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &end), ==,
                -EPERM);
        g_assert_nonnull(strstr(end.why.text, "the sky is too low"));

        split_controller_change_mechanism(w->controller, &w->system.processes, "bpf", "");
        split_world_run(w);
        split_world_assert_told(w, "none-to-bpf active " UNIT " ");
        g_assert_true(split_world_is_marked(w, UNIT));
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
}

/* One group of the mechanism that is left may become several of the next one. */
static void test_one_becomes_two(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        FakeProcesses next;
        SplitEnd end;

        fake_processes_start(&w->system, 101, 1, ALICE, UNIT);
        g_assert_cmpint(split_world_exclude(w, 100, CLIENT, &end), ==, 0);
        g_assert_cmpint(split_world_exclude(w, 101, BOOT, &end), ==, 0);
        fake_processes_init(&next);
        next.last_id = 5000;
        fake_processes_start(&next, 100, 1, ALICE, "a");
        fake_processes_start(&next, 101, 1, ALICE, "b");
        split_controller_change_mechanism(w->controller, &next.processes, "net_cls", "why");
        split_world_run(w);
        g_assert_null(split_world_wanted_group(w, OURS));
        g_assert_nonnull(split_world_wanted_group(w, "a/" FAKE_OURS));
        g_assert_nonnull(split_world_wanted_group(w, "b/" FAKE_OURS));
        g_assert_true(fake_processes_find(&next, 100)->is_out);
        g_assert_true(fake_processes_find(&next, 101)->is_out);
        g_assert_false(split_world_is_out(w, 100)); /* nobody is left behind */
        g_assert_cmpuint(engine_groups(w->engine)->n, ==, 2);

        g_assert_cmpint(split_world_drop_client(w, ":1.5"), ==, 0);
        g_assert_true(fake_processes_find(&next, 101)->is_out);
        split_world_stop(w);
        fake_processes_clear(&next);
}

/* It falls while a request waits for its mark. */
static void test_under_request(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_RESET, true, &end), ==, 0);
        split_controller_change_mechanism(w->controller, NULL, "none", "the sky is too low");
        split_world_run(w);
        g_assert_cmpuint(end.n, ==, 1);
        g_assert_cmpint(end.result, ==, -EPERM);
        g_assert_nonnull(strstr(end.why.text, "the sky is too low"));
        g_assert_cmpuint(split_controller_n_requests(w->controller), ==, 0);
        split_world_assert_untouched(w);
}

typedef struct Falling {
        SplitWorld *w;
        unsigned n_asked;
} Falling;

/* The one below can do what the first could not. */
static bool on_failed(const Fault *fault, void *userdata) {
        Falling *falling = userdata;

        if (falling->n_asked++ > 0)
                return false;
        split_world_fail(falling->w, FAKE_PREPARE, 0, "");
        split_controller_change_mechanism(
                falling->w->controller, &falling->w->system.processes, "nftables", fault->text);
        return true;
}

static void test_falls_and_goes_on(void) {
        g_autoptr(SplitWorld) w = split_world_prepare();
        Falling falling = { .w = w };
        SplitEnd end;

        w->config.on_failed = on_failed;
        w->config.userdata = &falling;
        split_world_start(w);
        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        split_world_fail(w, FAKE_PREPARE, -EROFS, "mounted read-only");
        g_assert_cmpint(split_world_exclude(w, 100, BOOT, &end), ==, 0);
        split_world_assert_told(w, "bpf-to-nftables excluded 100 ");
        g_assert_cmpuint(falling.n_asked, ==, 1);

        split_world_fail(w, FAKE_PREPARE, -EROFS, "mounted read-only");
        fake_processes_start(&w->system, 101, 1, ALICE, "other");
        g_assert_cmpint(split_world_exclude(w, 101, BOOT, &end), ==, -EPERM);
        g_assert_cmpstr(end.why.text, ==, "process 101: mounted read-only");
        g_assert_true(split_world_is_out(w, 100));
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "same-groups-keep-their-owners-and-are-marked", test_same_groups },
                { "one-group-becomes-several-of-the-same-owners", test_one_becomes_two },
                { "without-one-the-reason-is-told-until-one-is-back", test_none_left },
                { "request-under-way-is-answered-when-none-is-left", test_under_request },
                { "request-goes-on-with-the-next-one", test_falls_and_goes_on },
        };

        return CASES_MAIN(argc, argv, "/split-change/", tests);
}
