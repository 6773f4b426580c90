// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/routing-details.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "polkit/actions.h"
#include "service/bus/args-value.h"

static void append(RoutingDetails *details, const char *key, const char *value) {
        size_t n = 0;

        while (details->pairs[n])
                n++;
        assert(n + 2 < ROUTING_DETAILS_MAX);
        details->pairs[n] = key;
        details->pairs[n + 1] = value;
}

/* "10.0.0.0/8", or "10.0.0.0/8 and 3 more". @first may be anything when @n is 0. */
static void append_destination(
        RoutingDetails *details, const char *key, const Prefix *first, size_t n) {
        char text[PREFIX_TEXT_MAX];

        if (n == 0)
                (void)snprintf(details->destination, sizeof(details->destination), "nothing");
        else if (n > 1)
                (void)snprintf(details->destination, sizeof(details->destination),
                        "%s and %zu more", prefix_format(first, text), n - 1);
        else
                (void)prefix_format(first, details->destination);
        append(details, key, details->destination);
}

/*
 * Device, gateway and table are told where all routes of the request agree;
 * otherwise "several", so that a rule that looks for one value does not match.
 */
static void append_nodes(RoutingDetails *details, const Array *routes, const Ours *ours) {
        const WantedRoute *first = array_at(routes, 0), *wanted;
        bool one_device = true, one_gateway = true, one_table = true;
        const char *table;

        ARRAY_FOREACH(wanted, routes) {
                one_device &= strcmp(wanted->device, first->device) == 0 &&
                              wanted->symbolic == first->symbolic;
                one_gateway &= address_compare(&wanted->route.gateway, &first->route.gateway) == 0;
                one_table &= wanted->route.table == first->route.table;
        }

        append(details, DETAIL_DEVICE,
                !one_device       ? "several"
                : first->symbolic ? "default"
                                  : first->device);

        if (!one_gateway)
                append(details, DETAIL_GATEWAY, "several");
        else if (address_is_set(&first->route.gateway))
                append(details, DETAIL_GATEWAY,
                        address_format(&first->route.gateway, details->gateway));
        else
                append(details, DETAIL_GATEWAY, "");

        table = args_table_name(first->route.table, ours, details->table);
        append(details, DETAIL_TABLE, one_table ? table : "several");
}

/* Whose place a tunnel takes, and what it leaves open. */
static void append_tunnel(
        RoutingDetails *details, const WantedTunnel *tunnel, const char *replaced) {
        append(details, DETAIL_DEVICE, tunnel->device);
        append(details, DETAIL_REPLACES, replaced);
        append(details, DETAIL_FAIL_CLOSED, tunnel->fail_closed ? "true" : "false");
        append(details, DETAIL_ALLOW_LAN, tunnel->allow_lan ? "true" : "false");
        append_destination(details, DETAIL_BYPASS, tunnel->bypass.items, tunnel->bypass.n);
}

void routing_details_fill(const char *method, const IntentChange *change, const Ours *ours,
        const char *tunnel_device, RoutingDetails *ret) {
        const WantedRoute *route;
        const RouteMatch *match;

        *ret = (RoutingDetails){ 0 };
        append(ret, DETAIL_METHOD, method);
        (void)snprintf(ret->uid, sizeof(ret->uid), "%u", (unsigned)change->owner.uid);
        append(ret, DETAIL_UID, ret->uid);

        switch (change->kind) {
        case INTENT_ADD_ROUTES:
                route = change->routes.items;
                append_destination(ret, DETAIL_DESTINATION,
                        route ? &route->route.destination : NULL, change->routes.n);
                if (route)
                        append_nodes(ret, &change->routes, ours);
                break;
        case INTENT_REMOVE_ROUTES:
                match = change->matches.items;
                append_destination(ret, DETAIL_DESTINATION, match ? &match->destination : NULL,
                        change->matches.n);
                append(ret, DETAIL_MESSAGE, MESSAGE_REMOVE_ROUTES);
                break;
        case INTENT_CLEAR_ROUTES:
                append(ret, DETAIL_DESTINATION, "all");
                append(ret, DETAIL_MESSAGE,
                        change->everybody ? MESSAGE_CLEAR_ALL_ROUTES : MESSAGE_CLEAR_ROUTES);
                break;
        case INTENT_SET_TUNNEL:
                append_tunnel(ret, &change->tunnel, tunnel_device);
                break;
        case INTENT_UNSET_TUNNEL:
                append(ret, DETAIL_DEVICE, tunnel_device);
                append(ret, DETAIL_MESSAGE, MESSAGE_UNSET_TUNNEL);
                break;
        case INTENT_DROP_CLIENT:
        case INTENT_ADD_SELECTORS:
        case INTENT_REMOVE_SELECTORS:
        case INTENT_SET_SELECTORS:
        case INTENT_ADD_GROUP:
        case INTENT_REMOVE_GROUP:
        case INTENT_SET_SPLIT:
                assert(false); /* nobody asks for it here */
        }

        if (change->kind == INTENT_ADD_ROUTES || change->kind == INTENT_SET_TUNNEL)
                append(ret, DETAIL_LIFETIME,
                        lifetime_name(change->owner.name[0] ? LIFETIME_CLIENT : LIFETIME_BOOT));
}
