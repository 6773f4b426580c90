/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Interfaces and their addresses out of kernel messages: rtnetlink(7),
 * <linux/if_link.h>, <linux/if_addr.h>.
 *
 * Pure. nlmsg_len bytes of a message must be readable; nothing else of it is
 * trusted. Return of each: 1 and *ret set; 0 it is about something we do not
 * keep; -EBADMSG it is malformed.
 */

#include <linux/netlink.h>

#include "backends/facts/link.h"

/* RTM_NEWLINK, RTM_DELLINK. A bridge port's own messages (AF_BRIDGE) are not kept. */
int link_decode(const struct nlmsghdr *nlh, Link *ret);

/* RTM_NEWADDR, RTM_DELADDR. */
int link_address_decode(const struct nlmsghdr *nlh, LinkAddress *ret);
