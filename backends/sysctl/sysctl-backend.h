/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The backend for settings below /proc/sys/net.
 *
 * It applies FACT_SYSCTL: adding sets a value and remembers the one from
 * before, removing puts that one back, unless somebody set a third value
 * meanwhile, which is theirs and stays. It reports what it set, and what
 * became of that; of other settings it says nothing. The kernel tells nobody
 * of changes, so they are looked for at each turn of the engine.
 *
 * Network settings belong to a network namespace: CAP_NET_ADMIN there is
 * enough to write (net_ctl_permissions() in net/sysctl_net.c).
 */

#include "backends/backend.h"
#include "backends/base/cleanup.h"

/*
 * @path: file for what was before, in a directory of ours; NULL: none, it is
 * forgotten with the process. What an earlier run left there is taken over.
 * Return: 0, *ret is the caller's; negative errno.
 */
int sysctl_backend_new(const char *path, Backend **ret);

/* Settings stay as they are. */
Backend *sysctl_backend_free(Backend *backend);
DEFINE_CLEANUP(Backend *, sysctl_backend_free)

/*
 * What can be written here, as SYSCTL_KEY_BITs; changes nothing. @fault (may be
 * NULL): why not all.
 */
uint32_t sysctl_backend_probe(Fault *fault);
