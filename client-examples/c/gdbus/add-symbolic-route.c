// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Adds a route that goes by whatever the best default route outside of tunnels is, and follows it.
 * It stays until RemoveRoutes takes it away or the machine restarts.
 *
 * Compile:
 *     cc -o add-symbolic-route add-symbolic-route.c $(pkg-config --cflags --libs gio-2.0)
 * Run, as root or with the password of an administrator:
 *     ./add-symbolic-route 10.8.0.0/16
 * Prints:
 *     10.8.0.0/16 follows the default route
 * What is refused goes to stderr, in the service's words, and ends it with 1.
 */

#include <gio/gio.h>
#include <stdlib.h>

#define PASSWORD_MSEC (10 * 60 * 1000) /* people type slowly */

static GVariant *add_route(const char *destination, GError **error) {
        g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);

        if (!bus)
                return NULL;
        return g_dbus_connection_call_sync(bus, "org.talpid.Routing", "/org/talpid/Routing",
                "org.talpid.Routing", "AddRoutes",
                g_variant_new_parsed(
                        "([{'destination': <%s>, 'node': <'default'>}], @a{sv} {})", destination),
                NULL, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, PASSWORD_MSEC, NULL,
                error);
}

int main(int argc, char *argv[]) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        if (argc != 2) {
                g_printerr("Usage: add-symbolic-route DESTINATION\n");
                return 2;
        }
        if (!g_utf8_validate(argv[1], -1, NULL)) {
                g_printerr("add-symbolic-route: the destination is no text\n");
                return EXIT_FAILURE;
        }
        reply = add_route(argv[1], &error);
        if (!reply) {
                g_dbus_error_strip_remote_error(error);
                g_printerr("add-symbolic-route: %s\n", error->message);
                return EXIT_FAILURE;
        }
        g_print("%s follows the default route\n", argv[1]);
        return EXIT_SUCCESS;
}
