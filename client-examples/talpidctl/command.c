// SPDX-License-Identifier: LGPL-2.1-or-later

#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 64

/* Names that begin with @word. Return: how many; the first, or the very one, in @ret. */
static unsigned match(const char *const *names, const char *word, GString *candidates, int *ret) {
        unsigned n = 0;

        for (int i = 0; names[i]; i++) {
                if (strcmp(names[i], word) == 0) {
                        *ret = i;
                        return 1;
                }
                if (!g_str_has_prefix(names[i], word))
                        continue;
                g_string_append_printf(candidates, "%s%s", n ? ", " : "", names[i]);
                if (n++ == 0)
                        *ret = i;
        }
        return n;
}

int command_find_word(
        const char *const *words, const char *what, const char *word, GError **error) {
        g_autoptr(GString) candidates = g_string_new(NULL);
        g_autofree char *all = NULL;
        unsigned n;
        int i = -1;

        n = *word ? match(words, word, candidates, &i) : 0;
        if (n == 1)
                return i;
        if (n == 0) {
                all = g_strjoinv(", ", (char **)words);
                g_set_error(error, CTL_ERROR, CTL_USAGE, "there is no %s \"%s\"; there are: %s",
                        what, word, all);
        } else
                g_set_error(error, CTL_ERROR, CTL_USAGE, "%s \"%s\" may be: %s", what, word,
                        candidates->str);
        return -1;
}

bool command_read_lifetime(char **lifetime, bool may_be_permanent, GError **error) {
        const char *const words[] = { "boot", may_be_permanent ? "permanent" : NULL, NULL };
        int i;

        if (!*lifetime)
                return true;
        i = command_find_word(words, "lifetime", *lifetime, error);
        if (i < 0)
                return false;
        g_free(*lifetime);
        *lifetime = g_strdup(words[i]);
        return true;
}

const Command *command_find(const Command *commands, const char *word, GError **error) {
        const char *names[NAMES_MAX] = { NULL };
        int i;

        for (i = 0; commands[i].name && i < NAMES_MAX - 1; i++)
                names[i] = commands[i].name;
        i = command_find_word(names, "command", word, error);
        return i < 0 ? NULL : &commands[i];
}

static bool takes_value(const char *option) {
        return strcmp(option, "--json") == 0 || strcmp(option, "--color") == 0;
}

static bool wants_help(char **argv) {
        return g_strv_contains((const char *const *)argv, "--help") ||
               g_strv_contains((const char *const *)argv, "-h") ||
               g_strv_contains((const char *const *)argv, "--version");
}

/* The first word from @i on that is no option. Return: its index, or that of the end. */
static unsigned next_word(char **argv, unsigned i) {
        while (argv[i] && argv[i][0] == '-' && strcmp(argv[i], "--") != 0)
                i += takes_value(argv[i]) && argv[i + 1] ? 2 : 1;
        return i;
}

/* Out of the list, which stays the caller's. */
static void remove_word(char **argv, unsigned i) {
        for (; argv[i]; i++)
                argv[i] = argv[i + 1];
}

const Command *command_take(const Command *root, char **argv, GError **error) {
        static char help[] = "--help";
        const Command *command = root;
        unsigned i = 1;

        while (command && command->commands) {
                i = next_word(argv, i);
                for (; argv[i] && strcmp(argv[i], "help") == 0; i = next_word(argv, i))
                        argv[i] = help;
                if (!argv[i])
                        return wants_help(argv) ? command
                                                : command_take(command->commands, argv, error);
                command = command_find(command->commands, argv[i], error);
                if (command)
                        remove_word(argv, i);
        }
        return command;
}

typedef struct GlobalOptions {
        char *json;
        char *color;
        gboolean help, version, no_ask_password;
} GlobalOptions;

static bool apply_json(Ctl *ctl, const GlobalOptions *options, GError **error) {
        static const char *const modes[] = { "off", "short", "pretty", NULL };
        int i;

        if (!options->json)
                return true;
        i = command_find_word(modes, "mode of JSON", options->json, error);
        if (i < 0)
                return false;
        ctl->json = (CtlJson)i;
        return true;
}

