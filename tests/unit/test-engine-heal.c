// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/heal.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/lib/cases.h"
#include "tests/unit/engine-world.h"

/* Healing */

static void test_healed(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), (uint32_t)getpid());
        engine_world_run(w);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_nonnull(strstr(w->culprit, "test-engine"));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
}

static void test_culprit_name(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        g_assert_cmpint(prctl(PR_SET_NAME, "\xff evil\n\x1b"), ==, 0);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), (uint32_t)getpid());
        g_assert_cmpint(prctl(PR_SET_NAME, "test-engine"), ==, 0);
        engine_world_run(w);
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_true(g_str_is_ascii(w->culprit));
        for (const char *c = w->culprit; *c; c++)
                g_assert_true(g_ascii_isprint(*c));
}

static void test_culprit_among_others(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), 0);
        fake_backend_take_slot(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.9"),
                (uint32_t)getpid());
        engine_world_run(w);
        g_assert_cmpstr(w->culprit, ==, "kernel");
}

static void test_slot_taken(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_route(w, "8.8.8.8/32");
        fake_backend_take_slot(
                &w->kernel, make_route(MAIN, "8.8.8.8/32", 5, 3, "10.1.0.1"), (uint32_t)getpid());
        engine_world_run(w);
        g_assert_true(fake_backend_has(&w->kernel, make_by_eth0("8.8.8.8/32")));
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_nonnull(strstr(w->culprit, "test-engine"));
}

static void test_flush(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        gint64 start;
        EngineOutcome outcome;

        engine_world_submit_many(w, 10000, &outcome);
        engine_world_expect_granted(w, &outcome);
        start = g_get_monotonic_time();
        for (size_t i = w->kernel.facts.facts.n; i > 0; i--) {
                Fact fact = *(Fact *)array_at(&w->kernel.facts.facts, i - 1);

                if (fact_is_ours(&fact))
                        fake_backend_remove(&w->kernel, fact, (uint32_t)getpid());
        }
        engine_world_run(w);
        g_test_message("10,000 routes flushed and healed: %" G_GINT64_FORMAT " us",
                g_get_monotonic_time() - start);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 10000);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
}

/* Somebody removes the rule whenever it is there, until the fight is on. */
static void fight(EngineWorld *w) {
        Fact rule = make_our_rule(AF_INET, &OURS_DEFAULT);

        for (unsigned i = 0; i < 2 * HEAL_BURST && fake_backend_has(&w->kernel, rule); i++) {
                fake_backend_remove(&w->kernel, rule, (uint32_t)getpid());
                engine_world_run(w);
        }
        g_assert_false(fake_backend_has(&w->kernel, rule));
}

static void test_lost_fight(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        const Conflict *conflict;
        size_t n;

        engine_world_have_tunnel(w);
        fight(w);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_DEGRADED);
        g_assert_nonnull(strstr(engine_state_reason(w->engine), "rule"));
        g_assert_nonnull(strstr(engine_state_reason(w->engine), "test-engine"));
        g_assert_cmpuint(engine_conflicts(w->engine)->n, ==, 1);
        g_assert_cmpuint(w->n_conflicts, ==, 1);
        conflict = array_at(engine_conflicts(w->engine), 0);
        g_assert_cmpstr(conflict->kind, ==, "fight");

        /* No loop: nothing is tried until the pause is over, whatever happens. */
        n = w->kernel.operations.n;
        for (uint8_t i = 0; i < 50; i++) {
                fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.1", i), 0);
                engine_world_run(w);
        }
        g_assert_cmpuint(w->kernel.operations.n, ==, n);
        RUN_UNTIL(w, engine_world_is_as_wanted(w));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_DEGRADED);
}

static void test_request_during_fight(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact taken = make_route(MAIN, "8.8.8.8/32", 5, 3, "10.1.0.1");
        EngineOutcome outcome;

        engine_world_have_route(w, "8.8.8.8/32");
        for (unsigned i = 0; i < HEAL_BURST + 2; i++) {
                fake_backend_take_slot(&w->kernel, taken, (uint32_t)getpid());
                engine_world_run(w);
        }
        g_assert_true(fake_backend_has(&w->kernel, taken));
        engine_world_submit_route(w, "9.9.9.9/32", &outcome);
        engine_world_expect_granted(w, &outcome);
        g_assert_true(fake_backend_has(&w->kernel, taken));
}

