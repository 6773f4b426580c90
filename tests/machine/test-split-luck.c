// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Split tunnelling and bad luck: groups and processes in states that nobody
 * expects, devices that come and go, and a service that is killed in between.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define GROUP "/sys/fs/cgroup/luck"
#define N_KILLS 20

static const int families[2] = { AF_INET, AF_INET6 };

static void run(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void run(const char *format, ...) {
        g_autofree char *script = NULL;
        va_list list;

        va_start(list, format);
        script = g_strdup_vprintf(format, list);
        va_end(list);
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static char *group_of(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int)pid);
        char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return g_strchomp(text);
}

static bool is_out(pid_t pid) {
        g_autofree char *group = group_of(pid);

        return g_str_has_suffix(group, "/talpid-excluded");
}

/* Sockets that are opened now: which way, in both families, and answered. */
static void check_new(SplitLab *s, Program *program, const char *what, char expected) {
        for (int i = 0; i < 2; i++) {
                WaysSeen seen;

                (void)ways_look(&s->ways);
                CHECK_OK(program_socket(program, i, families[i], SOCK_DGRAM, 0));
                CHECK_OK(program_ask(program, i, INTERNET_PORT, /* mapped= */ false, NULL));
                CHECK_OK(program_close(program, i, /* abort= */ false));
                seen = ways_look(&s->ways);
                if (ways_letter(&seen) != expected)
                        g_error("%s, IPv%c: %d open, %d tunnel, %d forged, not '%c'", what,
                                i ? '6' : '4', seen.n_open, seen.n_tunnel, seen.n_forged, expected);
        }
}

static void exclude(SplitLab *s, Program *program) {
        g_variant_unref(split_exclude(s->client, program_pid(program), ""));
}

static void include(SplitLab *s, Program *program) {
        g_variant_unref(split_include(s->client, program_pid(program), ""));
}

static void check_refused(SplitLab *s, pid_t pid, const char *error_name, const char *text) {
        g_autofree char *arguments =
                g_strdup_printf("(uint32 %d, " CLIENT_NO_OPTIONS ")", (int)pid);
        g_autoptr(GError) error = NULL;
        g_autofree char *name = NULL;

        g_assert_null(split_call(s->client, "AddProcess", arguments, &error));
        name = g_dbus_error_get_remote_error(error);
        g_assert_cmpstr(name, ==, error_name);
        if (!strstr(error->message, text))
                g_error("'%s' does not say '%s'", error->message, text);
}

static void open_lab(SplitLab *s, Machine *machine) {
        split_lab_open(s, machine);
        s->ways.protocol = IPPROTO_UDP;
}

static void test_threaded(Machine *machine) {
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        SplitLab s;

        open_lab(&s, machine);
        run("mkdir -p " GROUP "/t; echo threaded >" GROUP "/t/cgroup.type; echo %d >" GROUP
            "/cgroup.procs; echo %d >" GROUP "/t/cgroup.threads",
                program_pid(program), program_pid(program));
        check_refused(
                &s, program_pid(program), "org.freedesktop.DBus.Error.NotSupported", "threaded");
        check_new(&s, program, "a threaded group", 'T');
        g_assert_false(g_file_test(GROUP "/t/talpid-excluded", G_FILE_TEST_EXISTS));
        program = program_stop(program);
        run("rmdir " GROUP "/t " GROUP);
        split_lab_close(&s);
}

static void test_frozen(Machine *machine) {
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        SplitLab s;

        open_lab(&s, machine);
        run("mkdir " GROUP "; echo %d >" GROUP "/cgroup.procs; echo 1 >" GROUP "/cgroup.freeze",
                program_pid(program));
        g_variant_unref(split_exclude(s.client, program_pid(program), "'sockets': <'reset'>"));
        g_assert_true(is_out(program_pid(program)));
        run("echo 0 >" GROUP "/cgroup.freeze");
        check_new(&s, program, "thawed", 'O');
        run("echo 1 >" GROUP "/cgroup.freeze");
        include(&s, program);
        g_assert_false(is_out(program_pid(program)));
        run("echo 0 >" GROUP "/cgroup.freeze");
        check_new(&s, program, "thawed again", 'T');
        program = program_stop(program);
        split_lab_close(&s);
        run("rmdir " GROUP);
}

