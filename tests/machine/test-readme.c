// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Every command that README.md prints in a block of shell lines works as
 * printed, in its order.
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

static const CheckCase cases[] = {
        { "/readme/every-line-works-as-printed", test_lines },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = client_prepare);
}
