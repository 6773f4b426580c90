// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The file system of the machine: the outer `/` below, a tmpfs above.
 *
 * Nothing is written to the lower layers. To be called in a mount namespace
 * of one's own, with a tmpfs on /run. Functions return 0 or a negative errno
 * and say on stderr which step failed.
 */

#include "tests/machine/lib/machine.h"

#define ROOTFS_PATH "/run/lab/root"
#define ROOTFS_NOTIFY_SOCKET "/run/host/notify"

/* Layers, machine-id, users, units, network configuration, the project. */
int rootfs_build(const MachineOptions *options);

/**
 * rootfs_enter() - become the machine's first process' view of the world
 * @notify:     socket to show as ROOTFS_NOTIFY_SOCKET
 * @binds:      directories to show under the same path; NULL-terminated
 *
 * To be called as process 1 of new PID, mount, IPC, UTS and cgroup
 * namespaces, in the machine's network namespace.
 */
int rootfs_enter(const char *notify, const char *const *binds);
