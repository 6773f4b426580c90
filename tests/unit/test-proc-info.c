// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/proc/proc-info.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "backends/base/cleanup.h"

#define TAIL " 1 5 5 0 -1 %u 1 2 3 4 5 6 -7 8 20 0 1 0 4711 9000 10"

static void test_reads_stat(void) {
        static const struct {
                const char *comm;
                unsigned flags;
                bool is_kernel_thread, is_exiting;
        } cases[] = {
                { "cat", 4194304, false },
                { "a) R 1 (b", 4194304, false }, /* a name that looks like the rest */
                { "", 0, false },
                { "two\nlines ) ", 0, false },
                { "kworker/0:1", 69238880, true },
                { "ending", 4194308, .is_exiting = true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *tail = g_strdup_printf(TAIL, cases[i].flags);
                g_autofree char *text = g_strdup_printf("42 (%s) S%s", cases[i].comm, tail);
                ProcStat stat;

                g_assert_cmpint(proc_parse_stat(text, &stat), ==, 0);
                g_assert_cmpint(stat.pid, ==, 42);
                g_assert_cmpint(stat.parent, ==, 1);
                g_assert_cmpint(stat.state, ==, 'S');
                g_assert_cmpstr(stat.comm, ==, cases[i].comm);
                g_assert_cmpuint(stat.start_time, ==, 4711);
                g_assert_cmpint(stat.session, ==, 5);
                g_assert_cmpint(stat.is_kernel_thread, ==, cases[i].is_kernel_thread);
                g_assert_cmpint(stat.is_exiting, ==, cases[i].is_exiting);
        }
}

/* The kernel says −1 while a process is let go of. */
static void test_no_session(void) {
        ProcStat stat;

        g_assert_cmpint(
                proc_parse_stat("42 (a) X 0 -1 -1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4711", &stat), ==,
                0);
        g_assert_cmpint(stat.session, ==, 0);
        g_assert_cmpuint(stat.start_time, ==, 4711);
}

static void test_refuses_malformed_stat(void) {
        static const char *const texts[] = {
                "",
                "42",
                "42 ",
                "42 (",
                "42 (a",
                "42 (a)",
                "42 (a) ",
                "42 (a) S",
                "42 )a( S 1 5 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4711",
                "0 (a) S 1 5 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4711",
                "-1 (a) S 1 5 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4711",
                "42 (a) S 1 5 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0",
                "42 (a) S 1 5 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 99999999999999999999999",
                "99999999999 (a) S 1 5 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4711",
        };
        ProcStat stat;

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_assert_cmpint(proc_parse_stat(texts[i], &stat), ==, -EBADMSG);
}

static void test_reads_users(void) {
        ProcUids uids;

        g_assert_cmpint(
                proc_parse_uids("Name:\tx\nUid:\t1\t2\t3\t4294967294\nGid:\t5\n", &uids), ==, 0);
        g_assert_cmpuint(uids.real, ==, 1);
        g_assert_cmpuint(uids.effective, ==, 2);
        g_assert_cmpuint(uids.saved, ==, 3);
        g_assert_cmpuint(uids.fs, ==, 4294967294);
        g_assert_cmpint(proc_parse_uids("Name:\tUid:\t1\t2\t3\t4\n", &uids), ==, -EBADMSG);
        g_assert_cmpint(proc_parse_uids("Uid:\t1\t2\t3\n", &uids), ==, -EBADMSG);
        g_assert_cmpint(proc_parse_uids("Uid:\t1\t2\t3\t4294967296\n", &uids), ==, -EBADMSG);
        g_assert_cmpint(proc_parse_uids("", &uids), ==, -EBADMSG);
}

static void test_reads_groups(void) {
        static const char text[] = "12:net_cls,net_prio:/docker/1\n9:name=systemd:/s\n"
                                   "4:memory:/a:b\n0::/user.slice/app.scope\n";
        static const struct {
                const char *text, *controller;
                int error;
                const char *path;
        } cases[] = {
                { text, NULL, 0, "/user.slice/app.scope" },
                { text, "net_cls", 0, "/docker/1" },
                { text, "net_prio", 0, "/docker/1" },
                { text, "memory", 0, "/a:b" },
                { text, "net", -ENOENT, NULL },
                { "0::/", NULL, 0, "/" },
                { "1:net_cls:/\n", NULL, -ENOENT, NULL },
                { "", NULL, -ENOENT, NULL },
                { "0::/a (deleted)\n", NULL, -ESTALE, NULL },
                { "0::/../other\n", NULL, -EXDEV, NULL },
                { "0::/..\n", NULL, -EXDEV, NULL },
                { "0::/..a\n", NULL, 0, "/..a" },
                { "0::a\n", NULL, -EBADMSG, NULL },
                { "0::\n", NULL, -EBADMSG, NULL },
                { "0:\n0::/a\n", NULL, -EBADMSG, NULL },
                { "junk", NULL, -EBADMSG, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char path[PROC_CGROUP_MAX];

                g_assert_cmpint(proc_parse_cgroup(cases[i].text, cases[i].controller, path), ==,
                        cases[i].error);
                if (cases[i].path)
                        g_assert_cmpstr(path, ==, cases[i].path);
        }
}

static void test_reads_the_pid_of_a_pidfd(void) {
        pid_t pid;

        g_assert_cmpint(proc_parse_fdinfo_pid("pos:\t0\nPid:\t77\nNSpid:\t77\n", &pid), ==, 0);
        g_assert_cmpint(pid, ==, 77);
        g_assert_cmpint(proc_parse_fdinfo_pid("Pid:\t-1\n", &pid), ==, -ESRCH);
        g_assert_cmpint(proc_parse_fdinfo_pid("Pid:\t0\n", &pid), ==, -ESRCH);
        g_assert_cmpint(proc_parse_fdinfo_pid("NSpid:\t1\n", &pid), ==, -EBADMSG);
        g_assert_cmpint(proc_parse_fdinfo_pid("Pid:\tx\n", &pid), ==, -EBADMSG);
}

static void test_reads_ourselves(void) {
        CLEANUP_FD int directory = proc_open_directory(getpid());
        char path[PATH_MAX];
        bool is_deleted;
        ProcStat stat;
        ProcUids uids;

        g_assert_cmpint(directory, >=, 0);
        g_assert_cmpint(proc_read_stat(directory, &stat), ==, 0);
        g_assert_cmpint(stat.pid, ==, getpid());
        g_assert_cmpint(stat.parent, ==, getppid());
        g_assert_false(stat.is_kernel_thread);
        g_assert_cmpint(proc_read_uids(directory, &uids), ==, 0);
        g_assert_cmpuint(uids.real, ==, getuid());
        g_assert_cmpint(proc_read_executable(directory, path, &is_deleted), ==, 0);
        g_assert_nonnull(strstr(path, "test-proc-info"));
        g_assert_false(is_deleted);
        g_assert_cmpint(proc_open_directory(0), ==, -ESRCH);
        g_assert_cmpint(proc_open_directory(-1), ==, -ESRCH);
        g_assert_cmpint(proc_open_directory(INT32_MAX), ==, -ESRCH);
}

static void test_survives_any_text(void) {
        g_autofree char *tail = g_strdup_printf(TAIL, 1u);
        g_autofree char *whole = g_strdup_printf("42 (a b) S%s\nUid:\t1\t2\t3\t4\n0::/a/b\n", tail);
        size_t length = strlen(whole);

        for (unsigned i = 0; i < 20000; i++) {
                char path[PROC_CGROUP_MAX];
                g_autofree char *text = g_strdup(whole);
                ProcStat stat;
                ProcUids uids;

                for (int n = g_test_rand_int_range(0, 6); n > 0; n--)
                        text[g_test_rand_int_range(0, (int)length)] =
                                "() \n:-/9\377"[g_test_rand_int_range(0, 9)];
                text[g_test_rand_int_range(0, (int)length)] = '\0';
                text = g_realloc(text, strlen(text) + 1);
                if (proc_parse_stat(text, &stat) == 0)
                        g_assert_cmpint(stat.pid, >, 0);
                (void)proc_parse_uids(text, &uids);
                if (proc_parse_cgroup(text, NULL, path) == 0)
                        g_assert_cmpint(path[0], ==, '/');
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/proc-info/reads-stat", test_reads_stat);
        g_test_add_func("/proc-info/ending-process-has-no-session", test_no_session);
        g_test_add_func("/proc-info/refuses-malformed-stat", test_refuses_malformed_stat);
        g_test_add_func("/proc-info/reads-users", test_reads_users);
        g_test_add_func("/proc-info/reads-groups", test_reads_groups);
        g_test_add_func("/proc-info/reads-the-pid-of-a-pidfd", test_reads_the_pid_of_a_pidfd);
        g_test_add_func("/proc-info/reads-ourselves", test_reads_ourselves);
        g_test_add_func("/proc-info/survives-any-text", test_survives_any_text);
        return g_test_run();
}
