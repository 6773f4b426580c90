/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The backend that marks the sockets of groups from their birth, by BPF
 * programs attached to cgroup2 directories.
 *
 * It applies FACT_MARKED_GROUP, FACT_KNOWN_GROUP and FACT_RESOLVER (see
 * "backends/backend.h").
 * A socket keeps the group and the mark of its birth: those from before are not
 * touched. Only the bits of the mask change. Of nested groups the innermost
 * wins. A group that resolves asks the resolvers instead of whatever server its
 * programs name, and sees the answers come from that server.
 *
 * What is attached survives the process: its links are pinned in a directory of
 * a BPF file system (see pins.h). Resync lists it. A group that an earlier
 * process marked is reported with no mark, since what its programs write is not
 * known: whoever wants it replaces it, which exchanges them in place.
 *
 * CAP_BPF and CAP_NET_ADMIN are needed; CAP_PERFMON to refuse nss-resolve's
 * socket.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "backends/backend.h"
#include "backends/base/cleanup.h"

#define CGROUP_BPF_TEXT_MAX FAULT_TEXT_MAX

typedef struct CgroupBpfConfig {
        /* Return: a descriptor of the directory of group @id, which is closed here; -ENOENT gone.
         */
        int (*open_group)(uint64_t id, void *userdata);
        void *userdata;

        const char *directory; /* for pins; borrowed */
        uid_t owner;           /* whose it may be, besides root's and ours */

        /* Does as on kernels whose links know no order, where the innermost group wins only with
         * a mark. */
        bool without_preorder;
} CgroupBpfConfig;

/*
 * @event is referenced, *config copied. Return: 0, *ret is the caller's; negative
 * errno and @fault, as pins_open().
 */
int cgroup_bpf_new(sd_event *event, const CgroupBpfConfig *config, Backend **ret, Fault *fault);

/* What is attached stays attached; where nothing is, the directory goes. */
Backend *cgroup_bpf_free(Backend *backend);
DEFINE_CLEANUP(Backend *, cgroup_bpf_free);

/* Tells that the directory of a group is gone; reported from the loop if the group was marked. */
void cgroup_bpf_group_gone(Backend *backend, uint64_t id);

/**
 * cgroup_bpf_probe() - try whether this kernel does it, here and for us
 * @config:     the directory for pins, and whose; the rest is not used
 * @backend:    a backend of this process that has the directory; NULL: none
 * @cgroup_fd:  a directory to try on, whose sockets stay as they are; -1: one
 *              made for the time below the cgroup2 mount
 * @text:       the reason when not; empty otherwise
 *
 * Return: 1 usable; 0 not; negative errno when that could not be found out.
 */
int cgroup_bpf_probe(const CgroupBpfConfig *config, const Backend *backend, int cgroup_fd,
        char text[static CGROUP_BPF_TEXT_MAX]);

/*
 * Detaches everything that is pinned in the directory of @config, and removes
 * it: for when another means marks. Return: 1; 0 there was none; negative errno, @fault.
 */
int cgroup_bpf_clear(const CgroupBpfConfig *config, Fault *fault);
