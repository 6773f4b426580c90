/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Watches the bus clients that matter to us: those whose intents live until
 * they go, and those that subscribed.
 *
 * Nothing here waits for the bus. sd_bus_track would: it asks for each name
 * with a blocking call, and takes one of the 512 match rules that dbus-daemon
 * grants a connection. One rule for all names that leave does both jobs; each
 * name is asked for once, after the rule stands, so that no leaving is missed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "service/engine/engine.h"

#define OWNERS_SUBSCRIBERS_PER_USER_MAX 64

typedef struct Owners Owners;

/* What a subscriber wants: `what` of Subscribe(). */
typedef enum Subscription {
        SUBSCRIPTION_DEFAULT = 1 << 0, /* keeps the service from idle exit */
        SUBSCRIPTION_ROUTES = 1 << 1,  /* RouteAdded and RouteRemoved */
} Subscription;

/* @bus and @engine are borrowed and outlive the owners. */
int owners_new(sd_bus *bus, Engine *engine, Owners **ret);
Owners *owners_free(Owners *owners);
DEFINE_CLEANUP(Owners *, owners_free)

/*
 * Watches each client that the intent names, and forgets those it does not name
 * any more. To be called whenever owners appeared or went. Clients that are not
 * on the bus (any more), or belong to another user than they did, lose what
 * they wanted.
 */
void owners_sync(Owners *owners);

/*
 * Ends the intents of all clients: they are of an earlier bus, or the service
 * stops, then with @keep_closed: a fail-closed tunnel outlives both.
 */
void owners_drop_all(Owners *owners, bool keep_closed);

/* Tells when the first subscriber to RouteAdded came or the last one went. At most one listener. */
void owners_set_listener(
        Owners *owners, void (*on_routes_wanted)(bool wanted, void *userdata), void *userdata);

/* Adds @what to what @name gets. Return: 1 new to us; 0; -EPERM and @why at the limit; -ENOMEM. */
int owners_subscribe(Owners *owners, const char *name, uid_t uid, uint32_t what, Refusal *why);
void owners_unsubscribe(Owners *owners, const char *name);

bool owners_have_subscribers(const Owners *owners);

/* Walks subscribers to @what: *@position starts at 0. Return: a unique name; NULL at the end. */
const char *owners_next_subscriber(const Owners *owners, uint32_t what, size_t *position);

/* As above: subscribers to anything that are root or @uid. */
const char *owners_next_subscriber_of(const Owners *owners, uid_t uid, size_t *position);
