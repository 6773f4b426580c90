/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Values of the model → dictionaries as clients get them.
 *
 * Each appends one a{sv}, or one variant list of them. What is not known is
 * left out. Return: 0; negative errno.
 */

#include <systemd/sd-bus.h>

#include "service/engine/engine.h"

/* A wanted route with its state and owner: ListRoutes, RoutesChanged. */
int answers_append_wanted(sd_bus_message *message, const Engine *engine, const WantedRoute *wanted);

/* A route as the kernel has it: GetRoute, RouteAdded, Healed. */
int answers_append_route(sd_bus_message *message, const Engine *engine, const Route *route);

/* @route may be absent: an empty dictionary. */
int answers_append_default_route(
        sd_bus_message *message, const Engine *engine, const DefaultRoute *route);

int answers_append_tunnel(sd_bus_message *message, const Engine *engine);
int answers_append_conflict(sd_bus_message *message, const Conflict *conflict);

/* What was healed: a route, or another fact as its text. */
int answers_append_fact(sd_bus_message *message, const Engine *engine, const Fact *fact);
