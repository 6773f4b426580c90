// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * Settings that have one word: talpidctl mode, dns, log-level. Without a word
 * they print what holds.
 */

#include <stdio.h>

#include "bus.h"
#include "commands.h"
#include "output.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define LOG_CONTROL "org.freedesktop.LogControl1"
#define LOG_CONTROL_PATH "/org/freedesktop/LogControl1"

static int print_property(
        Ctl *ctl, const char *path, const char *interface, const char *property, GError **error) {
        g_autoptr(GVariant) answer = NULL, value = NULL;

        answer = bus_call_other(
                ctl, path, PROPERTIES, "Get", g_variant_new("(ss)", interface, property), error);
        if (!answer)
                return -1;
        g_variant_get(answer, "(v)", &value);
        if (!output_json(ctl, value))
                (void)puts(g_variant_get_string(value, NULL));
        return CTL_OK;
}

/* A property of org.talpid.SplitTunnel, and the method that sets it. */
static int set_or_print(Ctl *ctl, const Command *command, const char *const *words,
        const char *property, const char *method, char **argv, GError **error) {
        g_autofree char *lifetime = NULL;
        const GOptionEntry entries[] = {
                COMMAND_LIFETIME_ENTRY(&lifetime, "boot (default), or permanent"),
                G_OPTION_ENTRY_NULL,
        };
        int i;

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 1, error) ||
                !command_read_lifetime(&lifetime, /* may_be_permanent= */ true, error))
                return -1;
        if (!argv[0])
                return print_property(ctl, BUS_SPLIT_PATH, BUS_SPLIT, property, error);
        i = command_find_word(words, command->name, argv[0], error);
        if (i < 0)
                return -1;
        return bus_do(ctl, BUS_SPLIT, method,
                g_variant_new("(s@a{sv})", words[i], bus_options(false, lifetime)), error);
}

int mode_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        static const char *const words[] = { "exclude", "include", NULL };

        return set_or_print(ctl, command, words, "Mode", "SetMode", argv, error);
}

int dns_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        static const char *const words[] = { "system", "tunnel", NULL };

        return set_or_print(ctl, command, words, "Dns", "SetDns", argv, error);
}

int log_level_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_autoptr(GVariant) answer = NULL;
        g_autoptr(GError) why = NULL;

        if (!command_parse(ctl, command, NULL, COMMAND_PARSE_ANYWHERE, argv, 0, 1, error))
                return -1;
        if (!argv[0])
                return print_property(ctl, LOG_CONTROL_PATH, LOG_CONTROL, "LogLevel", error);
        answer = bus_call_other(ctl, LOG_CONTROL_PATH, PROPERTIES, "Set",
                g_variant_new("(ssv)", LOG_CONTROL, "LogLevel", g_variant_new_string(argv[0])),
                &why);
        if (answer)
                return CTL_OK;
        if (bus_error_status(why) == CTL_UNAUTHORISED)
                g_set_error(error, CTL_ERROR, CTL_UNAUTHORISED,
                        "root alone may set it: sudo talpidctl log-level %s", argv[0]);
        else
                g_propagate_error(error, g_steal_pointer(&why));
        return -1;
}
