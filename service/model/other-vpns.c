// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/other-vpns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/model/desired.h"

#define OTHER_VPNS_MAX 16

#define MULLVAD_MARK UINT32_C(0x6d6f6c65) /* and the number of its table */
#define TAILSCALE_MARK_MASK UINT32_C(0xff0000)
#define TAILSCALE_TABLE 52
#define STRONGSWAN_TABLE 220

/* "not fwmark F lookup T": all that a VPN did not encrypt itself goes into its table. */
static bool takes_unmarked(const Rule *rule) {
        return rule->invert && rule->action == FR_ACT_TO_TBL && rule->mark_mask == UINT32_MAX &&
               rule->mark != 0 && !rule->exotic;
}

static bool is_mullvad(const Rule *rule) {
        return rule->table == MULLVAD_MARK || (takes_unmarked(rule) && rule->mark == MULLVAD_MARK);
}

static bool is_tailscale(const Rule *rule) {
        return rule->priority >= 5210 && rule->priority <= 5270 &&
               (rule->mark_mask == TAILSCALE_MARK_MASK || rule->table == TAILSCALE_TABLE);
}

/* The rule behind the one at an even priority in 30768 … 31766 that its connection's uuid gives. */
static bool is_network_manager(const Rule *rule) {
        return takes_unmarked(rule) && rule->mark == rule->table && rule->mark >= 51820 &&
               rule->mark <= 52319 && rule->priority >= 30769 && rule->priority <= 31767 &&
               rule->priority % 2 == 1;
}

static bool is_wg_quick(const Rule *rule) {
        return takes_unmarked(rule) && rule->mark == rule->table;
}

static bool is_strongswan(const Rule *rule) {
        return rule->priority == STRONGSWAN_TABLE && rule->table == STRONGSWAN_TABLE;
}

typedef struct KnownVpn {
        const char *name;
        bool (*is_its)(const Rule *rule);
        const char *keep_out; /* how to have it leave the routes of its device alone */
} KnownVpn;

/* The first that fits: wg-quick's form is the most general. */
static const KnownVpn known[] = {
        { "Mullvad VPN", is_mullvad, "disconnect it there" },
        { "Tailscale", is_tailscale, "run `tailscale set --exit-node=`" },
        { "strongSwan", is_strongswan, "set `charon.install_routes = no`" },
        { "NetworkManager's WireGuard", is_network_manager,
                "set wireguard.ip4-auto-default-route, wireguard.ip6-auto-default-route to no and "
                "ipv4.never-default, ipv6.never-default to yes in its connection" },
        { "wg-quick", is_wg_quick, "set `Table = off` in its configuration" },
};

static const KnownVpn *find_vpn(const Rule *rule) {
        for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
                if (known[i].is_its(rule))
                        return &known[i];
        return NULL;
}

const char *other_vpn_of_rule(const Rule *rule) {
        const KnownVpn *vpn = find_vpn(rule);

        return vpn ? vpn->name : NULL;
}

/* Finds or appends. Return: the vpn; NULL: out of memory, or enough of them. */
static OtherVpn *find_or_add(Array *vpns, const char *name) {
        OtherVpn *vpn, added = { .takes_all_priority = 0 };

        ARRAY_FOREACH(vpn, vpns) {
                if (strcmp(vpn->name, name) == 0)
                        return vpn;
        }
        (void)snprintf(added.name, sizeof(added.name), "%s", name);
        return vpns->n < OTHER_VPNS_MAX ? array_append(vpns, &added) : NULL;
}

static bool takes_all(const Rule *rule) {
        bool any_packet = rule->mark_mask == 0 && rule->source.length == 0 &&
                          rule->destination.length == 0 && !rule->has_uid && !rule->exotic;

        return rule->action == FR_ACT_TO_TBL && rule->table != RT_TABLE_MAIN &&
               (takes_unmarked(rule) || any_packet);
}

bool other_vpn_rule_takes_all(const Rule *rule) {
        return takes_all(rule) && find_vpn(rule);
}

bool other_vpns_take_all(const FactSet *observed, int family) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_RULE, &n);
        for (size_t i = 0; i < n; i++)
                if (!fact_is_ours(&facts[i]) && facts[i].rule.family == family &&
                        other_vpn_rule_takes_all(&facts[i].rule))
                        return true;
        return false;
}

static int put_rule(Array *ret, const Rule *rule) {
        const char *name = other_vpn_of_rule(rule);
        OtherVpn *vpn;

        if (!name)
                return 0;
        vpn = find_or_add(ret, name);
        if (!vpn)
                return ret->n < OTHER_VPNS_MAX ? -ENOMEM : 0;
        if (takes_all(rule) &&
                (vpn->takes_all_priority == 0 || rule->priority < vpn->takes_all_priority))
                vpn->takes_all_priority = rule->priority;
        return 0;
}

/* The upper half of the address space in main, which others have beside the lower one. */
static bool is_upper_half(const Route *route) {
        return route->table == RT_TABLE_MAIN && route->destination.length == 1 &&
               route->destination.bytes[0] == 0x80;
}

static bool has_lower_half(const FactSet *observed, const Route *upper) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_ROUTE, &n);
        for (size_t i = 0; i < n; i++) {
                const Route *route = &facts[i].route;

                if (route->table == RT_TABLE_MAIN && route->destination.length == 1 &&
                        route->destination.family == upper->destination.family &&
                        route->destination.bytes[0] == 0 && route->ifindex == upper->ifindex)
                        return true;
        }
        return false;
}

