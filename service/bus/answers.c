// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/answers.h"

#include <errno.h>
#include <stdio.h>

#include <linux/rtnetlink.h>

#include "service/bus/args-value.h"
#include "service/bus/text.h"

static int open_dictionary(sd_bus_message *message) {
        return sd_bus_message_open_container(message, 'a', "{sv}");
}

static int append_string(sd_bus_message *message, const char *key, const char *value) {
        return sd_bus_message_append(message, "{sv}", key, "s", value);
}

static int append_number(sd_bus_message *message, const char *key, uint32_t value) {
        return sd_bus_message_append(message, "{sv}", key, "u", value);
}

static int append_boolean(sd_bus_message *message, const char *key, bool value) {
        return sd_bus_message_append(message, "{sv}", key, "b", (int)value);
}

/* Text that came from the kernel or was put together: may hold any byte. */
static int append_unclean(sd_bus_message *message, const char *key, const char *value) {
        char text[CONFLICT_TEXT_MAX];

        return append_string(message, key, text_clean(value, text, sizeof(text)));
}

static int append_address(sd_bus_message *message, const char *key, const Address *address) {
        char text[ADDRESS_TEXT_MAX];

        if (!address_is_set(address))
                return 0;
        return append_string(message, key, address_format(address, text));
}

static int append_device(sd_bus_message *message, const Engine *engine, uint32_t ifindex) {
        const Link *link;
        int r;

        if (ifindex == 0)
                return 0;

        link = desired_find_link_by_index(engine_observed(engine), ifindex);
        if (link) {
                r = append_unclean(message, "device", link->name);
                if (r < 0)
                        return r;
        }
        return append_number(message, "ifindex", ifindex);
}

static int append_table(sd_bus_message *message, const Engine *engine, uint32_t table) {
        char number[16];
        const char *name = args_table_name(table, engine_ours(engine), number);

        return name == number ? append_number(message, "table", table)
                              : append_string(message, "table", name);
}

/* The keys that both a wanted route and one of the kernel have. */
static int append_route_keys(sd_bus_message *message, const Engine *engine, const Route *route) {
        char destination[PREFIX_TEXT_MAX];
        const char *type = route_type_name(route->type);
        int r;

        r = append_string(message, "family", family_name(route->destination.family));
        if (r >= 0)
                r = append_string(
                        message, "destination", prefix_format(&route->destination, destination));
        if (r >= 0 && type)
                r = append_string(message, "type", type);
        if (r >= 0)
                r = append_table(message, engine, route->table);
        if (r >= 0)
                r = append_number(message, "metric", route->metric);
        if (r >= 0)
                r = append_address(message, "gateway", &route->gateway);
        if (r >= 0 && route->mtu)
                r = append_number(message, "mtu", route->mtu);
        return r;
}

/* The device that carries the route now, as number: for the symbolic node it changes. */
static uint32_t wanted_ifindex(const Engine *engine, const WantedRoute *wanted) {
        const DefaultRoute *best;
        const Link *link;

        if (wanted->symbolic) {
                best = engine_default_route(engine, wanted->route.destination.family);
                return best && best->present ? best->route.ifindex : 0;
        }
        if (!wanted->device[0])
                return 0;
        link = desired_find_link(engine_observed(engine), wanted->device);
        return link ? link->ifindex : 0;
}

static int append_owner(sd_bus_message *message, const Engine *engine, uint32_t index) {
        const Intent *intent = engine_intent(engine);
        int r;

        if (index >= intent->owners.n)
                return 0;
        r = append_number(message, "owner-uid", intent_owner(intent, index)->uid);
        if (r < 0)
                return r;
        return append_string(
                message, "lifetime", lifetime_name(intent_owner_lifetime(intent, index)));
}

static int append_state(sd_bus_message *message, const Engine *engine, const WantedRoute *wanted) {
        char reason[STATE_REASON_MAX] = "";
        WantedState state = engine_route_state(engine, wanted, reason);
        int r;

        r = append_string(message, "state", wanted_state_name(state));
        if (r >= 0 && reason[0])
                r = append_unclean(message, "reason", reason);
        return r;
}

