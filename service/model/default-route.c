// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/default-route.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

static const Link *find_link(const FactSet *observed, uint32_t ifindex) {
        const Fact *fact = fact_set_find(
                observed, &(Fact){ .kind = FACT_LINK, .link = { .ifindex = ifindex } });

        return fact ? &fact->link : NULL;
}

static bool is_in_main(const Route *route) {
        return route->table == RT_TABLE_MAIN || route->table == RT_TABLE_DEFAULT;
}

/* The lookup order of the kernel: main before default, then the metric, then the first hop. */
static int compare_preference(const Route *a, const Route *b) {
        if (a->table != b->table)
                return a->table == RT_TABLE_MAIN ? -1 : 1;
        if (a->metric != b->metric)
                return a->metric < b->metric ? -1 : 1;
        return a->hop < b->hop ? -1 : a->hop > b->hop;
}

static LinkTunnel how_much_tunnel(const Link *link, const char *tunnel_device) {
        return strcmp(link->name, tunnel_device) == 0 ? LINK_TUNNEL_YES : link_is_tunnel(link);
}

static const Route *find_best(
        const FactSet *observed, int family, const char *tunnel_device, LinkTunnel at_most) {
        const Route *best = NULL;
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_ROUTE, &n);
        for (size_t i = 0; i < n; i++) {
                const Route *route = &facts[i].route;
                const Link *link;

                if (route->destination.family != family || route->destination.length != 0 ||
                        route->type != RTN_UNICAST || !is_in_main(route) ||
                        (route->status & ROUTE_STATUS_DEAD))
                        continue;
                link = find_link(observed, route->ifindex);
                if (!link || !link_is_usable(link) ||
                        how_much_tunnel(link, tunnel_device) > at_most)
                        continue;
                if (!best || compare_preference(route, best) < 0)
                        best = route;
        }
        return best;
}

/* The address packets by @route start from: as the route says, or the link's first fit one. */
static Address find_source(const FactSet *observed, const Route *route) {
        Address source = route->source;
        const Fact *facts;
        size_t n;

        if (address_is_set(&source))
                return source;

        facts = fact_set_of_kind(observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; i < n; i++) {
                const LinkAddress *a = &facts[i].link_address;
                Prefix prefix = link_address_prefix(a);

                if (a->ifindex != route->ifindex ||
                        a->address.family != route->destination.family ||
                        a->scope != RT_SCOPE_UNIVERSE ||
                        (a->flags & (IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED)))
                        continue;
                if (prefix_contains(&prefix, &route->gateway))
                        return a->address;
                if (!address_is_set(&source))
                        source = a->address;
        }
        return source;
}

DefaultRoute default_route_find(const FactSet *observed, int family, const char *tunnel_device) {
        const Route *best = find_best(observed, family, tunnel_device, LINK_TUNNEL_NO);
        DefaultRoute found = { 0 };
        const Fact *neighbour;
        const Link *link;

        if (!best)
                best = find_best(observed, family, tunnel_device, LINK_TUNNEL_MAYBE);
        if (!best)
                return found;

        link = find_link(observed, best->ifindex);
        found.present = true;
        found.route = *best;
        found.route.status = 0;
        found.route_mtu = best->mtu;
        if (found.route.mtu == 0)
                found.route.mtu = link->mtu;
        memcpy(found.device, link->name, sizeof(found.device));
        found.source = find_source(observed, best);

        neighbour = fact_set_find(observed,
                &(Fact){ .kind = FACT_NEIGHBOUR,
                        .neighbour = { .ifindex = best->ifindex, .address = best->gateway } });
        if (neighbour)
                found.gateway_mac = neighbour->neighbour.mac;
        return found;
}

/* Whether @route would lead main into a link that has no carrier, or none that can be used. */
static bool is_dead_end(const Route *route, const Link *link, const DefaultRoute *best) {
        return best->present && route->destination.length == 0 && route->type == RTN_UNICAST &&
               !link_is_usable(link) && compare_preference(route, &best->route) < 0;
}

bool default_route_is_overridden(
        const FactSet *observed, int family, const char *tunnel_device, const DefaultRoute *best) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_ROUTE, &n);
        for (size_t i = 0; i < n; i++) {
                const Route *route = &facts[i].route;
                const Link *link;

                if (route->destination.family != family || route->destination.length > 1 ||
                        route->protocol == OURS_PROTOCOL || !is_in_main(route))
                        continue;
                link = find_link(observed, route->ifindex);
                if (!link || !(link->flags & IFF_UP))
                        continue;
                if (is_dead_end(route, link, best))
                        return true;
                if (how_much_tunnel(link, tunnel_device) == LINK_TUNNEL_NO)
                        continue;
                if (route->destination.length == 1 || !best->present ||
                        compare_preference(route, &best->route) < 0)
                        return true;
        }
        return false;
}

DefaultRouteDifference default_route_compare(
        const DefaultRoute *a, const DefaultRoute *b, const char **ret_reason) {
        const char *reason = NULL;
        bool completed = false;

        if (a->present != b->present)
                reason = b->present ? "added" : "removed";
        else if (!a->present)
                return DEFAULT_ROUTE_SAME;
        else if (a->route.ifindex != b->route.ifindex || strcmp(a->device, b->device) != 0)
                reason = "link";
        else if (address_compare(&a->route.gateway, &b->route.gateway) != 0)
                reason = "gateway";
        else if (a->route.metric != b->route.metric || a->route.table != b->route.table)
                reason = "metric";
        else if (a->route.mtu != b->route.mtu)
                reason = "mtu";
        else if (address_compare(&a->source, &b->source) != 0) {
                if (address_is_set(&a->source) && address_is_set(&b->source))
                        reason = "source";
                completed = true;
        }

        /* Another machine behind the same gateway address is another network. */
        if (!reason && memcmp(&a->gateway_mac, &b->gateway_mac, sizeof(Mac)) != 0) {
                if (a->gateway_mac.length && b->gateway_mac.length)
                        reason = "gateway-mac";
                completed = true;
        }

        if (reason) {
                if (ret_reason)
                        *ret_reason = reason;
                return DEFAULT_ROUTE_CHANGED;
        }
        return completed ? DEFAULT_ROUTE_COMPLETED : DEFAULT_ROUTE_SAME;
}
