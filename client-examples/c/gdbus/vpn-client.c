// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A VPN client for WireGuard: a tunnel from its first packet to its last.
 *
 * The tunnel is asked for with lifetime "client": it lasts as long as this program's connection to
 * the bus, through crashes and restarts of the service, and however the program ends, the service
 * puts everything back. Who wants it closed even then takes "boot", and ends it by UnsetTunnel.
 *
 * Compile:
 *     cc -o vpn-client vpn-client.c $(pkg-config --cflags --libs gio-2.0)
 * Run, as root, with the device, what wg(8) calls its configuration, and the device's addresses:
 *     ./vpn-client wg0 wg0.conf 10.64.0.2/32 fd64::2/128
 * Prints, as wan0 fails, talpid is killed, wg0 is deleted, and at the end SIGTERM comes:
 *     all traffic goes through wg0
 *     ipv4 now leaves by wan1
 *     ipv6 now leaves by wan1
 *     talpid is gone: wg0 stays closed
 *     all traffic goes through wg0
 *     wg0 failed: nothing leaves until it is back
 *     wg0 is back
 *     the tunnel is unset
 */

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define NAME "org.talpid.Routing"
#define PATH "/org/talpid/Routing"
#define PROPERTIES "org.freedesktop.DBus.Properties"

typedef struct VpnClient {
        GDBusConnection *bus;
        GMainLoop *loop;
        const char *device;
        const char *config;
        char **addresses; /* ends with NULL */
        guint32 mark;
        gboolean known; /* the mark, and with it whether anything is set yet */
        gboolean failed;
        int status;
} VpnClient;

/* Return: whether it went well; else it told why, unless @quiet. */
static gboolean run(gboolean quiet, const char *const *argv) {
        GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN;
        g_autoptr(GError) error = NULL;
        int status;

        if (quiet)
                flags |= G_SPAWN_STDERR_TO_DEV_NULL;
        if (!g_spawn_sync(
                    NULL, (char **)argv, NULL, flags, NULL, NULL, NULL, NULL, &status, &error)) {
                if (!quiet)
                        g_printerr("vpn-client: %s\n", error->message);
                return FALSE;
        }
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define RUN(...) run(FALSE, (const char *const[]){ __VA_ARGS__, NULL })
#define RUN_QUIETLY(...) run(TRUE, (const char *const[]){ __VA_ARGS__, NULL })

/*
 * With it encrypted packets go around their own tunnel. WireGuard's transport socket is the
 * kernel's; one of your own gets it by setsockopt(fd, SOL_SOCKET, SO_MARK, …).
 */
static gboolean device_set_mark(VpnClient *client) {
        g_autofree char *mark = g_strdup_printf("%#x", client->mark);

        return RUN("wg", "set", client->device, "fwmark", mark);
}

/* It makes its socket again, which then has an address of the new link. */
static void device_roam(VpnClient *client) {
        (void)RUN("wg", "set", client->device, "listen-port", "0");
}

static void device_down(VpnClient *client) {
        (void)RUN_QUIETLY("ip", "link", "delete", client->device);
}

static gboolean device_up(VpnClient *client) {
        const char *device = client->device;

        if (!RUN_QUIETLY("ip", "link", "add", device, "type", "wireguard") &&
                !RUN_QUIETLY("wireguard-go", device))
                return FALSE;
        if (!RUN("wg", "setconf", device, client->config) || !device_set_mark(client))
                return FALSE;
        for (char **address = client->addresses; *address; address++)
                if (!RUN("ip", "address", "add", *address, "dev", device))
                        return FALSE;
        return RUN("ip", "link", "set", device, "up");
}

static void fail(VpnClient *client, const char *message) {
        g_printerr("vpn-client: %s\n", message);
        client->status = EXIT_FAILURE;
        g_main_loop_quit(client->loop);
}

static GVariant *call(VpnClient *client, const char *interface, const char *method,
        GVariant *arguments, GError **error) {
        GVariant *reply =
                g_dbus_connection_call_sync(client->bus, NAME, PATH, interface, method, arguments,
                        NULL, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, -1, NULL, error);

        if (!reply)
                g_dbus_error_strip_remote_error(*error);
        return reply;
}

static gboolean set_tunnel(VpnClient *client, GError **error) {
        g_autoptr(GVariant) mark = NULL, value = NULL, done = NULL;
        gboolean first = !client->known;

        mark = call(client, PROPERTIES, "Get", g_variant_new("(ss)", NAME, "Mark"), error);
        if (!mark)
                return FALSE;
        g_variant_get(mark, "(v)", &value);
        client->mark = g_variant_get_uint32(value);
        client->known = TRUE;
        if (!(first ? device_up(client) : device_set_mark(client))) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s cannot be set up by %s",
                        client->device, client->config);
                return FALSE;
        }
        done = call(client, NAME, "SetTunnel",
                g_variant_new_parsed("(%s, {'lifetime': <'client'>})", client->device), error);
        return done != NULL;
}

