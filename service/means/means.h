/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The means by which processes are told apart here, found by trying: which
 * mechanism is in force, and what does the functions of
 * service/split/processes.h by it.
 */

#include <systemd/sd-event.h>

#include "backends/backend.h"
#include "backends/base/cleanup.h"
#include "service/engine/engine.h"
#include "service/split/controller.h"
#include "service/split/mechanism.h"

typedef struct SplitMeans SplitMeans;

/*
 * Takes the best mechanism; @forced (its name; "": any) leaves the others out.
 * @cgroup2_mount is "" where mountinfo is to be asked. Finding none is no error.
 * Return: 0, *ret is the caller's; -ENOMEM.
 */
int split_means_new(
        sd_event *event, const char *forced, const char *cgroup2_mount, SplitMeans **ret);
SplitMeans *split_means_free(SplitMeans *means); /* after the engine, marks stay */
DEFINE_CLEANUP(SplitMeans *, split_means_free)

Mechanism split_means_mechanism(const SplitMeans *means);
const char *split_means_reason(const SplitMeans *means); /* why not a better one */

/* The backend of its own that marks groups; NULL: none. */
Backend *split_means_backend(const SplitMeans *means);

/* Where groups are found by their number. Borrowed; before engine_start(). */
void split_means_set_engine(SplitMeans *means, Engine *engine);

/* Who hears of groups. Borrowed. */
void split_means_set_controller(SplitMeans *means, SplitController *controller);

/* NULL: the mechanism is "none". */
const SplitProcesses *split_means_processes(const SplitMeans *means);
