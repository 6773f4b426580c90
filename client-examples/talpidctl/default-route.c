// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl default-route: the best default routes outside of tunnels, now and
 * on every change.
 */

#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "commands.h"
#include "output.h"
#include "watch.h"

#define N_FAMILIES 2

static const struct {
        const char *family, *property;
} families[N_FAMILIES] = { { "ipv4", "DefaultRoute4" }, { "ipv6", "DefaultRoute6" } };

typedef struct Follower {
        Ctl *ctl;
        GVariant *last[N_FAMILIES]; /* a{sv}, as told or silently known */
} Follower;

static void follower_clear(Follower *follower) {
        for (unsigned i = 0; i < N_FAMILIES; i++)
                g_clear_pointer(&follower->last[i], g_variant_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Follower, follower_clear)

static char *describe(GVariant *route) {
        g_autofree char *text = output_route(route);

        return g_strdup(*text ? text : "none");
}

/* --- once --- */

static GVariant *pick(GVariant *properties) {
        GVariantDict both;

        g_variant_dict_init(&both, NULL);
        for (unsigned i = 0; i < N_FAMILIES; i++) {
                g_autoptr(GVariant) route =
                        g_variant_lookup_value(properties, families[i].property, NULL);

                if (route)
                        g_variant_dict_insert_value(&both, families[i].family, route);
        }
        return g_variant_dict_end(&both);
}

static void print_now(const Ctl *ctl, GVariant *properties) {
        g_autoptr(GString) out = g_string_new(NULL);

        if (output_json(ctl, pick(properties)))
                return;
        for (unsigned i = 0; i < N_FAMILIES; i++) {
                g_autoptr(GVariant) route =
                        g_variant_lookup_value(properties, families[i].property, NULL);
                g_autofree char *text = route ? describe(route) : NULL;

                table_append_field(out, output_look(ctl), families[i].family, text ?: "none");
        }
        (void)fputs(out->str, stdout);
}

/* --- on every change --- */

/* What becomes known of a route later, and what others say of its link, makes no other route. */
static bool is_same(GVariant *a, GVariant *b) {
        static const char *const keys[] = { "device", "gateway", "metric" };
        static const char *const later[] = { "mtu", "source" };

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                g_autofree char *one = output_entry(a, keys[i]), *other = output_entry(b, keys[i]);

                if (strcmp(one, other) != 0)
                        return false;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(later); i++) {
                g_autofree char *one = output_entry(a, later[i]),
                                *other = output_entry(b, later[i]);

                if (*one && *other && strcmp(one, other) != 0)
                        return false;
        }
        return true;
}

static void remember(Follower *follower, unsigned family, GVariant *route) {
        g_variant_ref(route);
        g_clear_pointer(&follower->last[family], g_variant_unref);
        follower->last[family] = route;
}

static void tell(Follower *follower, unsigned family, GVariant *route) {
        g_autofree char *time = watch_time();
        g_autofree char *text = describe(route);
        g_auto(GVariantDict) line = G_VARIANT_DICT_INIT(NULL);

        remember(follower, family, route);
        g_variant_dict_insert(&line, "time", "s", time);
        g_variant_dict_insert(&line, "family", "s", families[family].family);
        g_variant_dict_insert_value(&line, "route", route);
        if (!output_json(follower->ctl, g_variant_dict_end(&line)))
                (void)printf("%s %s %s\n", time, families[family].family, text);
        (void)fflush(stdout);
}

/* What differs from what was told. */
static void compare(Follower *follower, GVariant *properties) {
        for (unsigned i = 0; i < N_FAMILIES; i++) {
                g_autoptr(GVariant) route =
                        g_variant_lookup_value(properties, families[i].property, NULL);

                if (!route)
                        continue;
                if (!follower->last[i] || !is_same(follower->last[i], route))
                        tell(follower, i, route);
                else
                        remember(follower, i, route);
        }
}

/* DefaultRouteAdded, DefaultRouteRemoved and DefaultRouteChanged: one a real change. */
static void on_signal(void *user, const char *interface, const char *name, GVariant *arguments) {
        g_autoptr(GVariant) route = NULL;
        const char *family = "";

        if (strcmp(interface, BUS_ROUTING) != 0 || !g_str_has_prefix(name, "DefaultRoute"))
                return;
        if (g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}a{sv}st)")))
                g_variant_get(arguments, "(&s@a{sv}@a{sv}&st)", &family, NULL, &route, NULL, NULL);
        else if (g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}t)")))
                g_variant_get(arguments, "(&s@a{sv}t)", &family, &route, NULL);
        if (g_str_equal(name, "DefaultRouteRemoved")) {
                g_clear_pointer(&route, g_variant_unref);
                route = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
        }
        for (unsigned i = 0; route && i < N_FAMILIES; i++)
                if (strcmp(family, families[i].family) == 0)
                        tell(user, i, route);
}

static void on_answer(GObject *source, GAsyncResult *result, void *user) {
        g_autoptr(GVariant) answer =
                g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
        g_autoptr(GVariant) properties = NULL;

        /* It left meanwhile: it will be there again. */
        if (!answer)
                return;
        properties = g_variant_get_child_value(answer, 0);
        compare(user, properties);
}

/* What changed while it was away it knows when it is back. */
static void on_service(void *user, bool is_there) {
        Follower *follower = user;

        if (is_there)
                g_dbus_connection_call(follower->ctl->bus, BUS_ROUTING, BUS_ROUTING_PATH,
                        "org.freedesktop.DBus.Properties", "GetAll",
                        g_variant_new("(s)", BUS_ROUTING), G_VARIANT_TYPE("(a{sv})"),
                        G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_answer, follower);
}

int default_route_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean watch = FALSE;
        const GOptionEntry entries[] = {
                { "watch", 'w', 0, G_OPTION_ARG_NONE, &watch,
                        "Go on, and print a line when one changes", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_auto(Follower) follower = { .ctl = ctl };
        g_autoptr(GVariant) properties = NULL;

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error))
                return -1;
        properties = bus_get_all(ctl, BUS_ROUTING, error);
        if (!properties)
                return -1;
        if (!watch) {
                print_now(ctl, properties);
                return CTL_OK;
        }
        compare(&follower, properties);
        return watch_run(ctl,
                &(WatchListener){
                        .on_signal = on_signal, .on_service = on_service, .user = &follower },
                error);
}
