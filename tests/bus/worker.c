// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/bus/worker.h"

#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

enum {
        WORKER_READY = 'r',
        WORKER_EXEC = 'e',
        WORKER_END = 'x',
};

void worker_wait(void) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
                (void)pause();
}

void worker_start_children(unsigned n, unsigned depth) {
        for (unsigned i = 0; i < n; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        abort();
                if (pid > 0)
                        continue;
                if (depth > 0)
                        worker_start_children(1, depth - 1);
                worker_wait();
        }
}

/* What the test has open is no business of the worker's. */
static int keep_only(int fd) {
        int kept = 3;

        if (fd != kept && dup3(fd, kept, O_CLOEXEC) < 0)
                abort();
        (void)close_range((unsigned)kept + 1, UINT_MAX, 0);
        return kept;
}

static void run(uid_t uid, WorkerBody body, void *userdata, int fd) {
        const char ready = WORKER_READY;
        char command;

        fd = keep_only(fd);
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                abort();
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* another uid clears it */
        if (body)
                body(userdata);
        if (write(fd, &ready, 1) != 1)
                abort();
        while (read(fd, &command, 1) == 1) {
                if (command == WORKER_END)
                        break;
                (void)execl("/bin/sleep", "sleep", "infinity", NULL);
                abort();
        }
        _exit(0);
}

/* The other end closes: it runs another program, or it ended. */
static void wait_for_close(const Worker *worker) {
        char byte;

        g_assert_cmpint(read(worker->fd, &byte, 1), ==, 0);
}

/* fork(), where @pid is not 0 with that number. */
static pid_t fork_as(pid_t pid) {
        struct clone_args arguments = {
                .exit_signal = SIGCHLD,
                .set_tid = (uint64_t)(uintptr_t)&pid,
                .set_tid_size = 1,
        };

        return pid ? (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments)) : fork();
}

static Worker *start(pid_t pid, uid_t uid, WorkerBody body, void *userdata) {
        Worker *worker = g_new0(Worker, 1);
        char ready = 0;
        int pair[2];

        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        worker->pid = fork_as(pid);
        g_assert_cmpint(worker->pid, >=, 0);
        if (worker->pid == 0) {
                (void)close(pair[0]);
                run(uid, body, userdata, pair[1]);
        }
        (void)close(pair[1]);
        worker->fd = pair[0];
        g_assert_cmpint(read(worker->fd, &ready, 1), ==, 1);
        g_assert_cmpint(ready, ==, WORKER_READY);
        return worker;
}

Worker *worker_new(uid_t uid, WorkerBody body, void *userdata) {
        return start(0, uid, body, userdata);
}

Worker *worker_new_again(pid_t pid, uid_t uid) {
        return start(pid, uid, NULL, NULL);
}

Worker *worker_free(Worker *worker) {
        if (!worker)
                return NULL;

        /* Its descendants are ours once their parents are gone. */
        (void)kill(-worker->pid, SIGKILL);
        while (waitpid(-worker->pid, NULL, 0) > 0)
                continue;
        (void)close(worker->fd);
        g_free(worker);
        return NULL;
}

static void command(Worker *worker, char byte) {
        g_assert_cmpint(write(worker->fd, &byte, 1), ==, 1);
        wait_for_close(worker);
}

void worker_exec(Worker *worker) {
        command(worker, WORKER_EXEC);
}

void worker_end(Worker *worker) {
        siginfo_t info;

        command(worker, WORKER_END);
        g_assert_cmpint(waitid(P_PID, (id_t)worker->pid, &info, WEXITED | WNOWAIT), ==, 0);
}

int worker_pidfd(const Worker *worker) {
        int fd = (int)syscall(SYS_pidfd_open, worker->pid, 0);

        g_assert_cmpint(fd, >=, 0);
        return fd;
}
