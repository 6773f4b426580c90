/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What our nftables table says: one base and items of sets.
 *
 * Table `inet talpid` is written whole, in one transaction. Without a base
 * there is no table. An item is a plain value; which field it uses follows
 * from its kind.
 */

#include <net/if.h>
#include <stdint.h>

#include "backends/facts/prefix.h"

#define FILTER_TEXT_MAX 96

typedef enum FilterKind {
        FILTER_BASE,           /* `flags`, `mark`, `mask`: there is a table */
        FILTER_TUNNEL,         /* `name`: a device that is the inside of the tunnel */
        FILTER_TUNNEL_ADDRESS, /* `prefix`: an address of it; packets to it from elsewhere are
                                * dropped (CVE-2019-14899) */
        FILTER_LAN,       /* `prefix`: reachable beside the tunnel, by devices but the tunnel */
        FILTER_AROUND,    /* `prefix`: destinations that go around the tunnel */
        FILTER_UPLINK,    /* `name`: what comes in by it is marked, for strict reverse-path
                           * filters and for answers by the same link */
        FILTER_OUTSIDE,   /* `name`: nothing is forwarded out by it but what may go around */
        FILTER_USER,      /* `number`: a uid whose packets may go around, or with
                           * FILTER_GUARD_INCLUDED must not */
        FILTER_INCLUDED,  /* `prefix`: destinations that must not be reached beside the tunnel,
                           * with FILTER_GUARD_INCLUDED alone */
        FILTER_INTERFACE, /* `name`: what is forwarded from it may go around */
        FILTER_RESOLVER,  /* `prefix`, of one host: with FILTER_GUARD_INCLUDED, where questions of
                           * users and interfaces to this machine's own resolvers go instead;
                           * where there is none of the family, they are refused */
        _FILTER_KIND_MAX,
} FilterKind;

#define FILTER_GUARD_IPV4 (UINT32_C(1) << 0) /* nothing of the family leaves but by the tunnel */
#define FILTER_GUARD_IPV6 (UINT32_C(1) << 1)
#define FILTER_GUARD_INCLUDED                                                                      \
        (UINT32_C(1) << 2)              /* only packets with `included` are guarded,               \
                                         * of users and to destinations listed */
#define FILTER_COUNT (UINT32_C(1) << 3) /* counters on every rule: TALPID_FIREWALL_DEBUG */
#define FILTER_INHABITED                                                                           \
        (UINT32_C(1) << 4) /* groups of ours that are not marked now have members all the same */

typedef struct FilterItem {
        FilterKind kind;
        uint32_t flags;    /* FILTER_ of the base */
        uint32_t mark;     /* what goes around carries this … */
        uint32_t included; /* … and in include mode, what must use the tunnel carries this … */
        uint32_t mask;     /* … in these bits */
        uint32_t number;
        Prefix prefix;
        char name[IFNAMSIZ];
} FilterItem;

int filter_item_compare_key(const FilterItem *a, const FilterItem *b);
int filter_item_compare_value(const FilterItem *a, const FilterItem *b);
const char *filter_item_format(const FilterItem *item, char text[static FILTER_TEXT_MAX]);
