// SPDX-License-Identifier: LGPL-2.1-or-later

#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTIFY_FD 3

/* In the child. It does not outlive us, however we end. */
static void on_child(void *user) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != (pid_t)(intptr_t)user)
                _exit(1);
}

/* The agent closes it when it is registered, or ends. */
static void wait_for_close(int fd) {
        char byte;
        ssize_t n;

        do
                n = read(fd, &byte, 1);
        while (n > 0 || (n < 0 && errno == EINTR));
}

/* As logind places what people start. */
static bool is_in_session(void) {
        g_autofree char *groups = NULL;

        return g_file_get_contents("/proc/self/cgroup", &groups, NULL, NULL) &&
               strstr(groups, "/user.slice/");
}

void agent_start(Agent *agent) {
        static const int target = NOTIFY_FD;
        /* Of a caller without a session polkitd 122 asks no agent that calls itself a fallback. */
        const char *const argv[] = { "pkttyagent", "--notify-fd", G_STRINGIFY(NOTIFY_FD),
                is_in_session() ? "--fallback" : NULL, NULL };
        int fds[2];
        GPid pid;

        if (agent->pid || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return;
        if (!g_unix_open_pipe(fds, FD_CLOEXEC, NULL))
                return;
        if (g_spawn_async_with_pipes_and_fds(NULL, argv, NULL,
                    G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN,
                    on_child, (void *)(intptr_t)getpid(), -1, -1, -1, &fds[1], &target, 1, &pid,
                    NULL, NULL, NULL, NULL))
                agent->pid = pid;
        (void)close(fds[1]);
        wait_for_close(fds[0]);
        (void)close(fds[0]);
}

void agent_stop(Agent *agent) {
        if (!agent->pid)
                return;
        (void)kill(agent->pid, SIGTERM);
        (void)kill(agent->pid, SIGCONT);
        while (waitpid(agent->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        agent->pid = 0;
}
