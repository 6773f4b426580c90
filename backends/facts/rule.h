/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One policy-routing rule: rtnetlink(7) RTM_NEWRULE, <linux/fib_rules.h>.
 *
 * Marks are in host byte order. `exotic` says that the rule has a selector or
 * action that is not kept here: such a rule is never one of ours.
 */

#include <stdbool.h>
#include <stdint.h>

#include "backends/facts/prefix.h"

#define RULE_TEXT_MAX 256
#define RULE_NO_SUPPRESS UINT32_MAX

typedef struct Rule {
        uint8_t family;
        uint8_t action;   /* FR_ACT_ of <linux/fib_rules.h> */
        uint8_t protocol; /* FRA_PROTOCOL */
        bool invert;      /* "not" */
        bool exotic;
        uint32_t priority;
        uint32_t table;
        uint32_t mark;
        uint32_t mark_mask;
        uint32_t suppress_prefixlength; /* RULE_NO_SUPPRESS: none */
        uint32_t uid;                   /* of the socket, where has_uid */
        bool has_uid;
        Prefix source;
        Prefix destination;
} Rule;

/* The kernel lets two equal rules exist; for us the whole value is the key. */
int rule_compare_key(const Rule *a, const Rule *b);

/* As `ip rule` would print it: for logs and tests. */
const char *rule_format(const Rule *rule, char text[static RULE_TEXT_MAX]);
