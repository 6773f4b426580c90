// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "backends/base/log.h"
#include "service/engine/heal.h"
#include "tests/lib/fake-backend.h"
#include "tests/lib/make-fact.h"

#define MAIN RT_TABLE_MAIN
#define TABLE OURS_DEFAULT_TUNNEL_TABLE
#define DEADLINE_SECONDS 10

/* A machine whose kernel outlives engines, and what the engine told. */
typedef struct World {
        FakeBackend kernel;
        sd_event *event;
        Engine *engine;
        char *directory, *state_path;

        unsigned n_properties, n_defaults, n_healed, n_conflicts, n_routes, n_owners;
        uint32_t mask; /* of all properties told */
        size_t n_added, n_removed;
        char culprit[CULPRIT_MAX], reason[32];
        DefaultRoute before, now;
        bool submit_from_callback;
} World;

/* How one request ended. */
typedef struct Outcome {
        unsigned n;
        int result;
        Refusal why;
} Outcome;

static void on_done(int result, const Refusal *why, void *userdata) {
        Outcome *outcome = userdata;

        outcome->n++;
        outcome->result = result;
        outcome->why = *why;
}

static void submit_route(World *w, const char *destination, Outcome *outcome);

static void on_default_route(int family, const DefaultRoute *before, const DefaultRoute *now,
        const char *reason, void *userdata) {
        static Outcome from_callback;
        World *w = userdata;

        w->n_defaults++;
        w->before = *before;
        w->now = *now;
        (void)g_strlcpy(w->reason, reason, sizeof(w->reason));
        if (w->submit_from_callback)
                submit_route(w, "7.7.7.7/32", &from_callback);
}

static void on_routes(
        const Array *added, const Array *removed, const char *reason, void *userdata) {
        World *w = userdata;

        w->n_routes++;
        w->n_added += added->n;
        w->n_removed += removed->n;
}

static void on_healed(const Fact *what, const char *culprit, void *userdata) {
        World *w = userdata;

        w->n_healed++;
        (void)g_strlcpy(w->culprit, culprit, sizeof(w->culprit));
}

static void on_conflict(const Conflict *conflict, void *userdata) {
        ((World *)userdata)->n_conflicts++;
}

static void on_properties(uint32_t mask, void *userdata) {
        World *w = userdata;

        g_assert_cmpuint(mask, !=, 0);
        w->n_properties++;
        w->mask |= mask;
}

static void on_owners(void *userdata) {
        ((World *)userdata)->n_owners++;
}

static void engine_up(World *w) {
        const EngineObserver observer = { .on_default_route = on_default_route,
                .on_routes = on_routes,
                .on_healed = on_healed,
                .on_conflict = on_conflict,
                .on_properties = on_properties,
                .on_owners = on_owners,
                .userdata = w };

        g_assert_cmpint(
                engine_new(w->event,
                        &(EngineConfig){ .ours = OURS_DEFAULT, .state_path = w->state_path },
                        &w->engine),
                ==, 0);
        g_assert_cmpint(engine_add_backend(w->engine, &w->kernel.backend), ==, 0);
        engine_set_observer(w->engine, &observer);
        g_assert_cmpint(engine_start(w->engine), ==, 0);
}

