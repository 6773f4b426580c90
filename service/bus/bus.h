/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Our connection to the system bus, and the names it owns.
 *
 * Objects are added first and names requested last, so that the first call
 * finds everything in place.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* Every name of the service, each a contract of its own; NULL at the end. */
extern const char *const bus_names[];

/*
 * Connects to the system bus ($DBUS_SYSTEM_BUS_ADDRESS is respected), attached
 * to @event, which ends when the bus does. Return: 0, *ret is the caller's.
 */
int bus_open(sd_event *event, sd_bus **ret);

/* Asks for all names, waiting. Return: 0; -EEXIST somebody else has one. */
int bus_request_names(sd_bus *bus);

/* Sends what is queued, waiting, and closes. Return: NULL. */
sd_bus *bus_close(sd_bus *bus);