static void test_refresh_ends_fight(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome = { 0 };

        engine_world_have_tunnel(w);
        fight(w);
        g_assert_cmpint(engine_refresh(w->engine, engine_outcome_on_done, &outcome), ==, 0);
        engine_world_expect_granted(w, &outcome);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        g_assert_cmpuint(engine_conflicts(w->engine)->n, ==, 0);
}

static void test_refresh_finds_losses(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome = { 0 };

        engine_world_have_tunnel(w);
        fake_backend_lose(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT));
        g_assert_cmpint(engine_refresh(w->engine, engine_outcome_on_done, &outcome), ==, 0);
        engine_world_expect_granted(w, &outcome);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_cmpstr(w->culprit, ==, "unknown");

        outcome.n = 0;
        w->kernel.resync_error = -EIO;
        g_assert_cmpint(engine_refresh(w->engine, engine_outcome_on_done, &outcome), ==, 0);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EIO);
}

/* Faults */

static void test_lasting_failure(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact moved = make_by_wlan0("8.8.8.8/32");
        EngineOutcome outcome;

        engine_world_have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, &moved, -EINVAL, "No way", 1000);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        engine_world_run(w);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE); /* may be a race */
        RUN_UNTIL(w, engine_state(w->engine) == ENGINE_DEGRADED);
        g_assert_nonnull(strstr(engine_state_reason(w->engine), "No way"));

        /* What fails has nothing to do with other requests. */
        engine_world_submit_tunnel(w, "wg0", &outcome);
        engine_world_expect_granted(w, &outcome);
}

static void test_pause_is_not_shortened(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact moved = make_by_wlan0("8.8.8.8/32");

        engine_world_have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, &moved, -EINVAL, "No way", 12);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        /* Events that have nothing to do with it do not let the pause grow. */
        for (uint8_t i = 0; i < 11; i++) {
                fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.7", i), 0);
                engine_world_run(w);
        }
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        RUN_UNTIL(w, engine_world_is_as_wanted(w));
}

static void test_failure_goes_with_route(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact moved = make_by_wlan0("8.8.8.8/32");
        EngineOutcome outcome;

        engine_world_have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, &moved, -EINVAL, "No way", 1000);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        RUN_UNTIL(w, engine_state(w->engine) == ENGINE_DEGRADED);
        engine_world_submit_kind(w, INTENT_CLEAR_ROUTES, (Owner){ .uid = 1000 }, &outcome);
        engine_world_expect_granted(w, &outcome);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_IDLE);
}

static void test_many_failures(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;
        gint64 start;

        engine_world_submit_many(w, 10000, &outcome);
        engine_world_expect_granted(w, &outcome);
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, NULL, -EINVAL, "No way", 1000000);
        start = g_get_monotonic_time();
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        engine_world_run(w);
        fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.7", 1), 0);
        engine_world_run(w);
        g_test_message("two turns of 10,000 failures: %" G_GINT64_FORMAT " us",
                g_get_monotonic_time() - start);
        w->kernel.refusals.n = 0;
        RUN_UNTIL(w, engine_world_is_as_wanted(w));
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "what-others-undo-is-healed", test_healed },
                { "a-culprit-has-a-plain-name", test_culprit_name },
                { "a-culprit-is-who-undid-ours", test_culprit_among_others },
                { "a-taken-slot-is-taken-back", test_slot_taken },
                { "ten-thousand-losses-are-healed-at-once", test_flush },
                { "a-lost-fight-ends-degraded", test_lost_fight },
                { "a-fight-refuses-no-other-request", test_request_during_fight },
                { "refresh-ends-a-fight", test_refresh_ends_fight },
                { "refresh-finds-what-was-not-reported", test_refresh_finds_losses },
                { "a-lasting-failure-ends-degraded", test_lasting_failure },
                { "events-do-not-stretch-a-retry", test_pause_is_not_shortened },
                { "a-failure-goes-with-its-route", test_failure_goes_with_route },
                { "ten-thousand-failures-cost-little", test_many_failures },
        };

        return CASES_MAIN(argc, argv, "/engine/", tests);
}
