// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/log.h"

static const int families[2] = { AF_INET, AF_INET6 };

static void tell_defaults(Engine *engine, uint32_t *mask) {
        engine->defaults_wait = false;
        for (int i = 0; i < 2; i++) {
                const char *reason = NULL;
                DefaultRoute before;
                usec_t when;

                switch (fold_step(&engine->folds[i], &engine->view.best[i], clock_now(), &before,
                        &reason, &when)) {
                case FOLD_NOTHING:
                        continue;
                case FOLD_WAIT:
                        engine->defaults_wait = true;
                        reconciler_wake_at(&engine->reconciler, when);
                        continue;
                case FOLD_TELL:
                        log_info("Default route of %s: %s, was %s (%s)", family_name(families[i]),
                                engine->folds[i].told.present ? engine->folds[i].told.device
                                                              : "none",
                                before.present ? before.device : "none", reason);
                        if (engine->observer.on_default_route)
                                engine->observer.on_default_route(families[i], &before,
                                        &engine->folds[i].told, reason, engine->observer.userdata);
                        break;
                case FOLD_COMPLETE:
                        break;
                }
                *mask |= i == 0 ? ENGINE_PROPERTY_DEFAULT_ROUTE4 : ENGINE_PROPERTY_DEFAULT_ROUTE6;
        }
}

/* The kernel refuses what we ask for in other words: -EEXIST with a text is somebody's table. */
static int put_taken_firewall(const Engine *engine, Array *found) {
        const Failure *failure;

        ARRAY_FOREACH(failure, &engine->reconciler.failures) {
                const Fact *fact = &failure->operation.fact;

                if (fact->kind == FACT_FILTER && fact->filter.kind == FILTER_BASE &&
                        failure->fault.error == -EEXIST && failure->fault.text[0])
                        return conflicts_put_firewall(failure->fault.text, found);
        }
        return 0;
}

/* Looks for what works against us; tells what is new. */
void engine_find_conflicts(Engine *engine, uint32_t *mask) {
        CLEANUP(array_clear) Array found = ARRAY_INIT(Conflict);
        const Conflict *conflict;
        usec_t when;

        if (heal_is_fighting(&engine->reconciler.heals, clock_now(), &when))
                reconciler_wake_at(&engine->reconciler, when);
        else
                engine->reconciler.fights.n = 0;

        if (array_copy(&found, &engine->reconciler.fights) < 0 ||
                (engine->other_instance[0] &&
                        conflicts_put_instance(engine->other_instance, &found) < 0) ||
                conflicts_find(&engine->reconciler.observed, &engine->ours,
                        engine->intent.tunnel.device, &found) < 0 ||
                (desired_refuses_names(&engine->view) &&
                        conflicts_put_no_resolver(engine->intent.tunnel.device, &found) < 0) ||
                put_taken_firewall(engine, &found) < 0 || array_sort(&found, conflict_compare) < 0)
                return; /* without memory the old list stands */

        ARRAY_FOREACH(conflict, &found) {
                if (array_search(&engine->conflicts, conflict, conflict_compare, NULL))
                        continue;
                *mask |= ENGINE_PROPERTY_CONFLICTS;
                log_warning("Conflict: %s%s%s", conflict->what, conflict->owner[0] ? ", by " : "",
                        conflict->owner);
                if (engine->observer.on_conflict)
                        engine->observer.on_conflict(conflict, engine->observer.userdata);
        }
        if (found.n != engine->conflicts.n)
                *mask |= ENGINE_PROPERTY_CONFLICTS;

        array_clear(&engine->conflicts);
        engine->conflicts = found;
        found = (Array)ARRAY_INIT(Conflict);
}

void engine_find_state(Engine *engine, uint32_t *mask) {
        EngineState state = intent_is_empty(&engine->intent) ? ENGINE_IDLE : ENGINE_ACTIVE;
        char reason[CONFLICT_TEXT_MAX] = "";

        if (engine->other_instance[0]) {
                state = ENGINE_DEGRADED;
                (void)snprintf(
                        reason, sizeof(reason), "%s works on this network", engine->other_instance);
        } else if (reconciler_has_lasting_failure(&engine->reconciler)) {
                const Failure *failure = array_at(&engine->reconciler.failures, 0);
                char text[OPERATION_TEXT_MAX];

                state = ENGINE_DEGRADED;
                (void)snprintf(reason, sizeof(reason), "cannot %.150s: %.90s",
                        operation_format(&failure->operation, text),
                        failure->fault.text[0] ? failure->fault.text
                                               : strerror(-failure->fault.error));
        } else if (engine->reconciler.fights.n > 0) {
                const Conflict *fight = array_at(&engine->reconciler.fights, 0);

                state = ENGINE_DEGRADED;
                (void)snprintf(
                        reason, sizeof(reason), "%.180s (likely %s)", fight->what, fight->owner);
        }

        if (state != engine->state || strcmp(reason, engine->state_reason) != 0) {
                if (state == ENGINE_DEGRADED)
                        log_warning("Degraded: %s", reason);
                engine->state = state;
                memcpy(engine->state_reason, reason, sizeof(reason));
                *mask |= ENGINE_PROPERTY_STATE;
        }
}

