/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The backend that marks the sockets of groups from their birth, by BPF
 * programs attached to cgroup2 directories.
 *
 * It applies FACT_MARKED_GROUP and FACT_RESOLVER (see "backends/backend.h").
 * A socket keeps the group and the mark of its birth: those from before are not
 * touched. Only the bits of the mask change. Of nested groups the innermost
 * wins. A group that resolves asks the resolvers instead of whatever server its
 * programs name, and sees the answers come from that server.
 *
 * Attached programs survive the process. After a restart, tell the groups that
 * may have some by cgroup_bpf_adopt(), then resync.
 *
 * CAP_BPF and CAP_NET_ADMIN are needed; CAP_PERFMON to refuse nss-resolve's
 * socket; CAP_SYS_ADMIN to look at programs of an earlier process.
 */

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "backends/backend.h"
#include "backends/base/cleanup.h"

#define CGROUP_BPF_TEXT_MAX FAULT_TEXT_MAX

typedef struct CgroupBpfConfig {
        /* Return: a descriptor of the directory of group @id, which is closed here; -ENOENT gone.
         */
        int (*open_group)(uint64_t id, void *userdata);
        void *userdata;

        /* Does as on kernels before 6.15, where the innermost group wins only with a mark. */
        bool without_preorder;
} CgroupBpfConfig;

/* @event is referenced, *config copied. Return: 0, *ret is the caller's; negative errno. */
int cgroup_bpf_new(sd_event *event, const CgroupBpfConfig *config, Backend **ret);

/* What is attached stays attached. */
Backend *cgroup_bpf_free(Backend *backend);
DEFINE_CLEANUP(Backend *, cgroup_bpf_free);

/**
 * cgroup_bpf_adopt() - take over what an earlier process attached to a group
 *
 * Its programs are exchanged, in place, for equal ones of this process; the
 * resolvers they used become ours where we have none yet. The next resync
 * reports both. Call it before resync, not while operations are applied.
 *
 * Return: 1 adopted, or known already; 0 nothing of ours there; negative errno.
 */
int cgroup_bpf_adopt(Backend *backend, uint64_t id);

/* Tells that the directory of a group is gone; reported from the loop if the group was marked. */
void cgroup_bpf_group_gone(Backend *backend, uint64_t id);

/**
 * cgroup_bpf_query() - read what of ours is attached to a directory
 * @ret:        id and level are those of the directory
 *
 * Return: 1; 0 nothing of ours; -EPERM programs are attached, but telling whose
 * takes CAP_SYS_ADMIN; negative errno.
 */
int cgroup_bpf_query(int cgroup_fd, MarkedGroup *ret);

/**
 * cgroup_bpf_probe() - try whether this kernel does it, here and for us
 * @cgroup_fd:  a directory to try on, whose sockets stay as they are; -1: one
 *              made for the time below the cgroup2 mount
 * @text:       the reason when not; empty otherwise
 *
 * Return: 1 usable; 0 not; negative errno when that could not be found out.
 */
int cgroup_bpf_probe(int cgroup_fd, char text[static CGROUP_BPF_TEXT_MAX]);
