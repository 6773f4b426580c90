/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * org.talpid.SplitTunnel on the bus: /org/talpid/SplitTunnel.
 *
 * Handlers are as those of routing-object.c.
 */

#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "service/bus/object.h"
#include "service/split/controller.h"

#define SPLIT_PATH "/org/talpid/SplitTunnel"
#define SPLIT_INTERFACE "org.talpid.SplitTunnel"

typedef struct SplitObject SplitObject;

/* Everything is borrowed and outlives the object. */
typedef struct SplitObjectConfig {
        ObjectParts parts;
        SplitController *controller;
} SplitObjectConfig;

/* For check-interfaces all but the bus may be NULL, as long as nothing is called. */
int split_object_new(const SplitObjectConfig *config, SplitObject **ret);
SplitObject *split_object_free(SplitObject *object);
DEFINE_CLEANUP(SplitObject *, split_object_free)
