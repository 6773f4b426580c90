// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/adopt.h"

#include <errno.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "service/model/desired.h"

static bool has_our_rule(const FactSet *observed, const Ours *ours, int family) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_RULE, &n);
        for (size_t i = 0; i < n; i++)
                if (fact_is_ours(&facts[i]) && facts[i].rule.family == family &&
                        facts[i].rule.table == ours->tunnel_table)
                        return true;
        return false;
}

/* What the LAN routes of desired.h look like: private, on-link, by a device. */
static bool is_lan(const FactSet *observed, const Route *route) {
        const Link *link = desired_find_link_by_index(observed, route->ifindex);

        return route->type == RTN_UNICAST && !address_is_set(&route->gateway) && link &&
               link_is_tunnel(link) == LINK_TUNNEL_NO && prefix_is_private(&route->destination);
}

/* A throw: IPv6 link-local is part of the LAN, others are bypasses; they come sorted. */
static int adopt_throw(WantedTunnel *tunnel, const Prefix *destination) {
        static const Prefix link_local = { AF_INET6, 10, { 0xfe, 0x80 } };
        Array *bypass = &tunnel->bypass;

        if (prefix_compare(destination, &link_local) == 0) {
                tunnel->allow_lan = true;
                return 0;
        }
        if (bypass->n > 0 && prefix_compare(array_at(bypass, bypass->n - 1), destination) == 0)
                return 0;
        return array_append(bypass, destination) ? 0 : -ENOMEM;
}

/* Whether routes that are wanted anyway explain a throw to @destination. */
static bool is_around(const Intent *intent, const Prefix *destination) {
        const WantedRoute *wanted;

        ARRAY_FOREACH(wanted, &intent->routes) {
                if (prefix_compare(&wanted->route.destination, destination) == 0)
                        return true;
        }
        return false;
}

/* Reads one route of the tunnel table back into what asked for it. */
static int adopt_route(
        Intent *intent, const FactSet *observed, const Route *route, bool carried[2]) {
        WantedTunnel *tunnel = &intent->tunnel;
        const Link *link = desired_find_link_by_index(observed, route->ifindex);

        if (route->destination.length > 0) {
                if (route->type == RTN_THROW)
                        return is_around(intent, &route->destination)
                                       ? 0
                                       : adopt_throw(tunnel, &route->destination);
                tunnel->allow_lan = tunnel->allow_lan || is_lan(observed, route);
        } else if (route->type == RTN_UNREACHABLE)
                tunnel->fail_closed = true;
        else if (link) {
                memcpy(tunnel->device, link->name, sizeof(tunnel->device));
                tunnel->mtu = route->mtu;
                carried[family_slot(route->destination.family)] = true;
        }
        return 0;
}

/* Names a family's carriage where what the device has does not explain it. */
static void adopt_carry(
        const FactSet *observed, const Ours *ours, Intent *intent, const bool carried[2]) {
        Carry *carry[2] = { &intent->tunnel.ipv4, &intent->tunnel.ipv6 };
        DesiredView view = desired_view(
                &(DesiredInput){ .intent = intent, .observed = observed, .ours = *ours });

        for (int i = 0; i < 2; i++)
                if ((view.tunnel[i] == TUNNEL_FAMILY_CARRIED) != carried[i])
                        *carry[i] = carried[i] ? CARRY_YES : CARRY_NO;
}

int adopt_tunnel(const FactSet *observed, const Ours *ours, Intent *intent) {
        WantedTunnel *tunnel = &intent->tunnel;
        bool carried[2] = { false, false };
        const Fact *facts;
        size_t n;

        if (!has_our_rule(observed, ours, AF_INET) && !has_our_rule(observed, ours, AF_INET6))
                return 0;

        facts = fact_set_of_kind(observed, FACT_ROUTE, &n);
        for (size_t i = 0; i < n; i++)
                if (fact_is_ours(&facts[i]) && facts[i].route.table == ours->tunnel_table &&
                        adopt_route(intent, observed, &facts[i].route, carried) < 0)
                        return -ENOMEM;

        if (!tunnel->device[0])
                memcpy(tunnel->device, ADOPT_LOST_DEVICE, sizeof(ADOPT_LOST_DEVICE));
        adopt_carry(observed, ours, intent, carried);
        tunnel->owner = (uint32_t)intent->owners.n;
        return array_append(&intent->owners, &(Owner){ .uid = 0 }) ? 1 : -ENOMEM;
}