static void test_zombie(Machine *machine) {
        siginfo_t info;
        SplitLab s;
        pid_t pid;

        open_lab(&s, machine);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0)
                _exit(0);
        CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
        check_refused(&s, pid, "org.freedesktop.DBus.Error.UnixProcessIdUnknown", "");
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        split_lab_close(&s);
}

/* Somebody else holds its socket when its program and its group are gone. */
static void test_group_removed(Machine *machine) {
        g_autoptr(Program) maker = NULL, holder = NULL;
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
        SplitLab s;

        open_lab(&s, machine);
        maker = program_start(BUILD_DIR, NULL);
        holder = program_start(BUILD_DIR, NULL);
        run("mkdir " GROUP "; echo %d >" GROUP "/cgroup.procs", program_pid(maker));
        exclude(&s, maker);
        for (int i = 0; i < 2; i++) {
                CHECK_OK(program_socket(maker, i, families[i], SOCK_DGRAM, 0));
                CHECK_OK(program_connect(maker, i, INTERNET_PORT, /* mapped= */ false));
                CHECK_OK(program_ask(maker, i, 0, /* mapped= */ false, NULL));
                CHECK_OK(program_pass(maker, i, holder, i));
        }
        maker = program_stop(maker);
        while (g_file_test(GROUP "/talpid-excluded", G_FILE_TEST_EXISTS))
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        run("rmdir " GROUP);
        for (int i = 0; i < 2; i++) {
                WaysSeen seen;

                (void)ways_look(&s.ways);
                CHECK_OK(program_ask(holder, i, 0, /* mapped= */ false, NULL));
                seen = ways_look(&s.ways);
                g_assert_cmpint(ways_letter(&seen), ==, 'O');
        }
        holder = program_stop(holder);
        split_lab_close(&s);
}

static unsigned count_listed(SplitLab *s) {
        g_autoptr(GVariant) reply =
                split_call_ok(s->client, "ListProcesses", "(" CLIENT_NO_OPTIONS ",)");
        g_autoptr(GVariant) list = g_variant_get_child_value(reply, 0);

        return (unsigned)g_variant_n_children(list);
}

static void test_moved_by_others(Machine *machine) {
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        g_autoptr(GVariant) result = NULL;
        SplitLab s;

        open_lab(&s, machine);
        exclude(&s, program);
        check_new(&s, program, "excluded", 'O');
        g_assert_cmpuint(count_listed(&s), ==, 1);
        run("mkdir " GROUP "; echo %d >" GROUP "/cgroup.procs", program_pid(program));
        check_new(&s, program, "moved away by somebody", 'T');
        g_assert_cmpuint(count_listed(&s), ==, 0);
        result = split_include(s.client, program_pid(program), "");
        g_assert_cmpuint(split_number(result, "included"), ==, 0);
        exclude(&s, program);
        check_new(&s, program, "excluded where it is now", 'O');
        program = program_stop(program);
        split_lab_close(&s);
        run("rmdir " GROUP);
}

/*
 * Short-lived children, several at a time, and grandchildren whose parent ends
 * at once; `exec` is what systemd waits for.
 */
#define STORM                                                                                      \
        "systemd-run -q --collect -p Type=exec --unit=storm sh -c 'while :; do (:; :) & (:; :) & " \
        "(sleep 0.1 & sleep 0.2 &) & wait; done'"
#define STORM_GROUP "/sys/fs/cgroup/system.slice/storm.service"

/* The group that was emptied a moment before may go under the move, and is made anew. */
static void exclude_storm(SplitLab *s, const char *pid) {
        g_variant_unref(split_exclude(s->client, atoi(pid), "'children': <true>"));
}

