// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl exclude list: processes and selectors.
 */

#include <stdio.h>
#include <unistd.h>

#include "bus.h"
#include "commands.h"
#include "output.h"

static char *describe_since(GVariant *process) {
        g_autoptr(GDateTime) time = NULL;
        guint64 usec;

        if (!g_variant_lookup(process, "since", "t", &usec))
                return g_strdup("");
        time = g_date_time_new_from_unix_local((gint64)(usec / G_USEC_PER_SEC));
        return time ? g_date_time_format(time, "%F %T") : g_strdup("");
}

static void print_processes(const Ctl *ctl, GVariant *processes) {
        static const char *const titles[] = { "KIND", "PID", "USER", "SINCE", "BY", "PROGRAM",
                NULL };
        g_autoptr(Table) table = table_new(titles);

        for (gsize i = 0; i < g_variant_n_children(processes); i++) {
                g_autoptr(GVariant) process = g_variant_get_child_value(processes, i);
                g_autofree char *pid = output_entry(process, "pid");
                g_autofree char *user = output_user(process, "uid");
                g_autofree char *since = describe_since(process);
                const char *value = output_string(process, "value");
                g_autofree char *by =
                        g_strconcat(output_string(process, "by"), *value ? " " : NULL, value, NULL);

                table_add(table, (const char *[]){ "pid", pid, user, since, by,
                                         output_string(process, "executable") });
        }
        if (table_n_rows(table) > 0 || !ctl->is_terminal)
                output_table(ctl, table);
}

static void print_selectors(const Ctl *ctl, GVariant *selectors) {
        static const char *const titles[] = { "KIND", "VALUE", "STATE", "PROCESSES", "USER",
                "LIFETIME", NULL };
        g_autoptr(Table) table = table_new(titles);

        for (gsize i = 0; i < g_variant_n_children(selectors); i++) {
                g_autoptr(GVariant) known = NULL;
                g_autofree char *state = NULL, *processes = NULL, *user = NULL, *shown = NULL;
                const char *kind, *value, *reason;

                g_variant_get_child(selectors, i, "(&s&s@a{sv})", &kind, &value, &known);
                reason = output_string(known, "reason");
                state = g_strconcat(
                        output_string(known, "state"), *reason ? ": " : NULL, reason, NULL);
                processes = output_entry(known, "processes");
                user = output_user(known, "owner-uid");
                if (g_str_equal(kind, "user"))
                        shown = output_user_name((uid_t)g_ascii_strtoull(value, NULL, 10));
                table_add(table, (const char *[]){ kind, shown ?: value, state, processes, user,
                                         output_string(known, "lifetime") });
        }
        output_table(ctl, table);
}

/* Tuples as dictionaries, so that JSON has names. */
static GVariant *name_selectors(GVariant *selectors) {
        GVariantBuilder list, entry;

        g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
        for (gsize i = 0; i < g_variant_n_children(selectors); i++) {
                g_autoptr(GVariant) known = NULL;
                const char *kind, *value;

                g_variant_get_child(selectors, i, "(&s&s@a{sv})", &kind, &value, &known);
                g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&entry, "{sv}", "kind", g_variant_new_string(kind));
                g_variant_builder_add(&entry, "{sv}", "value", g_variant_new_string(value));
                output_add_entries(&entry, known);
                g_variant_builder_add_value(&list, g_variant_builder_end(&entry));
        }
        return g_variant_builder_end(&list);
}

static void print_list(const Ctl *ctl, GVariant *processes, GVariant *selectors) {
        if (output_json(
                    ctl, g_variant_new_parsed("{'processes': <%@aa{sv}>, 'selectors': <%@aa{sv}>}",
                                 processes, name_selectors(selectors))))
                return;
        print_processes(ctl, processes);
        if (ctl->is_terminal && g_variant_n_children(processes) > 0)
                (void)puts("");
        print_selectors(ctl, selectors);
}

int exclude_list_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean all = geteuid() == 0;
        const GOptionEntry entries[] = {
                { "all", 'a', 0, G_OPTION_ARG_NONE, &all,
                        "Processes of all users, as root always sees them", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_auto(GVariantDict) filter = G_VARIANT_DICT_INIT(NULL);
        g_autoptr(GVariant) processes = NULL, selectors = NULL;
        g_autoptr(GVariant) process_list = NULL, selector_list = NULL;

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error))
                return -1;
        if (all)
                g_variant_dict_insert(&filter, "all", "b", TRUE);
        processes = bus_call(ctl, BUS_SPLIT, "ListProcesses",
                g_variant_new("(@a{sv})", g_variant_dict_end(&filter)), error);
        if (!processes)
                return -1;
        selectors = bus_call(ctl, BUS_SPLIT, "ListSelectors", NULL, error);
        if (!selectors)
                return -1;
        process_list = g_variant_get_child_value(processes, 0);
        selector_list = g_variant_get_child_value(selectors, 0);
        print_list(ctl, process_list, selector_list);
        return CTL_OK;
}
