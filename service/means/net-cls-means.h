/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Processes in the one group of ours on cgroup v1, whose class the firewall
 * marks: service/split/processes.h done by backends/net-cls. Units and groups
 * of others cannot be marked where they are.
 *
 * The group is called as in /proc/PID/cgroup, which no path on cgroup2 is.
 */

#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"
#include "backends/net-cls/net-cls.h"
#include "backends/sockets/sockets.h"
#include "service/split/processes.h"

#define NET_CLS_MEANS_PATH "net_cls:/" NET_CLS_GROUP

typedef struct NetClsMeans NetClsMeans;

typedef struct NetClsMeansListener {
        /* Nobody is in the group any more. */
        void (*on_empty)(const GroupPlace *place, void *userdata);
        void *userdata;
} NetClsMeansListener;

/* @net_cls and @sockets are borrowed, *listener copied. Return: 0; negative errno. */
int net_cls_means_new(sd_event *event, NetCls *net_cls, Sockets *sockets,
        const NetClsMeansListener *listener, NetClsMeans **ret);
NetClsMeans *net_cls_means_free(NetClsMeans *means); /* members stay */
DEFINE_CLEANUP(NetClsMeans *, net_cls_means_free)

const SplitProcesses *net_cls_means_processes(const NetClsMeans *means);
