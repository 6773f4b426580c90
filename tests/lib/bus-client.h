/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Clients on the bus of a test, of several users, and their calls.
 */

#include "tests/lib/bus-fixture.h"

typedef struct BusClient BusClient;

/*
 * Connects as @uid, from a process of its own: to bus daemon and polkit it has
 * that uid and pid, while the connection is at hand here. Passing of file
 * descriptors works.
 */
BusClient *bus_client_new(BusFixture *bus, uid_t uid);

/* Leaves the bus and ends its process, as a crash does. NULL is fine. */
void bus_client_free(BusClient *client);

GDBusConnection *bus_client_get_connection(const BusClient *client);
pid_t bus_client_get_pid(const BusClient *client);

typedef enum BusCallFlags {
        BUS_CALL_PLAIN = 0,
        BUS_CALL_INTERACTIVE = 1 << 0, /* allow interactive authorization */
} BusCallFlags;

/* A call under way. Fields are for reading; @done comes with @reply or @error. */
typedef struct BusCall {
        bool done;
        GVariant *reply;
        GError *error;
        GCancellable *cancellable;
} BusCall;

/* @arguments is a floating tuple, or NULL. Waits for ever if need be. */
BusCall *bus_client_submit(BusClient *client, const char *name, const char *path,
        const char *interface, const char *member, GVariant *arguments, BusCallFlags flags);

/* Forgets the call; its client may still hang in it. NULL is fine. */
void bus_call_free(BusCall *call);

/* D-Bus error name of a finished call, "" when it succeeded. Lives as long as the call. */
const char *bus_call_get_error_name(BusCall *call);

/* bus_client_submit() and waiting for the end. Return: the reply, owned; NULL and @error set. */
GVariant *bus_client_call(BusClient *client, const char *name, const char *path,
        const char *interface, const char *member, GVariant *arguments, BusCallFlags flags,
        GError **error);
