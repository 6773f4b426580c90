// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The machine seen from outside: what comes back, and that nothing stays.
 */

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/cgroup.h"
#include "tests/machine/lib/check.h"

/* Everything of the outer machine that the lab has its own of. */
static const char outer_script[] =
        "ip -o link | sed 's/ mtu.*//'; ip -o address | sed 's/valid_lft.*//'\n"
        "ip route show table all; ip -6 route show table all | sed 's/ expires [^ ]*//'; ip rule; "
        "ip -6 rule\n"
        "nft list ruleset\n"
        "ls /run/netns /run/lab /run/wireguard 2>/dev/null || true\n"
        "cat /etc/resolv.conf /etc/passwd /etc/machine-id\n"
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding "
        "/proc/sys/kernel/hostname\n"
        "grep -c . /proc/self/mountinfo; ls -l /dev | sed 's/[A-Z][a-z][a-z] .*:.. //'\n";

static char *outer_state(void) {
        const char *const argv[] = { "sh", "-euc", outer_script, NULL };
        g_auto(CommandResult) result = {};

        CHECK_OK(command_run(&(Command){ .argv = argv }, &result));
        g_assert_cmpint(result.status, ==, 0);
        return g_steal_pointer(&result.out);
}

/* The groups of one owner: an empty place proves that no process is left either. */
static bool owner_has_cgroups(pid_t owner) {
        g_autofree char *prefix = g_strdup_printf("talpid-machine-%d-", owner);
        g_autofree char *parent = NULL;
        g_autoptr(GDir) directory = NULL;
        const char *name;

        CHECK_OK(cgroup_find_own(&parent));
        directory = g_dir_open(parent, 0, NULL);
        g_assert_nonnull(directory);
        while ((name = g_dir_read_name(directory)))
                if (g_str_has_prefix(name, prefix))
                        return true;
        return false;
}

static int body_status(Machine *machine, int argc, char **argv, void *user) {
        (void)machine;
        (void)argc;
        (void)argv;
        (void)user;
        return 42;
}

static int body_abort(Machine *machine, int argc, char **argv, void *user) {
        (void)machine;
        (void)argc;
        (void)argv;
        (void)user;
        raise(SIGKILL);
        return 0;
}

/* Says that it runs, then waits for its end. */
static int body_hang(Machine *machine, int argc, char **argv, void *user) {
        (void)machine;
        (void)argc;
        (void)argv;
        (void)user;
        (void)write(STDOUT_FILENO, "!", 1);
        (void)pause();
        return 0;
}

static int outer_run(const MachineOptions *options, MachineBody body) {
        return machine_main(0, NULL, options, body, NULL);
}

static void test_status(void) {
        g_assert_cmpint(
                outer_run(&(MachineOptions){ .flags = MACHINE_OFFLINE }, body_status), ==, 42);
        g_assert_cmpint(outer_run(&(MachineOptions){ .flags = MACHINE_OFFLINE }, body_abort), ==,
                128 + SIGKILL);
}

static void test_nothing_stays(void) {
        g_autofree char *before = outer_state();
        g_autofree char *after = NULL;

        g_assert_cmpint(outer_run(&(MachineOptions){}, body_status), ==, 42);
        after = outer_state();
        g_assert_cmpstr(after, ==, before);
        g_assert_false(owner_has_cgroups(getpid()));
}

/* The janitor, an orphan by then, comes to us as the subreaper. */
static void test_killed(void) {
        g_autofree char *before = outer_state();
        g_autofree char *after = NULL;
        int fds[2];
        pid_t pid;
        char byte;

        g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
        g_assert_cmpint(pipe(fds), ==, 0);
        pid = fork();
        if (pid == 0) {
                (void)dup2(fds[1], STDOUT_FILENO);
                _exit(outer_run(&(MachineOptions){}, body_hang));
        }
        (void)close(fds[1]);
        g_assert_cmpint(read(fds[0], &byte, 1), ==, 1);
        g_assert_true(owner_has_cgroups(pid));
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        while (waitpid(-1, NULL, 0) > 0)
                ;
        g_assert_cmpint(errno, ==, ECHILD);
        (void)close(fds[0]);
        after = outer_state();
        g_assert_cmpstr(after, ==, before);
        g_assert_false(owner_has_cgroups(pid));
}

static int prepare_refusal(const char *root) {
        g_assert_true(g_file_test(root, G_FILE_TEST_IS_DIR));
        return -EPERM;
}

