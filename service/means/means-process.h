/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What all mechanisms do alike of service/split/processes.h: finding a process,
 * bringing it back, and sweeping its sockets.
 */

#include "backends/proc/process.h"
#include "backends/sockets/sockets.h"
#include "service/split/processes.h"

/* The same process as backends know it; the pidfd is borrowed. */
Process means_process_of(const SplitProcess *process);

int means_process_open(uint32_t pid, SplitProcess *ret, void *userdata);
int means_process_open_pidfd(int pidfd, SplitProcess *ret, void *userdata);
void means_process_read_executable(
        const SplitProcess *process, char ret[static PATH_MAX], void *userdata);

/* Takes one process out of a mechanism's group. Return: 1 moved; 0 it was in none; negative errno.
 */
typedef int (*MeansReturn)(void *mechanism, const Process *process, Fault *fault);

/*
 * As include() of SplitProcesses, by @take_back. Children that cannot be
 * brought back stay. Return: whether @process itself moved; negative errno.
 */
int means_process_include(const SplitProcess *process, bool children, MeansReturn take_back,
        void *mechanism, Array *pids, Fault *fault);

/* As sweep() of SplitProcesses. */
int means_process_sweep(Sockets *sockets, const Array *pids, const SplitSweep *sweep,
        SplitSocketCounts *counts, Fault *fault);
