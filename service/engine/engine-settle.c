// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine-private.h"

#include <errno.h>
#include <string.h>

#include "backends/base/log.h"

static const int families[2] = { AF_INET, AF_INET6 };

static void on_changes(const FactChange *changes, size_t n, void *userdata) {
        Engine *engine = userdata;

        for (size_t i = 0; i < n; i++) {
                if (!array_append(&engine->changes, &changes[i])) {
                        log_error("Out of memory for what the kernel reports");
                        engine->reconciler.must_resync = true;
                        break;
                }
                reconciler_note_author(&engine->reconciler, &changes[i]);
                if (changes[i].fact.kind == FACT_LINK) {
                        engine->links_changed = true;
                        engine->route_causes |= ENGINE_CAUSE_LINK;
                } else if (fact_is_ours(&changes[i].fact)) {
                        engine->route_causes |= ENGINE_CAUSE_OTHER;
                }
        }
        engine_mark_dirty(engine);
}

static bool same_links(const FactSet *a, const FactSet *b) {
        size_t n, n_b;
        const Fact *x = fact_set_of_kind(a, FACT_LINK, &n);
        const Fact *y = fact_set_of_kind(b, FACT_LINK, &n_b);

        for (size_t i = 0; i < n && n == n_b; i++)
                if (!fact_equals(&x[i], &y[i]))
                        return false;
        return n == n_b;
}

/* Everything of some kinds is known afresh; what was reported before is older. */
static void on_resync(uint32_t kinds, FactSet *facts, void *userdata) {
        Engine *engine = userdata;
        FactSet merged = FACT_SET_INIT;
        const Fact *fact;
        int r = 0;

        if (fact_set_merge(&engine->reconciler.observed, &engine->changes) < 0)
                r = -ENOMEM;
        engine->changes.n = 0;
        engine->links_changed |= (kinds & FACT_KIND_BIT(FACT_LINK)) != 0;
        engine->route_causes |= ENGINE_CAUSE_OTHER;

        ARRAY_FOREACH(fact, &engine->reconciler.observed.facts) {
                if (r >= 0 && !(kinds & FACT_KIND_BIT(fact->kind)))
                        r = fact_set_append(&merged, fact);
        }
        ARRAY_FOREACH(fact, &facts->facts) {
                if (r >= 0)
                        r = fact_set_append(&merged, fact);
        }
        if (r >= 0)
                r = fact_set_sort(&merged);
        if (r < 0) {
                log_error("Out of memory for what the kernel holds");
                fact_set_clear(&merged);
                engine->reconciler.must_resync = true;
                engine_mark_dirty(engine);
                return;
        }
        if (!same_links(&engine->reconciler.observed, &merged))
                engine->route_causes |= ENGINE_CAUSE_LINK;
        fact_set_clear(&engine->reconciler.observed);
        engine->reconciler.observed = merged;
        culprit_set_unknown(&engine->reconciler.culprit);
        engine_mark_dirty(engine);
}

void engine_connect_backend(Engine *engine, Backend *backend) {
        backend->sink = (BackendSink){
                .on_changes = on_changes, .on_resync = on_resync, .userdata = engine
        };
}

/*
 * The first resolver of a family that the link has by which groups leave; see
 * desired_group_link(). While nobody tells of that link, at the start or because
 * who did is gone, what is in the kernel stays: the last run's, or ours.
 */
static Address find_resolver(Engine *engine, const DesiredView *view, int slot) {
        const Fact key = { .kind = FACT_RESOLVER,
                .resolver = { .address = { .family = families[slot] } } };
        const uint32_t link = desired_group_link(view, slot);
        const LinkHints *hints = engine_link_hints(engine, link);
        const Fact *fact;

        if (!hints) {
                if (engine->resolver_links[slot] && engine->resolver_links[slot] != link)
                        return (Address){ 0 };
                fact = fact_set_find(&engine->reconciler.observed, &key);
                return link && fact ? fact->resolver.address : (Address){ 0 };
        }

        engine->resolver_links[slot] = link;
        for (unsigned i = 0; i < hints->n_resolvers; i++)
                if (hints->resolvers[i].family == families[slot])
                        return hints->resolvers[i];
        return (Address){ 0 };
}

void engine_update_view(Engine *engine, const Intent *intent, DesiredView *ret) {
        const uint32_t kinds = reconciler_kinds(&engine->reconciler);

        *ret = desired_view(&(DesiredInput){
                .intent = intent,
                .observed = &engine->reconciler.observed,
                .ours = engine->ours,
                .groups = &engine->groups,
                .known = &engine->known,
                .has_filter = kinds & FACT_KIND_BIT(FACT_FILTER),
                .has_groups = kinds & FACT_KIND_BIT(FACT_MARKED_GROUP),
                .has_own_groups_only = engine->has_own_groups_only,
                .firewall_marks = reconciler_has_kinds(&engine->reconciler,
                        FACT_KIND_BIT(FACT_FILTER) | FACT_KIND_BIT(FACT_MARKED_GROUP)),
                .counts = engine->counts,
                .sysctls = kinds & FACT_KIND_BIT(FACT_SYSCTL) ? engine->sysctls : 0,
        });
        for (int i = 0; i < 2; i++)
                ret->input.resolvers[i] = find_resolver(engine, ret, i);
}

static int settle_once(Engine *engine) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT;
        int r;

        engine_update_view(engine, &engine->intent, &engine->view);
        r = desired_build(&engine->view, &desired);
        return r < 0 ? r
                     : reconciler_settle(&engine->reconciler, &desired, engine->observer.on_healed,
                               engine->observer.userdata);
}

int engine_settle(Engine *engine) {
        int r;

        if (engine->other_instance[0])
                return 0; /* what is not wanted here is wanted there */
        do
                r = settle_once(engine);
        while (r >= 0 && markers_exchanged(&engine->markers, &engine->reconciler));
        return r;
}

int engine_try(Engine *engine, Intent *candidate, Refusal *why) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT;
        DesiredView view;
        int r;

        engine_update_view(engine, candidate, &view);
        r = desired_build(&view, &desired);
        return r < 0 ? r : reconciler_try(&engine->reconciler, &desired, why);
}

int engine_resync(Engine *engine) {
        Backend **backend;
        int first = 0;

        ARRAY_FOREACH(backend, &engine->reconciler.backends) {
                int r = (*backend)->interface->resync(*backend);

                if (r < 0) {
                        log_error("Cannot read from %s: %s", (*backend)->interface->name,
                                strerror(-r));
                        first = first ? first : r;
                }
        }
        return first;
}

void engine_resolve_gateways(Engine *engine) {
        Backend **backend;

        for (int i = 0; i < 2; i++) {
                const DefaultRoute *best = &engine->view.best[i], *last = &engine->resolved[i];

                if (!best->present ||
                        (last->present && last->route.ifindex == best->route.ifindex &&
                                address_compare(&last->route.gateway, &best->route.gateway) == 0)) {
                        engine->resolved[i].present = best->present;
                        continue;
                }
                engine->resolved[i] = *best;
                if (!address_is_set(&best->route.gateway))
                        continue;
                ARRAY_FOREACH(backend, &engine->reconciler.backends) {
                        if ((*backend)->interface->resolve_neighbour)
                                (*backend)->interface->resolve_neighbour(
                                        *backend, best->route.ifindex, &best->route.gateway);
                }
        }
}
