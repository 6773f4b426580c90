// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/terminal.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* In the child. */
static void become(const Terminal *terminal, const char *procs, const char *script) {
        FILE *file = procs ? fopen(procs, "we") : NULL;

        if (procs && (!file || fputs("0", file) < 0 || fclose(file) != 0))
                _exit(126);
        if (terminal->uid != 0 &&
                (setgroups(0, NULL) < 0 ||
                        setresgid(terminal->uid, terminal->uid, terminal->uid) < 0 ||
                        setresuid(terminal->uid, terminal->uid, terminal->uid) < 0))
                _exit(126);
        (void)execl("/bin/sh", "sh", "-c", script, NULL);
        _exit(127);
}

static unsigned count(const char *text, const char *what) {
        unsigned n = 0;

        for (text = strstr(text, what); text; text = strstr(text + 1, what))
                n++;
        return n;
}

/* What is typed before the prompt's program has the echo off is thrown away by it. */
static bool is_listening(int fd) {
        struct termios settings;

        return tcgetattr(fd, &settings) == 0 && !(settings.c_lflag & ECHO);
}

/* Until the terminal is closed by the last that has it. Return: 0; -ETIMEDOUT. */
static int talk(int fd, const Terminal *terminal, GString *shown, unsigned *ret_answers) {
        gint64 end = g_get_monotonic_time() + COMMAND_TIMEOUT_MSEC * G_TIME_SPAN_MILLISECOND;
        unsigned n_answers = 0;
        char buffer[4096];
        ssize_t n;

        for (;;) {
                struct pollfd poller = { .fd = fd, .events = POLLIN };
                bool is_asked = terminal->prompt && count(shown->str, terminal->prompt) > n_answers;

                if (g_get_monotonic_time() > end)
                        return -ETIMEDOUT;
                if (is_asked && is_listening(fd)) {
                        if (dprintf(fd, "%s\n", terminal->answer) < 0)
                                return -errno;
                        n_answers++;
                }
                /* Nothing tells of a change of its settings. */
                if (poll(&poller, 1, is_asked ? 10 : 1000) <= 0)
                        continue;
                n = read(fd, buffer, sizeof(buffer));
                if (n <= 0)
                        break;
                g_string_append_len(shown, buffer, n);
        }
        if (ret_answers)
                *ret_answers = n_answers;
        return 0;
}

int terminal_run(
        const Terminal *terminal, const char *script, CommandResult *ret, unsigned *ret_answers) {
        const struct winsize size = { .ws_row = 24, .ws_col = 80 };
        g_autofree char *procs =
                terminal->cgroup ? g_strconcat(terminal->cgroup, "/cgroup.procs", NULL) : NULL;
        g_autoptr(GString) shown = g_string_new(NULL);
        int fd, status, r;
        pid_t pid;

        pid = forkpty(&fd, NULL, NULL, &size);
        if (pid < 0)
                return -errno;
        if (pid == 0)
                become(terminal, procs, script);
        r = talk(fd, terminal, shown, ret_answers);
        if (r < 0)
                (void)kill(-pid, SIGKILL);
        (void)close(fd);
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        if (r < 0) {
                g_printerr("terminal: %s: too late, it showed: %s\n", script, shown->str);
                return r;
        }
        (void)g_string_replace(shown, "\r", "", 0);
        *ret = (CommandResult){
                .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                .out = g_string_free(g_steal_pointer(&shown), FALSE),
                .err = g_strdup(""),
        };
        return 0;
}
