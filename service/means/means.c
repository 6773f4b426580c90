// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/means/means.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/cgroup-bpf/cgroup-bpf.h"
#include "backends/nftables/nftables.h"
#include "backends/sockets/sockets.h"
#include "service/means/cgroup2-means.h"

struct SplitMeans {
        sd_event *event;
        const char *cgroup2_mount;
        Mechanism mechanism;
        char reason[MECHANISM_REASON_MAX];
        Sockets *sockets;
        Cgroup2Means *cgroup2;
        Backend *bpf;
        SplitController *controller;
        Fault fault; /* of the part tried last */
};

/* Programs of an earlier run are exchanged; not without CAP_SYS_ADMIN, then ours come beside. */
static void on_known(uint64_t id, void *userdata) {
        SplitMeans *means = userdata;
        int r = means->bpf ? cgroup_bpf_adopt(means->bpf, id) : 0;

        if (r < 0)
                log_debug("Cannot take over what marks the group %llu: %s", (unsigned long long)id,
                        strerror(-r));
}

static void on_group(const GroupPlace *place, bool gone, void *userdata) {
        SplitMeans *means = userdata;

        if (gone && means->bpf)
                cgroup_bpf_group_gone(means->bpf, place->id);
        if (means->controller)
                split_controller_on_group(means->controller, place, gone);
}

static int open_group(uint64_t id, void *userdata) {
        SplitMeans *means = userdata;

        return cgroup2_means_open_group(id, means->cgroup2);
}

/* Trying */

static int try_cgroup2(SplitMeans *means) {
        const Cgroup2MeansListener listener = {
                .on_known = on_known, .on_group = on_group, .userdata = means
        };

        if (means->cgroup2)
                return 1;
        return cgroup2_means_new(means->event, means->cgroup2_mount, means->sockets, &listener,
                       &means->cgroup2, &means->fault) < 0
                       ? 0
                       : 1;
}

static int try_bpf(SplitMeans *means) {
        const CgroupBpfConfig config = { .open_group = open_group, .userdata = means };
        int r = cgroup_bpf_probe(-1, means->fault.text);

        if (r > 0 && !means->bpf)
                r = cgroup_bpf_new(means->event, &config, &means->bpf) < 0 ? -ENOMEM : 1;
        return r;
}

static int try_nftables(SplitMeans *means) {
        return nftables_probe(NFTABLES_CGROUP2, &means->fault);
}

static bool try_part(MechanismPart part, const char **why, void *userdata) {
        static int (*const tries[_MECHANISM_PART_MAX])(SplitMeans *) = {
                [MECHANISM_PART_CGROUP2] = try_cgroup2,
                [MECHANISM_PART_BPF] = try_bpf,
                [MECHANISM_PART_NFTABLES] = try_nftables,
        };
        SplitMeans *means = userdata;
        int r;

        means->fault = (Fault){ .error = 0 };
        r = tries[part](means);
        *why = means->fault.text[0] ? means->fault.text : strerror(r < 0 ? -r : EOPNOTSUPP);
        return r > 0;
}

static void choose(SplitMeans *means, const char *forced) {
        uint32_t allowed = MECHANISM_BIT(MECHANISM_BPF) | MECHANISM_BIT(MECHANISM_NFTABLES);

        if (forced[0])
                allowed &= MECHANISM_BIT(mechanism_parse(forced));
        means->mechanism = mechanism_choose(allowed, try_part, means, means->reason);
        if (allowed == 0)
                (void)snprintf(
                        means->reason, sizeof(means->reason), "TALPID_MECHANISM is %s", forced);
        else if (means->reason[0])
                log_info("Processes are told apart by %s, not by a better way: %s",
                        mechanism_name(means->mechanism), means->reason);
}

int split_means_new(
        sd_event *event, const char *forced, const char *cgroup2_mount, SplitMeans **ret) {
        CLEANUP(split_means_free_p) SplitMeans *means = calloc(1, sizeof(*means));
        int r;

        if (!means)
                return -ENOMEM;
        means->event = sd_event_ref(event);
        means->cgroup2_mount = cgroup2_mount;
        r = sockets_new(&means->sockets);
        if (r < 0)
                return r;
        choose(means, forced);
        *ret = TAKE(means);
        return 0;
}

SplitMeans *split_means_free(SplitMeans *means) {
        if (!means)
                return NULL;

        cgroup_bpf_free(means->bpf);
        cgroup2_means_free(means->cgroup2);
        sockets_free(means->sockets);
        sd_event_unref(means->event);
        free(means);
        return NULL;
}

Mechanism split_means_mechanism(const SplitMeans *means) {
        return means->mechanism;
}

const char *split_means_reason(const SplitMeans *means) {
        return means->reason;
}

Backend *split_means_backend(const SplitMeans *means) {
        return means->mechanism == MECHANISM_BPF ? means->bpf : NULL;
}

void split_means_set_engine(SplitMeans *means, Engine *engine) {
        if (means->cgroup2)
                cgroup2_means_set_prepared(means->cgroup2, engine_groups(engine));
}

void split_means_set_controller(SplitMeans *means, SplitController *controller) {
        means->controller = controller;
}

const SplitProcesses *split_means_processes(const SplitMeans *means) {
        return means->mechanism == MECHANISM_NONE ? NULL : cgroup2_means_processes(means->cgroup2);
}
