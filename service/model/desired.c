// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/desired.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "service/model/plan.h"

/*
 * Metrics inside the tunnel table. What a client puts there by name comes
 * first (metric 0, IPv6: as given), then what goes around, then the LAN.
 */
#define METRIC_TUNNEL 1
#define METRIC_AROUND 1
#define METRIC_INNER 1
#define METRIC_LAN 2
#define METRIC_LAN_OTHER_LINK 16 /* + ifindex: a second link into the same LAN */

/* One build: what is looked up once, and where the facts go. */
typedef struct Build {
        const DesiredView *view;
        FactSet *facts;
} Build;

static const int families[2] = { AF_INET, AF_INET6 };

static const char *const state_names[] = {
        [WANTED_INSTALLED] = "installed",
        [WANTED_WAITING] = "waiting",
        [WANTED_CONFLICT] = "conflict",
};

const char *wanted_state_name(WantedState state) {
        return state_names[state];
}

static const char *const tunnel_family_names[] = {
        [TUNNEL_FAMILY_OPEN] = "open",
        [TUNNEL_FAMILY_CARRIED] = "carried",
        [TUNNEL_FAMILY_BLOCKED] = "blocked",
};

const char *tunnel_family_name(TunnelFamily family) {
        return tunnel_family_names[family];
}

const Link *desired_find_link(const FactSet *observed, const char *name) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_LINK, &n);
        for (size_t i = 0; i < n; i++)
                if (strcmp(facts[i].link.name, name) == 0)
                        return &facts[i].link;
        return NULL;
}

const Link *desired_find_link_by_index(const FactSet *observed, uint32_t ifindex) {
        const Fact *fact = fact_set_find(
                observed, &(Fact){ .kind = FACT_LINK, .link = { .ifindex = ifindex } });

        return fact ? &fact->link : NULL;
}

/* Whether packets of @family can start from @link with an address that is known elsewhere. */
static bool link_has_address(const FactSet *observed, const Link *link, int family) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; i < n; i++) {
                const LinkAddress *a = &facts[i].link_address;

                if (a->ifindex == link->ifindex && a->address.family == family &&
                        a->scope == RT_SCOPE_UNIVERSE)
                        return true;
        }
        return false;
}

static TunnelFamily find_tunnel_family(const DesiredInput *input, int family) {
        const WantedTunnel *tunnel = &input->intent->tunnel;
        Carry carry = family == AF_INET ? tunnel->ipv4 : tunnel->ipv6;
        const Link *link;

        if (!intent_has_tunnel(input->intent))
                return TUNNEL_FAMILY_OPEN;

        link = desired_find_link(input->observed, tunnel->device);
        if (link && (link->flags & IFF_UP) && carry != CARRY_NO &&
                (carry == CARRY_YES || link_has_address(input->observed, link, family)))
                return TUNNEL_FAMILY_CARRIED;
        return tunnel->fail_closed ? TUNNEL_FAMILY_BLOCKED : TUNNEL_FAMILY_OPEN;
}

static int put_route(Build *build, const Route *route) {
        Fact fact = fact_of_route(route);

        fact.route.protocol = OURS_PROTOCOL;
        return fact_set_append(build->facts, &fact);
}

/* The route of @destination in the tunnel table, to be filled further. */
static Route tunnel_table_route(const DesiredView *view, Prefix destination, uint32_t metric) {
        return (Route){ .destination = destination,
                .table = view->input.ours.tunnel_table,
                .metric = metric,
                .type = RTN_UNICAST };
}

/* What goes around our tunnel falls through to the main table, whatever default that has now. */
static Route throw_route(const DesiredView *view, const Prefix *destination) {
        Route route = tunnel_table_route(view, *destination, METRIC_AROUND);

        route.type = RTN_THROW;
        return route;
}

static int put_throw(Build *build, const Prefix *destination) {
        Route route = throw_route(build->view, destination);

        return put_route(build, &route);
}

