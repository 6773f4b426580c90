// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Prints the best default route of each family outside of tunnels, and again whenever it differs.
 *
 * The service leaves when nobody needs it. As it is, this program lets it, and reads afresh
 * when the service is there again, which NetworkManager's dispatcher sees to when the network
 * changed. With --keep-awake it calls Subscribe: while this connection to the bus lasts, the
 * service stays and misses nothing. That is for programs that act on every change, not for such
 * as show one.
 *
 * Compile:
 *     cc -o watch-default-route watch-default-route.c $(pkg-config --cflags --libs libsystemd)
 * Run:
 *     ./watch-default-route [--keep-awake]
 * Prints:
 *     ipv4: wan0 via 192.168.10.1
 *     ipv6: wan0 via <address>
 *     ipv4: wan1 via 192.168.20.1
 *     ipv6: wan1 via <address>
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define NAME "org.talpid.Routing"
#define PATH "/org/talpid/Routing"

typedef struct Family {
        const char *name;
        const char *property;
        char shown[128];
} Family;

typedef struct Watch {
        Family families[2];
        bool keep_awake;
} Watch;

/* Finds the string of a key in an a{sv}, and leaves it at its beginning. Return: 1; 0 not there. */
static int find_string(sd_bus_message *message, const char *wanted, const char **ret) {
        const char *key;
        int r;

        *ret = NULL;
        r = sd_bus_message_rewind(message, false);
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &key);
                if (r >= 0)
                        r = strcmp(key, wanted) == 0 ? sd_bus_message_read(message, "v", "s", ret)
                                                     : sd_bus_message_skip(message, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 ? r : *ret != NULL;
}

static int describe(sd_bus_message *reply, char *text, size_t size) {
        const char *device, *gateway;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        r = find_string(reply, "device", &device);
        if (r < 0)
                return r;
        r = find_string(reply, "gateway", &gateway);
        if (r < 0)
                return r;
        (void)snprintf(text, size, "%s%s%s", device ? device : "none", gateway ? " via " : "",
                gateway ? gateway : "");
        return 0;
}

/* Reads the property and prints what is new. */
static int show(sd_bus *bus, Family *family, bool start_service, sd_bus_error *error) {
        sd_bus_message *call = NULL, *reply = NULL;
        char text[sizeof(family->shown)];
        int r;

        r = sd_bus_message_new_method_call(
                bus, &call, NAME, PATH, "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, start_service);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", NAME, family->property);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, error, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'v', "a{sv}");
        if (r >= 0)
                r = describe(reply, text, sizeof(text));
        if (r >= 0 && strcmp(text, family->shown) != 0) {
                memcpy(family->shown, text, sizeof(text));
                printf("%s: %s\n", family->name, text);
        }
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
        return r;
}

static int show_both(sd_bus *bus, Watch *watch, bool start_service, sd_bus_error *error) {
        int r;

        r = show(bus, &watch->families[0], start_service, error);
        return r < 0 ? r : show(bus, &watch->families[1], start_service, error);
}

/* No error when it left again meanwhile: it tells when it is back. */
static int on_change(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        (void)show_both(sd_bus_message_get_bus(signal), userdata, false, NULL);
        return 0;
}

/* A subscription ends with the service, too: again for each one that comes. */
static int subscribe(sd_bus *bus, const Watch *watch, sd_bus_error *error) {
        if (!watch->keep_awake)
                return 0;
        return sd_bus_call_method(
                bus, NAME, PATH, NAME, "Subscribe", error, NULL, "as", 1, "default");
}

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *before, *after;
        int r;

        r = sd_bus_message_read(signal, "sss", &name, &before, &after);
        if (r < 0 || !*after)
                return r;
        (void)subscribe(sd_bus_message_get_bus(signal), userdata, NULL);
        return on_change(signal, userdata, error);
}

/* Listens first and asks then, so that nothing falls between. */
static int start(sd_bus *bus, sd_event *event, Watch *watch, sd_bus_error *error) {
        sigset_t signals;
        int r;

        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGINT);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
        r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, NAME, PATH, "org.freedesktop.DBus.Properties",
                        "PropertiesChanged", on_change, watch);
        if (r >= 0)
                r = sd_bus_add_match(bus, NULL,
                        "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                        "arg0='" NAME "'",
                        on_owner, watch);
        if (r >= 0)
                r = show_both(bus, watch, true, error);
        if (r >= 0)
                r = subscribe(bus, watch, error);
        return r;
}

int main(int argc, char *argv[]) {
        Watch watch = { .families = { { "ipv4", "DefaultRoute4", "" },
                                { "ipv6", "DefaultRoute6", "" } } };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        int r;

        setlinebuf(stdout);
        watch.keep_awake = argc > 1 && strcmp(argv[1], "--keep-awake") == 0;

        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = start(bus, event, &watch, &error);
        if (r >= 0)
                r = sd_event_loop(event);
        if (r < 0)
                fprintf(stderr, "watch-default-route: %s\n",
                        error.message ? error.message : strerror(-r));

        sd_bus_error_free(&error);
        sd_bus_flush_close_unref(bus);
        sd_event_unref(event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
