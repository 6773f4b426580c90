/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * org.talpid.Routing on the bus: /org/talpid/Routing.
 *
 * Handlers are thin and straight: read, check against state, ask polkit,
 * submit, answer through a PendingCall. A message may be delivered several
 * times before it acts, see polkit/authority.h; each pass reads afresh.
 */

#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "service/bus/object.h"

#define ROUTING_PATH "/org/talpid/Routing"
#define ROUTING_INTERFACE "org.talpid.Routing"

typedef struct RoutingObject RoutingObject;

/* A question to the kernel: where would such a packet go? */
typedef struct RouteLookup {
        Address destination;
        uint32_t mark;
        uint32_t ifindex; /* 0: any */
        bool has_uid;
        uid_t uid;
} RouteLookup;

/* Fills @ret with the answer; its mtu is 0 where the kernel named none. Return: 0; or @fault. */
typedef int (*RouteLookupFunction)(
        const RouteLookup *lookup, Route *ret, Fault *fault, void *userdata);

/* A means of the service and whether it is in use: "yes", "no: reason". */
typedef struct BackendStatus {
        const char *name;
        const char *status;
} BackendStatus;

/* Everything is borrowed and outlives the object; the object outlives the engine's last turn. */
typedef struct RoutingObjectConfig {
        ObjectParts parts;
        RouteLookupFunction lookup;
        void *lookup_userdata;
        const BackendStatus *backends;
        size_t n_backends;
} RoutingObjectConfig;

/* For check-interfaces all but the bus may be NULL, as long as nothing is called. */
int routing_object_new(const RoutingObjectConfig *config, RoutingObject **ret);
RoutingObject *routing_object_free(RoutingObject *object);
DEFINE_CLEANUP(RoutingObject *, routing_object_free)

/* What the engine is to tell; to be handed to engine_set_observer(). */
EngineObserver routing_object_observer(RoutingObject *object);

/* The kernel's routes changed, whosoever did it: to subscribers of `routes`. */
void routing_object_on_kernel_route(RoutingObject *object, const Route *route, bool removed);
