// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/describe.h"

#include <sys/socket.h>

static void write_default_route(Json *json, const Engine *engine, const char *key, int family) {
        const DefaultRoute *best = engine_default_route(engine, family);
        char text[ROUTE_TEXT_MAX], mac[MAC_TEXT_MAX];

        json_open(json, key, '{');
        if (best && best->present) {
                json_string(json, "device", best->device);
                json_string(json, "route", route_format(&best->route, text));
                json_string(json, "gateway-mac", mac_format(&best->gateway_mac, mac));
        }
        json_close(json, '}');
}

static void write_owner(Json *json, const Intent *intent, uint32_t index) {
        const Owner *owner = intent_owner(intent, index);

        json_number(json, "owner-uid", owner->uid);
        json_string(json, "lifetime", lifetime_name(intent_owner_lifetime(intent, index)));
        if (owner->name[0])
                json_string(json, "owner", owner->name);
}

static void write_tunnel(Json *json, const Engine *engine) {
        const Intent *intent = engine_intent(engine);
        const WantedTunnel *tunnel = &intent->tunnel;
        char text[PREFIX_TEXT_MAX];
        const Prefix *prefix;

        json_open(json, "tunnel", '{');
        if (intent_has_tunnel(intent)) {
                json_string(json, "device", tunnel->device);
                json_string(
                        json, "ipv4", tunnel_family_name(engine_tunnel_family(engine, AF_INET)));
                json_string(
                        json, "ipv6", tunnel_family_name(engine_tunnel_family(engine, AF_INET6)));
                json_number(json, "mtu", tunnel->mtu);
                json_boolean(json, "allow-lan", tunnel->allow_lan);
                json_boolean(json, "fail-closed", tunnel->fail_closed);
                json_open(json, "bypass", '[');
                ARRAY_FOREACH(prefix, &tunnel->bypass) {
                        json_string(json, NULL, prefix_format(prefix, text));
                }
                json_close(json, ']');
                write_owner(json, intent, tunnel->owner);
        }
        json_close(json, '}');
}

static void write_routes(Json *json, const Engine *engine) {
        const Intent *intent = engine_intent(engine);
        const WantedRoute *wanted;

        json_open(json, "routes", '[');
        ARRAY_FOREACH(wanted, &intent->routes) {
                char text[ROUTE_TEXT_MAX], reason[STATE_REASON_MAX] = "";
                WantedState state = engine_route_state(engine, wanted, reason);

                json_open(json, NULL, '{');
                json_string(json, "route", route_format(&wanted->route, text));
                if (wanted->symbolic)
                        json_string(json, "node", "default");
                if (wanted->device[0])
                        json_string(json, "device", wanted->device);
                json_string(json, "state", wanted_state_name(state));
                if (reason[0])
                        json_string(json, "reason", reason);
                write_owner(json, intent, wanted->owner);
                json_close(json, '}');
        }
        json_close(json, ']');
}

static void write_conflicts(Json *json, const Engine *engine) {
        const Array *conflicts = engine_conflicts(engine);
        const Conflict *conflict;

        json_open(json, "conflicts", '[');
        ARRAY_FOREACH(conflict, conflicts) {
                json_open(json, NULL, '{');
                json_string(json, "kind", conflict->kind);
                json_string(json, "message", conflict->what);
                json_string(json, "culprit", conflict->owner);
                json_close(json, '}');
        }
        json_close(json, ']');
}

/* Links, addresses, rules and what is ours; the routes of others may be a full table. */
static void write_observed(Json *json, const Engine *engine) {
        const FactSet *observed = engine_observed(engine);
        const Fact *fact;
        size_t n_foreign = 0;

        json_open(json, "observed", '[');
        ARRAY_FOREACH(fact, &observed->facts) {
                char text[FACT_TEXT_MAX];

                if ((fact->kind == FACT_ROUTE && !fact_is_ours(fact) &&
                            fact->route.destination.length > 0) ||
                        fact->kind == FACT_NEIGHBOUR) {
                        n_foreign++;
                        continue;
                }
                json_string(json, NULL, fact_format(fact, text));
        }
        json_close(json, ']');
        json_number(json, "observed-left-out", n_foreign);
}

static void write_settings(Json *json, const Ours *ours) {
        json_open(json, "settings", '{');
        json_number(json, "mark", ours->mark);
        json_number(json, "mark-mask", ours->mark_mask);
        json_number(json, "tunnel-table", ours->tunnel_table);
        json_number(json, "excluded-table", ours->excluded_table);
        json_number(json, "rule-priority", ours->rule_priority);
        json_close(json, '}');
}

void describe_write(Json *json, const Engine *engine) {
        json_open(json, NULL, '{');
        json_string(json, "version", PROJECT_VERSION);
        json_string(json, "state", engine_state_name(engine_state(engine)));
        json_string(json, "state-reason", engine_state_reason(engine));
        write_settings(json, engine_ours(engine));
        write_default_route(json, engine, "default-route4", AF_INET);
        write_default_route(json, engine, "default-route6", AF_INET6);
        write_tunnel(json, engine);
        write_routes(json, engine);
        write_conflicts(json, engine);
        write_observed(json, engine);
        json_close(json, '}');
}
