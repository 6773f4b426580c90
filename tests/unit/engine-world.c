// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/unit/engine-world.h"

#include <glib/gstdio.h>

#include "service/model/desired.h"

void engine_outcome_on_done(int result, const Refusal *why, void *userdata) {
        EngineOutcome *outcome = userdata;

        outcome->n++;
        outcome->result = result;
        outcome->why = *why;
}

static void on_default_route(int family, const DefaultRoute *before, const DefaultRoute *now,
        const char *reason, void *userdata) {
        static EngineOutcome from_callback;
        EngineWorld *w = userdata;

        w->n_defaults++;
        w->before = *before;
        w->now = *now;
        (void)g_strlcpy(w->reason, reason, sizeof(w->reason));
        if (w->submit_from_callback)
                engine_world_submit_route(w, "7.7.7.7/32", &from_callback);
}

static void on_routes(
        const Array *added, const Array *removed, const char *reason, void *userdata) {
        char text[PREFIX_TEXT_MAX], why[STATE_REASON_MAX];
        EngineWorld *w = userdata;
        const WantedRoute *wanted;

        w->n_routes++;
        w->n_added += added->n;
        w->n_removed += removed->n;
        ARRAY_FOREACH(wanted, added) {
                g_string_append_printf(w->routes_told, "%s %s, ",
                        prefix_format(&wanted->route.destination, text),
                        wanted_state_name(engine_route_state(w->engine, wanted, why)));
        }
        ARRAY_FOREACH(wanted, removed)
                g_string_append_printf(
                        w->routes_told, "-%s, ", prefix_format(&wanted->route.destination, text));
        g_string_append_printf(w->routes_told, "(%s) ", reason);
}

static void on_healed(const Fact *what, const char *culprit, void *userdata) {
        EngineWorld *w = userdata;

        w->n_healed++;
        (void)g_strlcpy(w->culprit, culprit, sizeof(w->culprit));
}

static void on_conflict(const Conflict *conflict, void *userdata) {
        ((EngineWorld *)userdata)->n_conflicts++;
}

static void on_properties(uint32_t mask, void *userdata) {
        EngineWorld *w = userdata;

        g_assert_cmpuint(mask, !=, 0);
        w->n_properties++;
        w->mask |= mask;
}

static void on_owners(void *userdata) {
        ((EngineWorld *)userdata)->n_owners++;
}

void engine_world_start(EngineWorld *w) {
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
EngineWorld *engine_world_prepare(void) {
        EngineWorld *w = g_new0(EngineWorld, 1);

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
        w->routes_told = g_string_new(NULL);
        w->directory = g_dir_make_tmp("talpid-engine-XXXXXX", NULL);
        w->state_path = g_build_filename(w->directory, "intent", NULL);
        return w;
}

EngineWorld *engine_world_new(void) {
        EngineWorld *w = engine_world_prepare();

        engine_world_start(w);
        return w;
}

void engine_world_free(EngineWorld *w) {
        (void)engine_free(w->engine);
        sd_event_unref(w->event);
        (void)g_unlink(w->state_path);
        (void)g_rmdir(w->directory);
        g_free(w->state_path);
        g_free(w->directory);
        (void)g_string_free(w->routes_told, TRUE);
        fake_backend_clear(&w->kernel);
        g_free(w);
}

/* Runs the loop until nothing is left to do at once. */
void engine_world_run(EngineWorld *w) {
        for (int i = 0; i < 1000; i++)
                if (sd_event_run(w->event, 0) == 0)
                        return;
        g_error("the engine never comes to rest");
}

void engine_world_submit(EngineWorld *w, IntentChange *change, EngineOutcome *outcome) {
        *outcome = (EngineOutcome){ 0 };
        g_assert_cmpint(engine_submit(w->engine, change, engine_outcome_on_done, outcome), ==, 0);
        g_assert_cmpuint(outcome->n, ==, 0);
        intent_change_clear(change);
}

void engine_world_submit_wanted(EngineWorld *w, WantedRoute wanted, EngineOutcome *outcome) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_ADD_ROUTES;
        change.owner = (Owner){ .uid = 1000, .name = ":1.5" };
        g_assert_nonnull(array_append(&change.routes, &wanted));
        engine_world_submit(w, &change, outcome);
}

void engine_world_submit_route(EngineWorld *w, const char *destination, EngineOutcome *outcome) {
        engine_world_submit_wanted(w, make_symbolic(MAIN, destination, 5), outcome);
}

void engine_world_submit_many(EngineWorld *w, uint32_t n, EngineOutcome *outcome) {
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
        engine_world_submit(w, &change, outcome);
}

void engine_world_submit_tunnel(EngineWorld *w, const char *device, EngineOutcome *outcome) {
        IntentChange change = INTENT_CHANGE_INIT;
        Prefix relay = make_prefix("9.9.9.9/32");

        change.kind = INTENT_SET_TUNNEL;
        change.owner = (Owner){ .uid = 1000 };
        change.tunnel.fail_closed = true;
        (void)g_strlcpy(change.tunnel.device, device, IFNAMSIZ);
        g_assert_nonnull(array_append(&change.tunnel.bypass, &relay));
        engine_world_submit(w, &change, outcome);
}

void engine_world_submit_kind(
        EngineWorld *w, IntentChangeKind kind, Owner owner, EngineOutcome *outcome) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = kind;
        change.owner = owner;
        engine_world_submit(w, &change, outcome);
}

void engine_world_expect_granted(EngineWorld *w, EngineOutcome *outcome) {
        RUN_UNTIL(w, outcome->n > 0);
        if (outcome->result < 0)
                g_error("refused: %s", outcome->why.text);
        engine_world_run(w);
        g_assert_cmpuint(outcome->n, ==, 1);
}

void engine_world_have_route(EngineWorld *w, const char *destination) {
        EngineOutcome outcome;

        engine_world_submit_route(w, destination, &outcome);
        engine_world_expect_granted(w, &outcome);
}

void engine_world_have_tunnel(EngineWorld *w) {
        EngineOutcome outcome;

        engine_world_submit_tunnel(w, "wg0", &outcome);
        engine_world_expect_granted(w, &outcome);
}

bool engine_world_is_idle(const EngineWorld *w) {
        return intent_is_empty(engine_intent(w->engine)) && !engine_has_submissions(w->engine);
}

size_t engine_world_n_ours(const EngineWorld *w) {
        const Fact *fact;
        size_t n = 0;

        ARRAY_FOREACH(fact, &w->kernel.facts.facts)
                n += fact_is_ours(fact);
        return n;
}

/* Whether the kernel holds what the intent implies, and the engine knows it. */
bool engine_world_is_as_wanted(const EngineWorld *w) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT;
        DesiredView view = desired_view(&(DesiredInput){ .intent = engine_intent(w->engine),
                .observed = &w->kernel.facts,
                .ours = OURS_DEFAULT });
        const FactSet *observed = engine_observed(w->engine);
        const Fact *fact;

        g_assert_cmpint(desired_build(&view, &desired), ==, 0);
        if (engine_world_n_ours(w) != desired.facts.n ||
                observed->facts.n != w->kernel.facts.facts.n)
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

Fact make_by_eth0(const char *destination) {
        return make_our_route(MAIN, destination, 5, 2, "192.168.1.1");
}

Fact make_by_wlan0(const char *destination) {
        return make_our_route(MAIN, destination, 5, 3, "10.1.0.1");
}
