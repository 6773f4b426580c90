// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine.h"

#include "tests/lib/cases.h"
#include "tests/unit/engine-world.h"

/* Default routes */

static void test_ten_thousand_move(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        gint64 start, added, moved, healed;
        EngineOutcome outcome;

        start = g_get_monotonic_time();
        engine_world_submit_many(w, 10000, &outcome);
        engine_world_expect_granted(w, &outcome);
        added = g_get_monotonic_time() - start;
        g_assert_cmpuint(engine_world_n_ours(w), ==, 10000);
        fake_backend_reset_counts(&w->kernel);

        start = g_get_monotonic_time();
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        engine_world_run(w);
        moved = g_get_monotonic_time() - start;
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->kernel.operations.n, ==, 10000);
        g_assert_cmpuint(w->kernel.n_applies, <=, 10);

        start = g_get_monotonic_time();
        fake_backend_add(&w->kernel, make_neighbour(9, "10.1.0.1", 1), 0);
        engine_world_run(w);
        healed = g_get_monotonic_time() - start;
        g_test_message("10,000 routes: added %" G_GINT64_FORMAT " us, moved %" G_GINT64_FORMAT
                       " us, empty turn %" G_GINT64_FORMAT " us",
                added, moved, healed);
        g_assert_cmpuint(w->kernel.operations.n, ==, 10000);
}

static void test_ten_thousand_around(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        engine_world_have_tunnel(w);
        engine_world_submit_many(w, 10000, &outcome);
        engine_world_expect_granted(w, &outcome);
        fake_backend_reset_counts(&w->kernel);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        engine_world_run(w);
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_wait_and_come_back(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"), 0);
        engine_world_have_route(w, "8.8.8.8/32");
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        engine_world_run(w);
        g_assert_cmpuint(engine_world_n_ours(w), ==, 0);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        engine_world_submit_route(w, "9.9.9.9/32", &outcome);
        engine_world_expect_granted(w, &outcome);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 3, "10.1.0.1"), 0);
        engine_world_run(w);
        g_assert_cmpuint(engine_world_n_ours(w), ==, 2);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_default_gone(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"), 0);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        engine_world_run(w);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        RUN_UNTIL(w, w->n_defaults > 0);
        g_assert_cmpstr(w->reason, ==, "removed");
        g_assert_false(engine_default_route(w->engine, AF_INET)->present);
}

/* What came and went in sleep was never told; what is wanted was kept in order. */
static void test_asleep(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        engine_world_have_tunnel(w);
        engine_world_submit_wanted(w, make_symbolic(MAIN, "8.8.8.8/32", 5), &outcome);
        engine_world_expect_granted(w, &outcome);
        engine_set_asleep(w->engine, true);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"), 0);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), 0);
        engine_world_run(w);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.7"), 0);
        engine_world_run(w);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        g_assert_cmpstr(engine_default_route(w->engine, AF_INET)->device, ==, "eth0");

        /* What is true was not even reported. */
        fake_backend_lose(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.7"));
        make_put(&w->kernel.facts, make_route(MAIN, "0.0.0.0/0", 60, 3, "10.1.0.8"));
        engine_set_asleep(w->engine, false);
        engine_world_run(w);
        g_assert_cmpuint(w->n_defaults, ==, 1);
        g_assert_cmpuint(w->before.route.metric, ==, 100);
        g_assert_cmpuint(w->now.route.metric, ==, 60);
        g_assert_true(engine_world_is_as_wanted(w));
}

/* Nobody is told of what could not be read. */
static void test_wakes_blind(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_set_asleep(w->engine, true);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        engine_world_run(w);
        w->kernel.resync_error = -EBUSY;
        engine_set_asleep(w->engine, false);
        engine_world_run(w);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        w->kernel.resync_error = 0;
        RUN_UNTIL(w, w->n_defaults > 0);
        g_assert_cmpuint(w->now.route.metric, ==, 600);
}

static void test_default_of_our_own(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        engine_world_have_route(w, "8.8.8.8/32");
        engine_world_submit_wanted(
                w, make_wanted(MAIN, "0.0.0.0/0", 1, "10.1.0.9", "wlan0"), &outcome);
        engine_world_expect_granted(w, &outcome);
        g_assert_true(
                fake_backend_has(&w->kernel, make_our_route(MAIN, "8.8.8.8/32", 5, 3, "10.1.0.9")));
        g_assert_cmpuint(w->n_defaults, ==, 1);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_lookup(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        g_assert_cmpuint(w->kernel.n_lookups, ==, 1);
        fake_backend_add(&w->kernel, make_neighbour(2, "192.168.1.1", 3), 0);
        engine_world_run(w);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        g_assert_cmpuint(w->mask, ==, ENGINE_PROPERTY_DEFAULT_ROUTE4);
        g_assert_cmpuint(engine_default_route(w->engine, AF_INET)->gateway_mac.bytes[5], ==, 3);
        g_assert_cmpuint(w->kernel.n_lookups, ==, 1);
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "ten-thousand-move-in-one-batch", test_ten_thousand_move },
                { "around-a-tunnel-a-default-change-costs-nothing", test_ten_thousand_around },
                { "symbolic-routes-wait-and-come-back", test_wait_and_come_back },
                { "a-default-that-went-is-told-later", test_default_gone },
                { "nothing-is-told-in-sleep-and-the-truth-after-it", test_asleep },
                { "after-sleep-nothing-is-told-before-it-is-read", test_wakes_blind },
                { "a-default-of-our-own-is-followed", test_default_of_our_own },
                { "gateway-is-looked-up-once", test_lookup },
        };

        return CASES_MAIN(argc, argv, "/engine/", tests);
}