int answers_append_wanted(
        sd_bus_message *message, const Engine *engine, const WantedRoute *wanted) {
        uint32_t ifindex = wanted_ifindex(engine, wanted);
        int r;

        r = open_dictionary(message);
        if (r >= 0)
                r = append_route_keys(message, engine, &wanted->route);
        if (r >= 0 && wanted->device[0])
                r = append_string(message, "device", wanted->device);
        if (r >= 0 && wanted->symbolic)
                r = append_string(message, "node", "default");
        if (r >= 0 && ifindex)
                r = append_number(message, "ifindex", ifindex);
        if (r >= 0)
                r = append_number(message, "protocol", OURS_PROTOCOL);
        if (r >= 0)
                r = append_state(message, engine, wanted);
        if (r >= 0)
                r = append_owner(message, engine, wanted->owner);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int answers_append_route(sd_bus_message *message, const Engine *engine, const Route *route) {
        int r;

        r = open_dictionary(message);
        if (r >= 0)
                r = append_route_keys(message, engine, route);
        if (r >= 0)
                r = append_device(message, engine, route->ifindex);
        if (r >= 0 && route->protocol)
                r = append_number(message, "protocol", route->protocol);
        if (r >= 0)
                r = append_address(message, "source", &route->source);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* Opens an entry whose value is a list of strings; close_strings() ends it. */
static int open_strings(sd_bus_message *message, const char *key) {
        int r;

        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', key);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "as");
        return r < 0 ? r : sd_bus_message_open_container(message, 'a', "s");
}

static int close_strings(sd_bus_message *message) {
        int r = 0;

        for (int level = 0; r >= 0 && level < 3; level++)
                r = sd_bus_message_close_container(message);
        return r;
}

/* What NetworkManager and resolved say of the link; the route itself is the kernel's word. */
static int append_hints(sd_bus_message *message, const LinkHints *hints, int family) {
        char text[ADDRESS_TEXT_MAX];
        bool any = false;
        int r = 0;

        if (!hints)
                return 0;
        if (hints->connection[0])
                r = append_unclean(message, "connection", hints->connection);
        if (r >= 0 && hints->connection_uuid[0])
                r = append_unclean(message, "connection-uuid", hints->connection_uuid);
        if (r >= 0 && hints->has_metered)
                r = append_boolean(message, "metered", hints->metered);

        for (unsigned i = 0; i < hints->n_resolvers; i++)
                any = any || hints->resolvers[i].family == family;
        if (r < 0 || !any)
                return r;
        r = open_strings(message, "dns");
        for (unsigned i = 0; r >= 0 && i < hints->n_resolvers; i++)
                if (hints->resolvers[i].family == family)
                        r = sd_bus_message_append_basic(
                                message, 's', address_format(&hints->resolvers[i], text));
        return r < 0 ? r : close_strings(message);
}

int answers_append_default_route(
        sd_bus_message *message, const Engine *engine, const DefaultRoute *route) {
        char mac[MAC_TEXT_MAX];
        int r;

        r = open_dictionary(message);
        if (r < 0)
                return r;
        if (!route || !route->present)
                return sd_bus_message_close_container(message);

        r = append_unclean(message, "device", route->device);
        if (r >= 0)
                r = append_number(message, "ifindex", route->route.ifindex);
        if (r >= 0)
                r = append_address(message, "gateway", &route->route.gateway);
        if (r >= 0 && route->gateway_mac.length)
                r = append_string(message, "gateway-mac", mac_format(&route->gateway_mac, mac));
        if (r >= 0)
                r = append_number(message, "metric", route->route.metric);
        if (r >= 0 && route->route.mtu)
                r = append_number(message, "mtu", route->route.mtu);
        if (r >= 0)
                r = append_address(message, "source", &route->source);
        if (r >= 0)
                r = append_hints(message, engine_link_hints(engine, route->route.ifindex),
                        route->route.destination.family);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_bypass(sd_bus_message *message, const Array *bypass) {
        char text[PREFIX_TEXT_MAX];
        const Prefix *prefix;
        int r;

        r = open_strings(message, "bypass");
        ARRAY_FOREACH(prefix, bypass) {
                if (r >= 0)
                        r = sd_bus_message_append_basic(message, 's', prefix_format(prefix, text));
        }
        return r < 0 ? r : close_strings(message);
}

static int append_tunnel_state(
        sd_bus_message *message, const WantedTunnel *tunnel, const Link *link) {
        char reason[STATE_REASON_MAX];
        int r;

        if (link && link_is_usable(link))
                return append_string(message, "state", "active");

        (void)snprintf(reason, sizeof(reason), "device %s %s", tunnel->device,
                link ? "is down" : "does not exist");
        r = append_string(message, "state", "waiting");
        return r < 0 ? r : append_unclean(message, "reason", reason);
}

static int append_tunnel_keys(
        sd_bus_message *message, const Engine *engine, const WantedTunnel *tunnel) {
        const Link *link = desired_find_link(engine_observed(engine), tunnel->device);
        int r;

        r = append_string(message, "device", tunnel->device);
        if (r >= 0 && link)
                r = append_number(message, "ifindex", link->ifindex);
        if (r >= 0)
                r = append_string(
                        message, "ipv4", tunnel_family_name(engine_tunnel_family(engine, AF_INET)));
        if (r >= 0)
                r = append_string(message, "ipv6",
                        tunnel_family_name(engine_tunnel_family(engine, AF_INET6)));
        if (r >= 0 && tunnel->mtu)
                r = append_number(message, "mtu", tunnel->mtu);
        if (r >= 0)
                r = append_boolean(message, "allow-lan", tunnel->allow_lan);
        if (r >= 0)
                r = append_boolean(message, "fail-closed", tunnel->fail_closed);
        if (r >= 0)
                r = append_bypass(message, &tunnel->bypass);
        if (r >= 0)
                r = append_tunnel_state(message, tunnel, link);
        if (r >= 0)
                r = append_owner(message, engine, tunnel->owner);
        if (r >= 0 && tunnel->setter[0])
                r = append_unclean(message, "setter", tunnel->setter);
        return r;
}

int answers_append_tunnel(sd_bus_message *message, const Engine *engine) {
        const Intent *intent = engine_intent(engine);
        int r;

        r = open_dictionary(message);
        if (r >= 0 && intent_has_tunnel(intent))
                r = append_tunnel_keys(message, engine, &intent->tunnel);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int answers_append_conflict(sd_bus_message *message, const Conflict *conflict) {
        int r;

        r = open_dictionary(message);
        if (r >= 0)
                r = append_unclean(message, "kind", conflict->kind);
        if (r >= 0)
                r = append_unclean(message, "message", conflict->what);
        if (r >= 0 && conflict->owner[0])
                r = append_unclean(message, "culprit", conflict->owner);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int answers_append_fact(sd_bus_message *message, const Engine *engine, const Fact *fact) {
        char text[FACT_TEXT_MAX];
        int r;

        if (fact->kind == FACT_ROUTE)
                return answers_append_route(message, engine, &fact->route);

        r = open_dictionary(message);
        if (r >= 0)
                r = append_unclean(message, "text", fact_format(fact, text));
        return r < 0 ? r : sd_bus_message_close_container(message);
}
