// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/transcript.h"

#include <stdio.h>
#include <string.h>

#define PROMPT "$ "

/* In their order. */
static const struct {
        const char *pattern;
        const char *word;
} unstable[] = {
        { "\033", "^[" },
        { "([0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC" },
        { "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID" },
        { "\\b(192\\.168\\.1[01]|10\\.64\\.0)\\.(?!1\\b)[0-9]+\\b", "ADDRESS4" },
        { "\\b(fe80|2001:db8:1[01]):[0-9a-f:]*:[0-9a-f:]*[0-9a-f]{3,4}\\b", "ADDRESS6" },
        { "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(\\.[0-9]{3})?", "TIME" },
        { "\"since\" ?: ?[0-9]+", "\"since\": SINCE" },
        { "\"ifindex\" ?: ?[0-9]+", "\"ifindex\": N" },
        { "\"serial\" ?: ?[0-9]+", "\"serial\": N" },
        { "\\(pid [0-9]+\\)", "(pid PID)" },
};

static char *stabilise(const char *text) {
        g_autofree char *stable = g_strdup(text);

        for (size_t i = 0; i < G_N_ELEMENTS(unstable); i++) {
                g_autoptr(GRegex) regex = g_regex_new(unstable[i].pattern, 0, 0, NULL);
                char *next;

                g_assert_nonnull(regex);
                next = g_regex_replace_literal(regex, stable, -1, 0, unstable[i].word, 0, NULL);
                g_free(stable);
                stable = next;
        }
        return g_steal_pointer(&stable);
}

static void run_line(const char *line, TranscriptPlace place, GString *transcript) {
        g_autofree char *script = g_strconcat("exec 2>&1; ", line, NULL);
        const char *const argv[] = { "sh", "-c", script, NULL };
        g_auto(CommandResult) result = {};
        g_autofree char *stable = NULL;
        int r;

        r = place == TRANSCRIPT_TERMINAL
                    ? terminal_run(&(Terminal){ .uid = 0 }, line, &result, NULL)
                    : command_run(&(Command){ .argv = argv }, &result);
        if (r < 0)
                g_error("%s: %s", line, g_strerror(-r));
        stable = stabilise(result.out);
        g_string_append_printf(transcript, PROMPT "%s\n%s", line, stable);
        if (result.status != 0)
                g_string_append_printf(transcript, "= %d\n", result.status);
}

/* As a patch of the file, for who finds that it is right now. */
static void tell_difference(const char *path, const char *now) {
        const char *const argv[] = { "diff", "-u", path, "-", NULL };
        g_auto(CommandResult) result = {};

        if (command_run(&(Command){ .argv = argv, .input = now }, &result) == 0)
                (void)fputs(result.out, stderr);
        g_error("%s is no longer what is shown", path);
}

void transcript_check(const char *path, TranscriptPlace place) {
        g_autoptr(GString) now = g_string_new(NULL);
        g_autofree char *expected = NULL;
        g_auto(GStrv) lines = NULL;
        gsize comments = 0; /* end of those that the file begins with */

        g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
        lines = g_strsplit(expected, "\n", -1);
        for (char **line = lines; *line; line++)
                if (now->len == comments && g_str_has_prefix(*line, "#")) {
                        g_string_append_printf(now, "%s\n", *line);
                        comments = now->len;
                } else if (g_str_has_prefix(*line, PROMPT))
                        run_line(*line + strlen(PROMPT), place, now);
        if (strcmp(now->str, expected) != 0)
                tell_difference(path, now->str);
}
