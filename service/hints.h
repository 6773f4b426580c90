/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Feeds the engine with what NetworkManager and resolved know of links, and
 * with what logind says of sleep.
 *
 * None is ever started, nor waited for; without them the default routes just
 * say less.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"
#include "service/engine/engine.h"

typedef struct Hints Hints;

/* @bus, @event and @engine are borrowed and outlive it. Return: 0; negative errno. */
int hints_new(sd_bus *bus, sd_event *event, Engine *engine, Hints **ret);
Hints *hints_free(Hints *hints);
DEFINE_CLEANUP(Hints *, hints_free)