/* eth0 2 (default), wlan0 3 (second default), wg0 4; not started yet. */
static World *world_prepare(void) {
        World *w = g_new0(World, 1);

        fake_backend_init(&w->kernel);
        make_put(&w->kernel.facts, make_link(2, "eth0", "", MAKE_LINK_UP));
        make_put(&w->kernel.facts, make_link(3, "wlan0", "", MAKE_LINK_UP));
        make_put(&w->kernel.facts, make_link(4, "wg0", "wireguard", MAKE_LINK_UP));
        make_put(&w->kernel.facts, make_link_address(2, "192.168.1.2", 24));
        make_put(&w->kernel.facts, make_link_address(3, "10.1.0.2", 16));
        make_put(&w->kernel.facts, make_link_address(4, "10.64.0.2", 32));
        make_put(&w->kernel.facts, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        make_put(&w->kernel.facts, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"));
        g_assert_cmpint(sd_event_new(&w->event), ==, 0);
        w->directory = g_dir_make_tmp("talpid-engine-XXXXXX", NULL);
        w->state_path = g_build_filename(w->directory, "intent", NULL);
        return w;
}

static World *world_new(void) {
        World *w = world_prepare();

        engine_up(w);
        return w;
}

static void world_free(World *w) {
        (void)engine_free(w->engine);
        sd_event_unref(w->event);
        (void)g_unlink(w->state_path);
        (void)g_rmdir(w->directory);
        g_free(w->state_path);
        g_free(w->directory);
        fake_backend_clear(&w->kernel);
        g_free(w);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

/* Runs the loop until @condition holds. */
#define RUN_UNTIL(w, condition)                                                                    \
        do {                                                                                       \
                gint64 until = g_get_monotonic_time() + DEADLINE_SECONDS * G_USEC_PER_SEC;         \
                while (!(condition)) {                                                             \
                        g_assert_cmpint(sd_event_run((w)->event, 100000), >=, 0);                  \
                        if (g_get_monotonic_time() > until)                                        \
                                g_error("%s:%d: still not: %s", __FILE__, __LINE__, #condition);   \
                }                                                                                  \
        } while (0)

/* Runs the loop until nothing is left to do at once. */
static void run_idle(World *w) {
        for (int i = 0; i < 1000; i++)
                if (sd_event_run(w->event, 0) == 0)
                        return;
        g_error("the engine never comes to rest");
}

static void submit_change(World *w, IntentChange *change, Outcome *outcome) {
        *outcome = (Outcome){ 0 };
        g_assert_cmpint(engine_submit(w->engine, change, on_done, outcome), ==, 0);
        g_assert_cmpuint(outcome->n, ==, 0);
        intent_change_clear(change);
}

static void submit_wanted(World *w, WantedRoute wanted, Outcome *outcome) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_ADD_ROUTES;
        change.owner = (Owner){ .uid = 1000, .name = ":1.5" };
        g_assert_nonnull(array_append(&change.routes, &wanted));
        submit_change(w, &change, outcome);
}

static void submit_route(World *w, const char *destination, Outcome *outcome) {
        submit_wanted(w, make_symbolic(MAIN, destination, 5), outcome);
}

static void submit_many(World *w, uint32_t n, Outcome *outcome) {
        IntentChange change = INTENT_CHANGE_INIT;
        WantedRoute wanted = make_symbolic(MAIN, "11.0.0.0/32", 5);

        change.kind = INTENT_ADD_ROUTES;
        change.owner = (Owner){ .uid = 1000, .name = ":1.5" };
        for (uint32_t i = 0; i < n; i++) {
                wanted.route.destination.bytes[1] = (uint8_t)(i >> 16);
                wanted.route.destination.bytes[2] = (uint8_t)(i >> 8);
                wanted.route.destination.bytes[3] = (uint8_t)i;
                g_assert_nonnull(array_append(&change.routes, &wanted));
        }
        submit_change(w, &change, outcome);
}

static void submit_tunnel(World *w, const char *device, Outcome *outcome) {
        IntentChange change = INTENT_CHANGE_INIT;
        Prefix relay = make_prefix("9.9.9.9/32");

        change.kind = INTENT_SET_TUNNEL;
        change.owner = (Owner){ .uid = 1000 };
        change.tunnel.fail_closed = true;
        (void)g_strlcpy(change.tunnel.device, device, IFNAMSIZ);
        g_assert_nonnull(array_append(&change.tunnel.bypass, &relay));
        submit_change(w, &change, outcome);
}

static void submit_kind(World *w, IntentChangeKind kind, Owner owner, Outcome *outcome) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = kind;
        change.owner = owner;
        submit_change(w, &change, outcome);
}

static void expect_granted(World *w, Outcome *outcome) {
        RUN_UNTIL(w, outcome->n > 0);
        if (outcome->result < 0)
                g_error("refused: %s", outcome->why.text);
        run_idle(w);
        g_assert_cmpuint(outcome->n, ==, 1);
}

static void have_route(World *w, const char *destination) {
        Outcome outcome;

        submit_route(w, destination, &outcome);
        expect_granted(w, &outcome);
}

static void have_tunnel(World *w) {
        Outcome outcome;

        submit_tunnel(w, "wg0", &outcome);
        expect_granted(w, &outcome);
}

static size_t n_ours(const World *w) {
        const Fact *fact;
        size_t n = 0;

        ARRAY_FOREACH(fact, &w->kernel.facts.facts)
                n += fact_is_ours(fact);
        return n;
}

/* Whether the kernel holds what the intent implies, and the engine knows it. */
static bool is_as_wanted(const World *w) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT;
        DesiredView view = desired_view(&(DesiredInput){ .intent = engine_intent(w->engine),
                .observed = &w->kernel.facts,
                .ours = OURS_DEFAULT });
        const FactSet *observed = engine_observed(w->engine);
        const Fact *fact;

        g_assert_cmpint(desired_build(&view, &desired), ==, 0);
        if (n_ours(w) != desired.facts.n || observed->facts.n != w->kernel.facts.facts.n)
                return false;
        ARRAY_FOREACH(fact, &desired.facts) {
                if (!fake_backend_has(&w->kernel, *fact))
                        return false;
        }
        for (size_t i = 0; i < observed->facts.n; i++)
                if (!fact_equals(
                            array_at(&observed->facts, i), array_at(&w->kernel.facts.facts, i)))
                        return false;
        return true;
}

static Fact by_eth0(const char *destination) {
        return make_our_route(MAIN, destination, 5, 2, "192.168.1.1");
}

static Fact by_wlan0(const char *destination) {
        return make_our_route(MAIN, destination, 5, 3, "10.1.0.1");
}

/* Requests */

static void test_granted(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        g_assert_true(engine_is_idle(w->engine));
        submit_route(w, "8.8.8.8/32", &outcome);
        g_assert_false(engine_is_idle(w->engine));
        expect_granted(w, &outcome);
        g_assert_true(fake_backend_has(&w->kernel, by_eth0("8.8.8.8/32")));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        g_assert_cmpuint(w->n_added, ==, 1);
        g_assert_true(is_as_wanted(w));
}

static void test_turn_tells_once(void) {
        g_autoptr(World) w = world_new();
        Outcome outcomes[50];

        for (unsigned i = 0; i < G_N_ELEMENTS(outcomes); i++) {
                g_autofree char *destination = g_strdup_printf("11.0.0.%u/32", i);

                submit_route(w, destination, &outcomes[i]);
        }
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.1", 1), 0);
        RUN_UNTIL(w, outcomes[49].n > 0);
        run_idle(w);
        g_assert_cmpuint(w->n_properties, ==, 1);
        g_assert_cmpuint(w->n_defaults, ==, 1);
        for (unsigned i = 0; i < G_N_ELEMENTS(outcomes); i++)
                g_assert_cmpuint(outcomes[i].n, ==, 1);
        g_assert_true(is_as_wanted(w));
}

static void test_refused_by_kernel(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        have_tunnel(w);
        fake_backend_add(&w->kernel, make_route(MAIN, "12.0.0.0/8", 5, 2, ""), 0);
        run_idle(w);
        submit_wanted(w, make_wanted(MAIN, "12.0.0.0/8", 5, "", "wg0"), &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EPERM);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_ROUTE_EXISTS);
        g_assert_nonnull(strstr(outcome.why.text, "12.0.0.0/8"));
        run_idle(w);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
}

