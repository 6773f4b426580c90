/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The directories and files of the cgroup2 hierarchy.
 *
 * All access goes from a descriptor of the root or of a group downward, never
 * through a symlink, "..", or another mount (each part by O_NOFOLLOW). Paths are
 * canonical, see cgroup-path.h. Errors: -ENOENT no such group; -ENODEV it was
 * removed while open; -EROFS; -EACCES; other negative errno.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"

#define CGROUP_TREE_DIRECTORIES_MAX 65536 /* visited by one walk */
#define CGROUP_TREE_MEMBERS_MAX 65536     /* read of one group */

typedef enum CgroupType {
        CGROUP_DOMAIN,
        CGROUP_DOMAIN_THREADED, /* the domain of threaded groups below */
        CGROUP_DOMAIN_INVALID,  /* below a threaded one: takes no process */
        CGROUP_THREADED,
} CgroupType;

/*
 * Opens the root that is mounted at @mount (NULL: where mountinfo says).
 * Return: a descriptor of the caller's; -ENODEV no cgroup2 there; negative errno.
 */
int cgroup_tree_open_root(const char *mount);

/* Opens @path below @directory; "" is the directory itself. Return: a descriptor of the caller's.
 */
int cgroup_tree_open(int directory, const char *path);

/* The number of an open group. Return: 0; negative errno. */
int cgroup_tree_id(int group, uint64_t *ret);

/* Whether we made it: it belongs to the user we run as, or to @also. */
bool cgroup_tree_is_own(int group, uid_t also);

/* Return: a CgroupType, DOMAIN for the root; negative errno. */
int cgroup_tree_type(int group);

/* Whether controllers are given on to the groups below, so that it can have no member. */
int cgroup_tree_has_subtree_control(int group);

/* Whether it or a group below has a member. Return: 1; 0; negative errno. */
int cgroup_tree_is_populated(int group);

/* Makes @pid with all its threads a member; waits for an RCU grace period, 8 ms when idle. */
int cgroup_tree_move(int group, pid_t pid);

/*
 * Appends the members of @group alone as pid_t; those outside of our pid
 * namespace are left out. Return: 0; -E2BIG there are more; negative errno.
 */
int cgroup_tree_list_members(int group, Array *pids);

/* Given each group, those above first; @path is borrowed. 0: go on; 1: not below it; < 0: stop. */
typedef int (*CgroupVisit)(int group, const char *path, void *userdata);

/* Visits @path and all below. Return: 0; -E2BIG not all were visited; what a visit returned. */
int cgroup_tree_walk(int root, const char *path, CgroupVisit visit, void *userdata);
