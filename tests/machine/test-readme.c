// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Every command that README.md prints in a block of shell lines works as
 * printed, in its order, and so do the first steps that "./dev shell" prints.
 */

#include <string.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

static void test_lines(Machine *machine) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        bool in_block = false;
        unsigned n = 0;

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        g_assert_true(g_file_get_contents(SOURCE_DIR "/README.md", &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(CommandResult) result = {};

                if (g_str_has_prefix(*line, "```")) {
                        in_block = strcmp(*line, "```sh") == 0;
                        continue;
                }
                if (!in_block)
                        continue;
                g_test_message("%s", *line);
                CHECK_OK(machine_run(&result, "sh", "-c", *line, NULL));
                if (result.status != 0)
                        g_error("%s: exit status %d: %s", *line, result.status, result.err);
                g_assert_cmpstr(result.err, ==, "");
                n++;
        }
        g_assert_cmpuint(n, >=, 10);
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
}

/* What follows "# " up to a colon is among what the command prints. */
static void run_step(const char *line) {
        g_auto(GStrv) parts = g_strsplit(line, " # ", 2);
        g_autofree char *expected = NULL;
        g_auto(CommandResult) result = {};

        g_test_message("%s", line);
        CHECK_OK(machine_run(&result, "sh", "-c", parts[0], NULL));
        if (result.status != 0)
                g_error("%s: exit status %d: %s", line, result.status, result.err);
        if (!parts[1])
                return;
        expected = g_strndup(parts[1], strcspn(parts[1], ":"));
        if (!strstr(result.out, expected))
                g_error("%s: it printed %s", line, result.out);
}

static void test_first_steps(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        unsigned n = 0;

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", g_variant_get_uint32(mark)));
        g_assert_true(g_file_get_contents(
                SOURCE_DIR "/tests/machine/demo/first-steps", &text, NULL, NULL));
        lines = g_strsplit(g_strchomp(text), "\n", -1);
        for (char **line = lines + 1; *line; line++, n++)
                run_step(*line);
        g_assert_cmpuint(n, >=, 10);
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
}

static const CheckCase cases[] = {
        { "/readme/first-steps-work-as-printed", test_first_steps },
        { "/readme/every-line-works-as-printed", test_lines },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = client_prepare);
}
