// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/bus/args-value.h"

/* ip_metrics_convert(), net/ipv4/metrics.c: what is above becomes this. */
#define MTU_MAX 65520
#define MTU_MIN_IPV4 68   /* RFC 791 */
#define MTU_MIN_IPV6 1280 /* RFC 8200 */

/* IP6_RT_PRIO_USER of <linux/ipv6_route.h>: what the kernel makes of 0. */
#define METRIC_DEFAULT_IPV6 1024

/* Routes */

enum {
        ROUTE_DESTINATION,
        ROUTE_GATEWAY,
        ROUTE_DEVICE,
        ROUTE_NODE,
        ROUTE_METRIC,
        ROUTE_MTU,
        ROUTE_TABLE,
        ROUTE_TYPE,
        _ROUTE_KEY_MAX,
};

static const OptionSpec route_specs[] = {
        [ROUTE_DESTINATION] = { .key = "destination", .types = "s" },
        [ROUTE_GATEWAY] = { .key = "gateway", .types = "s" },
        [ROUTE_DEVICE] = { .key = "device", .types = "s" },
        [ROUTE_NODE] = { .key = "node", .types = "s" },
        [ROUTE_METRIC] = { .key = "metric", .types = "u" },
        [ROUTE_MTU] = { .key = "mtu", .types = "u" },
        [ROUTE_TABLE] = { .key = "table", .types = "su" },
        [ROUTE_TYPE] = { .key = "type", .types = "s" },
        [_ROUTE_KEY_MAX] = { .key = NULL },
};

static int read_gateway(
        const OptionValue *values, const char *where, WantedRoute *wanted, Refusal *why) {
        const char *text = values[ROUTE_GATEWAY].string;
        const uint8_t *bytes = wanted->route.gateway.bytes;
        char destination[PREFIX_TEXT_MAX];
        bool usable;

        if (address_parse(text, &wanted->route.gateway) < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: gateway " SHOWN " is not an address", where, text);

        if (wanted->route.gateway.family != wanted->route.destination.family)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: gateway %.64s is not of the family of %s", where, text,
                        prefix_format(&wanted->route.destination, destination));

        if (wanted->route.gateway.family == AF_INET)
                usable = bytes[0] != 0 && bytes[0] != 127 && bytes[0] < 224;
        else
                usable = bytes[0] != 0xff && memcmp(bytes, (const uint8_t[16]){ 0 },
                                                     sizeof(wanted->route.gateway.bytes));
        if (!usable)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: gateway %.64s cannot be a next hop", where, text);

        if (wanted->route.gateway.family == AF_INET6 && bytes[0] == 0xfe &&
                (bytes[1] & 0xc0) == 0x80 && !values[ROUTE_DEVICE].type)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: the link-local gateway %.64s needs a device", where, text);
        return 0;
}

/* What carries the route: gateway, device, both, or the symbolic node. */
static int read_node(
        const OptionValue *values, const char *where, WantedRoute *wanted, Refusal *why) {
        const OptionValue *node = &values[ROUTE_NODE];
        int r;

        if (node->type) {
                if (strcmp(node->string, "default") != 0)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "%s: node " SHOWN " is not known; \"default\" is", where,
                                node->string);
                if (values[ROUTE_GATEWAY].type || values[ROUTE_DEVICE].type)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "%s: node goes together with neither gateway nor device", where);
                wanted->symbolic = true;
        }
        if (values[ROUTE_DEVICE].type) {
                r = args_read_device(&values[ROUTE_DEVICE], where, wanted->device, why);
                if (r < 0)
                        return r;
        }
        if (values[ROUTE_GATEWAY].type)
                return read_gateway(values, where, wanted, why);
        return 0;
}

static int read_type(
        const OptionValue *values, const char *where, WantedRoute *wanted, Refusal *why) {
        const char *text = values[ROUTE_TYPE].type ? values[ROUTE_TYPE].string : "unicast";
        int type = route_type_parse(text);

        if (type < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: type " SHOWN
                        " is not unicast, unreachable, blackhole, prohibit or throw",
                        where, text);

        wanted->route.type = (uint8_t)type;
        return 0;
}

static int check_type_and_node(
        const OptionValue *values, const char *where, const WantedRoute *wanted, Refusal *why) {
        bool has_node =
                values[ROUTE_NODE].type || values[ROUTE_GATEWAY].type || values[ROUTE_DEVICE].type;
        bool dead_end = route_type_is_dead_end(wanted->route.type);

        if (dead_end && has_node)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: a route of type %s leads nowhere and takes no gateway, device or node",
                        where, route_type_name(wanted->route.type));
        if (dead_end && values[ROUTE_MTU].type)
                return refusal_set(why, REFUSAL_INVALID_ARGS, "%s: a route of type %s has no mtu",
                        where, route_type_name(wanted->route.type));
        if (!dead_end && !has_node)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: gateway, device or node is missing: where does it lead?", where);
        return 0;
}

