// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl exclude: who goes around the tunnel, and what became of their
 * sockets.
 */

#include <stdio.h>

#include "bus.h"
#include "commands.h"
#include "output.h"
#include "parse.h"

/* --- add, del --- */

/* What differs between the two. */
typedef struct Direction {
        const char *process_method;
        const char *selector_method;
        const char *counted; /* key of a result */
} Direction;

static const Direction out_of_tunnel = { "AddProcess", "AddSelectors", "excluded" };
static const Direction back_again = { "RemoveProcess", "RemoveSelectors", "included" };

typedef struct Told {
        gboolean children, all;
        char *sockets, *lifetime;
} Told;

static void told_clear(Told *told) {
        g_free(told->sockets);
        g_free(told->lifetime);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Told, told_clear)

static GVariant *process_options(const Told *told) {
        GVariantDict options;

        g_variant_dict_init(&options, NULL);
        if (told->children)
                g_variant_dict_insert(&options, "children", "b", TRUE);
        if (told->sockets)
                g_variant_dict_insert(&options, "sockets", "s", told->sockets);
        if (told->lifetime)
                g_variant_dict_insert(&options, "lifetime", "s", told->lifetime);
        return g_variant_dict_end(&options);
}

/* One call a process. Results so far are in @results, each with its pid. */
static bool move_processes(Ctl *ctl, const Direction *direction, const Told *told, GArray *pids,
        GVariantBuilder *results, GError **error) {
        for (guint i = 0; i < pids->len; i++) {
                guint32 pid = g_array_index(pids, guint32, i);
                g_autoptr(GVariant) answer = NULL, result = NULL;
                GVariantBuilder entry;

                answer = bus_call(ctl, BUS_SPLIT, direction->process_method,
                        g_variant_new("(u@a{sv})", pid, process_options(told)), error);
                if (!answer)
                        return false;
                result = g_variant_get_child_value(answer, 0);
                g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&entry, "{sv}", "pid", g_variant_new_uint32(pid));
                output_add_entries(&entry, result);
                g_variant_builder_add_value(results, g_variant_builder_end(&entry));
        }
        return true;
}

/* With "keep" the service looks at no socket: then its zeros say nothing. */
static void print_results(
        const Ctl *ctl, const Direction *direction, const Told *told, GVariant *results) {
        static const char *const titles[] = { "PID", "PROCESSES", "MARKED", "RECONNECTED", "RESET",
                "LEFT", NULL };
        static const char *const keys[] = { "sockets-marked", "sockets-reconnected",
                "sockets-reset", "sockets-left" };
        bool were_looked_at = told->sockets && !g_str_equal(told->sockets, "keep");
        g_autoptr(Table) table = table_new(titles);

        for (gsize i = 0; i < g_variant_n_children(results); i++) {
                g_autoptr(GVariant) result = g_variant_get_child_value(results, i);
                char *cells[G_N_ELEMENTS(keys) + 3] = { output_entry(result, "pid"),
                        output_entry(result, direction->counted) };

                for (size_t k = 0; were_looked_at && k < G_N_ELEMENTS(keys); k++)
                        cells[k + 2] = output_entry(result, keys[k]);
                table_add(table, (const char *const *)cells);
                for (size_t k = 0; k < G_N_ELEMENTS(cells); k++)
                        g_free(cells[k]);
        }
        if (table_n_rows(table) == 0)
                return;
        output_table(ctl, table);
        if (ctl->is_terminal && !were_looked_at)
                (void)puts("Open connections keep their path; see --sockets.");
}

/* Selectors in one call, and first: it is the one that may ask for a password. */
static int move(
        Ctl *ctl, const Direction *direction, const Told *told, char **words, GError **error) {
        g_auto(GVariantBuilder) list = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        g_auto(ParsedItems) items = { NULL };
        g_autoptr(GVariant) results = NULL;
        bool good = true;

        if (!parse_items(words, &items, error))
                return -1;
        if (items.selectors)
                good = bus_do(ctl, BUS_SPLIT, direction->selector_method,
                               g_variant_new("(@a(ss)@a{sv})", items.selectors,
                                       bus_options(told->all, told->lifetime)),
                               error) == CTL_OK;
        good = good && move_processes(ctl, direction, told, items.pids, &list, error);
        results = g_variant_ref_sink(g_variant_builder_end(&list));
        if ((good || g_variant_n_children(results) > 0) && !output_json(ctl, results))
                print_results(ctl, direction, told, results);
        return good ? CTL_OK : -1;
}

static int add(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_auto(Told) told = { .children = FALSE };
        const GOptionEntry entries[] = {
                { "children", 0, 0, G_OPTION_ARG_NONE, &told.children,
                        "Of processes also the children that run already", NULL },
                { "sockets", 0, 0, G_OPTION_ARG_STRING, &told.sockets,
                        "Of open connections: keep (default), migrate or reset", "HOW" },
                COMMAND_LIFETIME_ENTRY(
                        &told.lifetime, "boot (default); of selectors also permanent"),
                G_OPTION_ENTRY_NULL,
        };

        return command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 1, -1, error) &&
                               command_read_lifetime(
                                       &told.lifetime, /* may_be_permanent= */ true, error)
                       ? move(ctl, &out_of_tunnel, &told, argv, error)
                       : -1;
}

