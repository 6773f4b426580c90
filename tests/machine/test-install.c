// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * From a fresh clone to a service that answers, and back, by the lines that
 * README.md gives: on a machine without the project.
 */

#include <string.h>

#include "tests/machine/lib/check.h"

#define CLONE "/tmp/talpid"
#define BUILD_TIMEOUT_MSEC 240000

/* What git knows of the tree is not seen here: all but what was built. */
static void copy_tree(void) {
        g_free(machine_run_ok("sh", "-ec",
                "mkdir " CLONE "; cd " SOURCE_DIR
                "; tar -c --exclude=./build* --exclude=./.git . | tar -x -C " CLONE,
                NULL));
}

/* Files alone: meson leaves directories. The service's own state stays, as a package's would. */
static char *list_ours(void) {
        return machine_run_ok("sh", "-c",
                "find /usr /etc /run /sys/fs/bpf ! -type d -path '*talpid*' | sort; ip rule; ip -6 "
                "rule",
                NULL);
}

static void test_lines(Machine *machine) {
        g_autofree char *script =
                machine_run_ok("python3", SOURCE_DIR "/tests/machine/printed-commands", SOURCE_DIR,
                        "README.md: Install", NULL);
        g_autofree char *there = g_strconcat("cd " CLONE "\n", script, NULL);
        const char *const argv[] = { "bash", "-c", there, NULL };
        g_autofree char *before = list_ours(), *after = NULL;
        g_auto(CommandResult) result = {};

        (void)machine;
        copy_tree();
        CHECK_OK(command_run(
                &(Command){ .argv = argv, .timeout_msec = BUILD_TIMEOUT_MSEC }, &result));
        if (result.status != 0 || !strstr(result.out, "State: idle\n"))
                g_error("%s%s", result.out, result.err);
        after = list_ours();
        g_assert_cmpstr(after, ==, before);
}

static const CheckCase cases[] = {
        { "/install/lines-of-readme-install-and-remove-it", test_lines },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .binds = (const char *const[]){ SOURCE_DIR, NULL });
}
