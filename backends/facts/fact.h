/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One thing a kernel can hold, as a plain value.
 */

#include <stdbool.h>

#include "backends/facts/filter.h"
#include "backends/facts/group.h"
#include "backends/facts/link.h"
#include "backends/facts/neighbour.h"
#include "backends/facts/route.h"
#include "backends/facts/rule.h"
#include "backends/facts/sysctl.h"

#define FACT_TEXT_MAX 320

typedef enum FactKind {
        FACT_LINK,
        FACT_LINK_ADDRESS,
        FACT_NEIGHBOUR,
        FACT_ROUTE,
        FACT_RULE,
        FACT_MARKED_GROUP,
        FACT_KNOWN_GROUP,
        FACT_RESOLVER,
        FACT_FILTER,
        FACT_SYSCTL,
        _FACT_KIND_MAX,
} FactKind;

#define FACT_KIND_BIT(kind) (1u << (kind))

typedef struct Fact {
        FactKind kind;
        union {
                Link link;
                LinkAddress link_address;
                Neighbour neighbour;
                Route route;
                Rule rule;
                MarkedGroup marked_group;
                KnownGroup known_group;
                Resolver resolver;
                FilterItem filter;
                Sysctl sysctl;
        };
} Fact;

static inline Fact fact_of_route(const Route *route) {
        return (Fact){ .kind = FACT_ROUTE, .route = *route };
}

static inline Fact fact_of_rule(const Rule *rule) {
        return (Fact){ .kind = FACT_RULE, .rule = *rule };
}

/* Same slot in the kernel: at most one fact of a key exists. */
int fact_compare_key(const Fact *a, const Fact *b);
bool fact_equals(const Fact *a, const Fact *b);

/*
 * Whether @fact is of our making, so that we may change or remove it. Routes
 * and rules show it by their protocol number (see ours.h); groups, resolvers,
 * items of the filter and settings are reported of our own making only.
 */
bool fact_is_ours(const Fact *fact);

const char *fact_kind_name(FactKind kind);
const char *fact_format(const Fact *fact, char text[static FACT_TEXT_MAX]);
