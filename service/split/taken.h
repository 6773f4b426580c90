/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Remembers when processes were moved out of the tunnel.
 *
 * The kernel does not keep it. What was born outside has its own start time and
 * needs no entry. Entries are lines of a file as well, for the next run; the
 * file is small, appended to, and written anew when entries are dropped. What
 * cannot be remembered makes the memory incomplete, never wrong.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"
#include "backends/base/cleanup.h"

#define TAKEN_MAX 65536

typedef struct Taken Taken;

/*
 * Takes in what the file at @path says; without it nothing is known of those
 * that are out already. NULL: nothing outlives this run. Copied. Return: 0;
 * -ENOMEM. To be followed by taken_keep().
 */
int taken_new(const char *path, Taken **ret);
Taken *taken_free(Taken *taken);
DEFINE_CLEANUP(Taken *, taken_free)

/* @start_time: of the process, as in SplitProcess. @since_usec: CLOCK_REALTIME. */
void taken_note(Taken *taken, pid_t pid, uint64_t start_time, uint64_t since_usec);

/* Return: microseconds of CLOCK_REALTIME; 0 there is no entry of this process. */
uint64_t taken_find(const Taken *taken, pid_t pid, uint64_t start_time);

/* Whether who has no entry cannot have been moved. */
bool taken_is_complete(const Taken *taken);

/* There is no room: to be asked before noting, and answered by taken_keep(). */
bool taken_is_full(const Taken *taken);

/* All that are out are @pids (pid_t, sorted): drops the entries of others. */
void taken_keep(Taken *taken, const Array *pids);