static void test_kernel_words(void) {
        g_autoptr(World) w = world_new();
        Fact fact = by_eth0("8.8.8.8/32");
        Outcome outcome;

        fake_backend_refuse(
                &w->kernel, OPERATION_ADD, &fact, -EINVAL, "Nexthop has invalid gateway", 1);
        submit_route(w, "8.8.8.8/32", &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_INVALID_ARGS);
        g_assert_nonnull(strstr(outcome.why.text, "Nexthop has invalid gateway"));
        g_assert_true(engine_is_idle(w->engine));
}

static void test_half_failed(void) {
        g_autoptr(World) w = world_new();
        Fact unlucky = by_eth0("11.0.7.7/32");
        Outcome outcome;

        have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_ADD, &unlucky, -ENOMEM, "", 1);
        submit_many(w, 5000, &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EPERM);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_BACKEND_UNAVAILABLE);
        run_idle(w);
        g_assert_cmpuint(n_ours(w), ==, 1);
        g_assert_true(is_as_wanted(w));
}

static void test_undo_fails(void) {
        g_autoptr(World) w = world_new();
        Fact unlucky = by_eth0("11.0.0.7/32"), stuck = by_eth0("11.0.0.3/32");
        Outcome outcome;

        fake_backend_refuse(&w->kernel, OPERATION_ADD, &unlucky, -ENOMEM, "", 1);
        fake_backend_refuse(&w->kernel, OPERATION_REMOVE, &stuck, -EBUSY, "", 2);
        submit_many(w, 10, &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EPERM);
        RUN_UNTIL(w, is_as_wanted(w));
        g_assert_cmpuint(n_ours(w), ==, 0);
}

static void test_refused_by_model(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        submit_tunnel(w, "wg9", &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_NO_SUCH_LINK);
        g_assert_cmpuint(w->kernel.n_applies, ==, 0);
        g_assert_cmpuint(w->n_properties, ==, 0);
}

static void test_client_gone(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        have_route(w, "8.8.8.8/32");
        have_tunnel(w);
        submit_kind(w, INTENT_DROP_CLIENT, (Owner){ .name = ":1.5" }, &outcome);
        expect_granted(w, &outcome);
        g_assert_cmpuint(engine_intent(w->engine)->routes.n, ==, 0);
        g_assert_true(intent_has_tunnel(engine_intent(w->engine)));
        g_assert_true(is_as_wanted(w));
        submit_kind(w, INTENT_UNSET_TUNNEL, (Owner){ .uid = 1000 }, &outcome);
        expect_granted(w, &outcome);
        g_assert_cmpuint(n_ours(w), ==, 0);
        g_assert_true(engine_is_idle(w->engine));
        g_assert_false(g_file_test(w->state_path, G_FILE_TEST_EXISTS));
}

