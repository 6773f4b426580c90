// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/engine/engine-private.h"
#include "service/engine/state-file.h"
#include "service/model/adopt.h"

const char *engine_state_name(EngineState state) {
        static const char *const names[] = {
                [ENGINE_IDLE] = "idle",
                [ENGINE_ACTIVE] = "active",
                [ENGINE_DEGRADED] = "degraded",
        };

        return names[state];
}

void engine_mark_dirty(Engine *engine) {
        if (engine->started)
                (void)sd_event_source_set_enabled(engine->turn_source, SD_EVENT_ONESHOT);
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
        engine->known = (Array)ARRAY_INIT(KnownGroup);
        engine->former = (Array)ARRAY_INIT(KnownGroup);
        engine->hints = (Array)ARRAY_INIT(LinkHints);
        engine->route_states = (Array)ARRAY_INIT(uint8_t);
        engine->counts = config->counts;
        engine->sysctls = config->sysctls;
        memcpy(engine->other_instance, config->other_instance, sizeof(engine->other_instance));
        engine->submissions = (Array)ARRAY_INIT(Submission);
        engine->conflicts = (Array)ARRAY_INIT(Conflict);

        if (config->state_path) {
                engine->state_path = strdup(config->state_path);
                if (!engine->state_path)
                        return -ENOMEM;
        }

        r = sd_event_add_defer(event, &engine->turn_source, engine_on_turn, engine);
        if (r >= 0)
                r = sd_event_source_set_enabled(engine->turn_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(event, &engine->timer_source, CLOCK_MONOTONIC, 0, 1000,
                        engine_on_timer, engine);
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
        array_clear(&engine->known);
        array_clear(&engine->former);
        array_clear(&engine->hints);
        array_clear(&engine->route_states);
        array_clear(&engine->conflicts);
        intent_clear(&engine->intent);
        markers_clear(&engine->markers);
        reconciler_clear(&engine->reconciler);
        free(engine->state_path);
        free(engine);
        return NULL;
}

int engine_add_backend(Engine *engine, Backend *backend) {
        assert(!engine->started);

        engine_connect_backend(engine, backend);
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
                engine_connect_backend(engine, next);
        engine_mark_dirty(engine);
        return 0;
}

void engine_set_matches_groups(Engine *engine, bool matches) {
        engine->has_own_groups_only = !matches;
        engine_mark_dirty(engine);
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

void engine_choose_priority(Engine *engine) {
        NumbersInput input = engine->numbers;
        Ours ours;

        input.saved = (Ours){ 0 };
        ours = numbers_choose(&input);
        if (ours.rule_priority == engine->ours.rule_priority)
                return;
        log_notice("Rule priority %u, for what others have", ours.rule_priority);
        engine->ours.rule_priority = ours.rule_priority;
        engine->intent.ours = engine->ours;
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
                engine_save_intent(engine);
        }
        return r < 0 ? r : 0;
}

static int note_former(Engine *engine) {
        size_t n;
        const Fact *facts = fact_set_of_kind(&engine->reconciler.observed, FACT_KNOWN_GROUP, &n);

        for (size_t i = 0; i < n; i++)
                if (!array_append(&engine->former, &facts[i].known_group))
                        return -ENOMEM;
        return 0;
}

int engine_start(Engine *engine) {
        uint32_t mask = 0;
        int r;

        assert(!engine->started);

        r = engine_resync(engine);
        if (r >= 0)
                r = note_former(engine);
        if (r >= 0)
                r = restore_intent(engine);
        if (r < 0)
                return r;

        engine->started = true;
        engine_update_view(engine, &engine->intent, &engine->view);
        for (int i = 0; i < 2; i++)
                engine->folds[i].told = engine->view.best[i];
        r = engine_settle(engine);
        engine_note_routes(engine, &engine->intent);
        markers_retire(&engine->markers, &engine->reconciler);
        engine_resolve_gateways(engine);
        engine_find_conflicts(engine, &mask);
        engine_find_state(engine, &mask);
        engine_arm_timer(engine);
        return r;
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
                engine_mark_dirty(engine);
        }
        return r < 0 ? r : 0;
}

int engine_set_known(Engine *engine, const Array *known) {
        int r = array_copy(&engine->known, known);

        if (r < 0)
                return r;
        engine->groups_changed = true;
        engine_mark_dirty(engine);
        return 0;
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
        engine_update_view(engine, &engine->intent, &engine->view);
        engine->is_unsaved = true;
        engine_mark_dirty(engine);
        return 0;
}

static int compare_hints(const void *a, const void *b) {
        return link_hints_compare_key(a, b);
}

int engine_set_link_hints(Engine *engine, const LinkHints *hints, bool gone) {
        int r = update_sorted(&engine->hints, hints, gone, compare_hints);

        if (r > 0) {
                engine->hints_changed = true;
                engine_mark_dirty(engine);
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
        engine_mark_dirty(engine);
}

const LinkHints *engine_link_hints(const Engine *engine, uint32_t ifindex) {
        return array_search(
                &engine->hints, &(LinkHints){ .ifindex = ifindex }, compare_hints, NULL);
}

const Array *engine_known(const Engine *engine) {
        return &engine->known;
}

const Array *engine_former_known(const Engine *engine) {
        return &engine->former;
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
        Route slot = wanted->route;

        if (state != WANTED_WAITING)
                return state;
        slot.protocol = OURS_PROTOCOL;
        failure = reconciler_failure_of(&engine->reconciler, &(Fact){ FACT_ROUTE, .route = slot });
        if (!failure)
                return state;
        (void)snprintf(reason, STATE_REASON_MAX, "%.*s", STATE_REASON_MAX - 1,
                failure->fault.text[0] ? failure->fault.text : strerror(-failure->fault.error));
        return failure->fault.error == -EEXIST ? WANTED_CONFLICT : WANTED_WAITING;
}

TunnelFamily engine_tunnel_family(const Engine *engine, int family) {
        return engine->view.tunnel[family_slot(family)];
}

bool engine_has_submissions(const Engine *engine) {
        return engine->submissions.n > 0;
}
