/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What a client asks about itself: to be told of changes, and what it may do.
 */

#include "service/bus/object.h"

/* Subscribe, Unsubscribe and GetPermissions of org.talpid.Routing. Return: as a handler. */
int clients_subscribe(const ObjectParts *parts, sd_bus_message *message, sd_bus_error *error);
int clients_unsubscribe(const ObjectParts *parts, sd_bus_message *message);
int clients_get_permissions(const ObjectParts *parts, sd_bus_message *message, sd_bus_error *error);