static const char project_script[] =
        "cd $1\n"
        "cat >meson.build <<'END'\n"
        "project('lab', version: '1', default_options: 'prefix=/usr')\n"
        "install_data('lab.service', install_dir: '/lib/systemd/system')\n"
        "install_data('lab.conf', install_dir: '/usr/lib/sysusers.d')\n"
        "END\n"
        "printf '[Service]\\nType=oneshot\\nUser=labuser\\nExecStart=true\\n' >lab.service\n"
        "echo 'u labuser - - -' >lab.conf\n"
        "meson setup build >/dev/null\n";

/* Run where the project was built, which is below /tmp. */
static int body_installed(Machine *machine, int argc, char **argv, void *user) {
        (void)machine;
        (void)argc;
        (void)argv;
        (void)user;
        g_free(machine_run_ok("systemctl", "start", "lab.service", NULL));
        g_free(machine_run_ok("test", "-L", "/lib", "-a", "-e", "meson.build", NULL));
        return 42;
}

static void test_install(void) {
        g_autofree char *directory = g_dir_make_tmp("test-machine-XXXXXX", NULL);
        g_autofree char *build = g_build_filename(directory, "build", NULL);
        g_autofree char *old = g_get_current_dir();
        const char *const make[] = { "sh", "-euc", project_script, "sh", directory, NULL };
        const char *const clean[] = { "rm", "-r", directory, NULL };
        g_auto(CommandResult) result = {};
        int status;

        CHECK_OK(command_run(&(Command){ .argv = make }, &result));
        g_assert_cmpint(result.status, ==, 0);
        CHECK_OK(chdir(directory));
        status = outer_run(&(MachineOptions){ .flags = MACHINE_OFFLINE, .install_from = build },
                body_installed);
        CHECK_OK(chdir(old));
        command_result_clear(&result);
        CHECK_OK(command_run(&(Command){ .argv = clean }, &result));
        g_assert_cmpint(status, ==, 42);
        g_assert_cmpint(g_access("/lib/systemd/system/lab.service", F_OK), <, 0);
}

/* Tries to write where the outer machine's files are seen. */
static int body_write(Machine *machine, int argc, char **argv, void *user) {
        (void)machine;
        (void)argc;
        (void)argv;
        g_assert_cmpint(g_access(user, R_OK), ==, 0);
        g_assert_cmpint(g_unlink(user), <, 0);
        g_assert_cmpint(errno, ==, EROFS);
        g_assert_cmpint(g_access("/tmp", W_OK), ==, 0);
        return 42;
}

/* The file's directory is seen inside, and boot and test leave it as it is. */
static void test_files(void) {
        g_autofree char *directory = g_dir_make_tmp("test-machine-XXXXXX", NULL);
        g_autofree char *file = g_build_filename(directory, "precious", NULL);
        const char *const binds[] = { directory, NULL };

        g_assert_true(g_file_set_contents(file, "", 0, NULL));
        g_assert_cmpint(
                machine_main(0, NULL, &(MachineOptions){ .flags = MACHINE_OFFLINE, .binds = binds },
                        body_write, file),
                ==, 42);
        CHECK_OK(g_unlink(file));
        CHECK_OK(g_rmdir(directory));
}

static void test_system_directories(void) {
        static const char *const refused[] = { "/tmp", "/", "/var", "/run/", "/etc", "/nowhere" };

        for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
                const char *const binds[] = { refused[i], NULL };

                g_assert_cmpint(outer_run(&(MachineOptions){ .binds = binds }, body_status), ==,
                        EXIT_FAILURE);
        }
}

/* Started in /tmp, a test once had it bound into the machine, which emptied it at boot. */
static void test_started_in_tmp(void) {
        g_autofree char *directory = g_dir_make_tmp("test-machine-XXXXXX", NULL);
        g_autofree char *file = g_build_filename(directory, "precious", NULL);
        g_autofree char *old = g_get_current_dir();

        g_assert_true(g_file_set_contents(file, "", 0, NULL));
        CHECK_OK(chdir("/tmp"));
        g_assert_cmpint(
                outer_run(&(MachineOptions){ .flags = MACHINE_OFFLINE }, body_status), ==, 42);
        CHECK_OK(chdir(old));
        CHECK_OK(g_unlink(file));
        CHECK_OK(g_rmdir(directory));
}

