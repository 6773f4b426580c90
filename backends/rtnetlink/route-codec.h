/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Routes out of and into kernel messages: rtnetlink(7), <linux/rtnetlink.h>.
 *
 * Pure. nlmsg_len bytes of a message must be readable; nothing else of it is
 * trusted.
 */

#include <stdbool.h>
#include <stddef.h>

#include <linux/netlink.h>

#include "backends/facts/operation.h"
#include "backends/facts/route.h"

#define ROUTE_MESSAGE_MAX 256
#define ROUTE_HOPS_MAX 16

typedef struct RouteMessage {
        size_t n_hops;
        Route hops[ROUTE_HOPS_MAX]; /* further hops are left out */

        /*
         * Set when the route says no more than the id of a nexthop object
         * (sysctl net.ipv4.nexthop_compat_mode=0): hops[0] has neither device
         * nor gateway then.
         */
        uint32_t nexthop_id;
        bool has_nexthop_object; /* an object stands behind the hops, whether they are told or not
                                  */

        /* For packets from one prefix only (IPv6); answers to "which route" name the source here.
         */
        bool for_source;
        bool is_cloned; /* a cached copy, or the answer to "which route": not in a table */
        int error;      /* RTA_CACHEINFO: how packets fail, negative errno; 0 */
} RouteMessage;

/**
 * route_decode() - read RTM_NEWROUTE or RTM_DELROUTE
 * @nlh:      the message
 * @ret:      one Route for each next hop; set on 1 only
 *
 * Dead ends have no device and gateway, whatever the kernel fills in.
 *
 * Return: 1; 0 a route of another family or with a TOS; -EBADMSG malformed.
 */
int route_decode(const struct nlmsghdr *nlh, RouteMessage *ret);

/**
 * route_encode() - make a request of an operation
 * @buffer:   ROUTE_MESSAGE_MAX bytes
 * @verb:     OPERATION_ADD fails with -EEXIST on anybody's route of the same
 *            key; OPERATION_REMOVE names protocol, type, metric, device and
 *            gateway. IPv4 takes metric 0 there as "any"
 * @route:    one next hop; hop and status are not looked at
 *
 * Return: the message, in @buffer.
 */
struct nlmsghdr *route_encode(void *buffer, OperationVerb verb, const Route *route);