static int put_rule(Build *build, int family) {
        const Rule rule = desired_tunnel_rule(build->view, family);
        Fact fact = fact_of_rule(&rule);

        return fact_set_append(build->facts, &fact);
}

/* Link-local addresses are on every link; the main table has them by their device. */
static const Prefix link_local = { AF_INET6, 10, { 0xfe, 0x80 } };

/* Whether all of @prefix is on-link in the tunnel: the VPN's own addresses. */
static bool is_inner(const DesiredView *view, const Prefix *prefix) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(view->input.observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; i < n; i++) {
                Prefix inner = link_address_prefix(&facts[i].link_address);

                if (view->has_tunnel_link &&
                        facts[i].link_address.ifindex == view->tunnel_link.ifindex &&
                        prefix_covers(&inner, prefix))
                        return true;
        }
        return false;
}

/*
 * A LAN may be wide enough, or made to be so, to cover the VPN's own inner
 * addresses, its resolver first of all: these stay in the tunnel.
 */
static int put_inner(Build *build, int family) {
        const DesiredView *view = build->view;
        const Fact *facts;
        size_t n;
        int r = 0;

        facts = fact_set_of_kind(view->input.observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const LinkAddress *a = &facts[i].link_address;
                Prefix prefix = link_address_prefix(a);
                Route route = tunnel_table_route(view, prefix, METRIC_INNER);

                if (prefix.family != family || !view->has_tunnel_link ||
                        a->ifindex != view->tunnel_link.ifindex ||
                        prefix_covers(&link_local, &prefix))
                        continue;
                if (view->tunnel[family_slot(family)] == TUNNEL_FAMILY_CARRIED) {
                        route.ifindex = a->ifindex;
                        route.mtu = view->input.intent->tunnel.mtu;
                } else
                        route.type = RTN_UNREACHABLE;
                r = put_route(build, &route);
        }
        return r;
}

static bool is_lan(const DesiredView *view, const Link *link, const Prefix *prefix) {
        return prefix_is_private(prefix) && link && (link->flags & IFF_UP) &&
               !(link->flags & IFF_LOOPBACK) &&
               strcmp(link->name, view->input.intent->tunnel.device) != 0 &&
               link_is_tunnel(link) == LINK_TUNNEL_NO && !prefix_covers(&link_local, prefix) &&
               !is_inner(view, prefix);
}

/*
 * The on-link private prefixes of all links but tunnels, by device and without
 * a gateway: what DHCP announces (option 121, a public prefix as local) has no
 * say here.
 */
static int put_lan(Build *build, int family) {
        const DesiredView *view = build->view;
        const DefaultRoute *best = &view->best[family_slot(family)];
        const Fact *facts;
        size_t n;
        int r;

        r = put_inner(build, family);
        if (r >= 0 && family == AF_INET6)
                r = put_throw(build, &link_local);

        facts = fact_set_of_kind(view->input.observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const LinkAddress *a = &facts[i].link_address;
                const Link *link = desired_find_link_by_index(view->input.observed, a->ifindex);
                Prefix prefix = link_address_prefix(a);
                Route route;

                if (prefix.family != family || !is_lan(view, link, &prefix))
                        continue;

                route = tunnel_table_route(view, prefix, METRIC_LAN_OTHER_LINK + link->ifindex);
                if (best->present && best->route.ifindex == link->ifindex)
                        route.metric = METRIC_LAN;
                route.ifindex = link->ifindex;
                r = put_route(build, &route);
        }
        return r;
}

