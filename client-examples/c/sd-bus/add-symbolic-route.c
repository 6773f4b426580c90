// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Adds a route that goes by whatever the best default route outside of tunnels is, and follows it.
 * It stays until RemoveRoutes takes it away or the machine restarts.
 *
 * Compile:
 *     cc -o add-symbolic-route add-symbolic-route.c $(pkg-config --cflags --libs libsystemd)
 * Run, as root or with the password of an administrator:
 *     ./add-symbolic-route 10.8.0.0/16
 * Prints:
 *     10.8.0.0/16 follows the default route
 * What is refused goes to stderr, in the service's words, and ends it with 1.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

/* People type passwords slowly. */
#define PASSWORD_USEC (UINT64_C(10) * 60 * 1000000)

/* Return: 0; a negative errno, with what the service said in @error. */
static int add_route(sd_bus *bus, const char *destination, sd_bus_error *error) {
        sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, "org.talpid.Routing", "/org/talpid/Routing",
                "org.talpid.Routing", "AddRoutes");
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(call, 1);
        /* An array of one dictionary with two entries, and no options. */
        if (r >= 0)
                r = sd_bus_message_append(call, "aa{sv}a{sv}", 1, 2, "destination", "s",
                        destination, "node", "s", "default", 0);
        if (r >= 0)
                r = sd_bus_call(bus, call, PASSWORD_USEC, error, NULL);
        sd_bus_message_unref(call);
        return r;
}

int main(int argc, char *argv[]) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        int r;

        if (argc != 2) {
                fputs("Usage: add-symbolic-route DESTINATION\n", stderr);
                return 2;
        }

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = add_route(bus, argv[1], &error);
        if (r < 0)
                fprintf(stderr, "add-symbolic-route: %s\n",
                        error.message ? error.message : strerror(-r));
        else
                printf("%s follows the default route\n", argv[1]);

        sd_bus_error_free(&error);
        sd_bus_flush_close_unref(bus);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
