/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Processes in groups of ours on cgroup2, which BPF or the firewall marks:
 * service/split/processes.h done by backends/cgroup2.
 */

#include <sys/types.h>

#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"
#include "backends/facts/operation.h"
#include "backends/sockets/sockets.h"
#include "service/split/processes.h"

typedef struct Cgroup2Means Cgroup2Means;

typedef struct Cgroup2MeansListener {
        /* A followed group appeared or went, or one of ours went. */
        void (*on_group)(const GroupPlace *place, bool gone, void *userdata);

        /* See split_controller_on_known(). */
        void (*on_known)(void *userdata);

        void *userdata;
} Cgroup2MeansListener;

/*
 * @mount is "" where mountinfo is to be asked; @sockets is borrowed, *listener
 * copied. Return: 0, *ret is the caller's; negative errno and @fault, groups
 * cannot be made here.
 */
int cgroup2_means_new(sd_event *event, const char *mount, Sockets *sockets,
        const Cgroup2MeansListener *listener, Cgroup2Means **ret, Fault *fault);
Cgroup2Means *cgroup2_means_free(Cgroup2Means *means); /* groups and members stay */
DEFINE_CLEANUP(Cgroup2Means *, cgroup2_means_free)

/* Whether groups can be made: still, or there. Return: 0; negative errno and @fault. */
int cgroup2_means_check(const Cgroup2Means *means, Fault *fault);
int cgroup2_means_probe(const char *mount);

/* See cgroup2_set_owner(). */
void cgroup2_means_set_owner(Cgroup2Means *means, uid_t owner);

/* Of GroupPlace, borrowed: where groups are that are prepared, and have no member yet. */
void cgroup2_means_set_prepared(Cgroup2Means *means, const Array *places);

/* Opens a group by its number; the second argument is a Cgroup2Means. */
int cgroup2_means_open_group(uint64_t id, void *means);

const SplitProcesses *cgroup2_means_processes(const Cgroup2Means *means);
