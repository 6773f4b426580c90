// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/conflicts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/model/other-vpns.h"

int conflict_compare(const void *a, const void *b) {
        return memcmp(a, b, sizeof(Conflict));
}

/*
 * A name for a rtm_protocol or FRA_PROTOCOL, "" when it tells nothing:
 * rt_protos of iproute2, <linux/rtnetlink.h>.
 */
static const char *protocol_owner(uint8_t protocol) {
        static const struct {
                uint8_t protocol;
                const char *name;
        } owners[] = {
                { RTPROT_KERNEL, "kernel" },
                { RTPROT_RA, "router advertisement" },
                { RTPROT_DHCP, "DHCP client" },
                { RTPROT_BIRD, "bird" },
                { RTPROT_ZEBRA, "zebra" },
                { RTPROT_BABEL, "babel" },
                { RTPROT_KEEPALIVED, "keepalived" },
        };

        for (size_t i = 0; i < ARRAY_LENGTH(owners); i++)
                if (owners[i].protocol == protocol)
                        return owners[i].name;
        return "";
}

static int append_conflict(Array *ret, const char *kind, const char *owner, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static int append_conflict(
        Array *ret, const char *kind, const char *owner, const char *format, ...) {
        Conflict conflict = { 0 };
        va_list args;

        if (ret->n >= CONFLICTS_MAX)
                return 0;

        (void)snprintf(conflict.kind, sizeof(conflict.kind), "%s", kind);
        (void)snprintf(conflict.owner, sizeof(conflict.owner), "%s", owner);
        va_start(args, format);
        (void)vsnprintf(conflict.what, sizeof(conflict.what), format, args);
        va_end(args);
        return array_append(ret, &conflict) ? 0 : -ENOMEM;
}

static const char *rule_owner(const Rule *rule) {
        const char *name = other_vpn_of_rule(rule);

        return name ? name : protocol_owner(rule->protocol);
}

static int check_rule(const Rule *rule, const Ours *ours, Array *ret) {
        const char *owner = rule_owner(rule);
        char text[RULE_TEXT_MAX];

        (void)rule_format(rule, text);
        if (rule->priority == ours->rule_priority)
                return append_conflict(ret, "priority", owner,
                        "a rule has our priority: %.160s; set TALPID_RULE_PRIORITY", text);

        /* Rules that compare the whole mark are other VPNs' own; a part of it means shared bits. */
        if ((rule->mark_mask & ours->mark_mask) && rule->mark_mask != UINT32_MAX)
                return append_conflict(ret, "mark", owner,
                        "a rule uses our mark bits 0x%x: %.140s; set TALPID_MARK", ours->mark_mask,
                        text);
        if (rule->table == ours->tunnel_table || rule->table == ours->excluded_table)
                return append_conflict(ret, "table", owner,
                        "a rule looks up our table: %.160s; set TALPID_TUNNEL_TABLE", text);
        return 0;
}

static int check_route(const Route *route, const Ours *ours, Array *ret) {
        char text[ROUTE_TEXT_MAX];

        if (route->table != ours->tunnel_table && route->table != ours->excluded_table)
                return 0;
        return append_conflict(ret, "table", protocol_owner(route->protocol),
                "a route that is not ours is in our table: %.140s; remove it",
                route_format(route, text));
}

static bool has_tunnel_rule(const FactSet *observed, const Ours *ours) {
        const Fact *facts;
        size_t n;

        facts = fact_set_of_kind(observed, FACT_RULE, &n);
        for (size_t i = 0; i < n; i++)
                if (fact_is_ours(&facts[i]) && facts[i].rule.table == ours->tunnel_table)
                        return true;
        return false;
}

static int tell_other_vpn(const OtherVpn *vpn, bool overrules, Array *ret) {
        if (overrules)
                return append_conflict(ret, "overruled", vpn->name,
                        "the rules of %s stand before ours and take what our tunnel was to carry, "
                        "which a fail-closed tunnel drops: take it down, or set it up first",
                        vpn->name);
        return append_conflict(ret, "other-vpn", vpn->name,
                vpn->takes_halves
                        ? "%s takes the whole address space in the main table: a tunnel that is "
                          "set here comes first, and goes around it as what is excluded does"
                        : "%s has rules of its own: a tunnel that is set here after it comes "
                          "first, and goes around it as what is excluded does",
                vpn->name);
}

static int check_other_vpns(
        const FactSet *observed, const Ours *ours, const char *tunnel_device, Array *ret) {
        CLEANUP(array_clear) Array vpns = ARRAY_INIT(OtherVpn);
        bool has_tunnel = has_tunnel_rule(observed, ours);
        const OtherVpn *vpn;
        int r = other_vpns_find(observed, tunnel_device, &vpns);

        ARRAY_FOREACH(vpn, &vpns) {
                bool overrules = has_tunnel && vpn->takes_all_priority != 0 &&
                                 vpn->takes_all_priority < ours->rule_priority;

                if (r >= 0)
                        r = tell_other_vpn(vpn, overrules, ret);
        }
        return r;
}

int conflicts_put_instance(const char *owner, Array *ret) {
        return append_conflict(ret, "instance", owner,
                "%s works on this network already: nothing is changed here before it is gone; ask "
                "that one, or stop it",
                owner);
}

int conflicts_find(
        const FactSet *observed, const Ours *ours, const char *tunnel_device, Array *ret) {
        const Fact *fact;
        int r = 0;

        ARRAY_FOREACH(fact, &observed->facts) {
                if (fact_is_ours(fact))
                        continue;
                if (fact->kind == FACT_RULE)
                        r = check_rule(&fact->rule, ours, ret);
                else if (fact->kind == FACT_ROUTE)
                        r = check_route(&fact->route, ours, ret);
                if (r < 0)
                        return r;
        }
        return check_other_vpns(observed, ours, tunnel_device, ret);
}

int conflicts_put_no_resolver(const char *tunnel_device, Array *ret) {
        return append_conflict(ret, "no-resolver", "",
                "nobody tells the resolvers of %s, so questions of listed programs to resolvers of "
                "this machine are refused: set them by NetworkManager or resolvectl",
                tunnel_device);
}

int conflicts_put_firewall(const char *why, Array *ret) {
        return append_conflict(ret, "firewall", "",
                "%.180s; until then routes and rules hold alone, call Refresh after it", why);
}
