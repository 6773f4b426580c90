// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl route: routes in the words of ip(8).
 */

#include <stdio.h>

#include "bus.h"
#include "commands.h"
#include "output.h"
#include "parse.h"

/* --- list --- */

static const char *const titles[] = { "DESTINATION", "NEXT HOP", "METRIC", "MTU", "TABLE", "STATE",
        "USER", "LIFETIME", NULL };

/* "via 192.0.2.1 dev wan0", "node default", "unreachable". */
static char *describe_next_hop(GVariant *route) {
        static const struct {
                const char *key, *word;
        } parts[] = { { "node", "node " }, { "gateway", "via " }, { "device", "dev " } };
        const char *type = output_string(route, "type");
        GString *text = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                const char *value = output_string(route, parts[i].key);

                if (*value)
                        g_string_append_printf(
                                text, "%s%s%s", text->len ? " " : "", parts[i].word, value);
        }
        if (text->len == 0)
                g_string_append(text, type);
        return g_string_free(text, FALSE);
}

static void add_row(Table *table, GVariant *route) {
        g_autofree char *hop = describe_next_hop(route), *metric = output_entry(route, "metric");
        g_autofree char *mtu = output_entry(route, "mtu"), *where = output_entry(route, "table");
        g_autofree char *user = output_user(route, "owner-uid");
        g_autofree char *state = NULL;
        const char *reason = output_string(route, "reason");

        state = g_strconcat(output_string(route, "state"), *reason ? ": " : NULL, reason, NULL);
        table_add(table, (const char *[]){ output_string(route, "destination"), hop, metric, mtu,
                                 where, state, user, output_string(route, "lifetime") });
}

static void print_routes(const Ctl *ctl, GVariant *routes) {
        g_autoptr(Table) table = table_new(titles);

        for (gsize i = 0; i < g_variant_n_children(routes); i++) {
                g_autoptr(GVariant) route = g_variant_get_child_value(routes, i);

                add_row(table, route);
        }
        output_table(ctl, table);
}

static int list(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean own = FALSE, ipv4 = FALSE, ipv6 = FALSE;
        g_autofree char *device = NULL, *state = NULL;
        const GOptionEntry entries[] = {
                { "own", 0, 0, G_OPTION_ARG_NONE, &own, "Only those of the calling user", NULL },
                { "ipv4", '4', 0, G_OPTION_ARG_NONE, &ipv4, "Only IPv4", NULL },
                { "ipv6", '6', 0, G_OPTION_ARG_NONE, &ipv6, "Only IPv6", NULL },
                { "dev", 0, 0, G_OPTION_ARG_STRING, &device, "Only those through this device",
                        "DEVICE" },
                { "state", 0, 0, G_OPTION_ARG_STRING, &state,
                        "Only those installed, waiting, or in conflict", "STATE" },
                G_OPTION_ENTRY_NULL,
        };
        g_auto(GVariantDict) filter = G_VARIANT_DICT_INIT(NULL);
        g_autoptr(GVariant) answer = NULL, routes = NULL;

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error))
                return -1;
        if (own)
                g_variant_dict_insert(&filter, "all", "b", FALSE);
        if (ipv4 != ipv6)
                g_variant_dict_insert(&filter, "family", "s", ipv4 ? "ipv4" : "ipv6");
        if (device)
                g_variant_dict_insert(&filter, "device", "s", device);
        if (state)
                g_variant_dict_insert(&filter, "state", "s", state);
        answer = bus_call(ctl, BUS_ROUTING, "ListRoutes",
                g_variant_new("(@a{sv})", g_variant_dict_end(&filter)), error);
        if (!answer)
                return -1;
        routes = g_variant_get_child_value(answer, 0);
        if (!output_json(ctl, routes))
                print_routes(ctl, routes);
        return CTL_OK;
}

/* --- add, del, clear --- */

static int add(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_autofree char *lifetime = NULL;
        const GOptionEntry entries[] = { COMMAND_LIFETIME_ENTRY(&lifetime, "boot (default)"),
                G_OPTION_ENTRY_NULL };
        GVariant *routes;

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 1, -1, error) ||
                !command_read_lifetime(&lifetime, /* may_be_permanent= */ false, error))
                return -1;
        routes = parse_routes(argv, PARSE_LEADS_SOMEWHERE, error);
        if (!routes)
                return -1;
        return bus_do(ctl, BUS_ROUTING, "AddRoutes",
                g_variant_new("(@aa{sv}@a{sv})", routes, bus_options(false, lifetime)), error);
}