static void test_client_gone_when_full(void) {
        g_autoptr(World) w = world_new();
        IntentChange change = INTENT_CHANGE_INIT;
        Outcome outcome = { 0 };
        int r = 0;

        have_route(w, "8.8.8.8/32");
        for (unsigned i = 0; i < 100000 && r == 0; i++) {
                change.kind = INTENT_CLEAR_ROUTES;
                change.owner = (Owner){ .uid = 7 };
                r = engine_submit(w->engine, &change, NULL, NULL);
        }
        g_assert_cmpint(r, ==, -ENOBUFS);
        change = INTENT_CHANGE_INIT;
        change.kind = INTENT_DROP_CLIENT;
        change.owner = (Owner){ .name = ":1.5" };
        g_assert_cmpint(engine_submit(w->engine, &change, on_done, &outcome), ==, 0);
        expect_granted(w, &outcome);
        g_assert_true(engine_is_idle(w->engine));
}

static void test_many_requests(void) {
        g_autoptr(World) w = world_new();
        g_autofree Outcome *outcomes = g_new0(Outcome, 250);
        Outcome outcome;
        size_t n = 0;

        submit_many(w, 5000, &outcome);
        expect_granted(w, &outcome);
        for (unsigned i = 0; i < 250; i++) {
                g_autofree char *destination = g_strdup_printf("12.0.0.%u/32", i);

                submit_route(w, destination, &outcomes[i]);
        }
        RUN_UNTIL(w, outcomes[0].n > 0);
        g_assert_cmpuint(outcomes[249].n, ==, 0);
        fake_backend_lose(&w->kernel, by_eth0("11.0.0.0/32"));
        w->kernel.backend.sink.on_changes(
                &(FactChange){ .fact = by_eth0("11.0.0.0/32"), .removed = true, .author = 1 }, 1,
                w->engine);
        RUN_UNTIL(w, w->n_healed > 0);
        g_assert_cmpuint(outcomes[249].n, ==, 0);
        RUN_UNTIL(w, outcomes[249].n > 0);
        run_idle(w);
        for (unsigned i = 0; i < 250; i++)
                n += outcomes[i].n;
        g_assert_cmpuint(n, ==, 250);
        g_assert_true(is_as_wanted(w));
}

static void test_submit_from_callback(void) {
        g_autoptr(World) w = world_new();

        have_route(w, "8.8.8.8/32");
        w->submit_from_callback = true;
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        RUN_UNTIL(w, fake_backend_has(&w->kernel, by_wlan0("7.7.7.7/32")));
        run_idle(w);
        g_assert_true(is_as_wanted(w));
}

/* Default routes */

static void test_ten_thousand_move(void) {
        g_autoptr(World) w = world_new();
        gint64 start, added, moved, healed;
        Outcome outcome;

        start = g_get_monotonic_time();
        submit_many(w, 10000, &outcome);
        expect_granted(w, &outcome);
        added = g_get_monotonic_time() - start;
        g_assert_cmpuint(n_ours(w), ==, 10000);
        fake_backend_reset_counts(&w->kernel);

        start = g_get_monotonic_time();
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        run_idle(w);
        moved = g_get_monotonic_time() - start;
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->kernel.operations.n, ==, 10000);
        g_assert_cmpuint(w->kernel.n_applies, <=, 10);

        start = g_get_monotonic_time();
        fake_backend_add(&w->kernel, make_neighbour(9, "10.1.0.1", 1), 0);
        run_idle(w);
        healed = g_get_monotonic_time() - start;
        g_test_message("10,000 routes: added %" G_GINT64_FORMAT " us, moved %" G_GINT64_FORMAT
                       " us, empty turn %" G_GINT64_FORMAT " us",
                added, moved, healed);
        g_assert_cmpuint(w->kernel.operations.n, ==, 10000);
}

static void test_ten_thousand_around(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        have_tunnel(w);
        submit_many(w, 10000, &outcome);
        expect_granted(w, &outcome);
        fake_backend_reset_counts(&w->kernel);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        run_idle(w);
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_true(is_as_wanted(w));
}

static void test_wait_and_come_back(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"), 0);
        have_route(w, "8.8.8.8/32");
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        run_idle(w);
        g_assert_cmpuint(n_ours(w), ==, 0);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        submit_route(w, "9.9.9.9/32", &outcome);
        expect_granted(w, &outcome);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 3, "10.1.0.1"), 0);
        run_idle(w);
        g_assert_cmpuint(n_ours(w), ==, 2);
        g_assert_true(is_as_wanted(w));
}

static void test_default_gone(void) {
        g_autoptr(World) w = world_new();

        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"), 0);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        run_idle(w);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        RUN_UNTIL(w, w->n_defaults > 0);
        g_assert_cmpstr(w->reason, ==, "removed");
        g_assert_false(engine_default_route(w->engine, AF_INET)->present);
}

