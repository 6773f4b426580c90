/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * "Which way would a packet go?", answered by the kernel: RTM_GETROUTE.
 */

#include <stdbool.h>
#include <stdint.h>

#include "backends/facts/operation.h"
#include "backends/facts/prefix.h"
#include "backends/facts/route.h"
#include "backends/netlink/nl-request.h"

typedef struct RouteQuery {
        Address destination;
        uint32_t mark; /* the socket's, host byte order; 0: none */
        bool have_uid; /* otherwise the uid of the asking process counts */
        uint32_t uid;
        uint32_t oif; /* ifindex the socket is bound to; 0: any */
} RouteQuery;

typedef struct RouteAnswer {
        Route route;        /* for this one destination: table, source, gateway, device, type */
        Prefix matched;     /* of the route in the table that was chosen */
        uint32_t metric;    /* of the same */
        uint32_t route_mtu; /* of the route, or what path MTU discovery learned; 0: the device's */
} RouteAnswer;

/**
 * route_query_run() - ask the kernel, following rules, marks and caches
 * @request:  of NETLINK_ROUTE
 *
 * Return: 0; -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL (blackhole) when
 * packets would fail so; other negative errno.
 */
int route_query_run(NlRequest *request, const RouteQuery *query, RouteAnswer *ret, Fault *fault);
