// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/means/means-process.h"

#include <errno.h>

#include "backends/proc/proc-info.h"

#define PASSES_MAX 200 /* over children while they fork */

Process means_process_of(const SplitProcess *process) {
        return (Process){ .pidfd = process->pidfd,
                .pid = process->pid,
                .parent = process->parent,
                .start_time = process->start_time,
                .unique_id = process->unique_id,
                .uid = process->uid,
                .fs_uid = process->fs_uid,
                .is_kernel_thread = process->is_kernel_thread };
}

static void take_process(const Process *process, SplitProcess *ret) {
        *ret = (SplitProcess){ .pidfd = process->pidfd,
                .pid = process->pid,
                .parent = process->parent,
                .start_time = process->start_time,
                .unique_id = process->unique_id,
                .uid = process->uid,
                .fs_uid = process->fs_uid,
                .is_kernel_thread = process->is_kernel_thread };
}

int means_process_open(uint32_t pid, SplitProcess *ret, void *userdata) {
        Process process = PROCESS_NONE;
        int r = process_open((pid_t)pid, &process);

        if (r >= 0)
                take_process(&process, ret);
        return r;
}

int means_process_open_pidfd(int pidfd, SplitProcess *ret, void *userdata) {
        Process process = PROCESS_NONE;
        int r = process_from_pidfd(pidfd, &process);

        if (r >= 0)
                take_process(&process, ret);
        return r;
}

void means_process_read_executable(
        const SplitProcess *split_process, char ret[static PATH_MAX], void *userdata) {
        const Process process = means_process_of(split_process);
        CLEANUP_FD int directory = process_open_directory(&process);
        bool deleted;

        if (directory < 0 || proc_read_executable(directory, ret, &deleted) < 0)
                ret[0] = '\0';
}

/* Return: how many were moved; -ENOMEM. */
static int take_back_each(const Array *refs, MeansReturn take_back, void *mechanism, Array *pids) {
        const ProcessRef *ref;
        int n = 0;

        ARRAY_FOREACH(ref, refs) {
                CLEANUP(process_clear) Process child = PROCESS_NONE;

                if (process_reopen(ref, &child) < 0 || take_back(mechanism, &child, NULL) <= 0)
                        continue;
                if (!array_append(pids, &child.pid))
                        return -ENOMEM;
                n++;
        }
        return n;
}

int means_process_include(const SplitProcess *split_process, bool children, MeansReturn take_back,
        void *mechanism, Array *pids, Fault *fault) {
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        const Process process = means_process_of(split_process);
        int r, n = children;

        if (children)
                (void)process_list_family(&process, &refs); /* while it is there for sure */
        r = take_back(mechanism, &process, fault);
        if (r > 0 && !array_append(pids, &process.pid))
                return -ENOMEM;
        for (unsigned i = 0; i < PASSES_MAX && n > 0; i++) {
                n = take_back_each(&refs, take_back, mechanism, pids);
                if (n < 0)
                        return n;
                refs.n = 0;
                (void)process_list_family(&process, &refs);
        }
        return r;
}

int means_process_sweep(Sockets *sockets, const Array *pids, const SplitSweep *how,
        SplitSocketCounts *counts, Fault *fault) {
        const SocketsChange change = {
                .policy = how->policy == SPLIT_SOCKETS_RESET     ? SOCKETS_RESET
                          : how->policy == SPLIT_SOCKETS_MIGRATE ? SOCKETS_MIGRATE
                                                                 : SOCKETS_KEEP,
                .mark = how->mark,
                .mask = how->mask,
                .former_mark = how->former_mark,
                .old_sources = how->old_sources->items,
                .n_old_sources = how->old_sources->n,
                .old_groups = how->old_groups->items,
                .n_old_groups = how->old_groups->n,
                .any_group = how->any_group,
        };
        SocketsCounts swept = { 0 };
        int r = sockets_sweep_processes(sockets, pids->items, pids->n, &change, &swept, fault);

        counts->n_marked += swept.n_marked;
        counts->n_reconnected += swept.n_reconnected;
        counts->n_reset += swept.n_reset;
        counts->n_left = swept.n_stale + swept.n_left; /* those of the last sweep still are */
        return r;
}