static int put_tunnel_family(Build *build, int family) {
        const WantedTunnel *tunnel = &build->view->input.intent->tunnel;
        TunnelFamily how = build->view->tunnel[family_slot(family)];
        const Prefix *bypass;
        Route route;
        int r;

        if (how == TUNNEL_FAMILY_OPEN)
                return 0;

        r = put_rule(build, family);
        if (r < 0)
                return r;

        if (tunnel->fail_closed) {
                route = tunnel_table_route(
                        build->view, prefix_default(family), OURS_FAIL_CLOSED_METRIC);
                route.type = RTN_UNREACHABLE;
                r = put_route(build, &route);
                if (r < 0)
                        return r;
        }
        if (how == TUNNEL_FAMILY_CARRIED) {
                route = tunnel_table_route(build->view, prefix_default(family), METRIC_TUNNEL);
                route.ifindex = build->view->tunnel_link.ifindex;
                route.mtu = tunnel->mtu;
                r = put_route(build, &route);
                if (r < 0)
                        return r;
        }

        /* All of a family around the tunnel would open what is to stay closed. */
        ARRAY_FOREACH(bypass, &tunnel->bypass) {
                if (bypass->family != family || bypass->length == 0)
                        continue;
                r = put_throw(build, bypass);
                if (r < 0)
                        return r;
        }
        return tunnel->allow_lan ? put_lan(build, family) : 0;
}

/* How one wanted route becomes facts: around our tunnel, in its own table, or both, or not yet. */
typedef struct Realisation {
        bool around;   /* a throw in the tunnel table */
        bool in_table; /* `route` in its table */
        Route route;
        const char *wait; /* NULL, or what it waits for: a format for one name */
        const char *wait_name;
} Realisation;

static Realisation realise_symbolic(const DesiredView *view, const WantedRoute *wanted) {
        int slot = family_slot(wanted->route.destination.family);
        const DefaultRoute *best = &view->best[slot];
        bool through_rule = view->tunnel[slot] != TUNNEL_FAMILY_OPEN;
        Realisation real = { .route = wanted->route };

        if (!best->present) {
                real.wait = "there is no %s default route";
                real.wait_name = family_name(wanted->route.destination.family);
        }

        if (wanted->route.table == view->input.ours.tunnel_table) {
                real.in_table = true;
                real.route.type = RTN_THROW;
                return real;
        }

        real.around = through_rule && wanted->route.table == RT_TABLE_MAIN &&
                      wanted->route.destination.length > 0;
        real.in_table = best->present && (!real.around || view->overridden[slot]);
        real.route.gateway = best->route.gateway;
        real.route.ifindex = best->route.ifindex;
        real.route.onlink = best->route.onlink;
        real.route.source = best->route.source;
        return real;
}

/*
 * Whether a route by this gateway or device may lead into our tunnel. A
 * gateway has to be on-link elsewhere to be outside: that of a tunnel whose
 * device is gone is nowhere, and must not become a way around.
 */
static bool leads_into_tunnel(const DesiredView *view, const WantedRoute *wanted) {
        const char *device = view->input.intent->tunnel.device;
        bool outside = false;
        const Fact *facts;
        size_t n;

        if (wanted->device[0])
                return strcmp(wanted->device, device) == 0;
        if (!address_is_set(&wanted->route.gateway))
                return false;

        facts = fact_set_of_kind(view->input.observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; i < n; i++) {
                Prefix prefix = link_address_prefix(&facts[i].link_address);

                if (!prefix_contains(&prefix, &wanted->route.gateway))
                        continue;
                if (view->has_tunnel_link &&
                        facts[i].link_address.ifindex == view->tunnel_link.ifindex)
                        return true;
                outside = true;
        }
        return !outside;
}

static Realisation realise_real(const DesiredView *view, const WantedRoute *wanted) {
        int slot = family_slot(wanted->route.destination.family);
        Realisation real = { .route = wanted->route, .in_table = true };

        if (wanted->device[0]) {
                const Link *link = desired_find_link(view->input.observed, wanted->device);

                if (!link || !(link->flags & IFF_UP)) {
                        real.in_table = false;
                        real.wait = link ? "device %s is down" : "there is no device %s";
                        real.wait_name = wanted->device;
                        return real;
                }
                real.route.ifindex = link->ifindex;
        }

        real.around = view->tunnel[slot] != TUNNEL_FAMILY_OPEN &&
                      wanted->route.table == RT_TABLE_MAIN &&
                      wanted->route.destination.length > 0 && !leads_into_tunnel(view, wanted);
        return real;
}

