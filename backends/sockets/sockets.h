/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The open internet sockets of a process, brought onto another path.
 *
 * A socket keeps the group and the mark of its birth for ever, so moving a
 * process does nothing for what it has open (kernel.md 2). Each descriptor is
 * borrowed by pidfd_getfd(2) and its mark is set. What goes on:
 *
 *   unconnected UDP, raw, ping; listeners; TCP before connect()   new path
 *   connected UDP, raw, ping    connected again to the same peer: new path and
 *                               new source address; the port changes unless
 *                               the program had bound one
 *   TCP in use with a source of the old path   cannot change its source: left
 *                               as it is, on the old path (`migrate`), or
 *                               destroyed: the program sees ECONNABORTED
 *                               (`reset`)
 *   TCP in use that was born in an old group   the same, whatever its source:
 *                                              the firewall gives it another one
 *   TCP in use with any other source           marked
 *   whatever the program bound to an address of the old path, or to a device;
 *   connected raw that tells no peer           left as it is
 *
 * An established connection that stays is deliberately not marked: it would
 * send the old path's address out on the new one and die of it.
 *
 * Move the process first, then sweep, and sweep once more when the loop comes
 * round again: a socket() may have been under way during the move, and a
 * second sweep finds only what is new. Counts are of one sweep.
 *
 * Out of reach, and so left on their path: sockets in flight in a SCM_RIGHTS
 * message, registered with io_uring alone, of threads with a descriptor table
 * of their own, of other network namespaces, and closed ones that still drain.
 *
 * Needs CAP_SYS_PTRACE and CAP_NET_ADMIN. Linux 5.6, reset 4.9 with
 * CONFIG_INET_DIAG_DESTROY.
 */

#include <stddef.h>
#include <stdint.h>

#include "backends/base/cleanup.h"
#include "backends/facts/operation.h"
#include "backends/facts/prefix.h"
#include "backends/proc/process.h"

#define SOCKETS_DESCRIPTORS_MAX 65536 /* looked at of one process */

typedef struct Sockets Sockets;

typedef enum SocketsPolicy {
        SOCKETS_KEEP,    /* nothing is done */
        SOCKETS_MIGRATE, /* what can change its path without being cut does */
        SOCKETS_RESET,   /* and what cannot is destroyed */
} SocketsPolicy;

typedef struct SocketsChange {
        SocketsPolicy policy;
        uint32_t mark;              /* these bits … */
        uint32_t mask;              /* … of those; the others are kept */
        uint32_t former_mark;       /* 0: all are changed; else those that have this */
        const Address *old_sources; /* addresses of the path that is left, borrowed */
        size_t n_old_sources;
        const uint64_t
                *old_groups; /* cgroup2 directories that say the path that is left, borrowed */
        size_t n_old_groups;
        bool any_group; /* they are no cgroup2 directories: a socket may be of any */
} SocketsChange;

typedef struct SocketsCounts {
        unsigned n_marked;      /* whose mark was changed */
        unsigned n_reconnected; /* of those, connected again */
        unsigned n_reset;       /* destroyed */
        unsigned n_stale;       /* TCP in use that stays on the old path */
        unsigned n_left;        /* others that stay on the old path */
} SocketsCounts;

/* Works in the network namespace it is made in. Return: 0, *ret is the caller's; negative errno. */
int sockets_new(Sockets **ret);
Sockets *sockets_free(Sockets *sockets);
DEFINE_CLEANUP(Sockets *, sockets_free);

/*
 * Sweeps the sockets of one process; adds to *counts, after an error too.
 * Return: 0; -ESRCH it ended; -EPERM a capability is missing, what could be
 * done is; -E2BIG it has more descriptors; negative errno.
 */
int sockets_sweep_process(Sockets *sockets, const Process *process, const SocketsChange *change,
        SocketsCounts *counts, Fault *fault);

/*
 * Sweeps several, such as the members of a group. A socket that several hold
 * is changed once; it is stale or left once for each. Processes that ended are
 * left out. Return: 0; the first error, the others are swept all the same.
 */
int sockets_sweep_processes(Sockets *sockets, const pid_t *pids, size_t n,
        const SocketsChange *change, SocketsCounts *counts, Fault *fault);
