// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/cases.h"
#include "tests/unit/engine-world.h"

/* Requests */

static void test_granted(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        g_assert_true(engine_world_is_idle(w));
        engine_world_submit_route(w, "8.8.8.8/32", &outcome);
        g_assert_false(engine_world_is_idle(w));
        engine_world_expect_granted(w, &outcome);
        g_assert_true(fake_backend_has(&w->kernel, make_by_eth0("8.8.8.8/32")));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        g_assert_cmpuint(w->n_added, ==, 1);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_turn_tells_once(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcomes[50];

        for (unsigned i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                g_autofree char *destination = g_strdup_printf("11.0.0.%u/32", i);

                engine_world_submit_route(w, destination, &outcomes[i]);
        }
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.1", 1), 0);
        RUN_UNTIL(w, outcomes[49].n > 0);
        engine_world_run(w);
        g_assert_cmpuint(w->n_properties, ==, 1);
        g_assert_cmpuint(w->n_defaults, ==, 1);
        for (unsigned i = 0; i < G_N_ELEMENTS(outcomes); i++)
                g_assert_cmpuint(outcomes[i].n, ==, 1);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_refused_by_kernel(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        engine_world_have_tunnel(w);
        fake_backend_add(&w->kernel, make_route(MAIN, "12.0.0.0/8", 5, 2, ""), 0);
        engine_world_run(w);
        engine_world_submit_wanted(w, make_wanted(MAIN, "12.0.0.0/8", 5, "", "wg0"), &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EPERM);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_ROUTE_EXISTS);
        g_assert_nonnull(strstr(outcome.why.text, "12.0.0.0/8"));
        engine_world_run(w);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
}

static void test_kernel_words(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact fact = make_by_eth0("8.8.8.8/32");
        EngineOutcome outcome;

        fake_backend_refuse(
                &w->kernel, OPERATION_ADD, &fact, -EINVAL, "Nexthop has invalid gateway", 1);
        engine_world_submit_route(w, "8.8.8.8/32", &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_INVALID_ARGS);
        g_assert_nonnull(strstr(outcome.why.text, "Nexthop has invalid gateway"));
        g_assert_true(engine_world_is_idle(w));
}

static void test_half_failed(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact unlucky = make_by_eth0("11.0.7.7/32");
        EngineOutcome outcome;

        engine_world_have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_ADD, &unlucky, -ENOMEM, "", 1);
        engine_world_submit_many(w, 5000, &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EPERM);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_BACKEND_UNAVAILABLE);
        engine_world_run(w);
        g_assert_cmpuint(engine_world_n_ours(w), ==, 1);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_undo_fails(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact unlucky = make_by_eth0("11.0.0.7/32"), stuck = make_by_eth0("11.0.0.3/32");
        EngineOutcome outcome;

        fake_backend_refuse(&w->kernel, OPERATION_ADD, &unlucky, -ENOMEM, "", 1);
        fake_backend_refuse(&w->kernel, OPERATION_REMOVE, &stuck, -EBUSY, "", 2);
        engine_world_submit_many(w, 10, &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EPERM);
        RUN_UNTIL(w, engine_world_is_as_wanted(w));
        g_assert_cmpuint(engine_world_n_ours(w), ==, 0);
}

static void test_refused_by_model(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        engine_world_submit_tunnel(w, "wg9", &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_NO_SUCH_LINK);
        g_assert_cmpuint(w->kernel.n_applies, ==, 0);
        g_assert_cmpuint(w->n_properties, ==, 0);
}

static void test_client_gone(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        engine_world_have_route(w, "8.8.8.8/32");
        engine_world_have_tunnel(w);
        engine_world_submit_kind(w, INTENT_DROP_CLIENT, (Owner){ .name = ":1.5" }, &outcome);
        engine_world_expect_granted(w, &outcome);
        g_assert_cmpuint(engine_intent(w->engine)->routes.n, ==, 0);
        g_assert_true(intent_has_tunnel(engine_intent(w->engine)));
        g_assert_true(engine_world_is_as_wanted(w));
        engine_world_submit_kind(w, INTENT_UNSET_TUNNEL, (Owner){ .uid = 1000 }, &outcome);
        engine_world_expect_granted(w, &outcome);
        g_assert_cmpuint(engine_world_n_ours(w), ==, 0);
        g_assert_true(engine_world_is_idle(w));
        g_assert_false(g_file_test(w->state_path, G_FILE_TEST_EXISTS));
}