/* What came and went in sleep was never told; what is wanted was kept in order. */
static void test_asleep(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        have_tunnel(w);
        submit_wanted(w, make_symbolic(MAIN, "8.8.8.8/32", 5), &outcome);
        expect_granted(w, &outcome);
        engine_set_asleep(w->engine, true);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"), 0);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), 0);
        run_idle(w);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.7"), 0);
        run_idle(w);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        g_assert_cmpstr(engine_default_route(w->engine, AF_INET)->device, ==, "eth0");

        /* What is true was not even reported. */
        fake_backend_lose(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.7"));
        make_put(&w->kernel.facts, make_route(MAIN, "0.0.0.0/0", 60, 3, "10.1.0.8"));
        engine_set_asleep(w->engine, false);
        run_idle(w);
        g_assert_cmpuint(w->n_defaults, ==, 1);
        g_assert_cmpuint(w->before.route.metric, ==, 100);
        g_assert_cmpuint(w->now.route.metric, ==, 60);
        g_assert_true(is_as_wanted(w));
}

/* Nobody is told of what could not be read. */
static void test_wakes_blind(void) {
        g_autoptr(World) w = world_new();

        engine_set_asleep(w->engine, true);
        fake_backend_remove(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"), 0);
        run_idle(w);
        w->kernel.resync_error = -EBUSY;
        engine_set_asleep(w->engine, false);
        run_idle(w);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        w->kernel.resync_error = 0;
        RUN_UNTIL(w, w->n_defaults > 0);
        g_assert_cmpuint(w->now.route.metric, ==, 600);
}

static void test_default_of_our_own(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;

        have_route(w, "8.8.8.8/32");
        submit_wanted(w, make_wanted(MAIN, "0.0.0.0/0", 1, "10.1.0.9", "wlan0"), &outcome);
        expect_granted(w, &outcome);
        g_assert_true(
                fake_backend_has(&w->kernel, make_our_route(MAIN, "8.8.8.8/32", 5, 3, "10.1.0.9")));
        g_assert_cmpuint(w->n_defaults, ==, 1);
        g_assert_true(is_as_wanted(w));
}

static void test_lookup(void) {
        g_autoptr(World) w = world_new();

        g_assert_cmpuint(w->kernel.n_lookups, ==, 1);
        fake_backend_add(&w->kernel, make_neighbour(2, "192.168.1.1", 3), 0);
        run_idle(w);
        g_assert_cmpuint(w->n_defaults, ==, 0);
        g_assert_cmpuint(w->mask, ==, ENGINE_PROPERTY_DEFAULT_ROUTE4);
        g_assert_cmpuint(engine_default_route(w->engine, AF_INET)->gateway_mac.bytes[5], ==, 3);
        g_assert_cmpuint(w->kernel.n_lookups, ==, 1);
}

/* Tunnels */

static void test_tunnel_vanishes(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
        g_assert_true(fake_backend_has(&w->kernel, make_our_route(TABLE, "0.0.0.0/0", 1, 4, "")));
        fake_backend_remove_link(&w->kernel, 4);
        run_idle(w);
        g_assert_true(is_as_wanted(w));
        g_assert_true(fake_backend_has(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT)));
        g_assert_cmpint(engine_tunnel_family(w->engine, AF_INET), ==, TUNNEL_FAMILY_BLOCKED);
        g_assert_cmpuint(w->n_healed, ==, 0);

        fake_backend_add(&w->kernel, make_link(7, "wg0", "wireguard", MAKE_LINK_UP), 0);
        fake_backend_add(&w->kernel, make_link_address(7, "10.64.0.3", 32), 0);
        run_idle(w);
        g_assert_true(fake_backend_has(&w->kernel, make_our_route(TABLE, "0.0.0.0/0", 1, 7, "")));
        g_assert_cmpint(engine_tunnel_family(w->engine, AF_INET), ==, TUNNEL_FAMILY_CARRIED);
}

static void test_no_ipv6(void) {
        g_autoptr(World) w = world_new();

        w->kernel.no_family = AF_INET6;
        have_tunnel(w);
        for (uint8_t i = 0; i < HEAL_BURST + 5; i++) {
                fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.1", i), 0);
                run_idle(w);
        }
        g_assert_cmpuint(w->n_healed, ==, 0);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        g_assert_cmpuint(n_ours(w), ==, 4);
}

/* Healing */

static void test_healed(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), (uint32_t)getpid());
        run_idle(w);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_nonnull(strstr(w->culprit, "test-engine"));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
}

static void test_culprit_name(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
        g_assert_cmpint(prctl(PR_SET_NAME, "\xff evil\n\x1b"), ==, 0);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), (uint32_t)getpid());
        g_assert_cmpint(prctl(PR_SET_NAME, "test-engine"), ==, 0);
        run_idle(w);
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_true(g_str_is_ascii(w->culprit));
        for (const char *c = w->culprit; *c; c++)
                g_assert_true(g_ascii_isprint(*c));
}

