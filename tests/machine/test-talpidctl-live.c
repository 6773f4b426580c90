// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * talpidctl(1) over time: passwords that are asked for on its terminal, and the
 * service that comes and goes below it.
 */

#include <errno.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/terminal.h"

#define PASSWORD "correct horse"
#define PROMPT "Password: "
#define OUTPUT "/run/talpidctl-output"

/* --- passwords --- */

/* Whom polkit asks for: no group of administrators has a member here. */
static void give_root_a_password(void) {
        const char *const argv[] = { "chpasswd", NULL };
        g_auto(CommandResult) result = {};

        CHECK_OK(command_run(&(Command){ .argv = argv, .input = "root:" PASSWORD "\n" }, &result));
        g_assert_cmpint(result.status, ==, 0);
}

/* Runs @script on a terminal, and compares how it ended, and how often it was asked. */
static void check_asked(const Terminal *terminal, const char *script, unsigned n_asked, int status,
        const char *text) {
        g_auto(CommandResult) result = {};
        unsigned n_answers;

        CHECK_OK(terminal_run(terminal, script, &result, &n_answers));
        if (n_answers != n_asked || result.status != status || !strstr(result.out, text))
                g_error("%s: asked %u times, ended with %d:\n%s", script, n_answers, result.status,
                        result.out);
}

/* Who has no session, and who sits at the machine. */
static void check_passwords(const char *session, uid_t uid) {
        const Terminal knows = {
                .prompt = PROMPT, .answer = PASSWORD, .cgroup = session, .uid = uid
        };
        const Terminal guesses = {
                .prompt = PROMPT, .answer = "wrong", .cgroup = session, .uid = uid
        };

        check_asked(&knows, "talpidctl route add 10.8.0.0/16 10.9.0.0/16 node default", 1, 0,
                "Authentication is required to add network routes");
        check_asked(&knows, "talpidctl route list", 0, 0, "10.8.0.0/16");
        check_asked(&knows, "talpidctl --no-ask-password mode include", 0, 4, "needs a password");
        check_asked(&guesses, "talpidctl mode include", 1, 4, "not allowed");
        check_asked(&knows, "talpidctl mode", 0, 0, "exclude");
        /* The terminal is as it was: it echoes, and what is typed next is no command's. */
        check_asked(&knows, "talpidctl mode exclude && stty -a", 1, 0, " echo ");
        check_asked(&knows, "talpidctl mode exclude </dev/null", 0, 4, "no authentication agent");
        g_free(machine_run_ok(
                "talpidctl", "route", "del", "--all", "10.8.0.0/16", "10.9.0.0/16", NULL));
}

static void check_no_agents(void) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "pgrep", "-x", "pkttyagent", NULL));
        g_assert_cmpint(result.status, ==, 1);
}

static void test_password(Machine *machine) {
        g_autofree char *session = NULL;

        give_root_a_password();
        check_passwords(NULL, MACHINE_BOB);
        CHECK_OK(machine_session_open(machine, "alice", &session));
        check_passwords(session, MACHINE_ALICE);
        CHECK_OK(machine_session_close("alice"));
        check_no_agents();
}

/* Where each would need one: the first is done, the others are told. */
static void test_one_password(Machine *machine) {
        const Terminal bob = { .prompt = PROMPT, .answer = PASSWORD, .uid = MACHINE_BOB };

        give_root_a_password();
        check_asked(&bob, "sleep 60 & talpidctl exclude add user bob $!; s=$?; kill $!; exit $s", 1,
                4, "another password");
        check_asked(&bob, "talpidctl exclude list", 0, 0, "bob");
        check_asked(&bob, "talpidctl exclude del user bob", 1, 0, PROMPT);
}

static void test_run_with_password(Machine *machine) {
        const Terminal bob = { .prompt = PROMPT, .answer = PASSWORD, .uid = MACHINE_BOB };

        give_root_a_password();
        check_asked(&bob, "talpidctl exclude run cat /proc/self/cgroup", 1, 0, "talpid-excluded");
        check_asked(&bob, "talpid-exclude cat /proc/self/cgroup", 1, 0, "talpid-excluded");
        check_no_agents();
}

/* --- the service comes and goes --- */

static pid_t start_watching(const char *arguments) {
        g_autofree char *script = g_strdup_printf("exec talpidctl %s >" OUTPUT " 2>&1", arguments);
        const char *const argv[] = { "sh", "-c", script, NULL };
        pid_t pid;

        (void)unlink(OUTPUT);
        CHECK_OK(command_start(&(Command){ .argv = argv }, &pid));
        return pid;
}

static void wait_for_output(Machine *machine, const char *text) {
        CHECK_PRINTS(machine, text, "cat", OUTPUT);
}

static unsigned count_output(const char *what) {
        g_autofree char *text = NULL;
        unsigned n = 0;

        g_assert_true(g_file_get_contents(OUTPUT, &text, NULL, NULL));
        for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
                n++;
        return n;
}

static bool is_told_n_times(void *user) {
        return count_output("ServiceRuns") == *(unsigned *)user;
}