static void test_client_gone_when_full(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        IntentChange change = INTENT_CHANGE_INIT;
        EngineOutcome outcome = { 0 };
        int r = 0;

        engine_world_have_route(w, "8.8.8.8/32");
        for (unsigned i = 0; i < 100000 && r == 0; i++) {
                change.kind = INTENT_CLEAR_ROUTES;
                change.owner = (Owner){ .uid = 7 };
                r = engine_submit(w->engine, &change, NULL, NULL);
        }
        g_assert_cmpint(r, ==, -ENOBUFS);
        change = INTENT_CHANGE_INIT;
        change.kind = INTENT_DROP_CLIENT;
        change.owner = (Owner){ .name = ":1.5" };
        g_assert_cmpint(engine_submit(w->engine, &change, engine_outcome_on_done, &outcome), ==, 0);
        engine_world_expect_granted(w, &outcome);
        g_assert_true(engine_world_is_idle(w));
}

static void test_many_requests(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        g_autofree EngineOutcome *outcomes = g_new0(EngineOutcome, 250);
        EngineOutcome outcome;
        size_t n = 0;

        engine_world_submit_many(w, 5000, &outcome);
        engine_world_expect_granted(w, &outcome);
        for (unsigned i = 0; i < 250; i++) {
                g_autofree char *destination = g_strdup_printf("12.0.0.%u/32", i);

                engine_world_submit_route(w, destination, &outcomes[i]);
        }
        RUN_UNTIL(w, outcomes[0].n > 0);
        g_assert_cmpuint(outcomes[249].n, ==, 0);
        fake_backend_lose(&w->kernel, make_by_eth0("11.0.0.0/32"));
        w->kernel.backend.sink.on_changes(
                &(FactChange){ .fact = make_by_eth0("11.0.0.0/32"), .removed = true, .author = 1 },
                1, w->engine);
        RUN_UNTIL(w, w->n_healed > 0);
        g_assert_cmpuint(outcomes[249].n, ==, 0);
        RUN_UNTIL(w, outcomes[249].n > 0);
        engine_world_run(w);
        for (unsigned i = 0; i < 250; i++)
                n += outcomes[i].n;
        g_assert_cmpuint(n, ==, 250);
        g_assert_true(engine_world_is_as_wanted(w));
}

static void test_submit_from_callback(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_route(w, "8.8.8.8/32");
        w->submit_from_callback = true;
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        RUN_UNTIL(w, fake_backend_has(&w->kernel, make_by_wlan0("7.7.7.7/32")));
        engine_world_run(w);
        g_assert_true(engine_world_is_as_wanted(w));
}

/* Tunnels */

static void test_tunnel_vanishes(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_tunnel(w);
        g_assert_true(fake_backend_has(&w->kernel, make_our_route(TABLE, "0.0.0.0/0", 1, 4, "")));
        fake_backend_remove_link(&w->kernel, 4);
        engine_world_run(w);
        g_assert_true(engine_world_is_as_wanted(w));
        g_assert_true(fake_backend_has(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT)));
        g_assert_cmpint(engine_tunnel_family(w->engine, AF_INET), ==, TUNNEL_FAMILY_BLOCKED);
        g_assert_cmpuint(w->n_healed, ==, 0);

        fake_backend_add(&w->kernel, make_link(7, "wg0", "wireguard", MAKE_LINK_UP), 0);
        fake_backend_add(&w->kernel, make_link_address(7, "10.64.0.3", 32), 0);
        engine_world_run(w);
        g_assert_true(fake_backend_has(&w->kernel, make_our_route(TABLE, "0.0.0.0/0", 1, 7, "")));
        g_assert_cmpint(engine_tunnel_family(w->engine, AF_INET), ==, TUNNEL_FAMILY_CARRIED);
}

static void test_no_ipv6(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        w->kernel.no_family = AF_INET6;
        engine_world_have_tunnel(w);
        for (uint8_t i = 0; i < HEAL_BURST + 5; i++) {
                fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.1", i), 0);
                engine_world_run(w);
        }
        g_assert_cmpuint(w->n_healed, ==, 0);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        g_assert_cmpuint(engine_world_n_ours(w), ==, 4);
}