static int del(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean all = FALSE;
        const GOptionEntry entries[] = {
                { "all", 0, 0, G_OPTION_ARG_NONE, &all, "Also routes of other users", NULL },
                G_OPTION_ENTRY_NULL,
        };
        GVariant *routes;

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 1, -1, error))
                return -1;
        routes = parse_routes(argv, PARSE_ANY, error);
        if (!routes)
                return -1;
        return bus_do(ctl, BUS_ROUTING, "RemoveRoutes",
                g_variant_new("(@aa{sv}@a{sv})", routes, bus_options(all, NULL)), error);
}

static int clear(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean all = FALSE;
        const GOptionEntry entries[] = {
                { "all", 0, 0, G_OPTION_ARG_NONE, &all, "Everybody's", NULL },
                G_OPTION_ENTRY_NULL,
        };

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error))
                return -1;
        return bus_do(ctl, BUS_ROUTING, "ClearRoutes",
                g_variant_new("(@a{sv})", bus_options(all, NULL)), error);
}

/* --- get, mtu --- */

/* Asks @method about the address in front of @argv. Return: the answer's only member. */
static GVariant *look_up(
        Ctl *ctl, const Command *command, const char *method, char **argv, GError **error) {
        g_autoptr(GVariant) answer = NULL;
        GVariant *options;

        if (!command_parse(ctl, command, NULL, COMMAND_PARSE_ANYWHERE, argv, 1, -1, error) ||
                !parse_address(argv[0], error))
                return NULL;
        options = parse_lookup(argv + 1, error);
        if (!options)
                return NULL;
        answer = bus_call(
                ctl, BUS_ROUTING, method, g_variant_new("(s@a{sv})", argv[0], options), error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

static int get(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_autoptr(GVariant) route = look_up(ctl, command, "GetRoute", argv, error);
        g_autofree char *text = NULL;

        if (!route)
                return -1;
        if (output_json(ctl, route))
                return CTL_OK;
        text = output_route(route);
        (void)puts(text);
        return CTL_OK;
}

static int mtu(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_autoptr(GVariant) answer = look_up(ctl, command, "GetMtu", argv, error);

        if (!answer)
                return -1;
        if (!output_json(ctl, answer))
                (void)printf("%u\n", g_variant_get_uint32(answer));
        return CTL_OK;
}

#define ROUTE_WORDS                                                                                \
        "Each route is DESTINATION [via ADDRESS] [dev DEVICE] [node default] [metric N]\n"         \
        "[mtu N] [table main|tunnel|excluded|N] [type unicast|unreachable|blackhole|\n"            \
        "prohibit|throw]. Destinations without words share those of the next.\n"                   \
        "\"node default\" is whatever carries the best default route outside of tunnels.\n"

#define LOOKUP_WORDS                                                                               \
        "Asked for a packet with a mark, of a user, as the sockets of a process are\n"             \
        "routed, or by a device: [mark N] [uid USER] [pid N] [dev DEVICE].\n"

const Command route_commands[] = {
        { .name = "list",
                .title = "route list",
                .summary = "List the routes that were asked for",
                .help = "Examples:\n"
                        "  talpidctl route list\n"
                        "  talpidctl route list --state=waiting --json=pretty",
                .run = list },
        { .name = "add",
                .title = "route add",
                .arguments = "ROUTE…",
                .summary = "Add routes: all of them, or none",
                .help = ROUTE_WORDS "\n"
                                    "Examples:\n"
                                    "  talpidctl route add 10.8.0.0/16 node default\n"
                                    "  talpidctl route add 10.9.0.0/16 fd09::/48 dev wg0 metric 50",
                .run = add },
        { .name = "del",
                .title = "route del",
                .arguments = "ROUTE…",
                .summary = "Remove routes: all of them, or none",
                .help = ROUTE_WORDS "\n"
                                    "Examples:\n"
                                    "  talpidctl route del 10.8.0.0/16\n"
                                    "  talpidctl route del 10.9.0.0/16 fd09::/48",
                .run = del },
        { .name = "clear",
                .title = "route clear",
                .summary = "Remove every route of the calling user",
                .help = "Examples:\n"
                        "  talpidctl route clear",
                .run = clear },
        { .name = "get",
                .title = "route get",
                .arguments = "ADDRESS [WORD VALUE]…",
                .summary = "Ask the kernel where a packet would go",
                .help = LOOKUP_WORDS "\n"
                                     "Examples:\n"
                                     "  talpidctl route get 198.51.100.1\n"
                                     "  talpidctl route get 198.51.100.1 uid root",
                .run = get },
        { .name = "mtu",
                .title = "route mtu",
                .arguments = "ADDRESS [WORD VALUE]…",
                .summary = "Print the MTU of the way to an address, in bytes",
                .help = LOOKUP_WORDS "\n"
                                     "Examples:\n"
                                     "  talpidctl route mtu 198.51.100.1",
                .run = mtu },
        { .name = NULL },
};
