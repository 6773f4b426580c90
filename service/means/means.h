/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The means by which processes are told apart here, found by trying: which
 * mechanism is in force, and what does the functions of
 * service/split/processes.h by it.
 *
 * Where the mechanism in force fails, the next one takes over while the service
 * runs: it marks everything first, then the marks of the one before go. Nothing
 * climbs back while somebody is listed, not by a restart either, see
 * mechanism_after(); from none it does, by Refresh() of the engine.
 */

#include <sys/types.h>

#include <systemd/sd-event.h>

#include "backends/backend.h"
#include "backends/base/cleanup.h"
#include "backends/net-cls/net-cls.h"
#include "service/engine/engine.h"
#include "service/split/controller.h"
#include "service/split/mechanism.h"

typedef struct SplitMeans SplitMeans;

typedef struct SplitMeansConfig {
        sd_event *event;
        const char *forced;            /* a mechanism, which leaves the others out; "": any */
        const char *cgroup2_mount;     /* "": where mountinfo says */
        const char *net_cls_directory; /* where it may be mounted; "": nowhere */
        const char *bpf_directory;     /* for pins */
        uid_t user;                    /* the service's, whose pins and groups are ours, too */
        NetCls *net_cls;               /* of split_means_reserve(); NULL: none. Taken */
        Fault net_cls_fault;           /* why that has none; .error 0: it was not asked */
        Backend *nftables;             /* NULL: there is none. Borrowed, not with an engine yet */
        const char *blocked;           /* why nothing may be tried; NULL: it may. Borrowed */
        const char *memory_path;       /* file for what is in force; NULL: not remembered */
        bool is_wanted;                /* somebody is listed since an earlier run, */
        bool is_include;               /* … in include mode */
} SplitMeansConfig;

/*
 * Opens while we are root what net_cls may need later, when we are not: see
 * backends/net-cls. It is mounted only where cgroup2 does not do. Fills net_cls
 * and net_cls_fault of *config.
 */
void split_means_reserve(SplitMeansConfig *config);

/*
 * Takes the best mechanism. Finding none is no error. The texts of *config are
 * borrowed. Return: 0, *ret is the caller's; -ENOMEM.
 */
int split_means_new(const SplitMeansConfig *config, SplitMeans **ret);
SplitMeans *split_means_free(SplitMeans *means); /* after the engine, marks stay */
DEFINE_CLEANUP(SplitMeans *, split_means_free)

Mechanism split_means_mechanism(const SplitMeans *means);
const char *split_means_reason(const SplitMeans *means); /* why not a better one */

/* When what is wanted is marked: takes away what BPF marked before another mechanism was taken. */
void split_means_settle(SplitMeans *means);

/* The backend of its own that marks groups; NULL: none. */
Backend *split_means_backend(const SplitMeans *means);

/* What marks, and groups that cannot be marked, concern. Borrowed; before engine_start(). */
void split_means_set_engine(SplitMeans *means, Engine *engine);

/* Who hears of groups. Borrowed. */
void split_means_set_controller(SplitMeans *means, SplitController *controller);

/* NULL: the mechanism is "none". */
const SplitProcesses *split_means_processes(const SplitMeans *means);

/* Of the sort that is not in force, where an earlier run may have left members; NULL: none. */
const SplitProcesses *split_means_other_processes(SplitMeans *means);

/*
 * No group can be made by @processes: another mechanism takes over where that
 * helps. Return: whether it did.
 */
bool split_means_groups_failed(SplitMeans *means, const Fault *fault);

/* Whoever is in a group of ours, by whatever mechanism, goes back to where they came from. */
void split_means_end_groups(SplitMeans *means);
