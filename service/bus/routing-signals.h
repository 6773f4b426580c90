/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What org.talpid.Routing tells by itself: its signals, one PropertiesChanged a
 * turn, and the serial that lets a client see that it missed one.
 */

#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "service/bus/owners.h"
#include "service/engine/engine.h"

/* More routes than this are not listed in RoutesChanged: its lists stay empty. */
#define ROUTES_CHANGED_MAX 8192

typedef struct RoutingSignals RoutingSignals;

/* All borrowed. The bus is attached to an event loop, or nothing is ever told. */
int routing_signals_new(sd_bus *bus, Engine *engine, Owners *owners, RoutingSignals **ret);
RoutingSignals *routing_signals_free(RoutingSignals *signals);
DEFINE_CLEANUP(RoutingSignals *, routing_signals_free)

uint64_t routing_signals_serial(const RoutingSignals *signals);

/* To be given to the engine. */
EngineObserver routing_signals_observer(RoutingSignals *signals);

void routing_signals_on_kernel_route(RoutingSignals *signals, const Route *route, bool removed);
