// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl monitor: every signal of the service as a line.
 */

#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "commands.h"
#include "interfaces.h"
#include "output.h"
#include "watch.h"

typedef struct Monitor {
        Ctl *ctl;
        bool subscribes;
} Monitor;

/* The names of a signal's arguments are in the interface's XML. */
static const GDBusSignalInfo *find_signal(const char *interface, const char *name) {
        const GDBusInterfaceInfo *infos[] = { &org_talpid_routing_interface,
                &org_talpid_split_tunnel_interface };

        for (size_t i = 0; i < G_N_ELEMENTS(infos); i++)
                if (strcmp(infos[i]->name, interface) == 0)
                        return g_dbus_interface_info_lookup_signal(
                                (GDBusInterfaceInfo *)infos[i], name);
        return NULL;
}

static const char *argument_name(const GDBusSignalInfo *info, gsize i) {
        for (gsize k = 0; info && info->args && info->args[k]; k++)
                if (k == i)
                        return info->args[k]->name;
        return "value";
}

/* "family ipv4; reason link; …"; what is empty is left out. */
static char *describe_arguments(const GDBusSignalInfo *info, GVariant *arguments) {
        GString *text = g_string_new(NULL);

        for (gsize i = 0; i < g_variant_n_children(arguments); i++) {
                g_autoptr(GVariant) argument = g_variant_get_child_value(arguments, i);
                g_autofree char *value = output_value(argument);

                if (*value)
                        g_string_append_printf(text, "%s%s %s", text->len ? "; " : "",
                                argument_name(info, i), value);
        }
        return g_string_free(text, FALSE);
}

/* "State active; Serial 7". */
static char *describe_properties(GVariant *arguments) {
        g_autoptr(GVariant) changed = g_variant_get_child_value(arguments, 1);
        GString *text = g_string_new(NULL);
        const char *name;
        GVariant *value;
        GVariantIter iter;

        g_variant_iter_init(&iter, changed);
        while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
                g_autofree char *shown = output_value(value);

                g_string_append_printf(
                        text, "%s%s %s", text->len ? "; " : "", name, *shown ? shown : "none");
        }
        return g_string_free(text, FALSE);
}

static void print_line(const Monitor *monitor, const char *name, const char *text) {
        g_autofree char *time = watch_time();

        (void)printf(monitor->ctl->colour ? "%s \033[1m%s\033[0m%s%s\n" : "%s %s%s%s\n", time, name,
                *text ? " " : "", text);
        (void)fflush(stdout);
}

/* Arguments by their names; @arguments may be NULL. */
static void print_json(const Monitor *monitor, const char *interface, const char *name,
        const GDBusSignalInfo *info, GVariant *arguments) {
        g_auto(GVariantDict) line = G_VARIANT_DICT_INIT(NULL);
        g_auto(GVariantDict) named = G_VARIANT_DICT_INIT(NULL);
        g_autofree char *time = watch_time();

        for (gsize i = 0; arguments && i < g_variant_n_children(arguments); i++) {
                static const char *const of_properties[] = { "interface", "changed",
                        "invalidated" };
                g_autoptr(GVariant) value = g_variant_get_child_value(arguments, i);

                g_variant_dict_insert_value(&named,
                        info || i >= G_N_ELEMENTS(of_properties) ? argument_name(info, i)
                                                                 : of_properties[i],
                        value);
        }
        g_variant_dict_insert(&line, "time", "s", time);
        g_variant_dict_insert(&line, "interface", "s", interface);
        g_variant_dict_insert(&line, "signal", "s", name);
        g_variant_dict_insert_value(&line, "arguments", g_variant_dict_end(&named));
        (void)output_json(monitor->ctl, g_variant_dict_end(&line));
        (void)fflush(stdout);
}

static void on_signal(void *user, const char *interface, const char *name, GVariant *arguments) {
        const Monitor *monitor = user;
        const GDBusSignalInfo *info = find_signal(interface, name);
        bool is_properties = g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}as)"));
        g_autofree char *text = NULL;

        if (monitor->ctl->json != CTL_JSON_OFF) {
                print_json(monitor, interface, name, info, arguments);
                return;
        }
        text = is_properties ? describe_properties(arguments) : describe_arguments(info, arguments);
        print_line(monitor, name, text);
}

static void on_service(void *user, bool is_there) {
        const Monitor *monitor = user;
        const char *name = is_there ? "ServiceRuns" : "ServiceAway";

        if (monitor->ctl->json != CTL_JSON_OFF)
                print_json(monitor, BUS_ROUTING, name, NULL, NULL);
        else
                print_line(monitor, name, is_there ? "" : "it comes back with the next call");
        if (monitor->subscribes && is_there)
                g_dbus_connection_call(monitor->ctl->bus, BUS_ROUTING, BUS_ROUTING_PATH,
                        BUS_ROUTING, "Subscribe", g_variant_new_parsed("(['default', 'routes'],)"),
                        NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

int monitor_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean subscribes = FALSE;
        const GOptionEntry entries[] = {
                { "subscribe", 0, 0, G_OPTION_ARG_NONE, &subscribes,
                        "Start the service, keep it, and hear all that it has to tell", NULL },
                G_OPTION_ENTRY_NULL,
        };
        Monitor monitor = { .ctl = ctl };

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error))
                return -1;
        monitor.subscribes = subscribes;
        if (subscribes) {
                g_autoptr(GVariant) properties = bus_get_all(ctl, BUS_ROUTING, error);

                if (!properties)
                        return -1;
        }
        return watch_run(ctl,
                &(WatchListener){
                        .on_signal = on_signal, .on_service = on_service, .user = &monitor },
                error);
}
