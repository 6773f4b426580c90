// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "tests/lib/cases.h"
#include "tests/unit/engine-world.h"

/* Restarts */

/* As SIGKILL: the kernel and the file stay as they are. */
static void restart(EngineWorld *w) {
        (void)engine_free(w->engine);
        fake_backend_reset_counts(&w->kernel);
        engine_world_start(w);
        engine_world_run(w);
}

static void test_restart(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        engine_world_have_route(w, "8.8.8.8/32");
        restart(w);
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_cmpuint(engine_intent(w->engine)->routes.n, ==, 1);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 0);
}

static void test_restart_half_applied(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        engine_world_have_route(w, "8.8.8.8/32");
        fake_backend_lose(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT));
        make_put(&w->kernel.facts, make_by_eth0("6.6.6.6/32"));
        restart(w);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->kernel.operations.n, ==, 2);
}

static void test_restart_without_file(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        g_assert_cmpint(g_unlink(w->state_path), ==, 0);
        restart(w);
        g_assert_cmpstr(engine_intent(w->engine)->tunnel.device, ==, "wg0");
        g_assert_true(engine_intent(w->engine)->tunnel.fail_closed);
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_true(g_file_test(w->state_path, G_FILE_TEST_EXISTS));

        g_assert_true(g_file_set_contents(w->state_path, "garbage\n", -1, NULL));
        restart(w);
        g_assert_cmpstr(engine_intent(w->engine)->tunnel.device, ==, "wg0");
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
}

/* Killed between what it did and the saving of it, or with no room to save. */
static void test_restart_with_older_file(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        g_autofree char *older = NULL;
        size_t n_bypass;

        engine_world_have_route(w, "8.8.8.8/32");
        g_assert_true(g_file_get_contents(w->state_path, &older, NULL, NULL));
        engine_world_have_tunnel(w);
        n_bypass = engine_intent(w->engine)->tunnel.bypass.n;
        g_assert_true(g_file_set_contents(w->state_path, older, -1, NULL));
        restart(w);
        g_assert_cmpstr(engine_intent(w->engine)->tunnel.device, ==, "wg0");
        g_assert_true(engine_intent(w->engine)->tunnel.fail_closed);
        g_assert_cmpuint(engine_intent(w->engine)->tunnel.bypass.n, ==, n_bypass);
        g_assert_cmpuint(engine_intent(w->engine)->routes.n, ==, 1);
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_restart_without_anything(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        engine_world_have_route(w, "8.8.8.8/32");
        g_assert_cmpint(g_unlink(w->state_path), ==, 0);
        fake_backend_remove_link(&w->kernel, 4);
        restart(w);
        g_assert_cmpint(engine_tunnel_family(w->engine, AF_INET), ==, TUNNEL_FAMILY_BLOCKED);
        g_assert_true(fake_backend_has(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT)));
        g_assert_true(engine_world_is_as_wanted(w));
}

/* Its routes, and what it wants of ours, are left as they are. */
static void test_other_instance(void) {
        g_autoptr(EngineWorld) w = engine_world_prepare();
        EngineConfig config = { .ours = OURS_DEFAULT, .other_instance = "talpidd (pid 7)" };
        const Conflict *conflict;
        EngineOutcome outcome;

        make_put(&w->kernel.facts, make_our_rule(AF_INET, &OURS_DEFAULT));
        g_assert_cmpint(engine_new(w->event, &config, &w->engine), ==, 0);
        g_assert_cmpint(engine_add_backend(w->engine, &w->kernel.backend), ==, 0);
        g_assert_cmpint(engine_start(w->engine), ==, 0);

        engine_world_submit_route(w, "11.0.0.0/32", &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_OTHER_INSTANCE);
        g_assert_nonnull(strstr(outcome.why.text, "talpidd (pid 7)"));
        engine_world_submit_kind(
                w, INTENT_DROP_CLIENT, (Owner){ .uid = 1000, .name = ":1.5" }, &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(engine_refresh(w->engine, engine_outcome_on_done, &outcome), ==, 0);
        RUN_UNTIL(w, outcome.n > 1);

        g_assert_true(fake_backend_has(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT)));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_DEGRADED);
        g_assert_cmpuint(engine_conflicts(w->engine)->n, ==, 1);
        conflict = array_at(engine_conflicts(w->engine), 0);
        g_assert_cmpstr(conflict->kind, ==, "instance");
        g_assert_cmpstr(conflict->owner, ==, "talpidd (pid 7)");
        g_assert_true(engine_world_is_idle(w));
}

static void test_start_fails(void) {
        g_autoptr(EngineWorld) w = engine_world_prepare();

        w->kernel.resync_error = -EACCES;
        g_assert_cmpint(
                engine_new(w->event, &(EngineConfig){ .ours = OURS_DEFAULT }, &w->engine), ==, 0);
        g_assert_cmpint(engine_add_backend(w->engine, &w->kernel.backend), ==, 0);
        g_assert_cmpint(engine_start(w->engine), ==, -EACCES);
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "a-restart-is-silent", test_restart },
                { "a-restart-puts-right-what-is-half-applied", test_restart_half_applied },
                { "without-its-file-the-tunnel-is-adopted", test_restart_without_file },
                { "with-an-older-file-the-tunnel-is-adopted", test_restart_with_older_file },
                { "without-file-and-device-it-stays-closed", test_restart_without_anything },
                { "beside-another-instance-nothing-is-changed", test_other_instance },
                { "start-fails-when-nothing-can-be-read", test_start_fails },
        };

        return CASES_MAIN(argc, argv, "/engine/", tests);
}
