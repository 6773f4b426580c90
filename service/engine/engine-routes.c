// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>

#include "service/engine/engine-private.h"

/* Appends the routes of @a that @b lacks; both are sorted. */
static int append_difference(Array *ret, const Intent *a, const Intent *b) {
        const WantedRoute *wanted;
        size_t i = 0;

        ARRAY_FOREACH(wanted, &a->routes) {
                int c = -1;

                while (i < b->routes.n &&
                        (c = wanted_route_compare(array_at(&b->routes, i), wanted)) < 0)
                        i++;
                if ((i == b->routes.n || c > 0) && !array_append(ret, wanted))
                        return -ENOMEM;
        }
        return 0;
}

static WantedState state_now(const Engine *engine, const WantedRoute *wanted) {
        char reason[STATE_REASON_MAX];

        return engine_route_state(engine, wanted, reason);
}

/* Routes of @before keep the state they were told with, the others have theirs now. */
static int align_states(Engine *engine, const Intent *before) {
        CLEANUP(array_clear) Array states = ARRAY_INIT(uint8_t);
        const uint8_t *told = engine->route_states.items;
        bool is_known = engine->route_states.n == before->routes.n;
        const WantedRoute *wanted;
        Array aligned;
        size_t i = 0;

        if (array_reserve(&states, engine->intent.routes.n) < 0)
                return -ENOMEM;
        ARRAY_FOREACH(wanted, &engine->intent.routes) {
                uint8_t state;
                int c = -1;

                while (is_known && i < before->routes.n &&
                        (c = wanted_route_compare(array_at(&before->routes, i), wanted)) < 0)
                        i++;
                state = c == 0 ? told[i] : (uint8_t)state_now(engine, wanted);
                (void)array_append(&states, &state); /* room is reserved */
        }
        aligned = states;
        states = engine->route_states; /* freed at the end */
        engine->route_states = aligned;
        return 0;
}

void engine_note_routes(Engine *engine, const Intent *before) {
        /* Without memory none is known, and the next look learns them all. */
        if (align_states(engine, before) < 0)
                engine->route_states.n = 0;
}

void engine_tell_routes(Engine *engine, const Intent *before, const char *reason) {
        CLEANUP(array_clear) Array added = ARRAY_INIT(WantedRoute);
        CLEANUP(array_clear) Array removed = ARRAY_INIT(WantedRoute);

        engine_note_routes(engine, before);
        if (!engine->observer.on_routes || append_difference(&added, &engine->intent, before) < 0 ||
                append_difference(&removed, before, &engine->intent) < 0)
                return; /* without memory clients are not told of this one */
        if (added.n > 0 || removed.n > 0)
                engine->observer.on_routes(&added, &removed, reason, engine->observer.userdata);
}

static bool same_defaults(const DesiredView *a, const DesiredView *b) {
        return default_route_compare(&a->best[0], &b->best[0], NULL) == DEFAULT_ROUTE_SAME &&
               default_route_compare(&a->best[1], &b->best[1], NULL) == DEFAULT_ROUTE_SAME;
}

static const char *name_cause(unsigned causes, bool all_installed) {
        if (causes & ENGINE_CAUSE_DEFAULT_ROUTE)
                return "default-route";
        if (causes & ENGINE_CAUSE_LINK)
                return "link";
        return all_installed ? "healed" : "lost";
}

/* Learns how the routes stand. Return: 0 and *changed those that stood differently; -ENOMEM. */
static int find_changed(Engine *engine, Array *changed, bool *all_installed) {
        uint8_t *told = engine->route_states.items;
        const WantedRoute *wanted;

        *all_installed = true;
        ARRAY_FOREACH(wanted, &engine->intent.routes) {
                WantedState state = state_now(engine, wanted);

                if (*told != state) {
                        if (!array_append(changed, wanted))
                                return -ENOMEM;
                        *all_installed &= state == WANTED_INSTALLED;
                        *told = (uint8_t)state;
                }
                told++;
        }
        return 0;
}

void engine_tell_route_states(Engine *engine, const DesiredView *before) {
        CLEANUP(array_clear) Array changed = ARRAY_INIT(WantedRoute);
        CLEANUP(array_clear) Array none = ARRAY_INIT(WantedRoute);
        bool all_installed;
        unsigned causes;

        if (!same_defaults(before, &engine->view))
                engine->route_causes |= ENGINE_CAUSE_DEFAULT_ROUTE;
        if (engine->reconciler.did_something || engine->reconciler.failures.n > 0)
                engine->route_causes |= ENGINE_CAUSE_OTHER;
        if (engine->route_causes == 0 || engine->asleep || engine->defaults_wait)
                return;

        causes = engine->route_causes;
        engine->route_causes = 0;
        if (engine->route_states.n != engine->intent.routes.n) {
                engine_note_routes(engine, &engine->intent);
                return;
        }
        if (find_changed(engine, &changed, &all_installed) < 0) {
                engine->route_causes = causes; /* the rest is told later */
                return;
        }
        if (changed.n > 0 && engine->observer.on_routes)
                engine->observer.on_routes(&changed, &none, name_cause(causes, all_installed),
                        engine->observer.userdata);
}
