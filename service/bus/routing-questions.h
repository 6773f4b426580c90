/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Methods of org.talpid.Routing that only ask: ListRoutes, GetRoute, GetMtu.
 */

#include "service/bus/routing-object.h"

/* Return: as a handler. */
int routing_questions_list_routes(
        const RoutingObjectConfig *config, sd_bus_message *message, sd_bus_error *error);
int routing_questions_get_route(
        const RoutingObjectConfig *config, sd_bus_message *message, sd_bus_error *error);
int routing_questions_get_mtu(
        const RoutingObjectConfig *config, sd_bus_message *message, sd_bus_error *error);
