// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * talpid-exclude(1) as its users meet it. That its commands go around the
 * tunnel is test-split's; here is that they run as they would without it, or
 * do not run.
 */

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define RAN "/run/ran"
#define REFUSED 125
#define BOB "setpriv --reuid=bob --clear-groups "

static void run_shell(const char *script, CommandResult *ret) {
        CHECK_OK(machine_run(ret, "sh", "-c", script, NULL));
}

/* What it prints is the same as without the launcher in front of it. */
static void check_same(const char *before, const char *command) {
        g_autofree char *plain = g_strconcat(before, command, NULL);
        g_autofree char *launched = g_strconcat(before, "talpid-exclude ", command, NULL);
        g_auto(CommandResult) expected = {};
        g_auto(CommandResult) result = {};

        run_shell(plain, &expected);
        run_shell(launched, &result);
        g_assert_cmpstr(result.err, ==, expected.err);
        g_assert_cmpstr(result.out, ==, expected.out);
        g_assert_cmpint(result.status, ==, expected.status);
        g_assert_true(expected.out[0] != '\0' || expected.status != 0);
}

/* Ends with @status, and with @text among its words. The command makes a file when it runs. */
static void check_refused(const char *command, int status, const char *text) {
        g_auto(CommandResult) result = {};

        (void)unlink(RAN);
        run_shell(command, &result);
        if (result.status != status || !strstr(result.err, text))
                g_error("%s: exit status %d: %s", command, result.status, result.err);
        g_assert_cmpstr(result.out, ==, "");
        g_assert_cmpint(access(RAN, F_OK), <, 0);
}

static void test_arguments(Machine *machine) {
        check_refused("talpid-exclude", REFUSED, "try talpid-exclude --help");
        check_refused("talpid-exclude --", REFUSED, "try talpid-exclude --help");
        check_refused("talpid-exclude --wrong touch " RAN, REFUSED, "'--wrong'");
        check_refused("talpid-exclude --sockets", REFUSED, "requires an argument");
        check_refused("talpid-exclude --sockets all touch " RAN, REFUSED,
                "\"all\" is not \"keep\", \"migrate\" or \"reset\"");
        check_same("", "sh -c 'printf \"<%s>\" \"$@\"' - -x --help 'a b' ''");
        check_same("", "env --help");
}

static void test_help(Machine *machine) {
        g_auto(CommandResult) result = {};

        run_shell("talpid-exclude --help", &result);
        g_assert_cmpint(result.status, ==, 0);
        g_assert_true(g_str_has_prefix(result.out, "Usage: talpid-exclude "));
        g_assert_cmpstr(result.err, ==, "");
}

static void test_missing(Machine *machine) {
        check_refused("talpid-exclude no-such-program", 127, "no-such-program: No such file");
        check_refused("talpid-exclude /etc/passwd", 126, "/etc/passwd: Permission denied");
}

static void test_status(Machine *machine) {
        check_same("", "sh -c 'exit 42'");
        check_same("", "sh -c 'kill -TERM $$'");
}

