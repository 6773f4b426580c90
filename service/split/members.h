/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The processes in groups: who they are, telling of them, bringing them back.
 */

#include "service/split/controller.h"

/* Whether more than @n of @uid are in groups of ours. Counts exactly only where it could matter. */
bool members_are_more_than(const SplitController *controller, uid_t uid, size_t n);

/* Return: -EPERM, and @why for the user who has too many. */
int members_refuse_more(uid_t uid, Refusal *why);

/* Remembers that those of @pids that were not among @before (sorted) were moved just now. */
void members_note(SplitController *controller, const Array *pids, const Array *before);

/* Once at the start: who left or ended while nobody looked. */
void members_forget_ended(SplitController *controller);

void members_tell_excluded(
        SplitController *controller, const SplitProcess *process, const char *group);

/*
 * Both append the pid_t of those that were moved, and tell. Return: how many;
 * 0 none was in a group of ours; negative errno, with @fault.
 */
int members_bring_back(SplitController *controller, const SplitProcess *process, bool children,
        const char *group, const char *reason, Array *pids, Fault *fault);

/* Members of @path that are @uid's, or with @everybody all. An error is the first, of
 * *ret_failed; the others are brought back all the same. */
int members_bring_back_of(SplitController *controller, const char *path, uid_t uid, bool everybody,
        const char *reason, Array *pids, pid_t *ret_failed, Fault *fault);
