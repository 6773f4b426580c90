/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the files of the engine share, and nobody else: engine.c makes and shows
 * it, -settle knows the system and changes it, -submit runs what is asked,
 * -routes tells of wanted routes, -turn is the one turn in which all of it happens.
 */

#include "backends/base/clock.h"
#include "service/engine/engine.h"
#include "service/engine/markers.h"
#include "service/engine/reconcile.h"
#include "service/model/desired.h"
#include "service/model/fold.h"

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

/* Why routes may stand differently than they were told. */
#define ENGINE_CAUSE_DEFAULT_ROUTE (1u << 0)
#define ENGINE_CAUSE_LINK (1u << 1)
#define ENGINE_CAUSE_OTHER (1u << 2) /* healed, lost, refused, asked for */

struct Engine {
        sd_event *event;
        sd_event_source *turn_source;  /* deferred: one turn */
        sd_event_source *timer_source; /* retry, heal, fold */
        Ours ours;
        NumbersInput numbers; /* what they are chosen from at the start */
        bool counts;
        uint32_t sysctls;
        char other_instance[CULPRIT_MAX];
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
        Array known;  /* of KnownGroup, sorted: which of others are not listed */
        Array former; /* the same, as the last run left them */
        bool groups_changed;
        Array hints;                /* of LinkHints, sorted */
        Array route_states;         /* of uint8_t: WantedState of each route, as last told */
        unsigned route_causes;      /* ENGINE_CAUSE_: why they may stand differently */
        uint32_t resolver_links[2]; /* whose resolvers are in use; 0: not known yet */
        Array changes;              /* of FactChange, not merged yet */
        Array submissions;

        Fold folds[2];
        bool defaults_wait;       /* a change of them is to be told later */
        DefaultRoute resolved[2]; /* whose gateway was asked for */
        Array conflicts;          /* of Conflict, sorted */
        EngineState state;
        char state_reason[CONFLICT_TEXT_MAX];
};

/* Asks for a turn. */
void engine_mark_dirty(Engine *engine);

/* While nothing is wanted: clients hear of the mark and the tables, so these stay. */
void engine_choose_priority(Engine *engine);

/* engine-settle.c */

/* Has @backend report here. */
void engine_connect_backend(Engine *engine, Backend *backend);

/* Return: 0; the error of the first backend that cannot be read. */
int engine_resync(Engine *engine);

/* What @intent and the system as it is come to. */
void engine_update_view(Engine *engine, const Intent *intent, DesiredView *ret);

/* Brings the system to what is wanted already. Return: 0; negative errno. */
int engine_settle(Engine *engine);

/* Brings the system to @candidate. Return: 0; -EPERM and @why, all undone; -ENOMEM likewise. */
int engine_try(Engine *engine, Intent *candidate, Refusal *why);

/* Asks for the gateway's link-layer address when the best default has a new gateway. */
void engine_resolve_gateways(Engine *engine);

/* engine-submit.c */

/* Saves what is wanted; without it a restart would forget, so say so loudly. */
void engine_save_intent(Engine *engine);

/*
 * Runs what was submitted before this turn, in its order and for 50 ms at
 * most: what is left waits for the next turn, so that the loop hears events.
 * Appends an Ending for each; adds ENGINE_PROPERTY_ bits to *mask.
 */
void engine_run_submissions(Engine *engine, uint32_t *mask, Array *endings);

/* engine-routes.c */

/* Learns how routes stand that @before lacks; nobody is told. */
void engine_note_routes(Engine *engine, const Intent *before);

/* Tells which came and went since @before. */
void engine_tell_routes(Engine *engine, const Intent *before, const char *reason);

/*
 * Tells whose state is another than was told last; @before is the view of the
 * last turn. While a default route that went may come back, it waits with it.
 */
void engine_tell_route_states(Engine *engine, const DesiredView *before);

/* engine-turn.c; @mask as above. */

void engine_find_conflicts(Engine *engine, uint32_t *mask);
void engine_find_state(Engine *engine, uint32_t *mask);
void engine_arm_timer(Engine *engine);

/* For the loop, with the engine as userdata. */
int engine_on_turn(sd_event_source *source, void *userdata);
int engine_on_timer(sd_event_source *source, uint64_t usec, void *userdata);
