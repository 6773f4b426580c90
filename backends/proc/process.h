/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A running process that cannot be mistaken for another one of its number.
 *
 * A Process owns its pidfd; process_clear() closes it. What it says was read
 * while the pidfd's process was alive, so number, start time and user belong
 * together. A process that ended, a zombie too, is -ESRCH everywhere. The user
 * is the one at opening: a setuid exec may change it. See pidfd_open(2).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"
#include "backends/proc/proc-info.h"

#define PROCESS_CHILDREN_MAX 4096

typedef struct Process {
        int pidfd; /* −1: none */
        pid_t pid, parent;
        uint64_t start_time; /* clock ticks since boot */
        uint64_t unique_id;  /* never used twice in a boot; 0: the kernel has none (before 6.9) */
        uid_t uid;           /* real */
        uid_t fs_uid;
        bool is_kernel_thread;
} Process;

/* A process that was seen, without a descriptor. */
typedef struct ProcessRef {
        pid_t pid, parent;
        uint64_t start_time;
        bool leads_session;
} ProcessRef;

#define PROCESS_NONE                                                                               \
        (Process) {                                                                                \
                .pidfd = -1                                                                        \
        }

/* Return: 0; -ESRCH no such process, or it ended meanwhile; -EINVAL a thread; negative errno. */
int process_open(pid_t pid, Process *ret);

/* The process seen as @ref. Return: as above; -ESRCH also when another one has the number now. */
int process_reopen(const ProcessRef *ref, Process *ret);

/*
 * The process of a pidfd, which is duplicated and stays the caller's. Asks by
 * PIDFD_GET_INFO, before Linux 6.13 by /proc/self/fdinfo.
 * Return: 0; -EBADF not a pidfd; -ESRCH over, or not in our pid namespace;
 * -EINVAL a thread; negative errno.
 */
int process_from_pidfd(int pidfd, Process *ret);

void process_clear(Process *process);

/* Return: 0 it runs, so its number is its own; -ESRCH it ended; negative errno. */
int process_check(const Process *process);

/*
 * Whether all of its threads are on their way out: it opens and starts nothing
 * any more, and the kernel moves it nowhere, but it has not ended for
 * process_check() yet.
 */
bool process_is_exiting(const Process *process);

/* The number of its cgroup2 group. Return: 0; -ESRCH; -EOPNOTSUPP before Linux 6.13. */
int process_cgroup_id(const Process *process, uint64_t *ret);

/* Opens /proc/PID of exactly this process. Return: the caller's descriptor; -ESRCH. */
int process_open_directory(const Process *process);

/*
 * Appends the children that @pid has now, theirs and so on as ProcessRef,
 * parents before children. Complete only when none of them forks or ends
 * meanwhile: ask again until nothing is new. One that was given to another
 * parent because its own ended is found where a process of the family leads
 * its session: whoever is in it was started from there, setsid(2). Of others
 * nothing says where they came from.
 *
 * Return: 0; -E2BIG there are more than PROCESS_CHILDREN_MAX, so many are
 * appended; negative errno.
 */
int process_list_children(pid_t pid, Array *refs);

/* The same of exactly this process: nobody is appended when it has ended. */
int process_list_family(const Process *process, Array *refs);