/* The kernel moves no one that is on its way out, and lists it for a moment more. */
static bool is_exiting(const char *pid) {
        g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid), *text = NULL;
        unsigned flags;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return true;
        g_assert_cmpint(sscanf(strrchr(text, ')'), ") %*s %*d %*d %*d %*d %*d %u", &flags), ==, 1);
        return flags & 0x4; /* PF_EXITING */
}

static void assert_nobody(const char *group) {
        g_autofree char *path = g_strconcat(group, "/cgroup.procs", NULL), *text = NULL;
        g_auto(GStrv) pids = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return; /* it went with the last one */
        pids = g_strsplit(text, "\n", -1);
        for (size_t i = 0; pids[i]; i++)
                if (pids[i][0] && !is_exiting(pids[i]))
                        g_error("process %s is in %s", pids[i], group);
}

static void test_storm(Machine *machine) {
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
        g_autofree char *pid = NULL, *status = NULL;
        SplitLab s;

        open_lab(&s, machine);
        run(STORM);
        pid = g_strchomp(
                machine_run_ok("systemctl", "show", "-P", "MainPID", "storm.service", NULL));
        for (int i = 0; i < 5; i++) {
                exclude_storm(&s, pid);
                assert_nobody(STORM_GROUP);
                g_variant_unref(split_include(s.client, atoi(pid), "'children': <true>"));
                assert_nobody(STORM_GROUP "/talpid-excluded");
        }

        /* It is its unit's all the while: shown, and reached by its end. */
        exclude_storm(&s, pid);
        status = machine_run_ok("systemctl", "status", "--no-pager", "storm.service", NULL);
        g_assert_nonnull(strstr(status, pid));
        run("systemctl kill --signal=USR1 storm.service");
        while (g_file_test(STORM_GROUP, G_FILE_TEST_EXISTS))
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        split_lab_close(&s);
}

static void send_and_kill(SplitLab *s, pid_t pid, const char *method, int usec) {
        g_autofree char *arguments =
                g_strdup_printf("(uint32 %d, " CLIENT_NO_OPTIONS ")", (int)pid);
        const struct timespec moment = { .tv_nsec = usec * 1000L };
        GDBusConnection *bus = client_get_bus(s->client);
        pid_t service = client_service_pid(s->client);

        g_assert_cmpint(service, >, 0);
        g_dbus_connection_call(bus, SPLIT_NAME, SPLIT_PATH, SPLIT_NAME, method,
                g_variant_new_parsed(arguments), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL,
                NULL);
        CHECK_OK(g_dbus_connection_flush_sync(bus, NULL, NULL) ? 0 : -EIO);
        (void)ppoll(NULL, 0, &moment, NULL); /* the random moment */
        CHECK_OK(kill(service, SIGKILL));
        g_assert_true(client_wait_for_service(s->client, false));
        g_assert_true(client_wait_for_entry(s->client, "Tunnel", "state", "active"));
}

static void test_killed_between(Machine *machine) {
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        SplitLab s;

        run("mkdir -p /run/systemd/system/talpid.service.d; printf "
            "'[Service]\\nRestartSec=0\\nStartLimitBurst=1000\\n' "
            ">/run/systemd/system/talpid.service.d/test.conf; systemctl daemon-reload");
        open_lab(&s, machine);
        for (int i = 0; i < N_KILLS; i++) {
                int usec = g_test_rand_int_range(0, 12000);
                const char *method = i % 2 ? "RemoveProcess" : "AddProcess";

                send_and_kill(&s, program_pid(program), method, usec);
                g_test_message("%s, killed after %d us: %s", method, usec,
                        is_out(program_pid(program)) ? "out" : "in");
                check_new(&s, program, "after a kill", is_out(program_pid(program)) ? 'O' : 'T');
        }
        exclude(&s, program);
        check_new(&s, program, "excluded", 'O');
        include(&s, program);
        check_new(&s, program, "included", 'T');
        program = program_stop(program);
        split_lab_close(&s);
        run("rm -r /run/systemd/system/talpid.service.d; systemctl daemon-reload");
}

