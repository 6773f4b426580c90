// SPDX-License-Identifier: GPL-3.0-or-later

#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "service/model/desired-private.h"
#include "service/model/desired.h"

static int put_filter(FactSet *facts, const FilterItem *item) {
        return fact_set_append(facts, &(Fact){ .kind = FACT_FILTER, .filter = *item });
}

static int put_filter_name(FactSet *facts, FilterKind kind, const char *name) {
        FilterItem item = { .kind = kind };

        memcpy(item.name, name, strnlen(name, sizeof(item.name) - 1));
        return put_filter(facts, &item);
}

static int put_filter_prefix(FactSet *facts, FilterKind kind, const Prefix *prefix) {
        return put_filter(facts, &(FilterItem){ .kind = kind, .prefix = *prefix });
}

static uint32_t guard_flags(const DesiredView *view) {
        const Intent *intent = view->input.intent;
        uint32_t flags = view->input.counts ? FILTER_COUNT : 0;

        if (intent->split.disabled && intent->split.groups.n > 0)
                flags |= FILTER_INHABITED;
        if (desired_is_blind(view))
                return flags | FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6;
        if (desired_is_include(view))
                return flags | FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6 | FILTER_GUARD_INCLUDED;
        if (!intent_has_tunnel(intent) || !intent->tunnel.fail_closed)
                return flags;
        if (view->tunnel[0] != TUNNEL_FAMILY_OPEN)
                flags |= FILTER_GUARD_IPV4;
        if (view->tunnel[1] != TUNNEL_FAMILY_OPEN)
                flags |= FILTER_GUARD_IPV6;
        return flags;
}

/* The firewall lets beside the tunnel exactly what the tunnel table does. */
static int put_filter_of_routes(FactSet *facts, const DesiredView *view) {
        size_t n = facts->facts.n;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const Fact fact = *(const Fact *)array_at(&facts->facts, i);
                const Route *route = &fact.route;

                if (fact.kind != FACT_ROUTE || route->table != view->input.ours.tunnel_table ||
                        route->destination.length == 0)
                        continue;
                if (route->type == RTN_THROW)
                        r = put_filter_prefix(facts, FILTER_AROUND, &route->destination);
                else if (route->type == RTN_UNICAST &&
                         !(view->has_tunnel_link && route->ifindex == view->tunnel_link.ifindex))
                        r = put_filter_prefix(facts, FILTER_LAN, &route->destination);
        }
        return r;
}

static int put_filter_of_tunnel(FactSet *facts, const DesiredView *view) {
        const Fact *observed;
        size_t n;
        int r;

        r = put_filter_name(facts, FILTER_TUNNEL, view->input.intent->tunnel.device);
        if (!view->has_tunnel_link)
                return r;

        observed = fact_set_of_kind(view->input.observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const LinkAddress *a = &observed[i].link_address;
                Prefix host = prefix_of_address(&a->address, family_size_bits(a->address.family));

                if (a->ifindex == view->tunnel_link.ifindex && a->scope == RT_SCOPE_UNIVERSE)
                        r = put_filter_prefix(facts, FILTER_TUNNEL_ADDRESS, &host);
        }
        return r;
}

/* In include mode users and networks are routed by rules, which somebody may take away. */
static int put_filter_of_selectors(FactSet *facts, const DesiredView *view) {
        const Selector *selector;
        int r = 0;

        if (view->input.intent->split.disabled || desired_is_blind(view))
                return 0;
        ARRAY_FOREACH(selector, &view->input.intent->split.selectors) {
                if (r >= 0 && selector->kind == SELECTOR_NETWORK && desired_is_include(view))
                        r = put_filter_prefix(facts, FILTER_INCLUDED, &selector->prefix);
                if (r >= 0 && selector->kind == SELECTOR_USER)
                        r = put_filter(facts,
                                &(FilterItem){ .kind = FILTER_USER, .number = selector->uid });
                if (r >= 0 && selector->kind == SELECTOR_INTERFACE)
                        r = put_filter_name(facts, FILTER_INTERFACE, selector->value);
        }
        return r;
}

static bool lists(const DesiredView *view, SelectorKind kind) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &view->input.intent->split.selectors) {
                if (selector->kind == kind)
                        return true;
        }
        return false;
}

/* Groups have FACT_RESOLVER. */
static int put_filter_of_resolvers(FactSet *facts, const DesiredView *view) {
        int r = 0;

        if (!desired_is_include(view) || desired_is_blind(view) ||
                (!lists(view, SELECTOR_USER) && !lists(view, SELECTOR_INTERFACE)))
                return 0;
        for (int i = 0; r >= 0 && i < 2; i++) {
                const Address *resolver = &view->input.resolvers[i];
                Prefix host = prefix_of_address(resolver, family_size_bits(resolver->family));

                if (address_is_set(resolver))
                        r = put_filter_prefix(facts, FILTER_RESOLVER, &host);
        }
        return r;
}

