/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Nexthop objects out of kernel messages: <linux/nexthop.h>, RTM_NEWNEXTHOP.
 *
 * Pure. nlmsg_len bytes of a message must be readable; nothing else of it is
 * trusted. We make none ourselves (see the README), but others' defaults may
 * stand on them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "backends/facts/prefix.h"

#define NEXTHOP_MESSAGE_MAX 64
#define NEXTHOP_MEMBERS_MAX 16

typedef struct Nexthop {
        uint32_t id;
        uint32_t ifindex;
        Address gateway;
        bool onlink;
        bool is_blackhole;
        uint8_t status; /* ROUTE_STATUS_ */

        /* A group has members (further ones are left out) and none of the above. */
        size_t n_members;
        uint32_t members[NEXTHOP_MEMBERS_MAX];
} Nexthop;

/* RTM_NEWNEXTHOP, RTM_DELNEXTHOP. Return: 1 and *ret set; -EBADMSG malformed. */
int nexthop_decode(const struct nlmsghdr *nlh, Nexthop *ret);

/* A question for one object. Return: the message, in @buffer of NEXTHOP_MESSAGE_MAX bytes. */
struct nlmsghdr *nexthop_encode_get(void *buffer, uint32_t id);