static void test_no_boot(void) {
        g_assert_cmpint(outer_run(&(MachineOptions){ .prepare = prepare_refusal }, body_status), ==,
                EXIT_FAILURE);
        g_assert_false(owner_has_cgroups(getpid()));
}

static void test_missing_packages(void) {
        g_autofree char *old = g_strdup(g_getenv("TALPID_MACHINE_PACKAGES"));

        g_setenv("TALPID_MACHINE_PACKAGES", "/nowhere", TRUE);
        g_assert_cmpint(outer_run(&(MachineOptions){ .flags = MACHINE_RESOLVED }, body_status), ==,
                EXIT_FAILURE);
        if (old)
                g_setenv("TALPID_MACHINE_PACKAGES", old, TRUE);
        else
                g_unsetenv("TALPID_MACHINE_PACKAGES");
}

static const struct {
        uint16_t ethertype;
        size_t n_bytes;
        const char *hex;
        const char *expected;
} packets[] = {
        { 0x0800, 28,
                "4500001c000040004011000"
                "0c0a80a64c6336401"
                "1092000700080000",
                "udp 192.168.10.100:4242 > 198.51.100.1:7 in" },
        /* A later fragment has no ports. */
        { 0x0800, 28,
                "4500001c000000054011000"
                "0c0a80a64c6336401"
                "1092000700080000",
                "udp 192.168.10.100:0 > 198.51.100.1:0 in fragment" },
        /* Hop-by-hop options in front of ICMPv6. */
        { 0x86dd, 56,
                "600000000010"
                "00ff"
                "fd640000000000000000000000000001"
                "fd640000000000000000000000000002"
                "3a00050200000100"
                "8000000000000000",
                "icmpv6 128 fd64::1 > fd64::2 in" },
        { 0x0800, 10, "4500001c000040004011", "ethertype 0x0800 in" },
        { 0x0806, 4, "00010800", "ethertype 0x0806 in" },
};

static void test_packets(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(packets); i++) {
                g_autofree char *text = NULL;
                uint8_t bytes[64] = {};
                Packet packet;

                g_assert_cmpint(strlen(packets[i].hex), ==, packets[i].n_bytes * 2);
                for (size_t at = 0; at < packets[i].n_bytes; at++)
                        bytes[at] = (uint8_t)(g_ascii_xdigit_value(packets[i].hex[2 * at]) << 4 |
                                              g_ascii_xdigit_value(packets[i].hex[2 * at + 1]));
                packet_parse(packets[i].ethertype, bytes, packets[i].n_bytes, &packet);
                text = packet_format(&packet);
                g_assert_cmpstr(text, ==, packets[i].expected);
        }
}

static void test_command(void) {
        const char *const slow[] = { "sleep", "60", NULL };
        const char *const echo[] = { "cat", NULL };
        const char *const background[] = { "sh", "-c", "sleep 60 & echo $!", NULL };
        g_auto(CommandResult) result = {};

        g_assert_cmpint(command_run(&(Command){ .argv = slow, .timeout_msec = 50 }, &result), ==,
                -ETIMEDOUT);
        CHECK_OK(command_run(&(Command){ .argv = echo, .input = "said" }, &result));
        g_assert_cmpstr(result.out, ==, "said");
        command_result_clear(&result);
        CHECK_OK(command_run(&(Command){ .argv = background }, &result));
        g_assert_cmpint(kill(atoi(result.out), SIGKILL), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        if (geteuid() != 0) {
                g_print("1..0 # SKIP a machine needs root\n");
                return EXIT_SUCCESS;
        }
        g_test_add_func("/packet/parses-headers", test_packets);
        g_test_add_func("/command/ends-with-the-program-or-the-deadline", test_command);
        g_test_add_func("/machine/passes-the-tests-status-through", test_status);
        g_test_add_func("/machine/leaves-nothing-behind", test_nothing_stays);
        g_test_add_func("/machine/killed-test-leaves-nothing-behind", test_killed);
        g_test_add_func("/machine/installs-a-build", test_install);
        g_test_add_func("/machine/outer-files-are-read-only-inside", test_files);
        g_test_add_func("/machine/system-directories-are-not-bound", test_system_directories);
        g_test_add_func("/machine/started-in-tmp-leaves-tmp-alone", test_started_in_tmp);
        g_test_add_func("/machine/failed-boot-is-a-failed-test", test_no_boot);
        g_test_add_func("/machine/missing-packages-are-a-failed-test", test_missing_packages);
        return g_test_run();
}
