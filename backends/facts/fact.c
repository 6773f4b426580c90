// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/fact.h"

#include <assert.h>
#include <stdio.h>

#include "backends/facts/ours.h"

int fact_compare_key(const Fact *a, const Fact *b) {
        if (a->kind != b->kind)
                return a->kind < b->kind ? -1 : 1;

        switch (a->kind) {
        case FACT_LINK:
                return a->link.ifindex < b->link.ifindex ? -1 : a->link.ifindex > b->link.ifindex;
        case FACT_LINK_ADDRESS:
                return link_address_compare_key(&a->link_address, &b->link_address);
        case FACT_NEIGHBOUR:
                return neighbour_compare_key(&a->neighbour, &b->neighbour);
        case FACT_ROUTE:
                return route_compare_key(&a->route, &b->route);
        case FACT_RULE:
                return rule_compare_key(&a->rule, &b->rule);
        case FACT_MARKED_GROUP:
                return marked_group_compare_key(&a->marked_group, &b->marked_group);
        case FACT_KNOWN_GROUP:
                return known_group_compare_key(&a->known_group, &b->known_group);
        case FACT_RESOLVER:
                return resolver_compare_key(&a->resolver, &b->resolver);
        case FACT_FILTER:
                return filter_item_compare_key(&a->filter, &b->filter);
        case FACT_SYSCTL:
                return sysctl_compare_key(&a->sysctl, &b->sysctl);
        case _FACT_KIND_MAX:
                break;
        }
        assert(false);
        return 0;
}

bool fact_equals(const Fact *a, const Fact *b) {
        if (a->kind != b->kind)
                return false;

        switch (a->kind) {
        case FACT_LINK:
                return link_compare_value(&a->link, &b->link) == 0;
        case FACT_LINK_ADDRESS:
                return link_address_compare_value(&a->link_address, &b->link_address) == 0;
        case FACT_NEIGHBOUR:
                return neighbour_compare_value(&a->neighbour, &b->neighbour) == 0;
        case FACT_ROUTE:
                return route_compare_value(&a->route, &b->route) == 0;
        case FACT_RULE:
                return rule_compare_key(&a->rule, &b->rule) == 0;
        case FACT_MARKED_GROUP:
                return marked_group_compare_value(&a->marked_group, &b->marked_group) == 0;
        case FACT_KNOWN_GROUP:
                return known_group_compare_value(&a->known_group, &b->known_group) == 0;
        case FACT_RESOLVER:
                return resolver_compare_value(&a->resolver, &b->resolver) == 0;
        case FACT_FILTER:
                return filter_item_compare_value(&a->filter, &b->filter) == 0;
        case FACT_SYSCTL:
                return sysctl_compare_value(&a->sysctl, &b->sysctl) == 0;
        case _FACT_KIND_MAX:
                break;
        }
        assert(false);
        return false;
}

bool fact_is_ours(const Fact *fact) {
        return (fact->kind == FACT_ROUTE && fact->route.protocol == OURS_PROTOCOL) ||
               (fact->kind == FACT_RULE && fact->rule.protocol == OURS_PROTOCOL) ||
               fact->kind == FACT_MARKED_GROUP || fact->kind == FACT_KNOWN_GROUP ||
               fact->kind == FACT_RESOLVER || fact->kind == FACT_FILTER ||
               fact->kind == FACT_SYSCTL; /* these are reported of our own making only */
}

const char *fact_kind_name(FactKind kind) {
        static const char *const names[] = {
                [FACT_LINK] = "link",
                [FACT_LINK_ADDRESS] = "address",
                [FACT_NEIGHBOUR] = "neighbour",
                [FACT_ROUTE] = "route",
                [FACT_RULE] = "rule",
                [FACT_MARKED_GROUP] = "group",
                [FACT_KNOWN_GROUP] = "known group",
                [FACT_RESOLVER] = "resolver",
                [FACT_FILTER] = "filter",
                [FACT_SYSCTL] = "sysctl",
        };

        assert(kind < _FACT_KIND_MAX);
        return names[kind];
}

const char *fact_format(const Fact *fact, char text[static FACT_TEXT_MAX]) {
        char part[ROUTE_TEXT_MAX], mac[MAC_TEXT_MAX], address[ADDRESS_TEXT_MAX];
        Prefix prefix;

        switch (fact->kind) {
        case FACT_LINK:
                (void)snprintf(text, FACT_TEXT_MAX, "link #%u %s %s flags 0x%x mtu %u",
                        fact->link.ifindex, fact->link.name, fact->link.kind, fact->link.flags,
                        fact->link.mtu);
                break;
        case FACT_LINK_ADDRESS:
                prefix = prefix_of_address(&fact->link_address.address,
                        family_size_bits(fact->link_address.address.family));
                (void)snprintf(text, FACT_TEXT_MAX, "address %s on #%u",
                        prefix_format(&prefix, part), fact->link_address.ifindex);
                break;
        case FACT_NEIGHBOUR:
                (void)snprintf(text, FACT_TEXT_MAX, "neighbour %s on #%u is %s",
                        address_format(&fact->neighbour.address, address), fact->neighbour.ifindex,
                        mac_format(&fact->neighbour.mac, mac));
                break;
        case FACT_ROUTE:
                (void)snprintf(text, FACT_TEXT_MAX, "route %s", route_format(&fact->route, part));
                break;
        case FACT_RULE:
                (void)snprintf(text, FACT_TEXT_MAX, "rule %s", rule_format(&fact->rule, part));
                break;
        case FACT_MARKED_GROUP:
                (void)snprintf(text, FACT_TEXT_MAX, "group %llu level %u mark 0x%x/0x%x%s%s",
                        (unsigned long long)fact->marked_group.id, fact->marked_group.level,
                        fact->marked_group.mark, fact->marked_group.mask,
                        fact->marked_group.resolves ? " resolves" : "",
                        fact->marked_group.confined ? " confined" : "");
                break;
        case FACT_KNOWN_GROUP:
                (void)snprintf(text, FACT_TEXT_MAX, "known group %llu level %u%s",
                        (unsigned long long)fact->known_group.id, fact->known_group.level,
                        fact->known_group.is_above ? ", what is new below is marked" : "");
                break;
        case FACT_RESOLVER:
                (void)snprintf(text, FACT_TEXT_MAX, "resolver %s",
                        address_format(&fact->resolver.address, address));
                break;
        case FACT_FILTER:
                (void)snprintf(
                        text, FACT_TEXT_MAX, "filter %s", filter_item_format(&fact->filter, part));
                break;
        case FACT_SYSCTL:
                (void)snprintf(
                        text, FACT_TEXT_MAX, "sysctl %s", sysctl_format(&fact->sysctl, part));
                break;
        case _FACT_KIND_MAX:
                assert(false);
        }
        return text;
}