static void test_culprit_among_others(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
        fake_backend_remove(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT), 0);
        fake_backend_take_slot(&w->kernel, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.9"),
                (uint32_t)getpid());
        run_idle(w);
        g_assert_cmpstr(w->culprit, ==, "kernel");
}

static void test_slot_taken(void) {
        g_autoptr(World) w = world_new();

        have_route(w, "8.8.8.8/32");
        fake_backend_take_slot(
                &w->kernel, make_route(MAIN, "8.8.8.8/32", 5, 3, "10.1.0.1"), (uint32_t)getpid());
        run_idle(w);
        g_assert_true(fake_backend_has(&w->kernel, by_eth0("8.8.8.8/32")));
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_nonnull(strstr(w->culprit, "test-engine"));
}

static void test_flush(void) {
        g_autoptr(World) w = world_new();
        gint64 start;
        Outcome outcome;

        submit_many(w, 10000, &outcome);
        expect_granted(w, &outcome);
        start = g_get_monotonic_time();
        for (size_t i = w->kernel.facts.facts.n; i > 0; i--) {
                Fact fact = *(Fact *)array_at(&w->kernel.facts.facts, i - 1);

                if (fact_is_ours(&fact))
                        fake_backend_remove(&w->kernel, fact, (uint32_t)getpid());
        }
        run_idle(w);
        g_test_message("10,000 routes flushed and healed: %" G_GINT64_FORMAT " us",
                g_get_monotonic_time() - start);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 10000);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
}

/* Somebody removes the rule whenever it is there, until the fight is on. */
static void fight(World *w) {
        Fact rule = make_our_rule(AF_INET, &OURS_DEFAULT);

        for (unsigned i = 0; i < 2 * HEAL_BURST && fake_backend_has(&w->kernel, rule); i++) {
                fake_backend_remove(&w->kernel, rule, (uint32_t)getpid());
                run_idle(w);
        }
        g_assert_false(fake_backend_has(&w->kernel, rule));
}

static void test_lost_fight(void) {
        g_autoptr(World) w = world_new();
        const Conflict *conflict;
        size_t n;

        have_tunnel(w);
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
                run_idle(w);
        }
        g_assert_cmpuint(w->kernel.operations.n, ==, n);
        RUN_UNTIL(w, is_as_wanted(w));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_DEGRADED);
}

static void test_request_during_fight(void) {
        g_autoptr(World) w = world_new();
        Fact taken = make_route(MAIN, "8.8.8.8/32", 5, 3, "10.1.0.1");
        Outcome outcome;

        have_route(w, "8.8.8.8/32");
        for (unsigned i = 0; i < HEAL_BURST + 2; i++) {
                fake_backend_take_slot(&w->kernel, taken, (uint32_t)getpid());
                run_idle(w);
        }
        g_assert_true(fake_backend_has(&w->kernel, taken));
        submit_route(w, "9.9.9.9/32", &outcome);
        expect_granted(w, &outcome);
        g_assert_true(fake_backend_has(&w->kernel, taken));
}

static void test_refresh_ends_fight(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome = { 0 };

        have_tunnel(w);
        fight(w);
        g_assert_cmpint(engine_refresh(w->engine, on_done, &outcome), ==, 0);
        expect_granted(w, &outcome);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        g_assert_cmpuint(engine_conflicts(w->engine)->n, ==, 0);
}

static void test_refresh_finds_losses(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome = { 0 };

        have_tunnel(w);
        fake_backend_lose(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT));
        g_assert_cmpint(engine_refresh(w->engine, on_done, &outcome), ==, 0);
        expect_granted(w, &outcome);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 1);
        g_assert_cmpstr(w->culprit, ==, "unknown");

        outcome.n = 0;
        w->kernel.resync_error = -EIO;
        g_assert_cmpint(engine_refresh(w->engine, on_done, &outcome), ==, 0);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.result, ==, -EIO);
}

/* Faults */

static void test_lasting_failure(void) {
        g_autoptr(World) w = world_new();
        Fact moved = by_wlan0("8.8.8.8/32");
        Outcome outcome;

        have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, &moved, -EINVAL, "No way", 1000);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        run_idle(w);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE); /* may be a race */
        RUN_UNTIL(w, engine_state(w->engine) == ENGINE_DEGRADED);
        g_assert_nonnull(strstr(engine_state_reason(w->engine), "No way"));

        /* What fails has nothing to do with other requests. */
        submit_tunnel(w, "wg0", &outcome);
        expect_granted(w, &outcome);
}

