// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/log.h"
#include "service/engine/execute.h"
#include "service/engine/reconcile.h"
#include "service/engine/state-file.h"
#include "service/model/adopt.h"
#include "service/model/fold.h"

#define SUBMISSIONS_MAX 4096
#define TURN_USEC (50 * USEC_PER_MSEC) /* for requests, of one turn */
#define RESYNC_PAUSE_USEC (100 * USEC_PER_MSEC)

typedef struct Submission {
        IntentChange change;
        bool refresh; /* no change: only look afresh */
        EngineDone done;
        void *userdata;
} Submission;

/* How a submission ended, kept until the turn is over: callbacks see finished work only. */
typedef struct Ending {
        EngineDone done;
        void *userdata;
        int result;
        Refusal why;
} Ending;

struct Engine {
        sd_event *event;
        sd_event_source *turn_source;  /* deferred: one turn */
        sd_event_source *timer_source; /* retry, heal, fold */
        Ours ours;
        NumbersInput numbers; /* what they are chosen from at the start */
        bool counts;
        uint32_t sysctls;
        char *state_path;
        void (*on_intent)(void *userdata);
        void *intent_userdata;
        void (*on_links)(void *userdata);
        void *links_userdata;
        EngineObserver observer;
        bool has_own_groups_only; /* not others' where they are */
        bool started;
        bool asleep; /* the machine */

        Intent intent;
        bool is_unsaved;    /* the intent changed this turn */
        bool hints_changed; /* properties of the default routes show them */
        bool links_changed; /* since the last turn */
        Reconciler reconciler;
        Markers markers;
        DesiredView view;
        Array groups; /* of GroupPlace, sorted: where groups are */
        bool groups_changed;
        Array hints;   /* of LinkHints, sorted */
        Array changes; /* of FactChange, not merged yet */
        Array submissions;

        Fold folds[2];
        DefaultRoute resolved[2]; /* whose gateway was asked for */
        Array conflicts;          /* of Conflict, sorted */
        EngineState state;
        char state_reason[CONFLICT_TEXT_MAX];
};

static const int families[2] = { AF_INET, AF_INET6 };

const char *engine_state_name(EngineState state) {
        static const char *const names[] = {
                [ENGINE_IDLE] = "idle",
                [ENGINE_ACTIVE] = "active",
                [ENGINE_DEGRADED] = "degraded",
        };

        return names[state];
}

static void mark_dirty(Engine *engine) {
        if (engine->started)
                (void)sd_event_source_set_enabled(engine->turn_source, SD_EVENT_ONESHOT);
}

static void on_changes(const FactChange *changes, size_t n, void *userdata) {
        Engine *engine = userdata;

        for (size_t i = 0; i < n; i++) {
                if (!array_append(&engine->changes, &changes[i])) {
                        log_error("Out of memory for what the kernel reports");
                        engine->reconciler.must_resync = true;
                        break;
                }
                reconciler_note_author(&engine->reconciler, &changes[i]);
                engine->links_changed |= changes[i].fact.kind == FACT_LINK;
        }
        mark_dirty(engine);
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
                mark_dirty(engine);
                return;
        }
        fact_set_clear(&engine->reconciler.observed);
        engine->reconciler.observed = merged;
        culprit_set_unknown(&engine->reconciler.culprit);
        mark_dirty(engine);
}

/* The first resolver of a family that the link has by which groups leave; see desired_group_link().
 */
static Address find_resolver(const Engine *engine, const DesiredView *view, int slot) {
        const LinkHints *hints = engine_link_hints(engine, desired_group_link(view, slot));

        for (unsigned i = 0; hints && i < hints->n_resolvers; i++)
                if (hints->resolvers[i].family == families[slot])
                        return hints->resolvers[i];
        return (Address){ 0 };
}