static void test_surroundings(Machine *machine) {
        static const char *const commands[] = {
                "env | sort",
                "sh -c 'pwd; umask; ulimit -n; id'",
                "grep -E '^(Sig|Shd)(Blk|Ign|Pnd)' /proc/self/status",
                "sh -c 'for fd in /proc/$$/fd/*; do echo ${fd##*/}; done'",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
                check_same(
                        "cd /usr; umask 027; export COLOUR=green; trap '' INT; exec 7</dev/null; ",
                        commands[i]);
        check_same("echo hello | ", "cat");
        check_same("", "sh -c 'echo wrong >&2; echo right'");
}

static void test_terminal(Machine *machine) {
        g_auto(CommandResult) result = {};

        run_shell("script -qec 'talpid-exclude tty' /dev/null </dev/null", &result);
        g_assert_cmpint(result.status, ==, 0);
        g_assert_true(g_str_has_prefix(result.out, "/dev/pts/"));
}

static void test_pid(Machine *machine) {
        g_auto(CommandResult) result = {};
        g_auto(GStrv) pids = NULL;

        run_shell("sh -c 'echo $$; exec talpid-exclude sh -c \"echo \\$\\$\"'", &result);
        pids = g_strsplit(g_strchomp(result.out), "\n", -1);
        g_assert_cmpuint(g_strv_length(pids), ==, 2);
        g_assert_cmpstr(pids[0], ==, pids[1]);
}

static void test_no_service(Machine *machine) {
        g_free(machine_run_ok("systemctl", "mask", "--runtime", "--now", "talpid.service", NULL));
        check_refused("talpid-exclude touch " RAN, REFUSED, "touch was not run");
        g_free(machine_run_ok("systemctl", "unmask", "--runtime", "talpid.service", NULL));
        check_refused("DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere talpid-exclude touch " RAN,
                REFUSED, "system bus");
}

static void test_rights(Machine *machine) {
        g_autofree char *session = NULL;
        const char *const argv[] = { "talpid-exclude", "cat", "/proc/self/cgroup", NULL };
        g_auto(CommandResult) result = {};

        check_refused(BOB "talpid-exclude touch " RAN, REFUSED, "exclude-own needs a password");

        CHECK_OK(machine_session_open(machine, "alice", &session));
        CHECK_OK(command_run(
                &(Command){ .argv = argv, .cgroup = session, .uid = MACHINE_ALICE }, &result));
        g_assert_cmpstr(result.err, ==, "");
        g_assert_nonnull(strstr(result.out, "/talpid-excluded\n"));
        CHECK_OK(machine_session_close("alice"));
}

/* In the background, with its call on the way to a service that is stopped. */
static pid_t start_waiting(Machine *machine, pid_t service) {
        const char *const argv[] = { "talpid-exclude", "touch", RAN, NULL };
        pid_t pid;

        (void)unlink(RAN);
        CHECK_OK(kill(service, SIGSTOP));
        CHECK_OK(command_start(&(Command){ .argv = argv }, &pid));
        CHECK_PRINTS(machine, "talpid-exclude", "busctl", "list", "--no-legend");
        return pid;
}

static void test_killed(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        g_autofree char *listed = NULL;
        pid_t service, pid;
        int status;

        g_variant_unref(client_property(client, "Version"));
        service = client_service_pid(client);
        pid = start_waiting(machine, service);
        CHECK_OK(kill(pid, SIGTERM));
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        CHECK_OK(kill(service, SIGCONT));

        listed = machine_run_ok("busctl", "call", "org.talpid.SplitTunnel",
                "/org/talpid/SplitTunnel", "org.talpid.SplitTunnel", "ListProcesses", "a{sv}", "1",
                "all", "b", "true", NULL);
        g_assert_cmpstr(listed, ==, "aa{sv} 0\n");
        g_assert_cmpint(access(RAN, F_OK), <, 0);
}

static void test_service_killed(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        pid_t service, pid;
        int status;

        g_variant_unref(client_property(client, "Version"));
        service = client_service_pid(client);
        pid = start_waiting(machine, service);
        g_assert_cmpint(client_kill_service(client), ==, service);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == REFUSED);
        g_assert_cmpint(access(RAN, F_OK), <, 0);
}

static const CheckCase cases[] = {
        { "/launcher/reads-its-own-arguments-and-no-others", test_arguments },
        { "/launcher/helps", test_help },
        { "/launcher/tells-a-missing-program-from-one-that-cannot-run", test_missing },
        { "/launcher/ends-as-the-command-does", test_status },
        { "/launcher/keeps-environment-descriptors-and-signals", test_surroundings },
        { "/launcher/keeps-the-terminal", test_terminal },
        { "/launcher/becomes-the-command", test_pid },
        { "/launcher/runs-nothing-without-the-service", test_no_service },
        { "/launcher/asks-no-password-of-the-active-user-and-obeys-polkit", test_rights },
        { "/launcher/killed-while-it-waits-runs-nothing", test_killed },
        { "/launcher/runs-nothing-when-the-service-dies", test_service_killed },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
