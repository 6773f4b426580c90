// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lists the routes that were added through talpid, and whether the kernel has them.
 *
 * Compile:
 *     cc -o list-routes list-routes.c $(pkg-config --cflags --libs libsystemd)
 * Run:
 *     ./list-routes
 * Prints:
 *     10.8.0.0/16 by the default route: installed
 *     10.9.0.0/16 by 192.168.10.1 wan0: installed
 *     192.0.2.0/24 by wg0: waiting, there is no device wg0
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

/* What is not there stays NULL. The texts belong to the message. */
typedef struct Route {
        const char *destination;
        const char *node;
        const char *gateway;
        const char *device;
        const char *state;
        const char *reason;
} Route;

/* Return: where the entry of this key is kept; NULL for one that is not needed. */
static const char **find_field(Route *route, const char *key) {
        if (strcmp(key, "destination") == 0)
                return &route->destination;
        if (strcmp(key, "node") == 0)
                return &route->node;
        if (strcmp(key, "gateway") == 0)
                return &route->gateway;
        if (strcmp(key, "device") == 0)
                return &route->device;
        if (strcmp(key, "state") == 0)
                return &route->state;
        if (strcmp(key, "reason") == 0)
                return &route->reason;
        return NULL;
}

/* Reads one dictionary. Return: < 0 a negative errno. */
static int read_route(sd_bus_message *message, Route *route) {
        const char *key, **field;
        int r;

        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &key);
                if (r < 0)
                        return r;
                field = find_field(route, key);
                r = field ? sd_bus_message_read(message, "v", "s", field)
                          : sd_bus_message_skip(message, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r;
}

static void print_route(const Route *route) {
        printf("%s by ", route->destination);
        if (route->node)
                printf("the default route");
        else
                printf("%s%s%s", route->gateway ? route->gateway : "",
                        route->gateway && route->device ? " " : "",
                        route->device ? route->device : "");
        printf(": %s%s%s\n", route->state, route->reason ? ", " : "",
                route->reason ? route->reason : "");
}

static int print_routes(sd_bus_message *reply) {
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'a', "{sv}")) > 0) {
                Route route = { NULL };

                r = read_route(reply, &route);
                if (r < 0)
                        return r;
                print_route(&route);
                r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        return r;
}

int main(void) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_call_method(bus, "org.talpid.Routing", "/org/talpid/Routing",
                        "org.talpid.Routing", "ListRoutes", &error, &reply, "a{sv}", 0);
        if (r >= 0)
                r = print_routes(reply);
        if (r < 0)
                fprintf(stderr, "list-routes: %s\n", error.message ? error.message : strerror(-r));

        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        sd_bus_flush_close_unref(bus);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
