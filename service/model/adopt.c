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

/* Reads one route of the tunnel table back into what asked for it. */
static int adopt_route(WantedTunnel *tunnel, const FactSet *observed, const Route *route) {
        const Link *link = desired_find_link_by_index(observed, route->ifindex);

        if (route->destination.length > 0) {
                if (route->type == RTN_THROW)
                        return array_append(&tunnel->bypass, &route->destination) ? 0 : -ENOMEM;
                tunnel->allow_lan = true;
        } else if (route->type == RTN_UNREACHABLE)
                tunnel->fail_closed = true;
        else if (link) {
                memcpy(tunnel->device, link->name, sizeof(tunnel->device));
                tunnel->mtu = route->mtu;
        }
        return 0;
}

int adopt_tunnel(const FactSet *observed, const Ours *ours, Intent *intent) {
        WantedTunnel *tunnel = &intent->tunnel;
        const Fact *facts;
        size_t n;

        if (!has_our_rule(observed, ours, AF_INET) && !has_our_rule(observed, ours, AF_INET6))
                return 0;

        facts = fact_set_of_kind(observed, FACT_ROUTE, &n);
        for (size_t i = 0; i < n; i++)
                if (fact_is_ours(&facts[i]) && facts[i].route.table == ours->tunnel_table &&
                        adopt_route(tunnel, observed, &facts[i].route) < 0)
                        return -ENOMEM;

        if (!tunnel->device[0])
                memcpy(tunnel->device, ADOPT_LOST_DEVICE, sizeof(ADOPT_LOST_DEVICE));
        tunnel->owner = (uint32_t)intent->owners.n;
        return array_append(&intent->owners, &(Owner){ .uid = 0 }) ? 1 : -ENOMEM;
}