static bool is_on_link(const LinkAddress *on_link, const Address *address) {
        const Address *around = address_is_set(&on_link->peer) ? &on_link->peer : &on_link->address;
        unsigned bytes = on_link->length / 8, rest = on_link->length % 8;

        return around->family == address->family && on_link->length <= 8 * sizeof(around->bytes) &&
               memcmp(around->bytes, address->bytes, bytes) == 0 &&
               (rest == 0 || (around->bytes[bytes] ^ address->bytes[bytes]) >> (8 - rest) == 0);
}

/*
 * What was added without a device leads into our tunnel, as the kernel finds
 * all gateways there: whose link the gateway is on tells whose route it is.
 */
static const Link *find_link_of(
        const FactSet *observed, const Route *route, const char *tunnel_device) {
        const Link *link = desired_find_link_by_index(observed, route->ifindex);
        const Fact *facts;
        size_t n;

        if (!link || strcmp(link->name, tunnel_device) != 0)
                return link;
        facts = fact_set_of_kind(observed, FACT_LINK_ADDRESS, &n);
        for (size_t i = 0; i < n; i++)
                if (facts[i].link_address.ifindex != route->ifindex &&
                        is_on_link(&facts[i].link_address, &route->gateway))
                        return desired_find_link_by_index(observed, facts[i].link_address.ifindex);
        return NULL; /* the tunnel's own */
}

static int put_route(
        Array *ret, const FactSet *observed, const Route *route, const char *tunnel_device) {
        const Link *link = find_link_of(observed, route, tunnel_device);
        char name[OTHER_VPN_NAME_MAX];
        OtherVpn *vpn;

        if (!is_upper_half(route) || !link || link_is_tunnel(link) == LINK_TUNNEL_NO ||
                !has_lower_half(observed, route))
                return 0;
        (void)snprintf(name, sizeof(name), "OpenVPN or alike (%s)", link->name);
        vpn = find_or_add(ret, name);
        if (!vpn)
                return ret->n < OTHER_VPNS_MAX ? -ENOMEM : 0;
        vpn->takes_halves = true;
        return 0;
}

int other_vpns_find(const FactSet *observed, const char *tunnel_device, Array *ret) {
        const Fact *fact;
        int r = 0;

        ARRAY_FOREACH(fact, &observed->facts) {
                if (fact_is_ours(fact))
                        continue;
                if (fact->kind == FACT_RULE)
                        r = put_rule(ret, &fact->rule);
                else if (fact->kind == FACT_ROUTE)
                        r = put_route(ret, observed, &fact->route, tunnel_device);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Somebody who leads all into a device. */
typedef struct Holder {
        const char *name;
        const char *keep_out;
        bool has_mark;
        uint32_t mark; /* of what it encrypted */
} Holder;

static bool find_holder_by_rules(
        const FactSet *observed, uint32_t ifindex, const LeadsAll *leads, Holder *ret) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_RULE, &n);
        for (size_t i = 0; i < n; i++) {
                const Rule *rule = &facts[i].rule;
                const KnownVpn *vpn = fact_is_ours(&facts[i]) ? NULL : find_vpn(rule);

                if (!vpn || !takes_all(rule) || !leads->ask(rule->table, ifindex, leads->userdata))
                        continue;
                *ret = (Holder){ vpn->name, vpn->keep_out, takes_unmarked(rule), rule->mark };
                return true;
        }
        return false;
}

static bool find_holder_by_routes(
        const FactSet *observed, const Link *link, bool is_vpn_of_nm, Holder *ret) {
        const Fact *facts;
        size_t n;

        if (is_vpn_of_nm) {
                *ret = (Holder){ "NetworkManager",
                        "set ipv4.never-default and ipv6.never-default to yes in its connection",
                        false, 0 };
                return true;
        }
        facts = fact_set_of_kind(observed, FACT_ROUTE, &n);
        for (size_t i = 0; i < n; i++) {
                const Route *route = &facts[i].route;

                if (fact_is_ours(&facts[i]) || route->ifindex != link->ifindex ||
                        link_is_tunnel(link) == LINK_TUNNEL_NO || !is_upper_half(route) ||
                        !has_lower_half(observed, route))
                        continue;
                *ret = (Holder){ "OpenVPN or alike",
                        "set `pull-filter ignore redirect-gateway` in its configuration", false,
                        0 };
                return true;
        }
        return false;
}

int other_vpns_check_tunnel(const FactSet *observed, const Ours *ours, const WantedTunnel *tunnel,
        const LinkHints *hints, const LeadsAll *leads, Refusal *why) {
        const Link *link = desired_find_link(observed, tunnel->device);
        bool is_vpn_of_nm;
        Holder holder;

        if (!link || tunnel->bypass.n > 0)
                return 0;
        is_vpn_of_nm =
                hints && hints->is_vpn && leads->ask(RT_TABLE_MAIN, link->ifindex, leads->userdata);
        if (!find_holder_by_rules(observed, link->ifindex, leads, &holder) &&
                !find_holder_by_routes(observed, link, is_vpn_of_nm, &holder))
                return 0;
        if (holder.has_mark && (holder.mark & ours->mark_mask) == ours->mark)
                return 0;
        return refusal_set(why, REFUSAL_DEVICE_HELD,
                "%s leads all into %s itself, and what it encrypts would come back to it: %s, or "
                "name its server in 'bypass'",
                holder.name, tunnel->device, holder.keep_out);
}