static int put_filter_of_uplinks(FactSet *facts, const DesiredView *view) {
        int r = 0;

        for (int i = 0; r >= 0 && i < 2; i++)
                if (view->best[i].present)
                        r = put_filter_name(facts, FILTER_UPLINK, view->best[i].device);
        return r;
}

/*
 * Whatever leads out of this machine, not the best alone: another hop, or the next
 * best when our rules are gone and nobody is there to say that the best one went.
 */
static int put_filter_of_outside(FactSet *facts, const DesiredView *view) {
        const Fact *observed;
        size_t n;
        int r = 0;

        observed = fact_set_of_kind(view->input.observed, FACT_ROUTE, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const Route *route = &observed[i].route;
                const Link *link;

                if (route->destination.length > 1 || route->protocol == OURS_PROTOCOL ||
                        (route->table != RT_TABLE_MAIN && route->table != RT_TABLE_DEFAULT))
                        continue;
                link = desired_find_link_by_index(view->input.observed, route->ifindex);
                if (link && strcmp(link->name, view->input.intent->tunnel.device) != 0)
                        r = put_filter_name(facts, FILTER_OUTSIDE, link->name);
        }
        return r;
}

static int put_sysctl(FactSet *facts, const DesiredView *view, SysctlKey key, const char *device) {
        Fact fact = { .kind = FACT_SYSCTL, .sysctl = { .key = key, .value = 1 } };

        if (!(view->input.sysctls & SYSCTL_KEY_BIT(key)))
                return 0;
        memcpy(fact.sysctl.device, device, strnlen(device, sizeof(fact.sysctl.device) - 1));
        return fact_set_append(facts, &fact);
}

/*
 * Questions to a stub resolver (127.0.0.53) that the firewall sends elsewhere
 * leave with a loopback address, and get one when they come back: see
 * ip_route_input_slow(). The guard drops what others send there.
 * Return: the device they leave by; NULL: none do.
 */
static const char *needs_localnet(const DesiredView *view) {
        bool of_users = desired_is_include(view) && lists(view, SELECTOR_USER);

        if ((!view->input.firewall_marks && !of_users) ||
                !split_is_active(&view->input.intent->split) || !desired_resolves(view) ||
                !address_is_set(&view->input.resolvers[0]))
                return NULL;
        if (desired_is_include(view))
                return view->has_tunnel_link ? view->tunnel_link.name : NULL;
        return view->best[0].present ? view->best[0].device : NULL;
}

/* What the marks of incoming packets need to be heeded; see ingress in the firewall. */
static int put_sysctls(FactSet *facts, const DesiredView *view) {
        static const SysctlKey keys[] = { SYSCTL_SRC_VALID_MARK, SYSCTL_TCP_FWMARK_ACCEPT,
                SYSCTL_FWMARK_REFLECT_IPV4, SYSCTL_FWMARK_REFLECT_IPV6 };
        const char *localnet = needs_localnet(view);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < sizeof(keys) / sizeof(keys[0]); i++)
                r = put_sysctl(facts, view, keys[i], "");
        /* Who is on the LAN would learn the tunnel's address by asking for it. */
        if (r >= 0 && intent_has_tunnel(view->input.intent))
                r = put_sysctl(facts, view, SYSCTL_ARP_IGNORE, "");
        if (r >= 0 && localnet)
                r = put_sysctl(facts, view, SYSCTL_ROUTE_LOCALNET, localnet);
        return r;
}

int desired_put_guard(const DesiredView *view, FactSet *facts) {
        const Intent *intent = view->input.intent;
        const FilterItem base = { .kind = FILTER_BASE,
                .flags = guard_flags(view),
                .mark = view->input.ours.mark,
                .included = ours_included_mark(&view->input.ours),
                .mask = view->input.ours.mark_mask };
        int r;

        if (!view->input.has_filter ||
                (!intent_has_tunnel(intent) && !split_is_active(&intent->split)))
                return 0;

        r = put_filter(facts, &base);
        if (r >= 0)
                r = put_filter_of_routes(facts, view);
        if (r >= 0 && intent_has_tunnel(intent))
                r = put_filter_of_tunnel(facts, view);
        if (r >= 0)
                r = put_filter_of_selectors(facts, view);
        if (r >= 0)
                r = put_filter_of_resolvers(facts, view);
        if (r >= 0)
                r = put_filter_of_uplinks(facts, view);
        if (r >= 0 && (base.flags & (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6)) &&
                !(base.flags & FILTER_GUARD_INCLUDED))
                r = put_filter_of_outside(facts, view);
        return r < 0 ? r : put_sysctls(facts, view);
}
