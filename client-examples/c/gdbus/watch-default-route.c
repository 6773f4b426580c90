// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Prints the best default route of each family outside of tunnels, and again whenever it differs.
 *
 * The service leaves when nobody needs it. As it is, this program lets it, and the proxy reads
 * afresh when the service is there again, which NetworkManager's dispatcher sees to when the
 * network changed. With --keep-awake it calls Subscribe: while this connection to the bus lasts,
 * the service stays and misses nothing. That is for programs that act on every change, not for such
 * as show one.
 *
 * Compile:
 *     cc -o watch-default-route watch-default-route.c $(pkg-config --cflags --libs gio-2.0)
 * Run:
 *     ./watch-default-route [--keep-awake]
 * Prints:
 *     ipv4: wan0 via 192.168.10.1
 *     ipv6: wan0 via <address>
 *     ipv4: wan1 via 192.168.20.1
 *     ipv6: wan1 via <address>
 */

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>

typedef struct Family {
        const char *name;
        const char *property;
        char *shown;
} Family;

static Family families[] = { { "ipv4", "DefaultRoute4" }, { "ipv6", "DefaultRoute6" } };

static char *describe(GVariant *route) {
        const char *device, *gateway;

        if (!g_variant_lookup(route, "device", "&s", &device))
                return g_strdup("none");
        if (!g_variant_lookup(route, "gateway", "&s", &gateway))
                return g_strdup(device);
        return g_strdup_printf("%s via %s", device, gateway);
}

static void show(GDBusProxy *proxy) {
        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                Family *family = &families[i];
                g_autoptr(GVariant) route =
                        g_dbus_proxy_get_cached_property(proxy, family->property);
                g_autofree char *text = NULL;

                if (!route)
                        continue; /* the service is away */
                text = describe(route);
                if (g_strcmp0(text, family->shown) == 0)
                        continue;
                g_print("%s: %s\n", family->name, text);
                g_free(family->shown);
                family->shown = g_steal_pointer(&text);
        }
}

static void complain(GError *error) {
        g_dbus_error_strip_remote_error(error);
        g_printerr("watch-default-route: %s\n", error->message);
}

static void on_subscribed(GObject *proxy, GAsyncResult *result, gpointer user) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(proxy), result, &error);

        if (!reply)
                complain(error);
}

/* A subscription ends with the service, too: again for each one that comes. */
static void subscribe(GDBusProxy *proxy) {
        g_autofree char *owner = g_dbus_proxy_get_name_owner(proxy);

        if (owner)
                g_dbus_proxy_call(proxy, "Subscribe", g_variant_new_parsed("(['default'],)"),
                        G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_subscribed, NULL);
}

static gboolean on_end(gpointer loop) {
        g_main_loop_quit(loop);
        return G_SOURCE_CONTINUE;
}

int main(int argc, char *argv[]) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_autoptr(GDBusProxy) proxy = NULL;
        g_autofree char *owner = NULL;
        g_autoptr(GError) error = NULL;

        proxy = g_dbus_proxy_new_for_bus_sync(G_BUS_TYPE_SYSTEM, G_DBUS_PROXY_FLAGS_NONE, NULL,
                "org.talpid.Routing", "/org/talpid/Routing", "org.talpid.Routing", NULL, &error);
        if (!proxy) {
                complain(error);
                return EXIT_FAILURE;
        }
        owner = g_dbus_proxy_get_name_owner(proxy);
        if (!owner) {
                g_printerr("watch-default-route: the service cannot be started: is talpid "
                           "installed?\n");
                return EXIT_FAILURE;
        }

        g_signal_connect(proxy, "g-properties-changed", G_CALLBACK(show), NULL);
        g_signal_connect(proxy, "notify::g-name-owner", G_CALLBACK(show), NULL);
        show(proxy);
        if (argc > 1 && g_str_equal(argv[1], "--keep-awake")) {
                g_signal_connect(proxy, "notify::g-name-owner", G_CALLBACK(subscribe), NULL);
                subscribe(proxy);
        }

        g_unix_signal_add(SIGINT, on_end, loop);
        g_unix_signal_add(SIGTERM, on_end, loop);
        g_main_loop_run(loop);
        return EXIT_SUCCESS;
}
