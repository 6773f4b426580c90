// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/proc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/netns/test-processes-lib.h"

static void test_tells_who_it_is(Fixture *fixture) {
        pid_t pid = fixture_child(fixture, NULL, NULL, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        CLEANUP(process_clear) Process again = PROCESS_NONE;

        g_assert_cmpint(process.pid, ==, pid);
        g_assert_cmpint(process.parent, ==, getpid());
        g_assert_cmpuint(process.uid, ==, getuid());
        g_assert_false(process.is_kernel_thread);
        g_assert_cmpint(fcntl(process.pidfd, F_GETFD), ==, FD_CLOEXEC);
        g_assert_cmpint(process_check(&process), ==, 0);
        g_assert_cmpint(process_from_pidfd(process.pidfd, &again), ==, 0);
        g_assert_cmpint(again.pidfd, !=, process.pidfd);
        g_assert_cmpint(again.pid, ==, pid);
        g_assert_cmpuint(again.start_time, ==, process.start_time);
        g_assert_cmpuint(again.unique_id, ==, process.unique_id);
}

static void test_refuses_what_is_no_process(Fixture *fixture) {
        CLEANUP_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        CLEANUP_FD int directory = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const int fds[] = { -1, null, directory, 12345 };
        Process process;

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                g_assert_cmpint(process_from_pidfd(fds[i], &process), ==, -EBADF);
        g_assert_cmpint(process_open(0, &process), ==, -ESRCH);
        g_assert_cmpint(process_open(-1, &process), ==, -ESRCH);
        g_assert_cmpint(process_open(INT32_MAX, &process), ==, -ESRCH);
}

static void test_a_zombie_is_no_process(Fixture *fixture) {
        pid_t pid = fixture_child(fixture, NULL, NULL, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        Process other;
        siginfo_t info;

        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(process_check(&process), ==, -ESRCH);
                g_assert_cmpint(process_open(pid, &other), ==, -ESRCH);
                g_assert_cmpint(process_from_pidfd(process.pidfd, &other), ==, -ESRCH);
                g_assert_cmpint(process_open_directory(&process), ==, -ESRCH);
                fixture_end_child(fixture, pid); /* once as a zombie, once after */
        }
}

static gpointer thread_body(gpointer data) {
        int *fds = data;
        pid_t tid = gettid();
        char byte;

        g_assert_cmpint(write(fds[1], &tid, sizeof(tid)), ==, sizeof(tid));
        (void)read(fds[2], &byte, 1);
        return NULL;
}

static void test_a_thread_is_no_process(Fixture *fixture) {
        int out[2], in[2], fds[3];
        Process process;
        GThread *thread;
        pid_t tid;

        g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
        g_assert_cmpint(pipe2(in, O_CLOEXEC), ==, 0);
        fds[1] = out[1];
        fds[2] = in[0];
        thread = g_thread_new("thread", thread_body, fds);
        g_assert_cmpint(read(out[0], &tid, sizeof(tid)), ==, sizeof(tid));
        g_assert_cmpint(process_open(tid, &process), ==, -EINVAL);
        (void)close(in[1]);
        g_thread_join(thread);
        (void)close(in[0]);
        (void)close(out[0]);
        (void)close(out[1]);
}

static pid_t spawn(void) {
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void)pause();
        }
        return pid;
}

static pid_t spawn_as(pid_t pid) {
        g_autofree char *text = g_strdup_printf("%d", pid - 1);
        CLEANUP_FD int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
        return spawn();
}

