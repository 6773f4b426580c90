/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The marks that make a fact ours.
 *
 * Whatever carries them was made by this service; nothing else is ever
 * removed. The numbers are the defaults of the settings, chosen away from what
 * others use: route protocols of iproute2's rt_protos, Tailscale's 0xff0000
 * mark bits and table 52, wg-quick's and NetworkManager's tables 51820 and up,
 * NetworkManager's rule priorities 30768 … 31766.
 */

#include <stdint.h>

#define OURS_PROTOCOL 84 /* rtm_protocol and FRA_PROTOCOL of all that is ours */

#define OURS_DEFAULT_MARK UINT32_C(0x10000000)
#define OURS_DEFAULT_MARK_MASK UINT32_C(0x30000000)
#define OURS_DEFAULT_EXCLUDED_TABLE 1984
#define OURS_DEFAULT_TUNNEL_TABLE 1985
#define OURS_DEFAULT_RULE_PRIORITY 4984 /* of the tunnel rule */

/* Rules of split tunnelling stand before the tunnel rule, by this much. */
#define OURS_RULE_AROUND_MAIN 8 /* who goes around: what is more specific in main … */
#define OURS_RULE_AROUND 7      /* … then the best default */
#define OURS_RULE_INCLUDED 2    /* who alone goes through the tunnel */

/* Metric of the fail-closed route: behind every other. */
#define OURS_FAIL_CLOSED_METRIC UINT32_MAX

typedef struct Ours {
        uint32_t mark;
        uint32_t mark_mask;
        uint32_t tunnel_table;
        uint32_t excluded_table;
        uint32_t rule_priority;
} Ours;

#define OURS_DEFAULT                                                                               \
        (Ours) {                                                                                   \
                .mark = OURS_DEFAULT_MARK, .mark_mask = OURS_DEFAULT_MARK_MASK,                    \
                .tunnel_table = OURS_DEFAULT_TUNNEL_TABLE,                                         \
                .excluded_table = OURS_DEFAULT_EXCLUDED_TABLE,                                     \
                .rule_priority = OURS_DEFAULT_RULE_PRIORITY,                                       \
        }

/*
 * The mark of what alone goes through the tunnel in include mode: the lowest
 * bit of the mask that the mark leaves. 0: the mask is too narrow.
 */
static inline uint32_t ours_included_mark(const Ours *ours) {
        uint32_t left = ours->mark_mask & ~ours->mark;

        return left & -left;
}

/*
 * The mark of a socket that was brought back from a group of its birth: neither
 * of the others, so treated as none, but whoever marks groups leaves it alone.
 * 0: the mask is too narrow, there is none.
 */
static inline uint32_t ours_settled_mark(uint32_t mark, uint32_t mask) {
        return mark && (mask & ~mark) ? mask : 0;
}