void engine_arm_timer(Engine *engine) {
        if (engine->reconciler.wake_usec == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(engine->timer_source, SD_EVENT_OFF);
                return;
        }
        if (sd_event_source_set_time(engine->timer_source, engine->reconciler.wake_usec) < 0 ||
                sd_event_source_set_enabled(engine->timer_source, SD_EVENT_ONESHOT) < 0)
                log_error("Cannot set the timer for the next try");
}

int engine_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        engine_mark_dirty(userdata);
        return 0;
}

static bool same_tunnel_view(const DesiredView *a, const DesiredView *b) {
        return a->has_tunnel_link == b->has_tunnel_link && a->tunnel[0] == b->tunnel[0] &&
               a->tunnel[1] == b->tunnel[1] && a->tunnel_link.ifindex == b->tunnel_link.ifindex &&
               a->tunnel_link.mtu == b->tunnel_link.mtu;
}

/* Takes in what was reported since the last turn. Return: 0; negative errno. */
static int observe(Engine *engine) {
        Backend **backend;
        int r;

        ARRAY_FOREACH(backend, &engine->reconciler.backends) {
                if ((*backend)->interface->look)
                        (*backend)->interface->look(*backend);
        }
        r = fact_set_merge(&engine->reconciler.observed, &engine->changes);
        engine->changes.n = 0;
        culprit_forget_author(&engine->reconciler.culprit);
        if (r < 0 || !engine->reconciler.must_resync)
                return r;
        engine->reconciler.must_resync = false;
        return engine_resync(engine);
}

/*
 * The listener may find where the groups of new selectors are: their marks
 * stand before anybody is told that the selectors do.
 */
static int finish_intent(Engine *engine) {
        if (!engine->is_unsaved)
                return 0;
        if (engine->on_intent)
                engine->on_intent(engine->intent_userdata);
        engine_save_intent(engine);
        return engine->groups_changed ? engine_settle(engine) : 0;
}

/* One turn: what happened, what is to be told, what is to be done, what was asked. */
int engine_on_turn(sd_event_source *source, void *userdata) {
        CLEANUP(array_clear) Array endings = ARRAY_INIT(Ending);
        Engine *engine = userdata;
        const Ending *ending;
        DesiredView before;
        uint32_t mask = 0;
        int r, finished;

        engine->reconciler.turn++;
        engine->reconciler.wake_usec = USEC_INFINITY;
        engine->reconciler.did_something = false;

        r = observe(engine);
        if (r >= 0 && intent_is_empty(&engine->intent))
                engine_choose_priority(engine);
        before = engine->view;
        engine_update_view(engine, &engine->intent, &engine->view);

        if (r >= 0 && !engine->asleep)
                tell_defaults(engine, &mask);
        if (r >= 0)
                r = engine_settle(engine);
        engine_run_submissions(engine, &mask, &endings);
        finished = finish_intent(engine);
        if (r >= 0 && finished >= 0)
                markers_retire(&engine->markers, &engine->reconciler);
        if (r < 0 || finished < 0) {
                log_error("Cannot look or act: %s; reading everything again",
                        strerror(r < 0 ? -r : -finished));
                engine->reconciler.must_resync = true;
        }
        engine_resolve_gateways(engine);
        engine_tell_route_states(engine, &before);

        if (!same_tunnel_view(&before, &engine->view))
                mask |= ENGINE_PROPERTY_TUNNEL;
        if (engine->hints_changed && !engine->asleep) {
                mask |= ENGINE_PROPERTY_DEFAULT_ROUTE4 | ENGINE_PROPERTY_DEFAULT_ROUTE6;
                engine->hints_changed = false;
        }
        engine_find_conflicts(engine, &mask);
        engine_find_state(engine, &mask);
        if (engine->reconciler.must_resync)
                reconciler_wake_at(&engine->reconciler, clock_now() + RESYNC_PAUSE_USEC);
        if (engine->reconciler.did_something)
                engine_mark_dirty(engine); /* others may follow what we made, or lost with it */
        engine_arm_timer(engine);

        if (engine->links_changed && engine->on_links)
                engine->on_links(engine->links_userdata);
        engine->links_changed = false;
        if (mask && engine->observer.on_properties)
                engine->observer.on_properties(mask, engine->observer.userdata);
        ARRAY_FOREACH(ending, &endings)
                ending->done(ending->result, &ending->why, ending->userdata);
        return 0;
}
