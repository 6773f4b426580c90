/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Processes and control groups for one test, on the machine's own cgroup2.
 *
 * Groups stand below one directory of a name of this process, which is removed
 * when the test ends, deepest first, after the children of the test were ended
 * by their number. Nothing else is moved, ended or removed.
 */

#include <systemd/sd-event.h>

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "backends/cgroup2/cgroup2.h"

typedef struct Fixture {
        char *mount; /* of cgroup2 */
        char *top;   /* our group, relative to the root */
        sd_event *event;
        Cgroup2 *cgroup2;
        GArray *children;
        unsigned n_appeared, n_gone;
        char *last_path;
        uint64_t last_id, last_gone_id;
} Fixture;

/* Adds a test that has its own top group. */
void fixture_test_add(const char *path, void (*test)(Fixture *fixture));

/* A group below the top, made with those above it. Return: its path from the root. */
char *fixture_group(Fixture *fixture, const char *name);
bool fixture_group_exists(Fixture *fixture, const char *path);
void fixture_remove_group(Fixture *fixture, const char *path);
uint64_t fixture_group_id(Fixture *fixture, const char *path); /* stat() */

/* How many groups the backend knows. */
unsigned fixture_n_groups(Fixture *fixture);

/* In a mount namespace of its own: a descriptor of the root stays in the one it came from. */
void fixture_reopen(Fixture *fixture);

/* Files of a group. Return: 0; negative errno. */
int fixture_write(Fixture *fixture, const char *path, const char *file, const char *text);
char *fixture_read(Fixture *fixture, const char *path, const char *file);

/* A child that runs @body in the group @path, or waits for ever with NULL. */
typedef void (*ChildBody)(void *userdata);
pid_t fixture_child(Fixture *fixture, const char *path, ChildBody body, void *userdata);
void fixture_end_child(Fixture *fixture, pid_t pid);

/* Opens a process that must be there. */
Process fixture_open(pid_t pid);

/* Where a process is, relative to the root. */
char *path_of(pid_t pid);

/* Runs the loop, 10 s at most, until @condition. */
typedef bool (*FixtureCondition)(Fixture *fixture, const void *userdata);
void fixture_wait(Fixture *fixture, FixtureCondition condition, const void *userdata);

/* Runs @body in a child of its own and wants it to return 0; its g_assert()s count. */
typedef void (*ApartBody)(Fixture *fixture, void *userdata);
void fixture_run_apart(Fixture *fixture, int unshare_flags, ApartBody body, void *userdata);
