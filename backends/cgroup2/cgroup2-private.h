/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the files of the backend share, and nobody else.
 */

#include <stdbool.h>

#include "backends/cgroup2/cgroup2.h"
#include "backends/cgroup2/group-watch.h"
#include "backends/cgroup2/known-groups.h"
#include "backends/proc/proc-info.h"

struct Cgroup2 {
        int root;
        GroupWatch *watch;
        KnownGroups *known;
        Cgroup2Sink sink;
        uid_t owner;
};

Cgroup2Kind cgroup2_kind_of(const char *path);

/* Opens the group @path of ours if it is. Return: a descriptor; -ENOENT; negative errno. */
int cgroup2_open_own(Cgroup2 *cgroup2, const char *path);
int cgroup2_open_parent(Cgroup2 *cgroup2, const char *path);

/* The kernel refuses while there are members, so nobody is lost. */
int cgroup2_remove_group(Cgroup2 *cgroup2, const char *path);

/*
 * Makes a group of ours known; @ret may be NULL. A new one of the same path is told as gone before.
 * Return: 0; -ENODEV it is gone; negative errno.
 */
int cgroup2_know_group(Cgroup2 *cgroup2, const char *path, uint64_t id, Cgroup2Group *ret);

/*
 * Finds the group of ours that @path is or is in, the outermost one.
 * Return: 1, path[0 … *ret_length) is it; 0 none; negative errno.
 */
int cgroup2_find_own(Cgroup2 *cgroup2, const char *path, size_t *ret_length);

/* Where a process is. Return: 0; -ESRCH; -ESTALE its group is removed; -EXDEV; negative errno. */
int cgroup2_read_path(const Process *process, char ret[static PROC_CGROUP_MAX]);
