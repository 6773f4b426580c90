/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The processes around the tunnel on cgroup v1: one group with a class id.
 *
 * For machines where cgroup2 cannot do it. nft's `meta cgroup` and iptables'
 * `-m cgroup --cgroup` compare the class id of a socket. Unlike on cgroup2 the
 * kernel gives all sockets a process has open the new class id when it is
 * moved, and again when a descriptor is passed. A process that another manager
 * put into a net_cls group of its own is refused: it would lose its class.
 *
 * Errors are negative errno with a sentence in the Fault (may be NULL), and as
 * in cgroup2.h. Mounting needs CAP_SYS_ADMIN. On v1 only root moves processes of
 * others, whatever capabilities one has; what counts is who opened the file, so
 * that a NetCls opened as root works on for the user one becomes. See cgroups(7),
 * admin-guide/cgroup-v1/net_cls.rst, __cgroup1_procs_write() of the kernel.
 */

#include <stdint.h>

#include "backends/base/array.h"
#include "backends/base/cleanup.h"
#include "backends/facts/operation.h"
#include "backends/proc/process.h"

#define NET_CLS_GROUP "talpid-excluded"
#define NET_CLS_CLASS_ID UINT32_C(0x0054414c) /* major 0x54, minor 0x414c: "TAL" */
#define NET_CLS_MOUNT_DIRECTORY "/run/talpid/net_cls"

typedef struct NetCls NetCls;

typedef enum NetClsFlags {
        NET_CLS_MAY_MOUNT = 1 << 0, /* mount it at the directory when it is nowhere mounted */
} NetClsFlags;

/*
 * Finds the hierarchy, at @directory if it is there, else where mountinfo says
 * it is mounted, and makes our group in it. @directory (NULL: the constant
 * above) is made when it has to be mounted there.
 * Return: 0, *ret is the caller's; -ENODEV it is not mounted and was not to be,
 * or the kernel has none; -EPERM we are not root; negative errno.
 */
int net_cls_open(const char *directory, NetClsFlags flags, NetCls **ret, Fault *fault);

/* Members stay; neither the group nor a mount is undone. */
NetCls *net_cls_free(NetCls *net_cls);
DEFINE_CLEANUP(NetCls *, net_cls_free);

/* Return: 1 moved; 0 it was there; negative errno. -EBUSY: another manager's. */
int net_cls_exclude_process(NetCls *net_cls, const Process *process, Fault *fault);

/* Moves it to the root of the hierarchy. Return: 1 moved; 0 it was not in it; negative errno. */
int net_cls_return_process(NetCls *net_cls, const Process *process, Fault *fault);

/* Appends the members as pid_t. Return: 0; -E2BIG not all; negative errno. */
int net_cls_list_members(NetCls *net_cls, Array *pids);

/* Return: 0 all members are returned; negative errno. The group stays. */
int net_cls_return_all(NetCls *net_cls, Fault *fault);

/* Removes the group; it cannot be used any more. Return: 0; -EAGAIN somebody is in it; negative. */
int net_cls_remove(NetCls *net_cls, Fault *fault);
