// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Control group directories of a test, made below the caller's own group.
 *
 * Works on unified and on hybrid hosts: the cgroup2 mount is looked up in
 * /proc/self/mountinfo. Paths are absolute and owned by the caller (g_free).
 * Functions return 0 or a negative errno.
 */

/**
 * cgroup_find_own() - the caller's directory in the cgroup2 hierarchy
 * @ret:        set on success only
 *
 * Return: 0; -ENOENT when no cgroup2 hierarchy is mounted.
 */
int cgroup_find_own(char **ret);

/* Where the cgroup2 hierarchy is mounted. */
int cgroup_find_mount(char **ret);

/* Makes parent/name; it must not exist. */
int cgroup_make(const char *parent, const char *name, char **ret);

/* Moves the calling process. */
int cgroup_enter(const char *path);

/**
 * cgroup_remove() - remove a directory and all below it, depth first
 *
 * Waits up to five seconds for the last process to be gone; kills nothing.
 *
 * Return: 0, also when it does not exist; -EBUSY when somebody stays.
 */
int cgroup_remove(const char *path);

/**
 * cgroup_hold_net_cls() - keep the net_cls hierarchy of cgroup v1 there
 *
 * It is one for all of the kernel, and comes to be in the first cgroup namespace
 * alone: from then on a machine can mount it. Leaves the caller in a mount
 * namespace of its own. Says why on stderr when it fails.
 */
int cgroup_hold_net_cls(void);

/* And lets it go without an empty group of that name. Return: -EBUSY somebody is in it. */
int cgroup_release_net_cls(const char *name);
