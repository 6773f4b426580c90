/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Policy rules out of and into kernel messages: rtnetlink(7), <linux/fib_rules.h>.
 *
 * Pure. nlmsg_len bytes of a message must be readable; nothing else of it is
 * trusted.
 */

#include <linux/netlink.h>

#include "backends/facts/operation.h"
#include "backends/facts/rule.h"

#define RULE_MESSAGE_MAX 256

/*
 * RTM_NEWRULE, RTM_DELRULE. Selectors and actions a Rule has no place for make
 * it exotic. A source or destination of length 0 is left out.
 *
 * Return: 1 and *ret set; 0 a rule of another family; -EBADMSG malformed.
 */
int rule_decode(const struct nlmsghdr *nlh, Rule *ret);

/*
 * @verb:   OPERATION_ADD refuses a rule that exists (-EEXIST; the kernel does
 *          not look at "not" and the protocol there); OPERATION_REMOVE names
 *          the whole value, protocol included. The kernel knows no replace.
 * @rule:   not exotic
 * @buffer: RULE_MESSAGE_MAX bytes
 *
 * Return: the message, in @buffer.
 */
struct nlmsghdr *rule_encode(void *buffer, OperationVerb verb, const Rule *rule);
