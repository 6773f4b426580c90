// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl status: what is in force, for people on a screen, for programs as
 * JSON of both interfaces' properties.
 */

#include <stdio.h>

#include "bus.h"
#include "commands.h"
#include "output.h"

typedef struct Status {
        GVariant *routing, *split;    /* properties, a{sv} */
        GVariant *routes, *selectors; /* answers, tuples */
} Status;

static void status_clear(Status *status) {
        g_clear_pointer(&status->routing, g_variant_unref);
        g_clear_pointer(&status->split, g_variant_unref);
        g_clear_pointer(&status->routes, g_variant_unref);
        g_clear_pointer(&status->selectors, g_variant_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Status, status_clear)

static bool status_read(Ctl *ctl, Status *ret, GError **error) {
        ret->routing = bus_get_all(ctl, BUS_ROUTING, error);
        if (!ret->routing)
                return false;
        ret->split = bus_get_all(ctl, BUS_SPLIT, error);
        if (!ret->split)
                return false;
        ret->routes = bus_call(
                ctl, BUS_ROUTING, "ListRoutes", g_variant_new_parsed("(@a{sv} {},)"), error);
        if (!ret->routes)
                return false;
        ret->selectors = bus_call(ctl, BUS_SPLIT, "ListSelectors", NULL, error);
        return ret->selectors != NULL;
}

static GVariant *status_as_json(const Status *status) {
        return g_variant_new_parsed("{'routing': <%@a{sv}>, 'split-tunnel': <%@a{sv}>}",
                status->routing, status->split);
}

/* --- for people --- */

/* A line a subject. */
static char *describe_tunnel(GVariant *tunnel) {
        g_autofree char *bypass = output_entry(tunnel, "bypass");
        g_autofree char *user = output_user(tunnel, "owner-uid");
        const char *reason = output_string(tunnel, "reason");
        const char *setter = output_string(tunnel, "setter");
        guint32 mtu = output_number(tunnel, "mtu");
        GString *text = g_string_new(NULL);

        g_string_append_printf(text, "%s on %s%s%s", output_string(tunnel, "state"),
                output_string(tunnel, "device"), *reason ? ": " : "", reason);
        g_string_append_printf(text, "\nIPv4 %s, IPv6 %s, %s, LAN %s",
                output_string(tunnel, "ipv4"), output_string(tunnel, "ipv6"),
                output_flag(tunnel, "fail-closed") ? "fail-closed" : "open when it fails",
                output_flag(tunnel, "allow-lan") ? "reachable" : "not reachable");
        if (mtu > 0)
                g_string_append_printf(text, ", MTU %u", mtu);
        if (*bypass)
                g_string_append_printf(text, "\naround it: %s", bypass);
        g_string_append_printf(text, "\nset by %s%suser %s, lifetime %s", setter,
                *setter ? ", " : "", user, output_string(tunnel, "lifetime"));
        return g_string_free(text, FALSE);
}

static void append_tunnel(GString *out, Look look, GVariant *routing) {
        g_autoptr(GVariant) tunnel = g_variant_lookup_value(routing, "Tunnel", NULL);
        g_autofree char *text = NULL;

        if (tunnel && g_variant_n_children(tunnel) > 0)
                text = describe_tunnel(tunnel);
        table_append_field(out, look, "Tunnel", text ?: "none");
}

static void append_default(
        GString *out, Look look, GVariant *routing, const char *property, const char *name) {
        g_autoptr(GVariant) route = g_variant_lookup_value(routing, property, NULL);
        g_autofree char *text = route ? output_route(route) : NULL;

        table_append_field(out, look, name, text && *text ? text : "none");
}

/* "3", "3 (1 waiting)". @list: of dictionaries, or of tuples whose last member is one. */
static char *count_waiting(GVariant *answer) {
        g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);
        gsize n = g_variant_n_children(list), n_other = 0;

        for (gsize i = 0; i < n; i++) {
                g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
                g_autoptr(GVariant) known = g_variant_is_of_type(entry, G_VARIANT_TYPE_VARDICT)
                                                    ? g_variant_ref(entry)
                                                    : g_variant_get_child_value(entry, 2);
                const char *state = output_string(known, "state");

                n_other += !g_str_equal(state, "installed") && !g_str_equal(state, "active");
        }
        return n_other ? g_strdup_printf("%zu, %zu of them not in force", n, n_other)
                       : g_strdup_printf("%zu", n);
}

static void append_split(GString *out, Look look, const Status *status) {
        g_autofree char *selectors = count_waiting(status->selectors);
        g_autofree char *text = g_strdup_printf(
                "%s, mode %s, by %s, DNS %s\nprocesses: %u, selectors: %s",
                output_flag(status->split, "Enabled") ? "on" : "off",
                output_string(status->split, "Mode"), output_string(status->split, "Mechanism"),
                output_string(status->split, "Dns"), output_number(status->split, "ProcessCount"),
                selectors);

        table_append_field(out, look, "Split tunnel", text);
}

static void append_conflicts(GString *out, Look look, GVariant *routing) {
        g_autoptr(GVariant) conflicts = g_variant_lookup_value(routing, "Conflicts", NULL);

        for (gsize i = 0; conflicts && i < g_variant_n_children(conflicts); i++) {
                g_autoptr(GVariant) conflict = g_variant_get_child_value(conflicts, i);

                table_append_field(out, look, "Conflict", output_string(conflict, "message"));
        }
}

static void print_status(const Ctl *ctl, const Status *status) {
        g_autoptr(GString) out = g_string_new(NULL);
        g_autofree char *routes = count_waiting(status->routes);
        Look look = output_look(ctl);

        table_append_field(out, look, "State", output_string(status->routing, "State"));
        append_tunnel(out, look, status->routing);
        append_default(out, look, status->routing, "DefaultRoute4", "Default IPv4");
        append_default(out, look, status->routing, "DefaultRoute6", "Default IPv6");
        table_append_field(out, look, "Routes", routes);
        append_split(out, look, status);
        append_conflicts(out, look, status->routing);
        (void)fputs(out->str, stdout);
}

int status_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_auto(Status) status = { NULL };

        if (!command_parse(ctl, command, NULL, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error) ||
                !status_read(ctl, &status, error))
                return -1;
        if (!output_json(ctl, status_as_json(&status)))
                print_status(ctl, &status);
        return CTL_OK;
}