/* At the start, and again for each service that comes: its numbers may be others. */
static void on_there(GDBusConnection *bus, const char *name, const char *owner, gpointer user) {
        g_autoptr(GError) error = NULL;
        VpnClient *client = user;
        gboolean first = !client->known;

        if (set_tunnel(client, &error))
                g_print("all traffic goes through %s\n", client->device);
        else if (first)
                fail(client, error->message);
        else /* to end would open what is closed; the next one that comes is asked again */
                g_printerr("vpn-client: %s\n", error->message);
}

static void on_gone(GDBusConnection *bus, const char *name, gpointer user) {
        VpnClient *client = user;

        if (!client->known) {
                fail(client, "the service cannot be started: is talpid installed?");
                return;
        }
        g_print("talpid is gone: %s stays closed\n", client->device);
        /* The unit restarts it, where there are units; elsewhere a call does. */
        g_dbus_connection_call(bus, NAME, PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL,
                G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
}

static void on_default_route(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *member, GVariant *arguments, gpointer user) {
        gboolean changed = g_str_equal(member, "DefaultRouteChanged");
        g_autoptr(GVariant) route = g_variant_get_child_value(arguments, changed ? 2 : 1);
        const char *family, *device;
        VpnClient *client = user;

        g_variant_get_child(arguments, 0, "&s", &family);
        if (!client->known || !g_variant_lookup(route, "device", "&s", &device))
                return;
        g_print("%s now leaves by %s\n", family, device);
        device_roam(client);
}

static gboolean on_repair(gpointer user) {
        VpnClient *client = user;

        device_down(client);
        return device_up(client) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void on_properties(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *member, GVariant *arguments, gpointer user) {
        g_autoptr(GVariant) changed = g_variant_get_child_value(arguments, 1);
        g_autoptr(GVariant) tunnel = g_variant_lookup_value(changed, "Tunnel", NULL);
        const char *device = "", *state = "";
        VpnClient *client = user;

        if (!tunnel || !client->known)
                return;
        (void)g_variant_lookup(tunnel, "device", "&s", &device);
        (void)g_variant_lookup(tunnel, "state", "&s", &state);
        if (!g_str_equal(device, client->device)) {
                fail(client, "somebody took the tunnel away");
        } else if (g_str_equal(state, "waiting") && !client->failed) {
                client->failed = TRUE;
                g_print("%s failed: nothing leaves until it is back\n", client->device);
                g_timeout_add_seconds(1, on_repair, client);
        } else if (g_str_equal(state, "active") && client->failed) {
                client->failed = FALSE;
                g_print("%s is back\n", client->device);
        }
}

static gboolean on_end(gpointer user) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) done = NULL;
        VpnClient *client = user;

        done = call(client, NAME, "UnsetTunnel", g_variant_new_parsed("(@a{sv} {},)"), &error);
        if (done)
                g_print("the tunnel is unset\n");
        else
                fail(client, error->message);
        g_main_loop_quit(client->loop);
        return G_SOURCE_CONTINUE;
}

static void listen_to(
        VpnClient *client, const char *interface, const char *member, GDBusSignalCallback handler) {
        g_dbus_connection_signal_subscribe(client->bus, NAME, interface, member, PATH, NULL,
                G_DBUS_SIGNAL_FLAGS_NONE, handler, client, NULL);
}

int main(int argc, char *argv[]) {
        g_autofree char *path = NULL;
        g_autoptr(GError) error = NULL;
        VpnClient client = { NULL };

        if (argc < 4) {
                g_printerr("Usage: vpn-client DEVICE CONFIG ADDRESS...\n");
                return 2;
        }
        path = g_build_filename("/sys/class/net", argv[1], NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
                g_printerr("vpn-client: there is a device %s already\n", argv[1]);
                return EXIT_FAILURE;
        }
        client.device = argv[1];
        client.config = argv[2];
        client.addresses = argv + 3;
        client.loop = g_main_loop_new(NULL, FALSE);
        client.bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
        if (!client.bus) {
                g_printerr("vpn-client: %s\n", error->message);
                return EXIT_FAILURE;
        }

        listen_to(&client, NAME, "DefaultRouteChanged", on_default_route);
        listen_to(&client, NAME, "DefaultRouteAdded", on_default_route);
        listen_to(&client, PROPERTIES, "PropertiesChanged", on_properties);
        /* It starts the service; from then on it tells whenever the service leaves or comes. */
        g_bus_watch_name_on_connection(client.bus, NAME, G_BUS_NAME_WATCHER_FLAGS_AUTO_START,
                on_there, on_gone, &client, NULL);
        g_unix_signal_add(SIGINT, on_end, &client);
        g_unix_signal_add(SIGTERM, on_end, &client);
        g_main_loop_run(client.loop);

        device_down(&client);
        g_object_unref(client.bus);
        g_main_loop_unref(client.loop);
        return client.status;
}
