/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What all mechanisms do alike of service/split/processes.h: finding a process,
 * and sweeping its sockets.
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

/* As sweep() of SplitProcesses. */
int means_process_sweep(Sockets *sockets, const Array *pids, const SplitSweep *sweep,
        SplitSocketCounts *counts, Fault *fault);
