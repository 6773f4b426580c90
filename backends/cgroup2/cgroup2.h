/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Groups of processes on cgroup2: which exist, and who is in ours.
 *
 * A process that is to go around the tunnel, or alone into it, is moved into a
 * group of ours right below the group it is in ("…/app.scope/talpid-excluded"),
 * so that accounting and limits of its unit stay. Its children are born there.
 * A group counts as ours when it is called so and belongs to the user we run
 * as; others cannot make one. Emptied groups of ours are removed.
 *
 * Paths are canonical and relative to the root of the hierarchy, "" is the
 * root; `id` is the inode number of the directory, `level` its depth: what
 * nft's `socket cgroupv2` and bpf_get_current_ancestor_cgroup_id() compare.
 * The service must live in the first cgroup namespace for levels to hold.
 *
 * Needs CAP_DAC_OVERRIDE for units of others; nothing for those of our user.
 * Errors are negative errno with a sentence in the Fault (which may be NULL);
 * after an error the process is where it was and no new group is left:
 *   -ESRCH       the process ended, or another has its number
 *   -EPERM       PID 1, ourselves, a kernel thread
 *   -EACCES      no right to its unit
 *   -EOPNOTSUPP  its group is threaded
 *   -EBUSY       controllers are enabled below its group, so that no process
 *                may be in the group itself (no internal processes rule)
 *   -EROFS       the hierarchy is mounted read-only
 *   -EXDEV       it is outside of our cgroup namespace
 *   -EEXIST      somebody else made a group that is called like ours
 *   -EAGAIN      its unit keeps being removed or it keeps being moved by others
 * See cgroups(7) and the kernel's admin-guide/cgroup-v2.rst.
 */

#include <systemd/sd-event.h>

#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"
#include "backends/base/cleanup.h"
#include "backends/facts/operation.h"
#include "backends/proc/process.h"

typedef struct Cgroup2 Cgroup2;

typedef enum Cgroup2Kind {
        CGROUP2_FOLLOWED, /* of others: somebody asked for its path */
        CGROUP2_EXCLUDED, /* ours, around the tunnel */
        CGROUP2_INCLUDED, /* ours, into the tunnel */
} Cgroup2Kind;

typedef struct Cgroup2Group {
        const char *path; /* borrowed until the next call */
        uint64_t id;
        uint32_t level;
        Cgroup2Kind kind;
} Cgroup2Group;

/*
 * Told from the event loop alone. A group made anew under its path is gone
 * with the old id and appears with the new one. Groups of ours appear by
 * cgroup2_exclude_process() or cgroup2_find_groups(), which return them; they
 * are told when they are gone, empty and removed, or with their unit.
 */
typedef struct Cgroup2Sink {
        void (*on_appeared)(const Cgroup2Group *group, void *userdata);
        void (*on_gone)(const Cgroup2Group *group, void *userdata);
        void (*on_known)(void *userdata); /* cgroup2_known() is another */
        void *userdata;
} Cgroup2Sink;

/*
 * @mount: of cgroup2; NULL: found in /proc/self/mountinfo. @event is borrowed.
 * Return: 0, *ret is the caller's; -ENODEV no cgroup2 there; negative errno.
 */
int cgroup2_open(sd_event *event, const char *mount, Cgroup2 **ret);
Cgroup2 *cgroup2_free(Cgroup2 *cgroup2); /* groups and members stay */
DEFINE_CLEANUP(Cgroup2 *, cgroup2_free);

/* Groups of this user are ours too: for root, who cleans up behind the service. */
void cgroup2_set_owner(Cgroup2 *cgroup2, uid_t owner);

void cgroup2_set_sink(Cgroup2 *cgroup2, const Cgroup2Sink *sink);

/*
 * Opens a group of ours or a followed one, fit for BPF_PROG_ATTACH. The second
 * argument is a Cgroup2. Return: a descriptor of the caller's; -ENOENT we know
 * no group of that number, or it is gone; negative errno.
 */