/* Random histories */

static void random_event(EngineWorld *w) {
        EngineOutcome outcome;
        size_t n = w->kernel.facts.facts.n;
        Fact fact = *(Fact *)array_at(
                &w->kernel.facts.facts, (size_t)g_test_rand_int_range(0, (gint32)n));
        g_autofree char *destination = g_strdup_printf("11.0.0.%d/32", g_test_rand_int_range(0, 8));

        switch (g_test_rand_int_range(0, 10)) {
        case 0:
        case 1:
                if (fact_is_ours(&fact))
                        fake_backend_remove(&w->kernel, fact, 1);
                break;
        case 2:
                engine_world_submit_route(w, destination, &outcome);
                engine_world_expect_granted(w, &outcome);
                break;
        case 3:
                engine_world_submit_kind(w, INTENT_CLEAR_ROUTES, (Owner){ .uid = 1000 }, &outcome);
                engine_world_expect_granted(w, &outcome);
                break;
        case 4:
                fake_backend_refuse(&w->kernel,
                        (OperationVerb)g_test_rand_int_range(OPERATION_ADD, OPERATION_REMOVE + 1),
                        NULL, -EINVAL, "", 1);
                engine_world_submit_many(w, 5, &outcome);
                RUN_UNTIL(w, outcome.n > 0);
                w->kernel.refusals.n = 0;
                break;
        case 5:
                fake_backend_take_slot(&w->kernel,
                        make_route(MAIN, "0.0.0.0/0", 100, 2,
                                g_test_rand_bit() ? "192.168.1.1" : "192.168.1.7"),
                        0);
                break;
        case 6:
                fake_backend_remove(
                        &w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
                break;
        case 7:
                if (desired_find_link(&w->kernel.facts, "wg0")) {
                        engine_world_submit_tunnel(w, "wg0", &outcome);
                        RUN_UNTIL(w, outcome.n > 0);
                        fake_backend_remove_link(&w->kernel, 4);
                } else {
                        fake_backend_add(
                                &w->kernel, make_link(4, "wg0", "wireguard", MAKE_LINK_UP), 0);
                        fake_backend_add(&w->kernel, make_link_address(4, "10.64.0.2", 32), 0);
                }
                break;
        case 8:
                (void)engine_free(w->engine);
                engine_world_start(w);
                break;
        case 9:
                engine_world_submit_kind(
                        w, INTENT_DROP_CLIENT, (Owner){ .name = ":1.5" }, &outcome);
                RUN_UNTIL(w, outcome.n > 0);
                break;
        }
}

static void test_random(void) {
        for (int round = 0; round < 60; round++) {
                g_autoptr(EngineWorld) w = engine_world_new();
                EngineOutcome outcome = { 0 };

                for (int i = 0; i < 60; i++) {
                        random_event(w);
                        if (g_test_rand_bit())
                                engine_world_run(w);
                }
                w->kernel.refusals.n = 0;
                g_assert_cmpint(engine_refresh(w->engine, engine_outcome_on_done, &outcome), ==, 0);
                engine_world_expect_granted(w, &outcome);
                g_assert_true(engine_world_is_as_wanted(w));
        }
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "a-request-is-granted-once", test_granted },
                { "a-turn-tells-once", test_turn_tells_once },
                { "a-taken-slot-is-refused", test_refused_by_kernel },
                { "the-kernel-s-words-reach-the-client", test_kernel_words },
                { "failed-request-leaves-nothing-behind", test_half_failed },
                { "failed-undo-is-tried-again", test_undo_fails },
                { "refused-request-touches-nothing", test_refused_by_model },
                { "a-client-s-routes-go-with-it", test_client_gone },
                { "a-client-s-end-always-finds-room", test_client_gone_when_full },
                { "many-requests-leave-room-for-events", test_many_requests },
                { "callbacks-may-submit", test_submit_from_callback },
                { "a-vanished-tunnel-stays-closed", test_tunnel_vanishes },
                { "a-kernel-without-ipv6-is-no-fight", test_no_ipv6 },
                { "random-histories-end-as-wanted", test_random },
        };

        return CASES_MAIN(argc, argv, "/engine/", tests);
}