static bool apply_color(Ctl *ctl, const GlobalOptions *options, GError **error) {
        static const char *const modes[] = { "auto", "always", "never", NULL };
        int i = 0;

        if (options->color)
                i = command_find_word(modes, "use of colour", options->color, error);
        if (i < 0)
                return false;
        if (i > 0)
                ctl->colour = i == 1;
        return true;
}

static void print_and_exit(const char *text) {
        exit(fputs(text, stdout) < 0 || fflush(stdout) != 0 ? CTL_FAILED : CTL_OK);
}

static void print_help(GOptionContext *context, const Command *command) {
        char *options = g_option_context_get_help(context, TRUE, NULL);

        (void)fputs(options, stdout);
        g_free(options);
        if (command->commands)
                (void)puts("Commands:");
        for (const Command *at = command->commands; at && at->name; at++)
                (void)printf("  %-15s%s\n", at->name, at->summary);
        if (command->help)
                (void)printf("%s%s\n", command->commands ? "\n" : "", command->help);
        print_and_exit("");
}

static GOptionContext *context_new(const Command *command, GlobalOptions *options) {
        const GOptionEntry globals[] = {
                { "json", 0, 0, G_OPTION_ARG_STRING, &options->json,
                        "Print JSON: short (a line), pretty or off", "MODE" },
                { "color", 0, 0, G_OPTION_ARG_STRING, &options->color,
                        "Colours: auto, always or never", "WHEN" },
                { "no-ask-password", 0, 0, G_OPTION_ARG_NONE, &options->no_ask_password,
                        "Fail where a password would be needed", NULL },
                { "help", 'h', 0, G_OPTION_ARG_NONE, &options->help, "Print this text", NULL },
                { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version",
                        NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autofree char *title =
                g_strconcat("talpidctl", *command->title ? " " : "", command->title, NULL);
        GOptionContext *context = g_option_context_new(command->arguments);

        g_set_prgname(title);
        g_option_context_set_help_enabled(context, FALSE);
        g_option_context_set_summary(context, command->summary);
        g_option_context_add_main_entries(context, globals, NULL);
        return context;
}

static bool check_number(const Command *command, char **words, int min, int max, GError **error) {
        int n = (int)g_strv_length(words);

        if (n >= min && (max < 0 || n <= max))
                return true;
        if (n < min)
                g_set_error(error, CTL_ERROR, CTL_USAGE, "%s needs %s; see: talpidctl %s --help",
                        command->title, command->arguments, command->title);
        else
                g_set_error(error, CTL_ERROR, CTL_USAGE,
                        "\"%s\" is one too many; see: talpidctl %s --help", words[max],
                        command->title);
        return false;
}

bool command_parse(Ctl *ctl, const Command *command, const GOptionEntry *entries, CommandParse how,
        char **argv, int min, int max, GError **error) {
        g_autoptr(GOptionContext) context = NULL;
        GlobalOptions options = { NULL };
        int argc = (int)g_strv_length(argv);
        bool good;

        context = context_new(command, &options);
        if (entries)
                g_option_context_add_main_entries(context, entries, NULL);
        g_option_context_set_strict_posix(context, how == COMMAND_PARSE_STRICT);
        good = g_option_context_parse(context, &argc, &argv, error);
        argv[argc] = NULL;
        if (good && options.version)
                print_and_exit("talpidctl " PROJECT_VERSION "\n");
        if (good && options.help)
                print_help(context, command);
        if (options.no_ask_password)
                ctl->may_ask_password = false;
        good = good && apply_json(ctl, &options, error) && apply_color(ctl, &options, error);
        g_free(options.json);
        g_free(options.color);
        if (!good)
                return false;

        remove_word(argv, 0);
        if (argv[0] && strcmp(argv[0], "--") == 0)
                remove_word(argv, 0);
        return check_number(command, argv, min, max, error);
}