/* It is watched over both of its leaves: when nobody needs it, and when it is killed. */
static void test_monitor(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        unsigned twice = 2;
        pid_t pid;

        g_assert_true(client_wait_for_service(client, false));
        pid = start_watching("monitor");
        wait_for_output(machine, "ServiceAway");
        g_assert_cmpint(client_service_pid(client), ==, 0);

        g_free(machine_run_ok("talpidctl", "route", "add", "10.8.0.0/16", "node", "default", NULL));
        wait_for_output(machine, "ServiceRuns");
        wait_for_output(machine, " RoutesChanged added 10.8.0.0/16 node default table main metric "
                                 "0 state installed; ");
        wait_for_output(machine, "PropertiesChanged");
        (void)client_kill_service(client);
        g_assert_true(client_wait_for_service(client, true));
        g_assert_true(machine_wait_until(machine, is_told_n_times, &twice, MACHINE_WAIT_MSEC));

        g_free(machine_run_ok("talpidctl", "route", "clear", NULL));
        wait_for_output(machine, " RoutesChanged removed 10.8.0.0/16 ");
        g_assert_true(client_wait_for_service(client, false));
        g_assert_cmpint(kill(pid, 0), ==, 0);
        command_stop(pid);
}

static void test_default_route(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        Lab *lab = machine_get_lab(machine);
        pid_t pid;

        pid = start_watching("default-route --watch");
        wait_for_output(machine, " ipv6 via ");
        g_assert_cmpuint(count_output(" dev wan0 "), ==, 2);
        /* It is asked once, and then not kept. */
        g_assert_true(client_wait_for_service(client, false));
        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        g_free(machine_run_ok(
                "busctl", "call", CLIENT_NAME, CLIENT_PATH, CLIENT_NAME, "Refresh", NULL));
        wait_for_output(machine, " dev wan1 ");
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        command_stop(pid);
}

/* Each line is an object by itself, with the names of the interface's XML. */
static void test_monitor_json(Machine *machine) {
        pid_t pid = start_watching("monitor --json=short --subscribe");
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        unsigned n = 0;

        wait_for_output(machine, "ServiceRuns");
        g_free(machine_run_ok(
                "busctl", "call", CLIENT_NAME, CLIENT_PATH, CLIENT_NAME, "Refresh", NULL));
        g_free(machine_run_ok("talpidctl", "exclude", "run", "true", NULL));
        wait_for_output(machine, "\"ProcessExcluded\"");
        command_stop(pid);

        g_assert_true(g_file_get_contents(OUTPUT, &text, NULL, NULL));
        lines = g_strsplit(g_strchomp(text), "\n", -1);
        for (char **line = lines; *line; line++) {
                g_autoptr(JsonNode) node = json_from_string(*line, NULL);
                JsonObject *object, *arguments;

                g_assert_nonnull(node);
                object = json_node_get_object(node);
                g_assert_nonnull(json_object_get_string_member(object, "time"));
                arguments = json_object_get_object_member(object, "arguments");
                if (g_str_equal(
                            json_object_get_string_member(object, "signal"), "ProcessExcluded")) {
                        g_assert_true(json_object_has_member(
                                json_object_get_object_member(arguments, "process"), "pid"));
                        n++;
                }
        }
        g_assert_cmpuint(n, ==, 1);
}

/* A bus of its own, which ends when the monitor has said its first word. */
static void test_bus_gone(Machine *machine) {
        g_autofree char *out = machine_run_ok("sh", "-c",
                "dbus-daemon --session --fork --print-address=3 --print-pid=4 3>/run/address "
                "4>/run/pid\n"
                "export DBUS_SYSTEM_BUS_ADDRESS=$(cat /run/address)\n"
                "{ talpidctl monitor 2>&1; echo status $?; } | "
                "{ read line; echo $line; kill $(cat /run/pid); cat; }",
                NULL);

        g_assert_nonnull(strstr(out, " ServiceAway "));
        g_assert_nonnull(strstr(out, "talpidctl: the system bus went away\nstatus 3\n"));
}

static const CheckCase cases[] = {
        { "/talpidctl-live/asks-for-a-password-on-its-terminal", test_password },
        { "/talpidctl-live/asks-for-one-password-a-run", test_one_password },
        { "/talpidctl-live/becomes-the-command-when-the-password-is-given",
                test_run_with_password },
        { "/talpidctl-live/monitors-through-idle-exit-and-restart", test_monitor },
        { "/talpidctl-live/watches-default-routes-and-keeps-nobody", test_default_route },
        { "/talpidctl-live/monitors-in-json-lines", test_monitor_json },
        { "/talpidctl-live/ends-when-the-bus-goes-away", test_bus_gone },
};

/* Nobody waits a minute for an idle service to leave. */
static int prepare(const char *root) {
        g_autofree char *path = g_strconcat(root, "/etc/default/talpid", NULL);

        if (!g_file_set_contents(path, "TALPID_IDLE_TIMEOUT=300ms\n", -1, NULL))
                return -EIO;
        return client_prepare(root);
}

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = prepare);
}
