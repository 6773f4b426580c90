/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The one place that changes anything: it owns the intent and what is observed,
 * and brings the system to what is wanted, once a loop turn.
 *
 * Events and requests only set the dirty mark; reconcile runs from a deferred
 * source of the event loop. Callbacks (done, observers) come from there, never
 * from inside a call into the engine, and may call the engine's getters and
 * engine_submit().
 */

#include <systemd/sd-event.h>

#include "backends/backend.h"
#include "backends/base/cleanup.h"
#include "backends/base/clock.h"
#include "backends/facts/link-hints.h"
#include "service/engine/markers.h"
#include "service/model/conflicts.h"
#include "service/model/desired.h"
#include "service/model/intent.h"
#include "service/model/numbers.h"

typedef struct Engine Engine;

typedef enum EngineState {
        ENGINE_IDLE,     /* nothing is wanted */
        ENGINE_ACTIVE,   /* everything wanted is there, or waits for something that may come */
        ENGINE_DEGRADED, /* something wanted cannot be had: engine_state_reason() */
} EngineState;

const char *engine_state_name(EngineState state);

/* What a turn changed that properties show. */
typedef enum EngineProperty {
        ENGINE_PROPERTY_STATE = 1 << 0,
        ENGINE_PROPERTY_DEFAULT_ROUTE4 = 1 << 1,
        ENGINE_PROPERTY_DEFAULT_ROUTE6 = 1 << 2,
        ENGINE_PROPERTY_TUNNEL = 1 << 3,
        ENGINE_PROPERTY_CONFLICTS = 1 << 4,
} EngineProperty;

/* All optional. Borrowed arguments, valid for the call. */
typedef struct EngineObserver {
        /* One real change of the best default; .present false on one side for added or removed. */
        void (*on_default_route)(int family, const DefaultRoute *before, const DefaultRoute *now,
                const char *reason, void *userdata);

        /*
         * Wanted routes came or went: Arrays of WantedRoute, owners to be looked up in the
         * intent. Those whose state is another now come in @added, alone.
         */
        void (*on_routes)(
                const Array *added, const Array *removed, const char *reason, void *userdata);

        /* Something of ours was gone or altered, and has been put right. */
        void (*on_healed)(const Fact *what, const char *culprit, void *userdata);

        void (*on_conflict)(const Conflict *conflict, void *userdata);

        /* Last of a turn, once: the properties in @mask (EngineProperty) have new values. */
        void (*on_properties)(uint32_t mask, void *userdata);

        /* An owner of the intent appeared or went; watch or forget their bus names. */
        void (*on_owners)(void *userdata);

        void *userdata;
} EngineObserver;

typedef struct EngineConfig {
        Ours ours;                               /* by settings, or OURS_DEFAULT */
        unsigned fixed;                          /* NumbersFixed: what of it no start may move */
        uint32_t foreign_tables[NUMBERS_TABLES]; /* of numbers_tables(), where others have routes */
        size_t n_foreign_tables;
        const char *state_path; /* file for restarts; NULL: start with nothing wanted */
        bool counts;            /* counters on every rule of the firewall */
        uint32_t sysctls;       /* SYSCTL_KEY_BITs of settings that can be written */
        /* Another copy of the service that works here: nothing is changed. "": none. */
        char other_instance[CULPRIT_MAX];
} EngineConfig;

/* How a request ended: 0; -EPERM and @why; or another negative errno. */
typedef void (*EngineDone)(int result, const Refusal *why, void *userdata);

/* @event is referenced, *config copied. Return: 0, *ret is the caller's; negative errno. */
int engine_new(sd_event *event, const EngineConfig *config, Engine **ret);

/* What is in the kernel stays; callbacks of requests that wait do not come any more. */
Engine *engine_free(Engine *engine);

/*
 * Backends and observers are borrowed and must outlive the engine. Before
 * engine_start(). Return: 0; -ENOMEM.
 */
int engine_add_backend(Engine *engine, Backend *backend);
void engine_set_observer(Engine *engine, const EngineObserver *observer);

