// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/command.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/descriptor.h"

#define GROUPS_MAX 64

typedef struct Identity {
        uid_t uid;
        gid_t gid;
        gid_t groups[GROUPS_MAX];
        int n_groups;
} Identity;

static int identity_find(uid_t uid, Identity *ret) {
        Identity found = { .uid = uid, .n_groups = GROUPS_MAX };
        struct passwd *user;

        user = getpwuid(uid);
        if (!user)
                return -ESRCH;
        found.gid = user->pw_gid;
        if (getgrouplist(user->pw_name, user->pw_gid, found.groups, &found.n_groups) < 0)
                return -E2BIG;
        *ret = found;
        return 0;
}

static int cgroup_join(const char *directory) {
        char path[4096];
        int r, fd;

        if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.procs", directory) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write(fd, "0", 1) < 0 ? -errno : 0;
        close(fd);
        return r;
}

/* Runs between fork and exec in a program with threads: system calls only. */
static int child_move(const Command *command, const Identity *identity) {
        int r;

        if (command->cgroup) {
                r = cgroup_join(command->cgroup);
                if (r < 0)
                        return r;
        }
        if (command->netns_fd > 0 && setns(command->netns_fd, CLONE_NEWNET) < 0)
                return -errno;
        if (identity->uid == 0)
                return 0;
        if (setgroups(identity->n_groups, identity->groups) < 0 ||
                setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
                setresuid(identity->uid, identity->uid, identity->uid) < 0)
                return -errno;
        return 0;
}

static void child_exec(const Command *command, const Identity *identity, int in, int out, int err) {
        sigset_t none;

        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        if (child_move(command, identity) < 0)
                _exit(126);
        if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
                dup2(err, STDERR_FILENO) < 0)
                _exit(126);
        execvp(command->argv[0], (char *const *)command->argv);
        _exit(127);
}

static int child_start(const Command *command, int in, int out, int err, pid_t *ret) {
        Identity identity = {};
        pid_t pid;
        int r;

        if (command->uid != 0) {
                r = identity_find(command->uid, &identity);
                if (r < 0)
                        return r;
        }
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child_exec(command, &identity, in, out, err);
        *ret = pid;
        return 0;
}

static int input_open(const char *text) {
        _cleanup_fd_ int fd = -1;
        size_t length = text ? strlen(text) : 0;

        if (!text) {
                fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                return fd < 0 ? -errno : TAKE_FD(fd);
        }
        fd = memfd_create("stdin", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) < 0)
                return -EIO;
        return TAKE_FD(fd);
}

/* Takes what is there now. Return: whether more may come. */
static bool output_drain(int fd, GString *text) {
        char buffer[16384];
        ssize_t n;

        for (;;) {
                n = read(fd, buffer, sizeof(buffer));
                if (n <= 0)
                        return n < 0 && errno == EAGAIN;
                if (text->len + (size_t)n <= COMMAND_OUTPUT_BYTES_MAX)
                        g_string_append_len(text, buffer, n);
        }
}

static int output_collect(
        int pidfd, int out, int err, GString *out_text, GString *err_text, int timeout_msec) {
        int64_t deadline = g_get_monotonic_time() + (int64_t)timeout_msec * 1000;
        struct pollfd fds[] = {
                { .fd = pidfd, .events = POLLIN },
                { .fd = out, .events = POLLIN },
                { .fd = err, .events = POLLIN },
        };

        for (;;) {
                int64_t left = (deadline - g_get_monotonic_time()) / 1000;

                if (left <= 0)
                        return -ETIMEDOUT;
                if (poll(fds, G_N_ELEMENTS(fds), (int)left) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].fd >= 0 && !output_drain(out, out_text))
                        fds[1].fd = -1;
                if (fds[2].fd >= 0 && !output_drain(err, err_text))
                        fds[2].fd = -1;
                if (fds[0].revents)
                        return 0;
        }
}

static int child_wait(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int pipe_open(int *ret_read, int *ret_write) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
        *ret_read = fds[0];
        *ret_write = fds[1];
        return 0;
}

int command_run(const Command *command, CommandResult *ret) {
        g_autoptr(GString) out_text = g_string_new(NULL);
        g_autoptr(GString) err_text = g_string_new(NULL);
        _cleanup_fd_ int in = -1, out_read = -1, out_write = -1, err_read = -1, err_write = -1,
                         pidfd = -1;
        int r, status;
        pid_t pid;

        assert(command && command->argv && command->argv[0]);

        in = input_open(command->input);
        if (in < 0)
                return in;
        r = pipe_open(&out_read, &out_write);
        if (r < 0)
                return r;
        r = pipe_open(&err_read, &err_write);
        if (r < 0)
                return r;
        r = child_start(command, in, out_write, err_write, &pid);
        if (r < 0)
                return r;

        out_write = fd_close(out_write);
        err_write = fd_close(err_write);
        pidfd = pidfd_open(pid, 0);
        r = pidfd < 0 ? -errno
                      : output_collect(pidfd, out_read, err_read, out_text, err_text,
                                command->timeout_msec ?: COMMAND_TIMEOUT_MSEC);
        if (r < 0)
                (void)kill(pid, SIGKILL);
        status = child_wait(pid);
        if (r < 0)
                return r;
        if (status < 0)
                return status;

        /* What was written just before the end. */
        (void)output_drain(out_read, out_text);
        (void)output_drain(err_read, err_text);
        *ret = (CommandResult){
                .status = status,
                .out = g_string_free(g_steal_pointer(&out_text), FALSE),
                .err = g_string_free(g_steal_pointer(&err_text), FALSE),
        };
        return 0;
}

int command_start(const Command *command, pid_t *ret) {
        _cleanup_fd_ int in = -1;

        assert(command && command->argv && command->argv[0]);

        in = input_open(command->input);
        if (in < 0)
                return in;
        /* Standard output carries TAP, which a stranger must not write to. */
        return child_start(command, in, STDERR_FILENO, STDERR_FILENO, ret);
}

void command_stop(pid_t pid) {
        if (pid <= 0)
                return;
        (void)kill(pid, SIGKILL);
        (void)child_wait(pid);
}

void command_result_clear(CommandResult *result) {
        g_clear_pointer(&result->out, g_free);
        g_clear_pointer(&result->err, g_free);
}
