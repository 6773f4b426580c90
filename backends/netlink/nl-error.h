/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The kernel's answer to a request as a Fault: errno and extended ack text.
 * See netlink(7), NLMSG_ERROR, and NETLINK_EXT_ACK.
 */

#include <linux/netlink.h>

#include "backends/facts/operation.h"

/**
 * nl_error_decode() - read an NLMSG_ERROR or NLMSG_DONE message
 * @nlh:      nlmsg_len bytes of it are readable
 * @ret:      how it went; NULL when only the number matters. The text is the
 *            kernel's sentence, empty when it sent none; for a malformed
 *            message the error is -EBADMSG
 *
 * Return: 0 for an ack; the negative errno in the message; -EBADMSG.
 */
int nl_error_decode(const struct nlmsghdr *nlh, Fault *ret);

/* Fills @ret (may be NULL); an empty text means the C library's for @error. Return: @error. */
int nl_fault_set(Fault *ret, int error, const char *text);
