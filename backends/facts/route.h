/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One IP route with one next hop: rtnetlink(7), RTM_NEWROUTE.
 *
 * A multipath route (ECMP, or a nexthop group) is several Routes that differ
 * in `hop`; the others have hop 0. Values are in the form the kernel reports:
 * the metric of an IPv6 route is never 0 (the kernel would make it 1024), and
 * routes that lead nowhere (unreachable, blackhole, prohibit, throw) have no
 * device. The scope follows from type and gateway and is not kept.
 */

#include <stdbool.h>
#include <stdint.h>

#include "backends/facts/prefix.h"

#define ROUTE_TEXT_MAX 256

/* What the kernel says about a next hop; never part of a comparison. */
#define ROUTE_STATUS_DEAD (UINT8_C(1) << 0)
#define ROUTE_STATUS_LINKDOWN (UINT8_C(1) << 1)

typedef struct Route {
        Prefix destination;
        uint8_t type;     /* RTN_ of <linux/rtnetlink.h> */
        uint8_t protocol; /* RTPROT_ */
        uint8_t hop;      /* which of several next hops, from 0 */
        uint8_t status;   /* ROUTE_STATUS_ */
        bool onlink;      /* RTNH_F_ONLINK: the gateway need not lie in an on-link prefix */
        Address gateway;  /* may be of the other family: RTA_VIA, RFC 8950 */
        Address source;   /* RTA_PREFSRC */
        uint32_t table;
        uint32_t metric;
        uint32_t ifindex; /* 0: none */
        uint32_t mtu;     /* RTAX_MTU; 0: the device's */
} Route;

/* The slot a kernel lookup finds: table, destination, metric. Sorts by table first. */
int route_compare_slot(const Route *a, const Route *b);

/*
 * The slot and whether it is ours; foreign routes are kept apart by hop,
 * device and gateway too, since the kernel may hold several in one slot.
 */
int route_compare_key(const Route *a, const Route *b);
int route_compare_value(const Route *a, const Route *b);

/* Whether the route leads nowhere and so has neither device nor gateway. */
bool route_type_is_dead_end(uint8_t type);

/* "unicast", "unreachable", "blackhole", "prohibit", "throw", "local", …; NULL: not known. */
const char *route_type_name(uint8_t type);

/* Return: an RTN_ value of those a client may ask for; -EINVAL. */
int route_type_parse(const char *name);

/* As `ip route` would print it, device as number: for logs and tests. */
const char *route_format(const Route *route, char text[static ROUTE_TEXT_MAX]);
