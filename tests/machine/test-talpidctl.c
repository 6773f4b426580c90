// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * talpidctl(1) as people and scripts read it: what each command prints in a
 * pipe and on a terminal is in golden/; every line of its manual page and of
 * its --help works as printed.
 */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/transcript.h"

#define GOLDEN SOURCE_DIR "/tests/machine/golden/"

/* A process by a number that transcripts know: "$(cat /run/sleeper)". */
static pid_t start_sleeper(void) {
        const char *const argv[] = { "sleep", "infinity", NULL };
        g_autofree char *text = NULL;
        pid_t pid;

        CHECK_OK(command_start(&(Command){ .argv = argv }, &pid));
        text = g_strdup_printf("%d\n", (int)pid);
        g_assert_true(g_file_set_contents("/run/sleeper", text, -1, NULL));
        return pid;
}

/* What NetworkManager knows of a link comes later than the link. */
static void wait_for_hints(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);

        g_variant_unref(client_call_ok(client, "Subscribe", "(['default'],)"));
        g_assert_true(client_wait_for_entry(client, "DefaultRoute4", "connection", "wan0"));
        g_assert_true(client_wait_for_entry(client, "DefaultRoute6", "connection", "wan0"));
        g_assert_true(client_wait_for_entry(client, "DefaultRoute6", "metered", "false"));
}

static void check_golden(Machine *machine, const char *name, TranscriptPlace place) {
        g_autofree char *path = g_strconcat(GOLDEN, name, NULL);
        pid_t sleeper = start_sleeper();

        wait_for_hints(machine);
        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        transcript_check(path, place);
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        command_stop(sleeper);
}

static void test_pipe(Machine *machine) {
        check_golden(machine, "talpidctl-pipe.txt", TRANSCRIPT_PIPE);
}

static void test_terminal(Machine *machine) {
        check_golden(machine, "talpidctl-terminal.txt", TRANSCRIPT_TERMINAL);
}

static void test_words(Machine *machine) {
        transcript_check(GOLDEN "talpidctl-words.txt", TRANSCRIPT_PIPE);
}

static void test_errors(Machine *machine) {
        transcript_check(GOLDEN "talpidctl-errors.txt", TRANSCRIPT_PIPE);
}

static bool is_tunnel_gone(void *user) {
        return access("/sys/class/net/wg0", F_OK) < 0;
}

/* A process with a name of its own, for completion by it. */
static pid_t start_napping(Machine *machine) {
        const char *const argv[] = { "/usr/local/bin/napping", "infinity", NULL };
        g_autofree char *comm = NULL, *text = NULL;
        pid_t pid;

        g_free(machine_run_ok("cp", "/bin/sleep", argv[0], NULL));
        CHECK_OK(command_start(&(Command){ .argv = argv }, &pid));
        comm = g_strdup_printf("/proc/%d/comm", (int)pid);
        CHECK_PRINTS(machine, "napping", "cat", comm);
        text = g_strdup_printf("%d\n", (int)pid);
        g_assert_true(g_file_set_contents("/run/napping", text, -1, NULL));
        return pid;
}

/* In the words of the shells' own completion, which finds ours where it was installed. */
static void check_shell(Machine *machine, const char *name) {
        pid_t napping = start_napping(machine);

        g_assert_true(machine_wait_until(machine, is_tunnel_gone, NULL, MACHINE_WAIT_MSEC));
        g_setenv("SHELLS", SOURCE_DIR "/tests/machine/shells", /* overwrite= */ TRUE);
        transcript_check(name, TRANSCRIPT_PIPE);
        command_stop(napping);
}

static void test_bash(Machine *machine) {
        check_shell(machine, GOLDEN "talpidctl-bash.txt");
}

static void test_zsh(Machine *machine) {
        check_shell(machine, GOLDEN "talpidctl-zsh.txt");
}

static const CheckCase cases[] = {
        { "/talpidctl/prints-lines-with-tabs-in-a-pipe", test_pipe },
        { "/talpidctl/prints-aligned-and-coloured-tables-on-a-terminal", test_terminal },
        { "/talpidctl/knows-words-by-their-beginnings", test_words },
        { "/talpidctl/is-completed-by-bash", test_bash },
        { "/talpidctl/is-completed-by-zsh", test_zsh },
        { "/talpidctl/tells-errors-with-the-remedy-and-by-its-exit-status", test_errors },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = client_prepare);
}
