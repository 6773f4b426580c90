/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls of the service over the system bus, and what its errors mean.
 *
 * Variants given are consumed when floating; variants returned are full
 * references. A call that only root or a password can do asks for the password
 * once: see Ctl.
 */

#include <gio/gunixfdlist.h>

#include "ctl.h"

/* Names on the bus, and interfaces. */
#define BUS_ROUTING "org.talpid.Routing"
#define BUS_SPLIT "org.talpid.SplitTunnel"
#define BUS_ROUTING_PATH "/org/talpid/Routing"
#define BUS_SPLIT_PATH "/org/talpid/SplitTunnel"

/* Return: the connection, borrowed; NULL and @error. */
GDBusConnection *bus_open(Ctl *ctl, GError **error);

/* Return: the answer, a tuple; NULL and @error. Starts the service. */
GVariant *bus_call(
        Ctl *ctl, const char *interface, const char *method, GVariant *arguments, GError **error);

/* A call whose answer says nothing. Return: CTL_OK; -1 and @error. */
int bus_do(
        Ctl *ctl, const char *interface, const char *method, GVariant *arguments, GError **error);

/* Options that many methods have; NULL and false: not said. Return: a{sv}, floating. */
GVariant *bus_options(bool all, const char *lifetime);

/* bus_call() with descriptors. */
GVariant *bus_call_with_fds(Ctl *ctl, const char *interface, const char *method,
        GVariant *arguments, GUnixFDList *fds, GError **error);

/* Return: all properties of an interface, a{sv}. */
GVariant *bus_get_all(Ctl *ctl, const char *interface, GError **error);

/* Any object of the service: for the few members that are not of the two interfaces. */
GVariant *bus_call_other(Ctl *ctl, const char *path, const char *interface, const char *method,
        GVariant *arguments, GError **error);

/* The service's, or GLib's words, without the prefix of the bus; caller frees. */
char *bus_error_text(const GError *error);

/* What the program ends with. */
CtlStatus bus_error_status(const GError *error);