static void update_view(Engine *engine, const Intent *intent, DesiredView *ret) {
        const uint32_t kinds = reconciler_kinds(&engine->reconciler);

        *ret = desired_view(&(DesiredInput){
                .intent = intent,
                .observed = &engine->reconciler.observed,
                .ours = engine->ours,
                .groups = &engine->groups,
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

/* Brings the system to what is wanted already. */
static int settle_once(Engine *engine) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT;
        int r;

        update_view(engine, &engine->intent, &engine->view);
        r = desired_build(&engine->view, &desired);
        return r < 0 ? r
                     : reconciler_settle(&engine->reconciler, &desired, engine->observer.on_healed,
                               engine->observer.userdata);
}

static int settle(Engine *engine) {
        int r;

        do
                r = settle_once(engine);
        while (r >= 0 && markers_exchanged(&engine->markers, &engine->reconciler));
        return r;
}

/* Brings the system to @candidate. Return: 0; -EPERM and @why, all undone; -ENOMEM likewise. */
static int try_candidate(Engine *engine, Intent *candidate, Refusal *why) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT;
        DesiredView view;
        int r;

        update_view(engine, candidate, &view);
        r = desired_build(&view, &desired);
        return r < 0 ? r : reconciler_try(&engine->reconciler, &desired, why);
}

static void log_intent_change(const Intent *intent, const IntentChange *change) {
        static const char *const verbs[] = {
                [INTENT_ADD_ROUTES] = "Routes added by",
                [INTENT_REMOVE_ROUTES] = "Routes removed by",
                [INTENT_CLEAR_ROUTES] = "Routes cleared by",
                [INTENT_SET_TUNNEL] = "Tunnel set by",
                [INTENT_UNSET_TUNNEL] = "Tunnel unset by",
                [INTENT_DROP_CLIENT] = "Everything taken back of",
                [INTENT_ADD_SELECTORS] = "Selectors added by",
                [INTENT_REMOVE_SELECTORS] = "Selectors removed by",
                [INTENT_SET_SELECTORS] = "Selectors set by",
                [INTENT_ADD_GROUP] = "Group taken for",
                [INTENT_REMOVE_GROUP] = "Group given back of",
                [INTENT_SET_SPLIT] = "Split tunnelling changed by",
        };
        bool of_tunnel = change->kind == INTENT_SET_TUNNEL || change->kind == INTENT_UNSET_TUNNEL;
        char routes[32];

        (void)snprintf(routes, sizeof(routes), "; routes now: %zu", intent->routes.n);
        log_info("%s user %u%s%s%s%s%s", verbs[change->kind], change->owner.uid,
                change->owner.name[0] ? ", client " : "", change->owner.name,
                change->tunnel.device[0] ? ": " : "", change->tunnel.device,
                of_tunnel ? "" : routes);
}

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

static void tell_routes(Engine *engine, const Intent *before, const char *reason) {
        CLEANUP(array_clear) Array added = ARRAY_INIT(WantedRoute);
        CLEANUP(array_clear) Array removed = ARRAY_INIT(WantedRoute);

        if (!engine->observer.on_routes || append_difference(&added, &engine->intent, before) < 0 ||
                append_difference(&removed, before, &engine->intent) < 0)
                return; /* without memory clients are not told of this one */
        if (added.n > 0 || removed.n > 0)
                engine->observer.on_routes(&added, &removed, reason, engine->observer.userdata);
}

/* Saves what is wanted; without it a restart would forget, so say so loudly. */
static void save_intent(Engine *engine) {
        int r;

        engine->is_unsaved = false;
        if (!engine->state_path)
                return;
        r = state_file_write(engine->state_path, &engine->intent);
        if (r < 0)
                log_error("Cannot save what is wanted to %s: %s", engine->state_path, strerror(-r));
}

/* Return: what intent_apply() says of a copy, which @ret becomes. */
static int make_candidate(Engine *engine, const IntentChange *change, Intent *ret, Refusal *why) {
        int r = intent_copy(ret, &engine->intent);

        return r < 0 ? r : intent_apply(ret, change, why);
}

/* Return: 1 *candidate is what is; 0 nothing to do; -EPERM and @why; other negative errno. */
static int try_change(Engine *engine, const IntentChange *change, Intent *candidate, Refusal *why) {
        int r = make_candidate(engine, change, candidate, why);

        if (r <= 0)
                return r;
        r = desired_check(&engine->reconciler.observed, change, why);
        if (r >= 0)
                r = try_candidate(engine, candidate, why);
        return r < 0 ? r : 1;
}

/* Return: 0 done, or nothing to do; -EPERM and @why; other negative errno. Nothing half done. */
static int run_change(Engine *engine, const IntentChange *change, uint32_t *mask, Refusal *why) {
        CLEANUP(intent_clear) Intent candidate = INTENT_INIT;
        Intent before;
        int r;

        engine->reconciler.refused = (Failure){ .fault.error = 0 };
        r = try_change(engine, change, &candidate, why);
        /* Where it is a mark that cannot be had, another marker may be able to. */
        while (r == -EPERM &&
                markers_exchanged_for(&engine->markers, &engine->reconciler.refused)) {
                engine->reconciler.refused = (Failure){ .fault.error = 0 };
                intent_clear(&candidate);
                candidate = INTENT_INIT;
                r = settle(engine); /* what is wanted already comes first */
                if (r >= 0)
                        r = try_change(engine, change, &candidate, why);
        }
        if (r <= 0)
                return r;

        before = engine->intent;
        engine->intent = candidate;
        candidate = before; /* freed at the end */
        update_view(engine, &engine->intent, &engine->view);

        log_intent_change(&engine->intent, change);
        engine->is_unsaved = true;
        tell_routes(
                engine, &candidate, change->kind == INTENT_DROP_CLIENT ? "client-gone" : "request");
        if (engine->observer.on_owners)
                engine->observer.on_owners(engine->observer.userdata);
        *mask |= ENGINE_PROPERTY_TUNNEL;
        return 0;
}

/* Return: 0; the error of the first backend that cannot be read. */
static int resync_backends(Engine *engine) {
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

static int run_refresh(Engine *engine) {
        int r;

        reconciler_forgive(&engine->reconciler);
        if (engine->markers.listener.on_refresh)
                engine->markers.listener.on_refresh(engine->markers.listener.userdata);
        r = resync_backends(engine);
        return r < 0 ? r : settle(engine);
}

/*
 * Runs what was submitted before this turn, in its order and for TURN_USEC at
 * most: what is left waits for the next turn, so that the loop hears events.
 */
static void run_submissions(Engine *engine, uint32_t *mask, Array *endings) {
        usec_t until = clock_now() + TURN_USEC;
        size_t n = engine->submissions.n, n_run;
        Submission *left;

        if (array_reserve(endings, n) < 0) {
                reconciler_wake_at(&engine->reconciler, clock_now() + RESYNC_PAUSE_USEC);
                return;
        }

        for (n_run = 0; n_run < n && (n_run == 0 || clock_now() < until); n_run++) {
                /* A copy: observers may submit, and so move the array. */
                Submission submission = *(Submission *)array_at(&engine->submissions, n_run);
                Ending ending = { .done = submission.done, .userdata = submission.userdata };

                ending.result = submission.refresh
                                        ? run_refresh(engine)
                                        : run_change(engine, &submission.change, mask, &ending.why);
                intent_change_clear(&submission.change);
                if (ending.done)
                        (void)array_append(endings, &ending); /* room is reserved */
        }

        engine->submissions.n -= n_run;
        left = engine->submissions.items;
        if (engine->submissions.n > 0) {
                memmove(left, left + n_run, engine->submissions.n * sizeof(*left));
                mark_dirty(engine);
        }
}

/* Asks for the gateway's link-layer address when the best default has a new gateway. */
static void resolve_gateways(Engine *engine) {
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

static void tell_defaults(Engine *engine, uint32_t *mask) {
        for (int i = 0; i < 2; i++) {
                const char *reason = NULL;
                DefaultRoute before;
                usec_t when;

                switch (fold_step(&engine->folds[i], &engine->view.best[i], clock_now(), &before,
                        &reason, &when)) {
                case FOLD_NOTHING:
                        continue;
                case FOLD_WAIT:
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

/* Looks for what works against us; tells what is new. */
static void find_conflicts(Engine *engine, uint32_t *mask) {
        CLEANUP(array_clear) Array found = ARRAY_INIT(Conflict);
        const Conflict *conflict;
        usec_t when;

        if (heal_is_fighting(&engine->reconciler.heals, clock_now(), &when))
                reconciler_wake_at(&engine->reconciler, when);
        else
                engine->reconciler.fights.n = 0;

        if (array_copy(&found, &engine->reconciler.fights) < 0 ||
                conflicts_find(&engine->reconciler.observed, &engine->ours,
                        engine->intent.tunnel.device, &found) < 0 ||
                array_sort(&found, conflict_compare) < 0)
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

static void find_state(Engine *engine, uint32_t *mask) {
        EngineState state = intent_is_empty(&engine->intent) ? ENGINE_IDLE : ENGINE_ACTIVE;
        char reason[CONFLICT_TEXT_MAX] = "";

        if (reconciler_has_lasting_failure(&engine->reconciler)) {
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

static void arm_timer(Engine *engine) {
        if (engine->reconciler.wake_usec == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(engine->timer_source, SD_EVENT_OFF);
                return;
        }
        if (sd_event_source_set_time(engine->timer_source, engine->reconciler.wake_usec) < 0 ||
                sd_event_source_set_enabled(engine->timer_source, SD_EVENT_ONESHOT) < 0)
                log_error("Cannot set the timer for the next try");
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        mark_dirty(userdata);
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
        return resync_backends(engine);
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
        save_intent(engine);
        return engine->groups_changed ? settle(engine) : 0;
}

/* One turn: what happened, what is to be told, what is to be done, what was asked. */
static int on_turn(sd_event_source *source, void *userdata) {
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
        before = engine->view;
        update_view(engine, &engine->intent, &engine->view);

        if (r >= 0 && !engine->asleep)
                tell_defaults(engine, &mask);
        if (r >= 0)
                r = settle(engine);
        run_submissions(engine, &mask, &endings);
        finished = finish_intent(engine);
        if (r >= 0 && finished >= 0)
                markers_retire(&engine->markers, &engine->reconciler);
        if (r < 0 || finished < 0) {
                log_error("Cannot look or act: %s; reading everything again",
                        strerror(r < 0 ? -r : -finished));
                engine->reconciler.must_resync = true;
        }
        resolve_gateways(engine);

        if (!same_tunnel_view(&before, &engine->view))
                mask |= ENGINE_PROPERTY_TUNNEL;
        if (engine->hints_changed && !engine->asleep) {
                mask |= ENGINE_PROPERTY_DEFAULT_ROUTE4 | ENGINE_PROPERTY_DEFAULT_ROUTE6;
                engine->hints_changed = false;
        }
        find_conflicts(engine, &mask);
        find_state(engine, &mask);
        if (engine->reconciler.must_resync)
                reconciler_wake_at(&engine->reconciler, clock_now() + RESYNC_PAUSE_USEC);
        if (engine->reconciler.did_something)
                mark_dirty(engine); /* others may follow what we made, or lost with it */
        arm_timer(engine);

        if (engine->links_changed && engine->on_links)
                engine->on_links(engine->links_userdata);
        engine->links_changed = false;
        if (mask && engine->observer.on_properties)
                engine->observer.on_properties(mask, engine->observer.userdata);
        ARRAY_FOREACH(ending, &endings)
                ending->done(ending->result, &ending->why, ending->userdata);
        return 0;
}

int engine_new(sd_event *event, const EngineConfig *config, Engine **ret) {
        CLEANUP(engine_free_p) Engine *engine = NULL;
        int r;

        engine = calloc(1, sizeof(*engine));
        if (!engine)
                return -ENOMEM;

        engine->event = sd_event_ref(event);
        engine->ours = config->ours;
        engine->numbers = (NumbersInput){
                .set = config->ours,
                .fixed = config->fixed,
                .n_foreign_tables = config->n_foreign_tables,
        };
        memcpy(engine->numbers.foreign_tables, config->foreign_tables,
                sizeof(config->foreign_tables));
        reconciler_init(&engine->reconciler);
        markers_init(&engine->markers);
        engine->intent = INTENT_INIT;
        engine->changes = (Array)ARRAY_INIT(FactChange);
        engine->groups = (Array)ARRAY_INIT(GroupPlace);
        engine->hints = (Array)ARRAY_INIT(LinkHints);
        engine->counts = config->counts;
        engine->sysctls = config->sysctls;
        engine->submissions = (Array)ARRAY_INIT(Submission);
        engine->conflicts = (Array)ARRAY_INIT(Conflict);

        if (config->state_path) {
                engine->state_path = strdup(config->state_path);
                if (!engine->state_path)
                        return -ENOMEM;
        }

        r = sd_event_add_defer(event, &engine->turn_source, on_turn, engine);
        if (r >= 0)
                r = sd_event_source_set_enabled(engine->turn_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(
                        event, &engine->timer_source, CLOCK_MONOTONIC, 0, 1000, on_timer, engine);
        if (r >= 0)
                r = sd_event_source_set_enabled(engine->timer_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE(engine);
        return 0;
}

/* Frees without touching the system; what waits for an answer gets none. */
Engine *engine_free(Engine *engine) {
        Submission *submission;

        if (!engine)
                return NULL;

        sd_event_source_disable_unref(engine->turn_source);
        sd_event_source_disable_unref(engine->timer_source);
        sd_event_unref(engine->event);
        ARRAY_FOREACH(submission, &engine->submissions)
                intent_change_clear(&submission->change);
        array_clear(&engine->submissions);
        array_clear(&engine->changes);
        array_clear(&engine->groups);
        array_clear(&engine->hints);
        array_clear(&engine->conflicts);
        intent_clear(&engine->intent);
        markers_clear(&engine->markers);
        reconciler_clear(&engine->reconciler);
        free(engine->state_path);
        free(engine);
        return NULL;
}

static void connect_backend(Engine *engine, Backend *backend) {
        backend->sink = (BackendSink){
                .on_changes = on_changes, .on_resync = on_resync, .userdata = engine
        };
}

int engine_add_backend(Engine *engine, Backend *backend) {
        assert(!engine->started);

        connect_backend(engine, backend);
        return array_append(&engine->reconciler.backends, &backend) ? 0 : -ENOMEM;
}

void engine_set_marker_listener(Engine *engine, const MarkerListener *listener) {
        engine->markers.listener = *listener;
}

int engine_exchange_marker(Engine *engine, Backend *former, Backend *next) {
        int r = markers_exchange(&engine->markers, &engine->reconciler, former, next);

        if (r < 0)
                return r;
        if (former && former != next)
                former->sink = (BackendSink){ .userdata = NULL };
        if (next)
                connect_backend(engine, next);
        mark_dirty(engine);
        return 0;
}

void engine_set_matches_groups(Engine *engine, bool matches) {
        engine->has_own_groups_only = !matches;
        mark_dirty(engine);
}

void engine_set_intent_listener(Engine *engine, void (*on_intent)(void *userdata), void *userdata) {
        engine->on_intent = on_intent;
        engine->intent_userdata = userdata;
}

void engine_set_link_listener(Engine *engine, void (*on_links)(void *userdata), void *userdata) {
        engine->on_links = on_links;
        engine->links_userdata = userdata;
}

void engine_set_observer(Engine *engine, const EngineObserver *observer) {
        engine->observer = *observer;
}

/* Before anything of ours is made, and for as long as we run. */
static void choose_numbers(Engine *engine) {
        const Ours *ours = &engine->ours;

        engine->numbers.observed = &engine->reconciler.observed;
        engine->numbers.saved = engine->intent.ours;
        engine->ours = numbers_choose(&engine->numbers);
        engine->intent.ours = engine->ours;
        if (!numbers_equal(ours, &engine->numbers.set))
                log_notice("Not by the defaults, which others use or used: mark %#x/%#x, tables %u "
                           "and %u, rule priority %u",
                        ours->mark, ours->mark_mask, ours->tunnel_table, ours->excluded_table,
                        ours->rule_priority);
}

/* The intent of the last run: from its file, or else from what it left in the kernel. */
static int restore_intent(Engine *engine) {
        int r = engine->state_path ? state_file_read(engine->state_path, &engine->intent) : 0;

        if (r < 0)
                log_error("Cannot read %s: %s; reading the tunnel back from the kernel",
                        engine->state_path, strerror(-r));
        choose_numbers(engine);
        if (!engine->state_path)
                return 0;
        if (r > 0 && intent_has_tunnel(&engine->intent))
                return 0;

        /* A tunnel that is set, and was not saved before we died, stays closed as well. */
        r = adopt_tunnel(&engine->reconciler.observed, &engine->ours, &engine->intent);
        if (r > 0) {
                log_warning("The saved intent is lost or older; kept the tunnel %s as the kernel "
                            "has it",
                        engine->intent.tunnel.device);
                save_intent(engine);
        }
        return r < 0 ? r : 0;
}

int engine_start(Engine *engine) {
        uint32_t mask = 0;
        int r;

        assert(!engine->started);

        r = resync_backends(engine);
        if (r >= 0)
                r = restore_intent(engine);
        if (r < 0)
                return r;

        engine->started = true;
        update_view(engine, &engine->intent, &engine->view);
        for (int i = 0; i < 2; i++)
                engine->folds[i].told = engine->view.best[i];
        r = settle(engine);
        markers_retire(&engine->markers, &engine->reconciler);
        resolve_gateways(engine);
        find_conflicts(engine, &mask);
        find_state(engine, &mask);
        arm_timer(engine);
        return r;
}

int engine_check(Engine *engine, const IntentChange *change, Refusal *why) {
        CLEANUP(intent_clear) Intent candidate = INTENT_INIT;
        int r = make_candidate(engine, change, &candidate, why);

        return r < 0 ? r : desired_check(&engine->reconciler.observed, change, why);
}

static int submit(Engine *engine, const Submission *submission) {
        /* A client ends once; what it leaves behind must not stay for want of room. */
        if (engine->submissions.n >= SUBMISSIONS_MAX &&
                submission->change.kind != INTENT_DROP_CLIENT)
                return -ENOBUFS;
        if (!array_append(&engine->submissions, submission))
                return -ENOMEM;
        mark_dirty(engine);
        return 0;
}

int engine_submit(Engine *engine, IntentChange *change, EngineDone done, void *userdata) {
        int r = submit(
                engine, &(Submission){ .change = *change, .done = done, .userdata = userdata });

        if (r >= 0)
                *change = INTENT_CHANGE_INIT;
        return r;
}

int engine_refresh(Engine *engine, EngineDone done, void *userdata) {
        return submit(engine, &(Submission){ .change = INTENT_CHANGE_INIT,
                                      .refresh = true,
                                      .done = done,
                                      .userdata = userdata });
}

/* Puts @value into a sorted array, or takes it out. Return: 1 changed; 0; -ENOMEM. */
static int update_sorted(Array *array, const void *value, bool gone, ArrayCompare compare) {
        size_t index;
        void *found = array_search(array, value, compare, &index);

        if (gone) {
                if (found)
                        array_remove(array, index);
                return found ? 1 : 0;
        }
        if (found && memcmp(found, value, array->item_size) == 0)
                return 0;
        if (found)
                memcpy(found, value, array->item_size);
        else if (!array_insert(array, index, value))
                return -ENOMEM;
        return 1;
}

int engine_set_group(Engine *engine, const GroupPlace *place, bool gone) {
        int r = update_sorted(&engine->groups, place, gone, group_place_compare);

        if (r > 0) {
                engine->groups_changed = true;
                mark_dirty(engine);
        }
        return r < 0 ? r : 0;
}

int engine_share_group(Engine *engine, const char *from, const char *to) {
        CLEANUP(intent_clear) Intent shared = INTENT_INIT;
        const SplitGroup *group;
        Intent before;
        Refusal why;
        int r = intent_copy(&shared, &engine->intent);

        ARRAY_FOREACH(group, &engine->intent.split.groups) {
                IntentChange change = INTENT_CHANGE_INIT;

                if (r < 0 || strcmp(group->path, from) != 0)
                        continue;
                change.kind = INTENT_ADD_GROUP;
                change.owner = *intent_owner(&engine->intent, group->owner);
                (void)snprintf(change.group.path, sizeof(change.group.path), "%s", to);
                r = intent_apply(&shared, &change, &why);
        }
        if (r < 0)
                return r;
        before = engine->intent;
        engine->intent = shared;
        shared = before; /* freed at the end */
        update_view(engine, &engine->intent, &engine->view);
        engine->is_unsaved = true;
        mark_dirty(engine);
        return 0;
}

static int compare_hints(const void *a, const void *b) {
        return link_hints_compare_key(a, b);
}

int engine_set_link_hints(Engine *engine, const LinkHints *hints, bool gone) {
        int r = update_sorted(&engine->hints, hints, gone, compare_hints);

        if (r > 0) {
                engine->hints_changed = true;
                mark_dirty(engine);
        }
        return r < 0 ? r : 0;
}

void engine_set_asleep(Engine *engine, bool asleep) {
        engine->asleep = asleep;
        if (asleep)
                return;
        for (int i = 0; i < 2; i++)
                fold_wake(&engine->folds[i], clock_now());
        reconciler_forgive(&engine->reconciler);
        engine->reconciler.must_resync = true;
        mark_dirty(engine);
}

const LinkHints *engine_link_hints(const Engine *engine, uint32_t ifindex) {
        return array_search(
                &engine->hints, &(LinkHints){ .ifindex = ifindex }, compare_hints, NULL);
}

const Array *engine_groups(const Engine *engine) {
        return &engine->groups;
}

const Intent *engine_intent(const Engine *engine) {
        return &engine->intent;
}

const FactSet *engine_observed(const Engine *engine) {
        return &engine->reconciler.observed;
}

const Ours *engine_ours(const Engine *engine) {
        return &engine->ours;
}

EngineState engine_state(const Engine *engine) {
        return engine->state;
}

const char *engine_state_reason(const Engine *engine) {
        return engine->state_reason;
}

const Array *engine_conflicts(const Engine *engine) {
        return &engine->conflicts;
}

const DefaultRoute *engine_default_route(const Engine *engine, int family) {
        return &engine->folds[family_slot(family)].told;
}

WantedState engine_route_state(
        const Engine *engine, const WantedRoute *wanted, char reason[static STATE_REASON_MAX]) {
        WantedState state = desired_route_state(&engine->view, wanted, reason);
        const Failure *failure;

        if (state != WANTED_WAITING)
                return state;
        ARRAY_FOREACH(failure, &engine->reconciler.failures) {
                if (failure->operation.fact.kind != FACT_ROUTE ||
                        route_compare_slot(&failure->operation.fact.route, &wanted->route) != 0)
                        continue;
                (void)snprintf(reason, STATE_REASON_MAX, "%.*s", STATE_REASON_MAX - 1,
                        failure->fault.text[0] ? failure->fault.text
                                               : strerror(-failure->fault.error));
                return failure->fault.error == -EEXIST ? WANTED_CONFLICT : WANTED_WAITING;
        }
        return state;
}

TunnelFamily engine_tunnel_family(const Engine *engine, int family) {
        return engine->view.tunnel[family_slot(family)];
}

bool engine_has_submissions(const Engine *engine) {
        return engine->submissions.n > 0;
}

bool engine_is_idle(const Engine *engine) {
        return intent_is_empty(&engine->intent) && !engine_has_submissions(engine);
}