/*
 * Another one, that hears once a turn that the intent is another, before
 * requests are answered. The groups it sets are marked before that, too.
 */
void engine_set_intent_listener(Engine *engine, void (*on_intent)(void *userdata), void *userdata);

/* One that hears when links may have come, gone or been renamed, once a turn; NULL: nobody. */
void engine_set_link_listener(Engine *engine, void (*on_links)(void *userdata), void *userdata);

void engine_set_marker_listener(Engine *engine, const MarkerListener *listener);

/*
 * Marked groups are @next's from now on and @former's no more; either may be
 * NULL, and both the same where it marks others now. @next marks all that are
 * wanted, at the next turn at the latest; then @former's marks are removed. It
 * is borrowed until engine_free(). Return: 0; -ENOMEM, nothing changed.
 */
int engine_exchange_marker(Engine *engine, Backend *former, Backend *next);

/* Whether groups of others can be marked where they are; so it is at first. */
void engine_set_matches_groups(Engine *engine, bool matches);

/*
 * Reads the saved intent, then everything from the backends, and reconciles
 * once: what is there and wanted is adopted, the rest of ours removed.
 * Return: 0; negative errno when a backend cannot be read.
 */
int engine_start(Engine *engine);

/* Whether @change would be accepted now. Return: 0; -EPERM and @why; -ENOMEM. */
int engine_check(Engine *engine, const IntentChange *change, Refusal *why);

/*
 * Takes the content of @change. @done (may be NULL) comes exactly once, from the
 * loop. Return: 0; -ENOMEM; -ENOBUFS when too many wait.
 */
int engine_submit(Engine *engine, IntentChange *change, EngineDone done, void *userdata);

/* Reads everything afresh and heals, at the next turn. @done as above. */
int engine_refresh(Engine *engine, EngineDone done, void *userdata);

/*
 * Where a group is (GroupPlace.path), or that it is gone; what NetworkManager or
 * resolved know of a link, or that they know nothing any more. Copied. What
 * follows is done at the next turn. Return: 0; -ENOMEM.
 */
int engine_set_group(Engine *engine, const GroupPlace *place, bool gone);
int engine_set_link_hints(Engine *engine, const LinkHints *hints, bool gone);

/*
 * Somebody who was in the group @from has been moved to @to: the intent names
 * that one, too, for the same owners. Return: 0; -EPERM, too many; -ENOMEM.
 */
int engine_share_group(Engine *engine, const char *from, const char *to);

/*
 * Whether the machine sleeps, or is about to. Until it woke and everything has
 * been read afresh nobody is told of default routes; what is wanted is kept in
 * order all the time. May say the same again: it woke, look again.
 */
void engine_set_asleep(Engine *engine, bool asleep);

const Array *engine_groups(const Engine *engine); /* of GroupPlace, sorted by path */

/* The groups of others that are known not to be listed; of KnownGroup, sorted by id. Copied.
 * Return: 0; -ENOMEM. */
int engine_set_known(Engine *engine, const Array *known);
const Array *engine_known(const Engine *engine);
const Array *engine_former_known(const Engine *engine); /* as an earlier run left them */

/* Return: what is known of a link; NULL. */
const LinkHints *engine_link_hints(const Engine *engine, uint32_t ifindex);

const Intent *engine_intent(const Engine *engine);
const FactSet *engine_observed(const Engine *engine);
const Ours *engine_ours(const Engine *engine); /* fixed by engine_start() */
EngineState engine_state(const Engine *engine);
const char *engine_state_reason(const Engine *engine);
const Array *engine_conflicts(const Engine *engine); /* of Conflict */

/* As last told to observers: what properties show. */
const DefaultRoute *engine_default_route(const Engine *engine, int family);

/* How a wanted route of the intent stands now. */
WantedState engine_route_state(
        const Engine *engine, const WantedRoute *wanted, char reason[static STATE_REASON_MAX]);
TunnelFamily engine_tunnel_family(const Engine *engine, int family);

/* Requests whose end has not been told yet. */
bool engine_has_submissions(const Engine *engine);

DEFINE_CLEANUP(Engine *, engine_free)
