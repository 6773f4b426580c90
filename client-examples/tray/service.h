// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Follows the service on the system bus: what it says, who is listed, what the user may.
 *
 * Nothing here starts the service but service_wake(). While anything is asked of it the service
 * stays anyway, and only then this listens as a subscriber, so that it can leave when it is idle.
 * Nothing is asked at intervals.
 *
 * Runs in the default main context. The caller owns the Service; what its getters return is
 * borrowed until the listener is told of the next change.
 */

#include <gio/gio.h>

#include "client-examples/tray/status.h"

typedef struct Service Service;

typedef struct ServiceListener {
        /* Something of what the getters return is different. */
        void (*changed)(void *user);
        /* A signal of org.talpid.Routing. */
        void (*told)(const char *signal, GVariant *arguments, void *user);
        void *user;
} ServiceListener;

Service *service_new(GDBusConnection *bus, const ServiceListener *listener);
Service *service_free(Service *service);

const Status *service_status(const Service *service);
const Permissions *service_permissions(const Service *service);
GPtrArray *service_listed(const Service *service); /* of Listed */

/* Asks who is listed, when the service is there. */
void service_list(Service *service);

/* Starts it. */
void service_wake(Service *service);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Service, service_free)
