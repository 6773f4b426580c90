/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What org.talpid.SplitTunnel tells by itself. Whatever is about one user goes
 * to that user's subscribers and root's alone.
 */

#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "service/bus/owners.h"
#include "service/split/controller.h"

typedef struct SplitSignals SplitSignals;

/* All borrowed; @controller may be NULL where nothing is ever told. */
int split_signals_new(sd_bus *bus, Engine *engine, Owners *owners, SplitController *controller,
        SplitSignals **ret);
SplitSignals *split_signals_free(SplitSignals *signals);
DEFINE_CLEANUP(SplitSignals *, split_signals_free)

uint64_t split_signals_serial(const SplitSignals *signals);

/* To be given to the controller. */
SplitObserver split_signals_observer(SplitSignals *signals);
