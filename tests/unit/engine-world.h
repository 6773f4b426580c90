/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A machine for the engine: the real loop above the fake kernel, which outlives
 * engines, and what the engine told.
 */

#include <glib.h>

#include <linux/rtnetlink.h>

#include "service/engine/engine.h"
#include "tests/lib/fake-backend.h"
#include "tests/lib/make-fact.h"

#define MAIN RT_TABLE_MAIN
#define TABLE OURS_DEFAULT_TUNNEL_TABLE
#define DEADLINE_SECONDS 10

typedef struct EngineWorld {
        FakeBackend kernel;
        sd_event *event;
        Engine *engine;
        char *directory, *state_path;

        unsigned n_properties, n_defaults, n_healed, n_conflicts, n_routes, n_owners;
        uint32_t mask; /* of all properties told */
        size_t n_added, n_removed;
        GString *routes_told; /* "11.0.0.0/8 waiting, -12.0.0.0/8, (reason) " for each signal */
        char culprit[CULPRIT_MAX], reason[32];
        DefaultRoute before, now;
        bool submit_from_callback;
} EngineWorld;

/* How one request ended. */
typedef struct EngineOutcome {
        unsigned n;
        int result;
        Refusal why;
} EngineOutcome;

/* For engine_submit(), with an EngineOutcome as userdata. */
void engine_outcome_on_done(int result, const Refusal *why, void *userdata);

/* eth0 2 (default), wlan0 3 (second default), wg0 4; not started yet. */
EngineWorld *engine_world_prepare(void);

/* The same, started. */
EngineWorld *engine_world_new(void);
void engine_world_start(EngineWorld *w);
void engine_world_free(EngineWorld *w);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EngineWorld, engine_world_free)

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
void engine_world_run(EngineWorld *w);

/* Requests of a client; @change is cleared. They end while the loop runs. */
void engine_world_submit(EngineWorld *w, IntentChange *change, EngineOutcome *outcome);
void engine_world_submit_wanted(EngineWorld *w, WantedRoute wanted, EngineOutcome *outcome);
void engine_world_submit_route(EngineWorld *w, const char *destination, EngineOutcome *outcome);
void engine_world_submit_many(EngineWorld *w, uint32_t n, EngineOutcome *outcome);
void engine_world_submit_tunnel(EngineWorld *w, const char *device, EngineOutcome *outcome);
void engine_world_submit_kind(
        EngineWorld *w, IntentChangeKind kind, Owner owner, EngineOutcome *outcome);
void engine_world_expect_granted(EngineWorld *w, EngineOutcome *outcome);

/* A symbolic route, a tunnel by wg0: asked for and granted. */
void engine_world_have_route(EngineWorld *w, const char *destination);
void engine_world_have_tunnel(EngineWorld *w);

/* Whether nothing is wanted and nothing submitted. */
bool engine_world_is_idle(const EngineWorld *w);

/* Facts of ours in the kernel. */
size_t engine_world_n_ours(const EngineWorld *w);

/* Whether the kernel holds what the intent implies, and the engine knows it. */
bool engine_world_is_as_wanted(const EngineWorld *w);

/* The route of ours that a symbolic one becomes. */
Fact make_by_eth0(const char *destination);
Fact make_by_wlan0(const char *destination);
