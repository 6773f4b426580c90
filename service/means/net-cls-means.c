// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/means/net-cls-means.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/clock.h"
#include "service/means/means-process.h"

#define PASSES_MAX 200               /* over children while they fork */
#define LOOK_USEC (2 * USEC_PER_SEC) /* cgroup v1 tells nobody that a group ran empty */
#define LOOKS_MAX 2                  /* that find nobody: who is prepared comes at once */

static const GroupPlace own_place = { .path = NET_CLS_MEANS_PATH, .id = NET_CLS_CLASS_ID };

struct NetClsMeans {
        NetCls *net_cls;
        Sockets *sockets;
        NetClsMeansListener listener;
        sd_event_source *timer; /* on while somebody may be in the group */
        unsigned n_empty_looks;
        SplitProcesses processes;
};

static void look_after(NetClsMeans *means, usec_t pause_usec) {
        /* Without it an empty group is noticed when the service starts again. */
        if (sd_event_source_set_time_relative(means->timer, pause_usec) >= 0)
                (void)sd_event_source_set_enabled(means->timer, SD_EVENT_ONESHOT);
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        NetClsMeans *means = userdata;
        int r = net_cls_list_members(means->net_cls, &pids);

        means->n_empty_looks = r < 0 || pids.n > 0 ? 0 : means->n_empty_looks + 1;
        if (means->n_empty_looks < LOOKS_MAX)
                look_after(means, LOOK_USEC);
        else
                means->listener.on_empty(&own_place, means->listener.userdata);
        return 0;
}

static void expect_members(NetClsMeans *means) {
        means->n_empty_looks = 0;
        look_after(means, LOOK_USEC);
}

/* It may be empty now, and nobody is prepared to come. */
static void expect_none(NetClsMeans *means) {
        means->n_empty_looks = LOOKS_MAX - 1;
        look_after(means, 0);
}

static int append_place(Array *places) {
        return places->n > 0 || array_append(places, &own_place) ? 0 : -ENOMEM;
}

/* The group is always there. */
static int prepare(
        const SplitProcess *process, bool children, Array *places, Fault *fault, void *userdata) {
        expect_members(userdata);
        return append_place(places);
}

/* Return: 1 moved; 0 it was inside; negative errno. Appends it when it is inside. */
static int exclude_one(NetClsMeans *means, const Process *process, Array *pids, Fault *fault) {
        int r = net_cls_exclude_process(means->net_cls, process, fault);

        if (r > 0 && !array_append(pids, &process->pid))
                return -ENOMEM;
        return r;
}

/* Return: how many were moved; the first error, the others are moved all the same. */
static int exclude_children(NetClsMeans *means, const Process *process, Array *pids, Fault *fault) {
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        const ProcessRef *ref;
        int error = 0, n = 0;
        int r = process_list_family(process, &refs);

        if (r < 0 && r != -E2BIG && r != -ESRCH)
                return r;
        ARRAY_FOREACH(ref, &refs) {
                CLEANUP(process_clear) Process child = PROCESS_NONE;

                if (process_reopen(ref, &child) < 0)
                        continue;
                r = exclude_one(means, &child, pids, error ? NULL : fault);
                if (r < 0 && r != -ESRCH && !error)
                        error = r;
                n += r > 0;
        }
        return error ? error : n;
}

static int exclude(const SplitProcess *split_process, bool children, Array *pids, Array *places,
        unsigned *ret_moved, Fault *fault, void *userdata) {
        const Process process = means_process_of(split_process);
        NetClsMeans *means = userdata;
        int r = exclude_one(means, &process, pids, fault);

        *ret_moved = r > 0;
        if (r == 0 && !array_append(pids, &process.pid)) /* its sockets are swept, too */
                r = -ENOMEM;
        if (r < 0)
                return r;
        expect_members(means);
        for (unsigned i = 0; children && i < PASSES_MAX; i++) {
                r = exclude_children(means, &process, pids, fault);
                if (r <= 0)
                        break;
                *ret_moved += (unsigned)r;
        }
        if (append_place(places) < 0)
                return -ENOMEM;
        return r < 0 ? r : 0;
}

static int take_back(void *net_cls, const Process *process, Fault *fault) {
        return net_cls_return_process(net_cls, process, fault);
}

static int include(
        const SplitProcess *process, bool children, Array *pids, Fault *fault, void *userdata) {
        NetClsMeans *means = userdata;
        int r = means_process_include(process, children, take_back, means->net_cls, pids, fault);

        if (r > 0)
                expect_none(means);
        return r < 0 ? r : 0;
}

/* It is used again: made anew it would be another's who is no root any more. */
static int dissolve(const char *path, Fault *fault, void *userdata) {
        NetClsMeans *means = userdata;

        if (strcmp(path, own_place.path) != 0)
                return -ENOENT;
        return net_cls_return_all(means->net_cls, fault);
}

static int list_members(const char *path, Array *pids, void *userdata) {
        NetClsMeans *means = userdata;

        if (strcmp(path, own_place.path) != 0)
                return -ENOENT;
        return net_cls_list_members(means->net_cls, pids);
}

static int list_groups(Array *places, void *userdata) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        NetClsMeans *means = userdata;
        int r = net_cls_list_members(means->net_cls, &pids);

        if (r < 0 && r != -E2BIG)
                return r;
        if (pids.n == 0)
                return 0;
        expect_members(means);
        return append_place(places);
}

static int sweep(const Array *pids, const SplitSweep *how, SplitSocketCounts *counts, Fault *fault,
        void *userdata) {
        NetClsMeans *means = userdata;

        return means_process_sweep(means->sockets, pids, how, counts, fault);
}

int net_cls_means_new(sd_event *event, NetCls *net_cls, Sockets *sockets,
        const NetClsMeansListener *listener, NetClsMeans **ret) {
        CLEANUP(net_cls_means_free_p) NetClsMeans *means = calloc(1, sizeof(*means));
        int r;

        if (!means)
                return -ENOMEM;
        *means = (NetClsMeans){ .net_cls = net_cls,
                .sockets = sockets,
                .listener = *listener,
                .processes = {
                        .open = means_process_open,
                        .open_pidfd = means_process_open_pidfd,
                        .read_executable = means_process_read_executable,
                        .prepare = prepare,
                        .exclude = exclude,
                        .include = include,
                        .dissolve = dissolve,
                        .list_members = list_members,
                        .list_groups = list_groups,
                        .sweep = sweep,
                        .userdata = means,
                } };
        r = sd_event_add_time(
                event, &means->timer, CLOCK_MONOTONIC, 0, USEC_PER_SEC / 2, on_look, means);
        if (r >= 0)
                r = sd_event_source_set_enabled(means->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(means->timer, "net-cls-look");
        *ret = TAKE(means);
        return 0;
}

NetClsMeans *net_cls_means_free(NetClsMeans *means) {
        if (!means)
                return NULL;

        sd_event_source_disable_unref(means->timer);
        free(means);
        return NULL;
}

const SplitProcesses *net_cls_means_processes(const NetClsMeans *means) {
        return &means->processes;
}
