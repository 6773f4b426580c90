// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/make-fact.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

Prefix make_prefix(const char *text) {
        Prefix prefix;

        g_assert_cmpint(prefix_parse(text, &prefix), ==, 0);
        return prefix;
}

Address make_address(const char *text) {
        Address address = { 0 };

        if (text[0])
                g_assert_cmpint(address_parse(text, &address), ==, 0);
        return address;
}

Fact make_link(uint32_t ifindex, const char *name, const char *kind, uint32_t flags) {
        Fact fact = { .kind = FACT_LINK,
                .link = { .ifindex = ifindex,
                        .flags = flags,
                        .mtu = 1500,
                        .type = kind[0] ? ARPHRD_NONE : ARPHRD_ETHER } };

        (void)g_strlcpy(fact.link.name, name, sizeof(fact.link.name));
        (void)g_strlcpy(fact.link.kind, kind, sizeof(fact.link.kind));
        return fact;
}

Fact make_link_address(uint32_t ifindex, const char *address, uint8_t length) {
        return (Fact){ .kind = FACT_LINK_ADDRESS,
                .link_address = {
                        .ifindex = ifindex, .address = make_address(address), .length = length } };
}

Fact make_neighbour(uint32_t ifindex, const char *address, uint8_t last_byte_of_mac) {
        return (Fact){ .kind = FACT_NEIGHBOUR,
                .neighbour = { .ifindex = ifindex,
                        .address = make_address(address),
                        .mac = { .length = 6, .bytes = { 2, 0, 0, 0, 0, last_byte_of_mac } } } };
}

Fact make_route(uint32_t table, const char *destination, uint32_t metric, uint32_t ifindex,
        const char *gateway) {
        return (Fact){ .kind = FACT_ROUTE,
                .route = { .destination = make_prefix(destination),
                        .type = RTN_UNICAST,
                        .protocol = RTPROT_STATIC,
                        .table = table,
                        .metric = metric,
                        .ifindex = ifindex,
                        .gateway = make_address(gateway) } };
}

Fact make_our_route(uint32_t table, const char *destination, uint32_t metric, uint32_t ifindex,
        const char *gateway) {
        Fact fact = make_route(table, destination, metric, ifindex, gateway);

        fact.route.protocol = OURS_PROTOCOL;
        return fact;
}

Fact make_our_dead_end(uint32_t table, const char *destination, uint32_t metric, uint8_t type) {
        Fact fact = make_our_route(table, destination, metric, 0, "");

        fact.route.type = type;
        return fact;
}

Fact make_our_rule(int family, const Ours *ours) {
        return (Fact){ .kind = FACT_RULE,
                .rule = { .family = (uint8_t)family,
                        .action = FR_ACT_TO_TBL,
                        .protocol = OURS_PROTOCOL,
                        .invert = true,
                        .priority = ours->rule_priority,
                        .table = ours->tunnel_table,
                        .mark = ours->mark,
                        .mark_mask = ours->mark_mask,
                        .suppress_prefixlength = RULE_NO_SUPPRESS } };
}

WantedRoute make_wanted(uint32_t table, const char *destination, uint32_t metric,
        const char *gateway, const char *device) {
        WantedRoute wanted = { .route = { .destination = make_prefix(destination),
                                       .type = RTN_UNICAST,
                                       .table = table,
                                       .metric = metric,
                                       .gateway = make_address(gateway) } };

        (void)g_strlcpy(wanted.device, device, sizeof(wanted.device));
        return wanted;
}

WantedRoute make_symbolic(uint32_t table, const char *destination, uint32_t metric) {
        WantedRoute wanted = make_wanted(table, destination, metric, "", "");

        wanted.symbolic = true;
        return wanted;
}

void make_put(FactSet *set, Fact fact) {
        g_assert_cmpint(fact_set_put(set, &fact), ==, 0);
}