static int del(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_auto(Told) told = { .children = FALSE };
        const GOptionEntry entries[] = {
                { "children", 0, 0, G_OPTION_ARG_NONE, &told.children,
                        "Of processes also the children", NULL },
                { "sockets", 0, 0, G_OPTION_ARG_STRING, &told.sockets,
                        "Of open connections: keep (default), migrate or reset", "HOW" },
                { "all", 0, 0, G_OPTION_ARG_NONE, &told.all, "Also selectors of other users",
                        NULL },
                G_OPTION_ENTRY_NULL,
        };

        return command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 1, -1, error)
                       ? move(ctl, &back_again, &told, argv, error)
                       : -1;
}

/* --- clear, on, off --- */

static int clear(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean all = FALSE;
        g_autofree char *sockets = NULL;
        const GOptionEntry entries[] = {
                { "all", 0, 0, G_OPTION_ARG_NONE, &all, "Everybody's", NULL },
                { "sockets", 0, 0, G_OPTION_ARG_STRING, &sockets,
                        "Of open connections: keep (default), migrate or reset", "HOW" },
                G_OPTION_ENTRY_NULL,
        };
        g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error))
                return -1;
        if (all)
                g_variant_dict_insert(&options, "all", "b", TRUE);
        if (sockets)
                g_variant_dict_insert(&options, "sockets", "s", sockets);
        return bus_do(ctl, BUS_SPLIT, "ClearProcesses",
                g_variant_new("(@a{sv})", g_variant_dict_end(&options)), error);
}

static int set_enabled(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_autofree char *lifetime = NULL;
        const GOptionEntry entries[] = {
                COMMAND_LIFETIME_ENTRY(&lifetime, "boot (default), or permanent"),
                G_OPTION_ENTRY_NULL,
        };

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error) ||
                !command_read_lifetime(&lifetime, /* may_be_permanent= */ true, error))
                return -1;
        return bus_do(ctl, BUS_SPLIT, "SetEnabled",
                g_variant_new("(b@a{sv})", g_str_equal(command->name, "on"),
                        bus_options(false, lifetime)),
                error);
}

#define ITEM_WORDS                                                                                 \
        "WHAT is one of, as often as you like:\n"                                                  \
        "  [pid] N            a process, and the children that it will have\n"                     \
        "  [unit] NAME        a systemd unit or scope: firefox.service\n"                          \
        "  cgroup PATH        a group below the root of cgroup2\n"                                 \
        "  user NAME          all of a user's\n"                                                   \
        "  [network] PREFIX   a destination\n"                                                     \
        "  interface DEVICE   what is forwarded and came in by it\n"

const Command exclude_commands[] = {
        { .name = "list",
                .title = "exclude list",
                .summary = "List processes and selectors",
                .help = "Examples:\n"
                        "  talpidctl exclude list",
                .run = exclude_list_run },
        { .name = "add",
                .title = "exclude add",
                .arguments = "WHAT…",
                .summary = "Let processes, units, users, networks around the tunnel",
                .help = ITEM_WORDS
                "\n"
                "Printed of each process: how many were moved with it, and how many of their\n"
                "sockets were marked, connected anew, reset, and left on the old path.\n"
                "\n"
                "Examples:\n"
                "  talpidctl exclude add $$ --sockets=migrate\n"
                "  talpidctl exclude add cron.service 192.0.2.0/24 interface virbr0",
                .run = add },
        { .name = "del",
                .title = "exclude del",
                .arguments = "WHAT…",
                .summary = "Bring them back",
                .help = ITEM_WORDS
                "\n"
                "Examples:\n"
                "  talpidctl exclude del $$ --children\n"
                "  talpidctl exclude del cron.service 192.0.2.0/24 interface virbr0",
                .run = del },
        { .name = "run",
                .title = "exclude run",
                .arguments = "COMMAND [ARGUMENT]…",
                .summary = "Run a command around the tunnel, or not at all",
                .help = "The same as talpid-exclude(1). Ends as COMMAND does; with 125 when it "
                        "could not be\n"
                        "let around the tunnel, 126 when it cannot be run, 127 when it is not "
                        "found.\n"
                        "\n"
                        "Examples:\n"
                        "  talpidctl exclude run curl -s http://198.51.100.1/",
                .run = exclude_run_run },
        { .name = "clear",
                .title = "exclude clear",
                .summary = "Bring every process of the calling user back; selectors stay",
                .help = "Examples:\n"
                        "  talpidctl exclude clear",
                .run = clear },
        { .name = "on",
                .title = "exclude on",
                .summary = "Put what is listed in force",
                .help = "Examples:\n"
                        "  talpidctl exclude on",
                .run = set_enabled },
        { .name = "off",
                .title = "exclude off",
                .summary = "Switch it off, without forgetting it",
                .help = "Examples:\n"
                        "  talpidctl exclude off",
                .run = set_enabled },
        { .name = NULL },
};
