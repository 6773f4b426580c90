// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/route.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"

#define COMPARE(x, y)                                                                              \
        do {                                                                                       \
                if ((x) != (y))                                                                    \
                        return (x) < (y) ? -1 : 1;                                                 \
        } while (0)

int route_compare_slot(const Route *a, const Route *b) {
        int c;

        COMPARE(a->table, b->table);
        c = prefix_compare(&a->destination, &b->destination);
        if (c != 0)
                return c;
        COMPARE(a->metric, b->metric);
        return 0;
}

int route_compare_key(const Route *a, const Route *b) {
        bool a_is_ours = a->protocol == OURS_PROTOCOL, b_is_ours = b->protocol == OURS_PROTOCOL;
        int c = route_compare_slot(a, b);

        if (c != 0)
                return c;
        COMPARE(b_is_ours, a_is_ours);
        if (a_is_ours)
                return 0;
        COMPARE(a->hop, b->hop);
        COMPARE(a->ifindex, b->ifindex);
        return address_compare(&a->gateway, &b->gateway);
}

int route_compare_value(const Route *a, const Route *b) {
        int c = route_compare_key(a, b);

        if (c != 0)
                return c;
        COMPARE(a->type, b->type);
        COMPARE(a->protocol, b->protocol);
        COMPARE(a->ifindex, b->ifindex);
        COMPARE(a->mtu, b->mtu);
        COMPARE(a->onlink, b->onlink);
        c = address_compare(&a->gateway, &b->gateway);
        return c != 0 ? c : address_compare(&a->source, &b->source);
}

bool route_type_is_dead_end(uint8_t type) {
        return type == RTN_UNREACHABLE || type == RTN_BLACKHOLE || type == RTN_PROHIBIT ||
               type == RTN_THROW;
}

static const struct {
        uint8_t type;
        bool for_clients;
        const char *name;
} types[] = {
        { RTN_UNICAST, true, "unicast" },
        { RTN_UNREACHABLE, true, "unreachable" },
        { RTN_BLACKHOLE, true, "blackhole" },
        { RTN_PROHIBIT, true, "prohibit" },
        { RTN_THROW, true, "throw" },
        { RTN_LOCAL, false, "local" },
        { RTN_BROADCAST, false, "broadcast" },
        { RTN_ANYCAST, false, "anycast" },
        { RTN_MULTICAST, false, "multicast" },
        { RTN_NAT, false, "nat" },
};

const char *route_type_name(uint8_t type) {
        for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
                if (types[i].type == type)
                        return types[i].name;
        return NULL;
}

int route_type_parse(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
                if (types[i].for_clients && strcmp(types[i].name, name) == 0)
                        return types[i].type;
        return -EINVAL;
}

const char *route_format(const Route *route, char text[static ROUTE_TEXT_MAX]) {
        char destination[PREFIX_TEXT_MAX], gateway[ADDRESS_TEXT_MAX], via[64] = "", dev[32] = "",
                                                                      mtu[32] = "";
        const char *type = route_type_name(route->type);

        if (address_is_set(&route->gateway))
                (void)snprintf(
                        via, sizeof(via), " via %s", address_format(&route->gateway, gateway));
        if (route->ifindex)
                (void)snprintf(dev, sizeof(dev), " dev #%u", route->ifindex);
        if (route->mtu)
                (void)snprintf(mtu, sizeof(mtu), " mtu %u", route->mtu);

        (void)snprintf(text, ROUTE_TEXT_MAX, "%s %s%s%s table %u metric %u%s proto %u",
                type ? type : "unknown", prefix_format(&route->destination, destination), via, dev,
                route->table, route->metric, mtu, route->protocol);
        return text;
}