static void test_pause_is_not_shortened(void) {
        g_autoptr(World) w = world_new();
        Fact moved = by_wlan0("8.8.8.8/32");

        have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, &moved, -EINVAL, "No way", 12);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        /* Events that have nothing to do with it do not let the pause grow. */
        for (uint8_t i = 0; i < 11; i++) {
                fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.7", i), 0);
                run_idle(w);
        }
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_ACTIVE);
        RUN_UNTIL(w, is_as_wanted(w));
}

static void test_failure_goes_with_route(void) {
        g_autoptr(World) w = world_new();
        Fact moved = by_wlan0("8.8.8.8/32");
        Outcome outcome;

        have_route(w, "8.8.8.8/32");
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, &moved, -EINVAL, "No way", 1000);
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        RUN_UNTIL(w, engine_state(w->engine) == ENGINE_DEGRADED);
        submit_kind(w, INTENT_CLEAR_ROUTES, (Owner){ .uid = 1000 }, &outcome);
        expect_granted(w, &outcome);
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_IDLE);
}

static void test_many_failures(void) {
        g_autoptr(World) w = world_new();
        Outcome outcome;
        gint64 start;

        submit_many(w, 10000, &outcome);
        expect_granted(w, &outcome);
        fake_backend_refuse(&w->kernel, OPERATION_REPLACE, NULL, -EINVAL, "No way", 1000000);
        start = g_get_monotonic_time();
        fake_backend_add(&w->kernel, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"), 0);
        run_idle(w);
        fake_backend_add(&w->kernel, make_neighbour(3, "10.1.0.7", 1), 0);
        run_idle(w);
        g_test_message("two turns of 10,000 failures: %" G_GINT64_FORMAT " us",
                g_get_monotonic_time() - start);
        w->kernel.refusals.n = 0;
        RUN_UNTIL(w, is_as_wanted(w));
}

/* Restarts */

/* As SIGKILL: the kernel and the file stay as they are. */
static void restart(World *w) {
        (void)engine_free(w->engine);
        fake_backend_reset_counts(&w->kernel);
        engine_up(w);
        run_idle(w);
}

static void test_restart(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
        have_route(w, "8.8.8.8/32");
        restart(w);
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_cmpuint(engine_intent(w->engine)->routes.n, ==, 1);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->n_healed, ==, 0);
}

static void test_restart_half_applied(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
        have_route(w, "8.8.8.8/32");
        fake_backend_lose(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT));
        make_put(&w->kernel.facts, by_eth0("6.6.6.6/32"));
        restart(w);
        g_assert_true(is_as_wanted(w));
        g_assert_cmpuint(w->kernel.operations.n, ==, 2);
}

static void test_restart_without_file(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
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
        g_autoptr(World) w = world_new();
        g_autofree char *older = NULL;
        size_t n_bypass;

        have_route(w, "8.8.8.8/32");
        g_assert_true(g_file_get_contents(w->state_path, &older, NULL, NULL));
        have_tunnel(w);
        n_bypass = engine_intent(w->engine)->tunnel.bypass.n;
        g_assert_true(g_file_set_contents(w->state_path, older, -1, NULL));
        restart(w);
        g_assert_cmpstr(engine_intent(w->engine)->tunnel.device, ==, "wg0");
        g_assert_true(engine_intent(w->engine)->tunnel.fail_closed);
        g_assert_cmpuint(engine_intent(w->engine)->tunnel.bypass.n, ==, n_bypass);
        g_assert_cmpuint(engine_intent(w->engine)->routes.n, ==, 1);
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_true(is_as_wanted(w));
}

static void test_restart_without_anything(void) {
        g_autoptr(World) w = world_new();

        have_tunnel(w);
        have_route(w, "8.8.8.8/32");
        g_assert_cmpint(g_unlink(w->state_path), ==, 0);
        fake_backend_remove_link(&w->kernel, 4);
        restart(w);
        g_assert_cmpint(engine_tunnel_family(w->engine, AF_INET), ==, TUNNEL_FAMILY_BLOCKED);
        g_assert_true(fake_backend_has(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT)));
        g_assert_true(is_as_wanted(w));
}