static Realisation realise(const DesiredView *view, const WantedRoute *wanted) {
        return wanted->symbolic ? realise_symbolic(view, wanted) : realise_real(view, wanted);
}

DesiredView desired_view(const DesiredInput *input) {
        const char *device = input->intent->tunnel.device;
        DesiredView view = { .input = *input };
        const Link *link = device[0] ? desired_find_link(input->observed, device) : NULL;

        if (link) {
                view.has_tunnel_link = true;
                view.tunnel_link = *link;
        }
        for (int i = 0; i < 2; i++) {
                view.best[i] = default_route_find(input->observed, families[i], device);
                view.overridden[i] = default_route_is_overridden(
                        input->observed, families[i], device, &view.best[i]);
                view.tunnel[i] = find_tunnel_family(input, families[i]);
        }
        return view;
}

int desired_build(const DesiredView *view, FactSet *ret) {
        Build build = { .view = view, .facts = ret };
        const WantedRoute *wanted;
        int r = 0;

        ret->facts.n = 0;

        /* Of equal slots the first appended stays: what clients name goes before what follows. */
        ARRAY_FOREACH(wanted, &view->input.intent->routes) {
                Realisation real = realise(view, wanted);

                if (real.in_table)
                        r = put_route(&build, &real.route);
                if (r >= 0 && real.around)
                        r = put_throw(&build, &wanted->route.destination);
                if (r < 0)
                        return r;
        }
        for (int i = 0; r >= 0 && i < 2; i++)
                r = put_tunnel_family(&build, families[i]);
        if (r >= 0)
                r = desired_put_split(view, ret);
        if (r >= 0)
                r = desired_put_guard(view, ret);

        return r < 0 ? r : fact_set_sort(ret);
}

static int check_tunnel_device(const FactSet *observed, const char *device, Refusal *why) {
        const Link *link = desired_find_link(observed, device);

        if (!link)
                return refusal_set(why, REFUSAL_NO_SUCH_LINK,
                        "there is no device '%s': create the tunnel device first", device);
        if (link->flags & IFF_LOOPBACK)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "device '%s' is the loopback, which leads nowhere: name a tunnel device",
                        device);
        return 0;
}

int desired_check(const FactSet *observed, const IntentChange *change, Refusal *why) {
        const WantedRoute *wanted;

        if (change->kind == INTENT_SET_TUNNEL)
                return check_tunnel_device(observed, change->tunnel.device, why);

        if (change->kind != INTENT_ADD_ROUTES)
                return 0;

        ARRAY_FOREACH(wanted, &change->routes) {
                char destination[PREFIX_TEXT_MAX];

                if (wanted->device[0] && !desired_find_link(observed, wanted->device))
                        return refusal_set(why, REFUSAL_NO_SUCH_LINK,
                                "route to %s: there is no device '%s'",
                                prefix_format(&wanted->route.destination, destination),
                                wanted->device);
        }
        return 0;
}

static bool is_held(const DesiredView *view, const Route *route) {
        Fact fact = fact_of_route(route);

        fact.route.protocol = OURS_PROTOCOL;
        return plan_is_satisfied(&fact, view->input.observed);
}

WantedState desired_route_state(
        const DesiredView *view, const WantedRoute *wanted, char reason[static STATE_REASON_MAX]) {
        Realisation real = realise(view, wanted);
        Route around = throw_route(view, &wanted->route.destination);

        reason[0] = '\0';

        if (real.wait) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                (void)snprintf(reason, STATE_REASON_MAX, real.wait, real.wait_name);
#pragma GCC diagnostic pop
                return WANTED_WAITING;
        }
        if ((real.in_table && !is_held(view, &real.route)) ||
                (real.around && !is_held(view, &around))) {
                (void)snprintf(reason, STATE_REASON_MAX, "the kernel does not hold it");
                return WANTED_WAITING;
        }
        return WANTED_INSTALLED;
}
