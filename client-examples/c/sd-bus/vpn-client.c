// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A VPN client for WireGuard: a tunnel from its first packet to its last.
 *
 * The tunnel is asked for with lifetime "client": it lasts as long as this program's connection to
 * the bus, through crashes and restarts of the service, and however the program ends, the service
 * puts everything back. Who wants it closed even then takes "boot", and ends it by UnsetTunnel.
 *
 * Compile:
 *     cc -o vpn-client vpn-client.c $(pkg-config --cflags --libs libsystemd)
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

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#define NAME "org.talpid.Routing"
#define PATH "/org/talpid/Routing"

typedef struct VpnClient {
        sd_bus *bus;
        sd_event *event;
        sd_event_source *repair_timer;
        const char *device;
        const char *config;
        char **addresses; /* ends with NULL */
        uint32_t mark;
        bool failed;
} VpnClient;

/* Return: whether it went well; else it told why, unless @quiet. Signals are blocked here alone. */
static bool run(bool quiet, const char *const *argv) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r, status;
        pid_t pid;

        (void)sigemptyset(&none);
        (void)posix_spawnattr_init(&attributes);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        (void)posix_spawn_file_actions_init(&actions);
        if (quiet)
                (void)posix_spawn_file_actions_addopen(
                        &actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);

        r = posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
        if (r == 0 && waitpid(pid, &status, 0) < 0)
                r = errno;
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)posix_spawnattr_destroy(&attributes);
        if (r != 0) {
                if (!quiet)
                        fprintf(stderr, "vpn-client: %s: %s\n", argv[0], strerror(r));
                return false;
        }
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define RUN(...) run(false, (const char *const[]){ __VA_ARGS__, NULL })
#define RUN_QUIETLY(...) run(true, (const char *const[]){ __VA_ARGS__, NULL })

/*
 * With it encrypted packets go around their own tunnel. WireGuard's transport socket is the
 * kernel's; one of your own gets it by setsockopt(fd, SOL_SOCKET, SO_MARK, …).
 */
static bool device_set_mark(VpnClient *client) {
        char mark[16];

        (void)snprintf(mark, sizeof(mark), "0x%" PRIx32, client->mark);
        return RUN("wg", "set", client->device, "fwmark", mark);
}

/* It makes its socket again, which then has an address of the new link. */
static void device_roam(VpnClient *client) {
        (void)RUN("wg", "set", client->device, "listen-port", "0");
}

static void device_down(VpnClient *client) {
        (void)RUN_QUIETLY("ip", "link", "delete", client->device);
}

static bool device_up(VpnClient *client) {
        const char *device = client->device;

        if (!RUN_QUIETLY("ip", "link", "add", device, "type", "wireguard") &&
                !RUN_QUIETLY("wireguard-go", device))
                return false;
        if (!RUN("wg", "setconf", device, client->config) || !device_set_mark(client))
                return false;
        for (char **address = client->addresses; *address; address++)
                if (!RUN("ip", "address", "add", *address, "dev", device))
                        return false;
        return RUN("ip", "link", "set", device, "up");
}

static void complain(int r, const sd_bus_error *error) {
        fprintf(stderr, "vpn-client: %s\n", error->message ? error->message : strerror(-r));
}

/* At the start, and again for each service that comes: its numbers may be others. */
static int set_tunnel(VpnClient *client, bool (*prepare)(VpnClient *), sd_bus_error *error) {
        int r;

        r = sd_bus_get_property_trivial(
                client->bus, NAME, PATH, NAME, "Mark", error, 'u', &client->mark);
        if (r < 0)
                return r;
        if (!prepare(client))
                return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "%s cannot be set up by %s",
                        client->device, client->config);
        r = sd_bus_call_method(client->bus, NAME, PATH, NAME, "SetTunnel", error, NULL, "sa{sv}",
                client->device, 1, "lifetime", "s", "client");
        if (r < 0)
                return r;
        printf("all traffic goes through %s\n", client->device);
        return 0;
}

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *unused) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *name, *before, *after;
        VpnClient *client = userdata;
        int r;

        r = sd_bus_message_read(signal, "sss", &name, &before, &after);
        if (r < 0)
                return r;
        if (*after) {
                /* To end when it fails would open what is closed; the next one is asked again. */
                r = set_tunnel(client, device_set_mark, &error);
                if (r < 0)
                        complain(r, &error);
                sd_bus_error_free(&error);
                return 0;
        }
        printf("talpid is gone: %s stays closed\n", client->device);
        /* The unit restarts it, where there are units; elsewhere a call does. */
        (void)sd_bus_call_method_async(
                client->bus, NULL, NAME, PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "");
        return 0;
}

