/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * org.talpid.SplitTunnel on the bus: /org/talpid/SplitTunnel.
 *
 * Handlers are as those of routing-object.c. A process is opened afresh on
 * every pass; its start time is a detail of the question to polkit, so that
 * nobody agrees to one process and gets another of the same number.
 */

#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "polkit/authority.h"
#include "service/bus/owners.h"
#include "service/bus/pending-call.h"
#include "service/engine/engine.h"
#include "service/split/controller.h"

#define SPLIT_PATH "/org/talpid/SplitTunnel"
#define SPLIT_INTERFACE "org.talpid.SplitTunnel"

typedef struct SplitObject SplitObject;

/* Everything is borrowed and outlives the object. */
typedef struct SplitObjectConfig {
        sd_bus *bus;
        Engine *engine;
        Authority *authority;
        Owners *owners;
        PendingCalls *pending;
        SplitController *controller;
} SplitObjectConfig;

/* For check-interfaces all but the bus may be NULL, as long as nothing is called. */
int split_object_new(const SplitObjectConfig *config, SplitObject **ret);
SplitObject *split_object_free(SplitObject *object);
DEFINE_CLEANUP(SplitObject *, split_object_free)
