// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/filter.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define COMPARE(x, y)                                                                              \
        do {                                                                                       \
                if ((x) != (y))                                                                    \
                        return (x) < (y) ? -1 : 1;                                                 \
        } while (0)

int filter_item_compare_key(const FilterItem *a, const FilterItem *b) {
        int c;

        COMPARE(a->kind, b->kind);
        COMPARE(a->number, b->number);
        c = prefix_compare(&a->prefix, &b->prefix);
        return c != 0 ? c : strncmp(a->name, b->name, sizeof(a->name));
}

int filter_item_compare_value(const FilterItem *a, const FilterItem *b) {
        int c = filter_item_compare_key(a, b);

        if (c != 0)
                return c;
        COMPARE(a->flags, b->flags);
        COMPARE(a->mark, b->mark);
        COMPARE(a->included, b->included);
        COMPARE(a->mask, b->mask);
        return 0;
}

static const char *kind_name(FilterKind kind) {
        static const char *const names[] = {
                [FILTER_BASE] = "base",
                [FILTER_TUNNEL] = "tunnel",
                [FILTER_TUNNEL_ADDRESS] = "tunnel-address",
                [FILTER_LAN] = "lan",
                [FILTER_AROUND] = "around",
                [FILTER_UPLINK] = "uplink",
                [FILTER_OUTSIDE] = "outside",
                [FILTER_USER] = "user",
                [FILTER_INCLUDED] = "included",
                [FILTER_INTERFACE] = "interface",
                [FILTER_RESOLVER] = "resolver",
        };

        assert(kind < _FILTER_KIND_MAX);
        return names[kind];
}

const char *filter_item_format(const FilterItem *item, char text[static FILTER_TEXT_MAX]) {
        char prefix[PREFIX_TEXT_MAX] = "";

        if (item->prefix.family)
                (void)prefix_format(&item->prefix, prefix);
        (void)snprintf(text, FILTER_TEXT_MAX, "%s %s%s", kind_name(item->kind), prefix, item->name);
        return text;
}