static int read_numbers(
        const OptionValue *values, const char *where, WantedRoute *wanted, Refusal *why) {
        bool ipv6 = wanted->route.destination.family == AF_INET6;
        uint32_t mtu_min = ipv6 ? MTU_MIN_IPV6 : MTU_MIN_IPV4;

        if (values[ROUTE_METRIC].type)
                wanted->route.metric = values[ROUTE_METRIC].number;
        if (wanted->route.metric == OURS_FAIL_CLOSED_METRIC)
                return refusal_set(why, REFUSAL_INVALID_ARGS, "%s: metric %u is out of range",
                        where, wanted->route.metric);
        if (ipv6 && wanted->route.metric == 0)
                wanted->route.metric = METRIC_DEFAULT_IPV6;

        if (!values[ROUTE_MTU].type)
                return 0;
        wanted->route.mtu = values[ROUTE_MTU].number;
        if (wanted->route.mtu < mtu_min || wanted->route.mtu > MTU_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS, "%s: mtu %u is not between %u and %u",
                        where, wanted->route.mtu, mtu_min, MTU_MAX);
        return 0;
}

static int read_route_values(const OptionValue *values, const Ours *ours, const char *where,
        WantedRoute *wanted, Refusal *why) {
        int r;

        if (!values[ROUTE_DESTINATION].type)
                return refusal_set(why, REFUSAL_INVALID_ARGS, "%s: destination is missing", where);
        r = args_read_prefix(
                values[ROUTE_DESTINATION].string, where, &wanted->route.destination, why);
        if (r < 0)
                return r;

        wanted->route.table = RT_TABLE_MAIN;
        if (values[ROUTE_TABLE].type) {
                r = args_read_table(&values[ROUTE_TABLE], ours, where, &wanted->route.table, why);
                if (r < 0)
                        return r;
        }

        r = read_type(values, where, wanted, why);
        if (r < 0)
                return r;
        r = read_node(values, where, wanted, why);
        if (r < 0)
                return r;
        return read_numbers(values, where, wanted, why);
}

/* Who may add routes may not for that reason open what SetTunnel closed. */
static int check_tunnel_table(
        const Ours *ours, const char *where, const WantedRoute *wanted, Refusal *why) {
        const Route *route = &wanted->route;

        if (route->table != ours->tunnel_table || route->destination.length > 0 ||
                (route_type_is_dead_end(route->type) && route->type != RTN_THROW))
                return 0;
        return refusal_set(why, REFUSAL_INVALID_ARGS,
                "%s: the default route of the tunnel table is SetTunnel's", where);
}

/* Makes the item of an output list out of one dictionary. */
typedef int (*ReadItem)(
        const OptionValue *values, const Ours *ours, const char *where, void *item, Refusal *why);

static int read_wanted(
        const OptionValue *values, const Ours *ours, const char *where, void *item, Refusal *why) {
        WantedRoute *wanted = item;
        int r;

        r = read_route_values(values, ours, where, wanted, why);
        if (r < 0)
                return r;
        r = check_type_and_node(values, where, wanted, why);
        if (r < 0)
                return r;
        return check_tunnel_table(ours, where, wanted, why);
}

/* type and mtu are read so that what was given to AddRoutes can be given to RemoveRoutes. */
static int read_match(
        const OptionValue *values, const Ours *ours, const char *where, void *item, Refusal *why) {
        RouteMatch *match = item;
        WantedRoute wanted = { 0 };
        int r;

        r = read_route_values(values, ours, where, &wanted, why);
        if (r < 0)
                return r;

        *match = (RouteMatch){
                .destination = wanted.route.destination,
                .table = wanted.route.table,
                .any_metric = !values[ROUTE_METRIC].type,
                .metric = wanted.route.metric,
                .any_node = !values[ROUTE_NODE].type && !values[ROUTE_GATEWAY].type &&
                            !values[ROUTE_DEVICE].type,
                .symbolic = wanted.symbolic,
                .gateway = wanted.route.gateway,
        };
        memcpy(match->device, wanted.device, sizeof(match->device));
        return 0;
}

