/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A system of processes in groups, for the controller of split tunnelling.
 *
 * It keeps to what service/split/processes.h promises: a process is in its
 * unit's group, or in the group of ours below that, and its children begin
 * where it is. Each step writes a line to a log, can be made to fail, and
 * counts. It owns its lists and outlives controllers, as the system does.
 */

#include "service/split/processes.h"

#define FAKE_OURS "ours" /* the name of groups of ours */

typedef enum FakeStep {
        FAKE_PREPARE,
        FAKE_EXCLUDE,
        FAKE_INCLUDE,
        FAKE_DISSOLVE,
        FAKE_FOLLOW,
        FAKE_SWEEP,
        _FAKE_STEP_MAX,
} FakeStep;

typedef struct FakeProcess {
        SplitProcess process; /* its pidfd is not used: each open makes one */
        char unit[GROUP_PATH_MAX];
        bool is_out; /* in the group of ours below its unit */
} FakeProcess;

typedef struct FakeGroup {
        GroupPlace place; /* first: a group is found as its place */
        bool had_member;  /* of ours: it goes when it runs empty */
} FakeGroup;

typedef struct FakeProcesses {
        SplitProcesses processes;
        Array all;      /* of FakeProcess */
        Array groups;   /* of FakeGroup: units and ours */
        Array followed; /* of GroupPlace: paths alone */
        char *log;      /* of lines, ended by blanks: "prepare 100 exclude 100 " */
        uint64_t last_id;

        Fault faults[_FAKE_STEP_MAX]; /* with an error: the step fails that way */
        unsigned n_moved_at_fault;    /* so many were moved before exclude() fails */

        /* Called before somebody comes into a group of ours. */
        void (*before_move)(const GroupPlace *place, void *userdata);
        void *userdata;

        SplitSweep swept; /* the last; its arrays are not kept */
        unsigned n_sweeps, n_old_sources, n_old_groups, n_swept_pids;
        SplitSocketCounts sockets; /* what the next sweep changes; what it leaves stays left */
} FakeProcesses;

void fake_processes_init(FakeProcesses *fake);
void fake_processes_clear(FakeProcesses *fake);

/* A unit's group begins to be. */
GroupPlace fake_processes_make_group(FakeProcesses *fake, const char *path);

/* Of the unit @unit, whose group is made where it is not there. A child begins where its parent is.
 */
void fake_processes_start(
        FakeProcesses *fake, pid_t pid, pid_t parent, uid_t uid, const char *unit);
void fake_processes_end(FakeProcesses *fake, pid_t pid);

FakeProcess *fake_processes_find(const FakeProcesses *fake, pid_t pid);
const GroupPlace *fake_processes_find_group(const FakeProcesses *fake, const char *path);

/* A group goes, with its processes where it is a unit's. */
void fake_processes_remove_group(FakeProcesses *fake, const char *path);

/* Removes a group of ours that ran empty, as the system does. Return: whether there was one. */
bool fake_processes_take_emptied(FakeProcesses *fake, GroupPlace *ret);

/* Return: the log until now, to be freed; it begins anew. */
char *fake_processes_take_log(FakeProcesses *fake);
