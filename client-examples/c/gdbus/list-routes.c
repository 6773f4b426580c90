// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lists the routes that were added through talpid, and whether the kernel has them.
 *
 * Compile:
 *     cc -o list-routes list-routes.c $(pkg-config --cflags --libs gio-2.0)
 * Run:
 *     ./list-routes
 * Prints:
 *     10.8.0.0/16 by the default route: installed
 *     10.9.0.0/16 by 192.168.10.1 wan0: installed
 *     192.0.2.0/24 by wg0: waiting, there is no device wg0
 */

#include <gio/gio.h>
#include <stdlib.h>

/* Return: a string of the route; NULL where it has none. Caller frees. */
static char *get_string(GVariant *route, const char *key) {
        char *value = NULL;

        (void)g_variant_lookup(route, key, "s", &value);
        return value;
}

static void print_route(GVariant *route) {
        g_autofree char *destination = get_string(route, "destination");
        g_autofree char *node = get_string(route, "node");
        g_autofree char *gateway = get_string(route, "gateway");
        g_autofree char *device = get_string(route, "device");
        g_autofree char *state = get_string(route, "state");
        g_autofree char *reason = get_string(route, "reason");

        g_print("%s by ", destination);
        if (node)
                g_print("the default route");
        else
                g_print("%s%s%s", gateway ? gateway : "", gateway && device ? " " : "",
                        device ? device : "");
        g_print(": %s%s%s\n", state, reason ? ", " : "", reason ? reason : "");
}

static GVariant *list_routes(GError **error) {
        g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);

        if (!bus)
                return NULL;
        return g_dbus_connection_call_sync(bus, "org.talpid.Routing", "/org/talpid/Routing",
                "org.talpid.Routing", "ListRoutes", g_variant_new_parsed("(@a{sv} {},)"),
                G_VARIANT_TYPE("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
}

int main(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = list_routes(&error);
        g_autoptr(GVariantIter) routes = NULL;
        GVariant *route;

        if (!reply) {
                g_dbus_error_strip_remote_error(error);
                g_printerr("list-routes: %s\n", error->message);
                return EXIT_FAILURE;
        }
        g_variant_get(reply, "(aa{sv})", &routes);
        while (g_variant_iter_loop(routes, "@a{sv}", &route))
                print_route(route);
        return EXIT_SUCCESS;
}