/* Reads an a{sv} to its end. What is not there stays as it was. */
static int read_strings(sd_bus_message *message, const char *key_a, const char **a,
        const char *key_b, const char **b) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &key);
                if (r >= 0 && strcmp(key, key_a) == 0)
                        r = sd_bus_message_read(message, "v", "s", a);
                else if (r >= 0 && strcmp(key, key_b) == 0)
                        r = sd_bus_message_read(message, "v", "s", b);
                else if (r >= 0)
                        r = sd_bus_message_skip(message, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int on_default_route(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *family, *device = "", *gateway;
        VpnClient *client = userdata;
        int r;

        r = sd_bus_message_read(signal, "s", &family);
        if (r >= 0 && sd_bus_message_is_signal(signal, NULL, "DefaultRouteChanged"))
                r = sd_bus_message_skip(signal, "a{sv}"); /* the one before */
        if (r >= 0)
                r = read_strings(signal, "device", &device, "gateway", &gateway);
        if (r < 0)
                return r;
        printf("%s now leaves by %s\n", family, device);
        device_roam(client);
        return 0;
}

static int on_repair(sd_event_source *source, uint64_t usec, void *userdata) {
        VpnClient *client = userdata;

        device_down(client);
        if (device_up(client))
                return 0;
        (void)sd_event_source_set_time_relative(source, 1000000);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_tunnel(VpnClient *client, const char *device, const char *state) {
        if (strcmp(device, client->device) != 0) {
                fprintf(stderr, "vpn-client: somebody took the tunnel away\n");
                return sd_event_exit(client->event, EXIT_FAILURE);
        }
        if (strcmp(state, "waiting") == 0 && !client->failed) {
                client->failed = true;
                printf("%s failed: nothing leaves until it is back\n", client->device);
                (void)sd_event_source_set_time_relative(client->repair_timer, 1000000);
                return sd_event_source_set_enabled(client->repair_timer, SD_EVENT_ONESHOT);
        }
        if (strcmp(state, "active") == 0 && client->failed) {
                client->failed = false;
                printf("%s is back\n", client->device);
        }
        return 0;
}

/* What changed, and not that it did: the state may have changed again meanwhile. */
static int on_properties(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *device = "", *state = "";
        VpnClient *client = userdata;
        sd_bus_message *tunnel = NULL;
        int r;

        r = sd_bus_get_property(client->bus, NAME, PATH, NAME, "Tunnel", NULL, &tunnel, "a{sv}");
        if (r < 0)
                return 0; /* it left meanwhile, which is told as well */
        r = read_strings(tunnel, "device", &device, "state", &state);
        if (r >= 0)
                r = on_tunnel(client, device, state);
        sd_bus_message_unref(tunnel);
        return r;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        VpnClient *client = userdata;
        int r;

        r = sd_bus_call_method(
                client->bus, NAME, PATH, NAME, "UnsetTunnel", &error, NULL, "a{sv}", 0);
        if (r < 0)
                complain(r, &error);
        else
                puts("the tunnel is unset");
        sd_bus_error_free(&error);
        return sd_event_exit(client->event, r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int listen_to(VpnClient *client, const char *interface, const char *member,
        sd_bus_message_handler_t handler) {
        return sd_bus_match_signal(
                client->bus, NULL, NAME, PATH, interface, member, handler, client);
}

static int listen_to_all(VpnClient *client) {
        int r;

        r = listen_to(client, NAME, "DefaultRouteChanged", on_default_route);
        if (r >= 0)
                r = listen_to(client, NAME, "DefaultRouteAdded", on_default_route);
        if (r >= 0)
                r = listen_to(client, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                        on_properties);
        if (r >= 0)
                r = sd_bus_add_match(client->bus, NULL,
                        "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                        "arg0='" NAME "'",
                        on_owner, client);
        return r;
}

static int open_all(VpnClient *client) {
        sigset_t signals;
        int r;

        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGINT);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
        r = sd_event_default(&client->event);
        if (r >= 0)
                r = sd_event_add_signal(client->event, NULL, SIGINT, on_end, client);
        if (r >= 0)
                r = sd_event_add_signal(client->event, NULL, SIGTERM, on_end, client);
        if (r >= 0)
                r = sd_event_add_time_relative(client->event, &client->repair_timer,
                        CLOCK_MONOTONIC, 0, 0, on_repair, client);
        if (r >= 0)
                r = sd_event_source_set_enabled(client->repair_timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_bus_open_system(&client->bus);
        if (r >= 0)
                r = sd_bus_attach_event(client->bus, client->event, SD_EVENT_PRIORITY_NORMAL);
        return r;
}

int main(int argc, char *argv[]) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        VpnClient client = { NULL };
        int r;

        if (argc < 4) {
                fputs("Usage: vpn-client DEVICE CONFIG ADDRESS...\n", stderr);
                return 2;
        }
        if (if_nametoindex(argv[1]) > 0) {
                fprintf(stderr, "vpn-client: there is a device %s already\n", argv[1]);
                return EXIT_FAILURE;
        }
        setlinebuf(stdout);
        client.device = argv[1];
        client.config = argv[2];
        client.addresses = argv + 3;

        r = open_all(&client);
        if (r >= 0)
                r = set_tunnel(&client, device_up, &error);
        if (r >= 0)
                r = listen_to_all(&client);
        if (r < 0)
                complain(r, &error);
        else
                r = sd_event_loop(client.event);

        device_down(&client);
        sd_bus_error_free(&error);
        sd_event_source_unref(client.repair_timer);
        sd_bus_flush_close_unref(client.bus);
        sd_event_unref(client.event);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