int cgroup2_open_group(uint64_t id, void *cgroup2);

/*
 * Follows a path through removal and return. Return: 1 it exists, *ret is set;
 * 0 it will be told when it appears; -EEXIST followed already; -EINVAL not
 * canonical, the root, or a group of ours; -ENAMETOOLONG, -E2BIG the path;
 * -ENOSPC too many.
 */
int cgroup2_follow(Cgroup2 *cgroup2, const char *path, Cgroup2Group *ret);

/* Return: 0; -ENOENT it is not followed. */
int cgroup2_unfollow(Cgroup2 *cgroup2, const char *path);

/*
 * Knows from now on which groups beside and above @paths (Array of const char *)
 * are not of @paths, see known-groups.h. Return: 1 that is another list now; 0;
 * negative errno.
 */
int cgroup2_watch_newcomers(Cgroup2 *cgroup2, const Array *paths);
const Array *cgroup2_known(const Cgroup2 *cgroup2); /* of KnownGroup, sorted by id, no marks */

/* As cgroup2_list_members(), of a group that is known, without who is in groups of ours below. */
int cgroup2_list_known_members(Cgroup2 *cgroup2, uint64_t id, Array *pids);

/*
 * Moves a process into the group of ours of that kind (EXCLUDED or INCLUDED)
 * below the group it is in; one that is there already costs no write. It does
 * not take its present children along. A write takes 8 ms when the kernel has
 * been idle (kernel.md 6).
 * Return: 1 moved; 0 it was there; *ret (may be NULL) is the group; negative errno.
 */
int cgroup2_exclude_process(Cgroup2 *cgroup2, const Process *process, Cgroup2Kind kind,
        Cgroup2Group *ret, Fault *fault);

typedef struct Cgroup2Moves {
        unsigned n_moved;  /* by this call */
        unsigned n_inside; /* in the end, without the ones below */
        unsigned n_failed;
} Cgroup2Moves;

/*
 * As above with all children it has, each below its own group. Looks again
 * until none is outside, a bounded number of times. Return: 0 all that live are
 * inside; the error of @process itself, or the first of a child (the others are
 * moved all the same); -EAGAIN they fork faster than that.
 */
int cgroup2_exclude_tree(Cgroup2 *cgroup2, const Process *process, Cgroup2Kind kind,
        Cgroup2Moves *ret, Fault *fault);

/*
 * Moves a process out of the group of ours it is in, to the group above that.
 * Return: 1 moved; 0 it was in none; negative errno.
 */
int cgroup2_return_process(Cgroup2 *cgroup2, const Process *process, Fault *fault);

/* The group of ours it is in. Return: 1; 0 none; negative errno. */
int cgroup2_find_process(Cgroup2 *cgroup2, const Process *process, Cgroup2Group *ret);

/*
 * Appends the members of @path and all groups below as pid_t: numbers, to be
 * opened by process_open() and seen by cgroup2_find_process() before use.
 * Return: 0; -E2BIG not all; -ENOENT; negative errno.
 */
int cgroup2_list_members(Cgroup2 *cgroup2, const char *path, Array *pids);

/*
 * Returns all members of a group of ours and removes it, without a report.
 * Return: 0; -ENOENT it is not ours or gone; -EBUSY or -EAGAIN somebody is
 * still in it, it stays known; negative errno.
 */
int cgroup2_dissolve(Cgroup2 *cgroup2, const char *path, Fault *fault);

/*
 * Finds the groups of ours of an earlier run of the service. Empty ones are
 * removed. Return: how many there are, see cgroup2_group_at(); -E2BIG the
 * hierarchy is too large, those found are known; negative errno.
 */
int cgroup2_find_groups(Cgroup2 *cgroup2);

/* The groups of ours and the followed ones that exist. Return: 1; 0 behind the last. */
int cgroup2_group_at(Cgroup2 *cgroup2, size_t index, Cgroup2Group *ret);
