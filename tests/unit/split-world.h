/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A machine for the controller of split tunnelling: the real loop and engine
 * above the fake kernel and the fake processes, both of which outlive them.
 */

#include <glib.h>

#include "service/split/controller.h"
#include "tests/lib/fake-backend.h"
#include "tests/lib/fake-processes.h"
#include "tests/lib/make-fact.h"

#define ALICE 1000
#define BOB 1001
#define UNIT "system.slice/a.service"
#define OURS UNIT "/" FAKE_OURS

typedef struct SplitWorld {
        FakeBackend kernel;
        FakeProcesses system;
        sd_event *event;
        Engine *engine;
        SplitController *controller;
        SplitControllerConfig config; /* as the next start has it */
        char *directory, *state_path, *permanent_path, *restored_path;
        size_t n_descriptors; /* that were open before */

        /* What was told: "excluded 100 ", "included 100 cleared ". */
        GString *told;
        unsigned n_splits, n_states;
        unsigned n_unmarked_moves; /* somebody came into a group before its mark */
} SplitWorld;

/* eth0 2 with the default, wg0 4; started. */
SplitWorld *split_world_new(void);

/* Not started: set `config`, files and processes, then split_world_start(). */
SplitWorld *split_world_prepare(void);
void split_world_start(SplitWorld *w);
void split_world_stop(SplitWorld *w); /* as a crash does: nothing is undone */
void split_world_free(SplitWorld *w);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SplitWorld, split_world_free)

/* Runs the loop until nothing is left to do at once. */
void split_world_run(SplitWorld *w);

/* How one request ended. */
typedef struct SplitEnd {
        unsigned n;
        int result;
        Refusal why;
        SplitAnswer answer;
} SplitEnd;

/* @client "" for the lifetime boot. */
Owner split_world_owner(uid_t uid, const char *client);

/* Opens and submits; runs nothing. Return: what the controller says; then @end is told later. */
int split_world_submit(SplitWorld *w, pid_t pid, Owner owner, bool children, SplitSockets sockets,
        bool is_exclude, SplitEnd *end);

/* Submits, runs until it ended. Return: its result. */
int split_world_exclude(SplitWorld *w, pid_t pid, Owner owner, SplitEnd *end);
int split_world_include(SplitWorld *w, pid_t pid, SplitEnd *end);

/* One change of the intent, run until it ended. Takes the content of @change. Return: its result.
 */
int split_world_change(SplitWorld *w, IntentChange *change);
int split_world_drop_client(SplitWorld *w, const char *client);
int split_world_add_selector(
        SplitWorld *w, const char *kind, const char *value, Owner owner, bool permanent);
int split_world_remove_selector(SplitWorld *w, const char *kind, const char *value, Owner owner);
int split_world_set(SplitWorld *w, const SplitChange *split);

bool split_world_is_out(const SplitWorld *w, pid_t pid);
bool split_world_is_marked(const SplitWorld *w, const char *path);
const SplitGroup *split_world_wanted_group(const SplitWorld *w, const char *path);

/* The log of the processes, and then what was told, were exactly this since the last time. */
void split_world_assert_log(SplitWorld *w, const char *expected);
void split_world_assert_told(SplitWorld *w, const char *expected);

/* Nobody is out, nothing of ours is left, and the intent says nothing. */
void split_world_assert_untouched(const SplitWorld *w);

/* The step fails that way from now on; 0: no more. */
void split_world_fail(SplitWorld *w, FakeStep step, int error, const char *text);
