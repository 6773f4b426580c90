/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A control group of its own for a test program, which sees no other: services
 * of tests that run at the same time would take each other's groups for theirs.
 */

#include <stdbool.h>
#include <sys/types.h>

/*
 * Once, in a mount namespace of one's own. The group goes with the last process
 * in it. Return: false where groups cannot be made; nothing has changed then.
 */
bool own_cgroup_enter(void);

/* Groups below it. */
void own_cgroup_make(const char *name);
void own_cgroup_write(const char *name, const char *file, const char *text);
void own_cgroup_move(const char *name, pid_t pid);
void own_cgroup_remove(const char *name); /* empty */