static void end(pid_t pid) {
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* In a pid namespace of its own, so that no number but ours is taken again. */
static void reuse_pid(Fixture *fixture, void *userdata) {
        Process first, other;
        Cgroup2 *cgroup2 = NULL;
        ProcessRef ref;
        g_autofree char *before = NULL, *after = NULL;
        CLEANUP_FD int directory = -1;
        ProcStat stat;
        pid_t pid = spawn();
        Fault fault;

        g_assert_cmpint(process_open(pid, &first), ==, 0);
        ref = (ProcessRef){ pid, getpid(), first.start_time };
        directory = process_open_directory(&first);
        g_assert_cmpint(directory, >=, 0);
        end(pid);
        /* A tick later, so that start times differ. */
        do {
                g_assert_cmpint(spawn_as(pid), ==, pid);
                g_assert_cmpint(process_open(pid, &other), ==, 0);
                if (other.start_time == first.start_time) {
                        process_clear(&other);
                        end(pid);
                        continue;
                }
                break;
        } while (true);

        if (first.unique_id)
                g_assert_cmpuint(other.unique_id, !=, first.unique_id);
        g_assert_cmpint(process_check(&first), ==, -ESRCH);
        g_assert_cmpint(process_open_directory(&first), ==, -ESRCH);
        g_assert_cmpint(proc_read_stat(directory, &stat), ==, -ESRCH);
        process_clear(&other);
        g_assert_cmpint(process_reopen(&ref, &other), ==, -ESRCH);
        g_assert_cmpint(process_from_pidfd(first.pidfd, &other), ==, -ESRCH);

        before = path_of(pid);
        g_assert_cmpint(cgroup2_open(fixture->event, fixture->mount, &cgroup2), ==, 0);
        g_assert_cmpint(cgroup2_exclude_process(cgroup2, &first, CGROUP2_EXCLUDED, NULL, &fault),
                ==, -ESRCH);
        after = path_of(pid);
        g_assert_cmpstr(after, ==, before);
        (void)cgroup2_free(cgroup2);
        process_clear(&first);
        end(pid);
}

static void test_a_number_taken_again_is_refused(Fixture *fixture) {
        fixture_run_apart(fixture, CLONE_NEWPID | CLONE_NEWNS, reuse_pid, NULL);
}

static void open_outer(Fixture *fixture, void *userdata) {
        Process process;

        g_assert_cmpint(process_from_pidfd(*(int *)userdata, &process), ==, -ESRCH);
}

static void test_refuses_a_process_outside_of_our_pid_namespace(Fixture *fixture) {
        pid_t pid = fixture_child(fixture, NULL, NULL, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);

        fixture_run_apart(fixture, CLONE_NEWPID | CLONE_NEWNS, open_outer, &process.pidfd);
}

static void fork_chain(void *userdata) {
        for (unsigned i = 0; i < 3; i++) {
                pid_t parent = getpid();

                if (fork() > 0)
                        return;
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                        _exit(1);
        }
}

static void test_lists_children_parents_first(Fixture *fixture) {
        pid_t pid = fixture_child(fixture, NULL, fork_chain, NULL), parent = pid;
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        const ProcessRef *ref;

        while (refs.n < 3) {
                array_clear(&refs);
                g_assert_cmpint(process_list_children(pid, &refs), ==, 0);
        }
        ARRAY_FOREACH(ref, &refs) {
                CLEANUP(process_clear) Process process = PROCESS_NONE;

                g_assert_cmpint(ref->parent, ==, parent);
                g_assert_cmpint(process_reopen(ref, &process), ==, 0);
                parent = ref->pid;
        }
        array_clear(&refs);
        g_assert_cmpint(process_list_children(INT32_MAX, &refs), ==, 0);
        g_assert_cmpuint(refs.n, ==, 0);
}

typedef struct Loss {
        bool leads_session;
        int told[2]; /* the number of the grandchild, when its parent has ended */
        int held[2]; /* it ends when the test closes this */
} Loss;

static void lose_grandchild(void *userdata) {
        const Loss *loss = userdata;
        pid_t child, lost = 0;
        int numbers[2];
        char byte;

        (void)close(loss->held[1]);
        if (loss->leads_session)
                g_assert_cmpint(setsid(), >, 0);
        g_assert_cmpint(pipe2(numbers, O_CLOEXEC), ==, 0);
        child = fork();
        if (child == 0) {
                lost = fork();
                if (lost == 0)
                        _exit((int)read(loss->held[0], &byte, 1));
                (void)write(numbers[1], &lost, sizeof(lost));
                _exit(0);
        }
        g_assert_cmpint(read(numbers[0], &lost, sizeof(lost)), ==, sizeof(lost));
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
        g_assert_cmpint(write(loss->told[1], &lost, sizeof(lost)), ==, sizeof(lost));
}

/* Nothing says where it came from but the session that was made for it and others. */
static void test_lists_lost_ones_by_their_session(Fixture *fixture) {
        for (int leads = 0; leads < 2; leads++) {
                CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
                Loss loss = { .leads_session = leads };
                pid_t pid, lost;

                g_assert_cmpint(pipe2(loss.told, O_CLOEXEC), ==, 0);
                g_assert_cmpint(pipe2(loss.held, O_CLOEXEC), ==, 0);
                pid = fixture_child(fixture, NULL, lose_grandchild, &loss);
                g_assert_cmpint(read(loss.told[0], &lost, sizeof(lost)), ==, sizeof(lost));
                g_assert_cmpint(process_list_children(pid, &refs), ==, 0);
                g_assert_cmpuint(refs.n, ==, leads ? 1 : 0);
                if (leads) {
                        const ProcessRef *ref = array_at(&refs, 0);

                        g_assert_cmpint(ref->pid, ==, lost);
                        g_assert_cmpint(ref->parent, !=, pid);
                }
                for (int i = 0; i < 2; i++) {
                        (void)close(loss.told[i]);
                        (void)close(loss.held[i]);
                }
        }
}

static void test_knows_its_group_without_proc(Fixture *fixture) {
        g_autofree char *unit = fixture_group(fixture, "unit");
        pid_t pid = fixture_child(fixture, unit, NULL, NULL);
        CLEANUP(process_clear) Process process = fixture_open(pid);
        uint64_t id = 0;
        int r = process_cgroup_id(&process, &id);

        if (r == -EOPNOTSUPP)
                return; /* before Linux 6.13 */
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpuint(id, ==, fixture_group_id(fixture, unit));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        fixture_test_add("/process/tells-who-it-is", test_tells_who_it_is);
        fixture_test_add("/process/refuses-what-is-no-process", test_refuses_what_is_no_process);
        fixture_test_add("/process/a-zombie-is-no-process", test_a_zombie_is_no_process);
        fixture_test_add("/process/a-thread-is-no-process", test_a_thread_is_no_process);
        fixture_test_add(
                "/process/a-number-taken-again-is-refused", test_a_number_taken_again_is_refused);
        fixture_test_add("/process/refuses-one-outside-of-our-pid-namespace",
                test_refuses_a_process_outside_of_our_pid_namespace);
        fixture_test_add(
                "/process/lists-children-parents-first", test_lists_children_parents_first);
        fixture_test_add("/process/lists-lost-children-by-their-session",
                test_lists_lost_ones_by_their_session);
        fixture_test_add(
                "/process/knows-its-group-without-proc", test_knows_its_group_without_proc);
        return g_test_run();
}
