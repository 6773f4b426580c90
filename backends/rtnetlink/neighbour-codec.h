/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Neighbours out of and into kernel messages: rtnetlink(7), <linux/neighbour.h>.
 *
 * Pure. nlmsg_len bytes of a message must be readable; nothing else of it is
 * trusted.
 */

#include <stdbool.h>
#include <stddef.h>

#include <linux/netlink.h>

#include "backends/facts/neighbour.h"

#define NEIGHBOUR_MESSAGE_MAX 128

/*
 * RTM_NEWNEIGH, RTM_DELNEIGH. Return: 1 and *ret set; 0 it is about something
 * we do not keep (a bridge's forwarding entry, a proxy); -EBADMSG malformed.
 */
int neighbour_decode(const struct nlmsghdr *nlh, Neighbour *ret);

/* Whether packets can be sent to @neighbour: NUD_VALID of the kernel, with an address. */
bool neighbour_is_resolved(const Neighbour *neighbour);

/* A question for what the kernel knows. Return: the message, in @buffer. */
struct nlmsghdr *neighbour_encode_get(void *buffer, uint32_t ifindex, const Address *address);

/* "About to be used": makes the kernel resolve it (NTF_USE). Return: the message, in @buffer. */
struct nlmsghdr *neighbour_encode_use(void *buffer, uint32_t ifindex, const Address *address);