static int read_item(
        sd_bus_message *message, const Ours *ours, ReadItem read, Array *items, Refusal *why) {
        OptionValue values[_ROUTE_KEY_MAX] = { 0 };
        char where[WHERE_MAX];
        void *item;
        int r;

        if (items->n >= INTENT_ROUTES_PER_USER_MAX)
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "more than %d routes in one request", INTENT_ROUTES_PER_USER_MAX);

        (void)snprintf(where, sizeof(where), "routes[%zu]", items->n);
        item = array_append(items, NULL);
        if (!item)
                return -ENOMEM;

        r = options_read(message, route_specs, values, where, why);
        if (r >= 0)
                r = read(values, ours, where, item, why);
        options_clear(values, ARRAY_LENGTH(values));
        return r;
}

/* Pointers into a list, to sort without losing the positions. */
static int compare_wanted_slots(const void *a, const void *b) {
        const WantedRoute *const *x = a, *const *y = b;

        return route_compare_key(&(*x)->route, &(*y)->route);
}

static int compare_matches(const void *a, const void *b) {
        const RouteMatch *const *x = a, *const *y = b;
        int c = prefix_compare(&(*x)->destination, &(*y)->destination);

        if (c == 0)
                c = ((*x)->table > (*y)->table) - ((*x)->table < (*y)->table);
        if (c == 0)
                c = (*x)->any_metric - (*y)->any_metric;
        if (c == 0)
                c = ((*x)->metric > (*y)->metric) - ((*x)->metric < (*y)->metric);
        if (c == 0)
                c = (*x)->any_node - (*y)->any_node;
        if (c == 0)
                c = (*x)->symbolic - (*y)->symbolic;
        if (c == 0)
                c = address_compare(&(*x)->gateway, &(*y)->gateway);
        return c != 0 ? c : strcmp((*x)->device, (*y)->device);
}

static int check_unique(const Array *items, ArrayCompare compare, Refusal *why) {
        CLEANUP(array_clear) Array sorted = ARRAY_INIT(const char *);
        const char *const *pointer, *const *before = NULL;
        int r;

        r = array_reserve(&sorted, items->n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < items->n; i++) {
                const char *item = array_at(items, i);

                (void)array_append(&sorted, &item); /* there is room */
        }
        r = array_sort(&sorted, compare);
        if (r < 0)
                return r;

        ARRAY_FOREACH(pointer, &sorted) {
                if (before && compare(before, pointer) == 0) {
                        const char *first = items->items;

                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "routes[%zu] has destination, table and metric of routes[%zu]",
                                (size_t)(*pointer - first) / items->item_size,
                                (size_t)(*before - first) / items->item_size);
                }
                before = pointer;
        }
        return 0;
}

