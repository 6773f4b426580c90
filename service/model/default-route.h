/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The best default route of a family: what the symbolic node stands for.
 *
 * Best is the lowest metric among the /0 routes of the main and default tables
 * whose link is up with carrier and is no tunnel. A ppp link counts only where
 * there is no other: it may be a VPN, or the only way to the internet.
 */

#include <net/if.h>
#include <stdbool.h>

#include "backends/facts/fact-set.h"
#include "backends/facts/ours.h"

typedef struct DefaultRoute {
        bool present;
        Route route; /* gateway, ifindex, metric, table, protocol; mtu is the route's or device's */
        uint32_t route_mtu; /* the route's own; 0: it has none */
        char device[IFNAMSIZ];
        Mac gateway_mac; /* empty: not known (yet), or no gateway */
        Address source;  /* preferred source, or the link's first fit address; may be unset */
} DefaultRoute;

/* @tunnel_device: the device set as tunnel, "" for none. */
DefaultRoute default_route_find(const FactSet *observed, int family, const char *tunnel_device);

/*
 * Whether something else takes what main would send by the best default: a
 * foreign tunnel's /0 with a lower metric, the two /1 halves of OpenVPN, or the
 * /0 of a link that lost its carrier. The kernel goes on to use that one (see
 * ignore_routes_with_linkdown, Documentation/networking/ip-sysctl.rst), and
 * NetworkManager leaves it for some seconds.
 */
bool default_route_is_overridden(
        const FactSet *observed, int family, const char *tunnel_device, const DefaultRoute *best);

typedef enum DefaultRouteDifference {
        DEFAULT_ROUTE_SAME,
        DEFAULT_ROUTE_COMPLETED, /* what was unknown is known now: MAC, source */
        DEFAULT_ROUTE_CHANGED,
} DefaultRouteDifference;

/* How @a became @b; *ret_reason (if given) is a word for it: "link", "gateway", "metric", … */
DefaultRouteDifference default_route_compare(
        const DefaultRoute *a, const DefaultRoute *b, const char **ret_reason);
