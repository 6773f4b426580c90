// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/conflicts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"

int conflict_compare(const void *a, const void *b) {
        return memcmp(a, b, sizeof(Conflict));
}

/* rt_protos of iproute2, <linux/rtnetlink.h>. */
const char *conflict_protocol_owner(uint8_t protocol) {
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

static int append_conflict(Array *ret, const char *kind, uint8_t protocol, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static int append_conflict(
        Array *ret, const char *kind, uint8_t protocol, const char *format, ...) {
        Conflict conflict = { 0 };
        va_list args;

        if (ret->n >= CONFLICTS_MAX)
                return 0;

        (void)snprintf(conflict.kind, sizeof(conflict.kind), "%s", kind);
        (void)snprintf(
                conflict.owner, sizeof(conflict.owner), "%s", conflict_protocol_owner(protocol));
        va_start(args, format);
        (void)vsnprintf(conflict.what, sizeof(conflict.what), format, args);
        va_end(args);
        return array_append(ret, &conflict) ? 0 : -ENOMEM;
}

static int check_rule(const Rule *rule, const Ours *ours, Array *ret) {
        char text[RULE_TEXT_MAX];

        (void)rule_format(rule, text);
        if (rule->priority == ours->rule_priority)
                return append_conflict(ret, "priority", rule->protocol,
                        "a rule has our priority: %.160s; set TALPID_RULE_PRIORITY", text);

        /* Rules that compare the whole mark are other VPNs' own; a part of it means shared bits. */
        if ((rule->mark_mask & ours->mark_mask) && rule->mark_mask != UINT32_MAX)
                return append_conflict(ret, "mark", rule->protocol,
                        "a rule uses our mark bits 0x%x: %.140s; set TALPID_MARK", ours->mark_mask,
                        text);
        if (rule->table == ours->tunnel_table || rule->table == ours->excluded_table)
                return append_conflict(ret, "table", rule->protocol,
                        "a rule looks up our table: %.160s; set TALPID_TUNNEL_TABLE", text);
        return 0;
}

static int check_route(const Route *route, const Ours *ours, Array *ret) {
        char text[ROUTE_TEXT_MAX];

        if (route->table != ours->tunnel_table && route->table != ours->excluded_table)
                return 0;
        return append_conflict(ret, "table", route->protocol,
                "a route that is not ours is in our table: %.140s; remove it",
                route_format(route, text));
}

int conflicts_find(const FactSet *observed, const Ours *ours, Array *ret) {
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
        return 0;
}