static int read_items(sd_bus_message *message, const Ours *ours, ReadItem read,
        ArrayCompare compare, Array *items, Refusal *why) {
        int r;

        r = sd_bus_message_enter_container(message, 'a', "a{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_at_end(message, /* complete= */ 0)) == 0) {
                r = read_item(message, ours, read, items, why);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;
        return check_unique(items, compare, why);
}

int args_read_routes(sd_bus_message *message, const Ours *ours, Array *routes, Refusal *why) {
        return read_items(message, ours, read_wanted, compare_wanted_slots, routes, why);
}

int args_read_matches(sd_bus_message *message, const Ours *ours, Array *matches, Refusal *why) {
        return read_items(message, ours, read_match, compare_matches, matches, why);
}

/* Options of changing methods */

static int read_lifetime(const OptionValue *value, Lifetime *ret, Refusal *why) {
        int lifetime;

        if (!value->type) {
                *ret = LIFETIME_BOOT;
                return 0;
        }
        lifetime = lifetime_parse(value->string);
        if (lifetime < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "options: lifetime " SHOWN " is not \"boot\" or \"client\"", value->string);
        *ret = (Lifetime)lifetime;
        return 0;
}

int args_read_change_options(
        sd_bus_message *message, uint32_t mask, ChangeOptions *ret, Refusal *why) {
        OptionValue values[2] = { 0 };
        OptionSpec specs[3] = { 0 };
        const OptionValue *lifetime = NULL, *all = NULL;
        ChangeOptions options = { 0 };
        size_t n = 0;
        int r;

        if (mask & CHANGE_OPTION_LIFETIME) {
                lifetime = &values[n];
                specs[n++] = (OptionSpec){ .key = "lifetime", .types = "s" };
        }
        if (mask & CHANGE_OPTION_ALL) {
                all = &values[n];
                specs[n++] = (OptionSpec){ .key = "all", .types = "b" };
        }

        r = options_read(message, specs, values, "options", why);
        if (r < 0)
                return r;
        if (lifetime) {
                r = read_lifetime(lifetime, &options.lifetime, why);
                if (r < 0)
                        return r;
        }
        options.everybody = all && all->boolean;
        *ret = options;
        return 0;
}

/* The tunnel */

enum {
        TUNNEL_IPV4,
        TUNNEL_IPV6,
        TUNNEL_MTU,
        TUNNEL_ALLOW_LAN,
        TUNNEL_FAIL_CLOSED,
        TUNNEL_BYPASS,
        TUNNEL_REPLACE,
        TUNNEL_LIFETIME,
        _TUNNEL_KEY_MAX,
};

static const OptionSpec tunnel_specs[] = {
        [TUNNEL_IPV4] = { .key = "ipv4", .types = "b" },
        [TUNNEL_IPV6] = { .key = "ipv6", .types = "b" },
        [TUNNEL_MTU] = { .key = "mtu", .types = "u" },
        [TUNNEL_ALLOW_LAN] = { .key = "allow-lan", .types = "b" },
        [TUNNEL_FAIL_CLOSED] = { .key = "fail-closed", .types = "b" },
        [TUNNEL_BYPASS] = { .key = "bypass", .types = "a", .strings_max = INTENT_BYPASS_MAX },
        [TUNNEL_REPLACE] = { .key = "replace", .types = "b" },
        [TUNNEL_LIFETIME] = { .key = "lifetime", .types = "s" },
        [_TUNNEL_KEY_MAX] = { .key = NULL },
};

static Carry carry_of(const OptionValue *value) {
        return !value->type ? CARRY_AUTO : value->boolean ? CARRY_YES : CARRY_NO;
}

static int compare_prefixes(const void *a, const void *b) {
        return prefix_compare(a, b);
}

static int read_bypass(const Array *strings, Array *bypass, Refusal *why) {
        const char *const *string;
        char where[WHERE_MAX];
        size_t kept = 0;
        Prefix prefix;
        Prefix *all;
        int r;

        ARRAY_FOREACH(string, strings) {
                (void)snprintf(where, sizeof(where), "options: bypass[%zu]",
                        (size_t)(string - (const char *const *)strings->items));
                r = args_read_prefix(*string, where, &prefix, why);
                if (r < 0)
                        return r;
                if (!array_append(bypass, &prefix))
                        return -ENOMEM;
        }
        r = array_sort(bypass, compare_prefixes);
        if (r < 0)
                return r;

        /* The same endpoint twice is no mistake: relay and API may share one. */
        all = bypass->items;
        for (size_t i = 0; i < bypass->n; i++)
                if (kept == 0 || prefix_compare(&all[kept - 1], &all[i]) != 0)
                        all[kept++] = all[i];
        bypass->n = kept;
        return 0;
}

static int read_tunnel_values(
        const OptionValue *values, WantedTunnel *tunnel, Lifetime *ret_lifetime, Refusal *why) {
        uint32_t mtu_min = MTU_MIN_IPV4;

        tunnel->ipv4 = carry_of(&values[TUNNEL_IPV4]);
        tunnel->ipv6 = carry_of(&values[TUNNEL_IPV6]);
        tunnel->allow_lan = values[TUNNEL_ALLOW_LAN].boolean;
        tunnel->fail_closed =
                !values[TUNNEL_FAIL_CLOSED].type || values[TUNNEL_FAIL_CLOSED].boolean;

        if (tunnel->ipv4 == CARRY_NO && tunnel->ipv6 == CARRY_NO)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "options: with ipv4 and ipv6 both false the tunnel carries nothing");

        if (values[TUNNEL_MTU].type) {
                tunnel->mtu = values[TUNNEL_MTU].number;
                if (tunnel->ipv6 == CARRY_YES)
                        mtu_min = MTU_MIN_IPV6;
                if (tunnel->mtu < mtu_min || tunnel->mtu > MTU_MAX)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "options: mtu %u is not between %u and %u", tunnel->mtu, mtu_min,
                                MTU_MAX);
        }
        return read_lifetime(&values[TUNNEL_LIFETIME], ret_lifetime, why);
}

int args_read_tunnel(sd_bus_message *message, WantedTunnel *tunnel, bool *ret_replace,
        Lifetime *ret_lifetime, Refusal *why) {
        OptionValue values[_TUNNEL_KEY_MAX] = { 0 };
        OptionValue device = { .type = 's' };
        int r;

        r = sd_bus_message_read_basic(message, 's', &device.string);
        if (r < 0)
                return r;
        r = args_read_device(&device, "device", tunnel->device, why);
        if (r < 0)
                return r;

        r = options_read(message, tunnel_specs, values, "options", why);
        if (r >= 0)
                r = read_tunnel_values(values, tunnel, ret_lifetime, why);
        if (r >= 0)
                r = read_bypass(&values[TUNNEL_BYPASS].strings, &tunnel->bypass, why);
        *ret_replace = values[TUNNEL_REPLACE].boolean;
        options_clear(values, ARRAY_LENGTH(values));
        return r;
}