/* Its routes, and what it wants of ours, are left as they are. */
static void test_other_instance(void) {
        g_autoptr(World) w = world_prepare();
        EngineConfig config = { .ours = OURS_DEFAULT, .other_instance = "talpidd (pid 7)" };
        const Conflict *conflict;
        Outcome outcome;

        make_put(&w->kernel.facts, make_our_rule(AF_INET, &OURS_DEFAULT));
        g_assert_cmpint(engine_new(w->event, &config, &w->engine), ==, 0);
        g_assert_cmpint(engine_add_backend(w->engine, &w->kernel.backend), ==, 0);
        g_assert_cmpint(engine_start(w->engine), ==, 0);

        submit_route(w, "11.0.0.0/32", &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(outcome.why.code, ==, REFUSAL_OTHER_INSTANCE);
        g_assert_nonnull(strstr(outcome.why.text, "talpidd (pid 7)"));
        submit_kind(w, INTENT_DROP_CLIENT, (Owner){ .uid = 1000, .name = ":1.5" }, &outcome);
        RUN_UNTIL(w, outcome.n > 0);
        g_assert_cmpint(engine_refresh(w->engine, on_done, &outcome), ==, 0);
        RUN_UNTIL(w, outcome.n > 1);

        g_assert_true(fake_backend_has(&w->kernel, make_our_rule(AF_INET, &OURS_DEFAULT)));
        g_assert_cmpint(engine_state(w->engine), ==, ENGINE_DEGRADED);
        g_assert_cmpuint(engine_conflicts(w->engine)->n, ==, 1);
        conflict = array_at(engine_conflicts(w->engine), 0);
        g_assert_cmpstr(conflict->kind, ==, "instance");
        g_assert_cmpstr(conflict->owner, ==, "talpidd (pid 7)");
        g_assert_true(engine_is_idle(w->engine));
}

static void test_start_fails(void) {
        g_autoptr(World) w = world_prepare();

        w->kernel.resync_error = -EACCES;
        g_assert_cmpint(
                engine_new(w->event, &(EngineConfig){ .ours = OURS_DEFAULT }, &w->engine), ==, 0);
        g_assert_cmpint(engine_add_backend(w->engine, &w->kernel.backend), ==, 0);
        g_assert_cmpint(engine_start(w->engine), ==, -EACCES);
}

/* Random histories */

static void random_event(World *w) {
        Outcome outcome;
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
                submit_route(w, destination, &outcome);
                expect_granted(w, &outcome);
                break;
        case 3:
                submit_kind(w, INTENT_CLEAR_ROUTES, (Owner){ .uid = 1000 }, &outcome);
                expect_granted(w, &outcome);
                break;
        case 4:
                fake_backend_refuse(&w->kernel,
                        (OperationVerb)g_test_rand_int_range(OPERATION_ADD, OPERATION_REMOVE + 1),
                        NULL, -EINVAL, "", 1);
                submit_many(w, 5, &outcome);
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
                        submit_tunnel(w, "wg0", &outcome);
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
                engine_up(w);
                break;
        case 9:
                submit_kind(w, INTENT_DROP_CLIENT, (Owner){ .name = ":1.5" }, &outcome);
                RUN_UNTIL(w, outcome.n > 0);
                break;
        }
}

static void test_random(void) {
        for (int round = 0; round < 60; round++) {
                g_autoptr(World) w = world_new();
                Outcome outcome = { 0 };

                for (int i = 0; i < 60; i++) {
                        random_event(w);
                        if (g_test_rand_bit())
                                run_idle(w);
                }
                w->kernel.refusals.n = 0;
                g_assert_cmpint(engine_refresh(w->engine, on_done, &outcome), ==, 0);
                expect_granted(w, &outcome);
                g_assert_true(is_as_wanted(w));
        }
}

int main(int argc, char **argv) {
        static const struct {
                const char *path;
                void (*test)(void);
        } tests[] = {
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
                { "ten-thousand-move-in-one-batch", test_ten_thousand_move },
                { "around-a-tunnel-a-default-change-costs-nothing", test_ten_thousand_around },
                { "symbolic-routes-wait-and-come-back", test_wait_and_come_back },
                { "a-default-that-went-is-told-later", test_default_gone },
                { "nothing-is-told-in-sleep-and-the-truth-after-it", test_asleep },
                { "after-sleep-nothing-is-told-before-it-is-read", test_wakes_blind },
                { "a-default-of-our-own-is-followed", test_default_of_our_own },
                { "gateway-is-looked-up-once", test_lookup },
                { "a-vanished-tunnel-stays-closed", test_tunnel_vanishes },
                { "a-kernel-without-ipv6-is-no-fight", test_no_ipv6 },
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
                { "a-restart-is-silent", test_restart },
                { "a-restart-puts-right-what-is-half-applied", test_restart_half_applied },
                { "without-its-file-the-tunnel-is-adopted", test_restart_without_file },
                { "with-an-older-file-the-tunnel-is-adopted", test_restart_with_older_file },
                { "without-file-and-device-it-stays-closed", test_restart_without_anything },
                { "beside-another-instance-nothing-is-changed", test_other_instance },
                { "start-fails-when-nothing-can-be-read", test_start_fails },
                { "random-histories-end-as-wanted", test_random },
        };

        g_test_init(&argc, &argv, NULL);
        log_set_level(g_test_verbose() ? LOG_DEBUG : LOG_EMERG);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
                g_autofree char *path = g_strconcat("/engine/", tests[i].path, NULL);

                g_test_add_func(path, tests[i].test);
        }
        return g_test_run();
}
