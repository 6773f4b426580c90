/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The backend for links, addresses, neighbours, routes and rules of Linux.
 *
 * It applies routes and rules (see "backends/backend.h") and reports
 *  - all links, addresses and rules;
 *  - routes with our protocol number in any table, and others' routes of
 *    prefix length 0 and 1 in the main and default tables, both families;
 *  - the neighbours that resolve_neighbour() was called for.
 *
 * What the kernel changes without saying so (IPv4 routes that go with a link or
 * an address, others' routes that may share a slot, lost notifications) is
 * read again once per turn of the loop and reported as a resync of that kind.
 *
 * Set backend->sink before the first resync; nothing is reported earlier.
 */

#include <stdbool.h>

#include <systemd/sd-event.h>

#include "backends/backend.h"
#include "backends/base/cleanup.h"
#include "backends/rtnetlink/route-query.h"

/* @event is referenced. Return: 0, *ret is the caller's; negative errno. */
int rtnetlink_new(sd_event *event, Backend **ret);
Backend *rtnetlink_free(Backend *backend);
DEFINE_CLEANUP(Backend *, rtnetlink_free);

/* As route_query_run(). */
int rtnetlink_get_route(Backend *backend, const RouteQuery *query, RouteAnswer *ret, Fault *fault);

/* Whether others have routes in @table. Return: 1; 0; negative errno. */
int rtnetlink_table_is_foreign(Backend *backend, uint32_t table);

/* A change of a route that is not ours, of any table and length; one call for each next hop. */
typedef void (*RtnetlinkForeignCallback)(const FactChange *change, void *userdata);

/*
 * Gives every change of others' routes to @callback; NULL ends it. Each one
 * wakes the process, so keep it on only while somebody listens. What is lost in
 * an overrun is not made up for. Return: 0; negative errno, nothing changed.
 */
int rtnetlink_watch_foreign(Backend *backend, RtnetlinkForeignCallback callback, void *userdata);