static void test_roaming(Machine *machine) {
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        SplitLab s;

        open_lab(&s, machine);
        exclude(&s, program);
        for (int i = 0; i < 2; i++)
                CHECK_OK(program_socket(program, 10 + i, families[i], SOCK_DGRAM, 0));
        for (int round = 0; round < 4; round++) {
                const char *device = round % 2 ? "wan0" : "wan1";
                const char *const seen[] = { round % 2 ? LAB_ISP0_V4 : LAB_ISP1_V4,
                        round % 2 ? LAB_ISP0_V6 : LAB_ISP1_V6 };

                CHECK_OK(round % 2 ? lab_cable_plug(s.lab, LAB_ISP0)
                                   : lab_cable_pull(s.lab, LAB_ISP0));
                g_assert_true(client_wait_for_entry(s.client, "DefaultRoute4", "device", device));
                g_assert_true(client_wait_for_entry(s.client, "DefaultRoute6", "device", device));
                check_new(&s, program, "roamed", 'O');
                for (int i = 0; i < 2; i++) {
                        g_autofree char *answer = NULL;
                        int r;

                        r = program_ask(
                                program, 10 + i, INTERNET_PORT, /* mapped= */ false, &answer);
                        /* Its flow is masqueraded on the other link: refused once. */
                        if (r == -EPERM && s.mechanism == SPLIT_NFTABLES) {
                                g_free(answer);
                                r = program_ask(program, 10 + i, INTERNET_PORT,
                                        /* mapped= */ false, &answer);
                        }
                        CHECK_OK(r);
                        g_assert_cmpstr(answer, ==, seen[i]);
                }
        }
        program = program_stop(program);
        g_assert_true(machine_wait_online(machine));
        split_lab_close(&s);
}

static void check_refuses(Program *program) {
        for (int i = 0; i < 2; i++) {
                CHECK_OK(program_socket(program, i, families[i], SOCK_DGRAM, 0));
                g_assert_cmpint(program_send(program, i, INTERNET_PORT, /* mapped= */ false), ==,
                        -EHOSTUNREACH);
                CHECK_OK(program_close(program, i, /* abort= */ false));
        }
}

static void test_device(Machine *machine) {
        g_autoptr(Program) out = program_start(BUILD_DIR, NULL),
                           in = program_start(BUILD_DIR, NULL);
        SplitLab s;

        open_lab(&s, machine);
        exclude(&s, out);
        for (int i = 0; i < 3; i++) {
                CHECK_OK(lab_tunnel_down(s.lab, "wg0"));
                ways_watch(&s.ways, NULL);
                if (s.mechanism == SPLIT_NFTABLES)
                        check_refuses(out); /* the firewall sees no packet that has no route */
                else
                        check_new(&s, out, "the tunnel is gone", 'O');
                check_refuses(in);
                CHECK_OK(lab_tunnel_up(s.lab, "wg0", s.mark));
                g_assert_true(client_wait_for_entry(s.client, "Tunnel", "state", "active"));
                ways_watch(&s.ways, "wg0");
                check_new(&s, out, "the tunnel is back", 'O');
                check_new(&s, in, "the tunnel is back", 'T');
        }
        out = program_stop(out);
        in = program_stop(in);
        split_lab_close(&s);
}

static const CheckCase cases[] = {
        { "/split-luck/threaded-group-is-refused-and-left-as-it-was", test_threaded },
        { "/split-luck/frozen-group-is-moved-and-thaws-where-it-is", test_frozen },
        { "/split-luck/zombie-is-no-process", test_zombie },
        { "/split-luck/sockets-outlive-their-group", test_group_removed },
        { "/split-luck/who-is-moved-away-by-others-is-not-ours-any-more", test_moved_by_others },
        { "/split-luck/who-forks-all-the-time-is-moved-whole-and-stays-its-unit-s", test_storm },
        { "/split-luck/service-killed-at-any-moment-of-a-move-leaves-in-or-out",
                test_killed_between },
        { "/split-luck/roaming-between-links-has-the-source-of-each", test_roaming },
        { "/split-luck/tunnel-that-goes-and-comes-changes-nothing-for-others", test_device },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
