// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/agent.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/descriptor.h"

#define MESSAGE_BYTES_MAX (72 * 1024)
#define TEXT_BYTES_MAX (32 * 1024)

typedef enum Operation {
        OPERATION_RUN,
        OPERATION_STOP,
} Operation;

typedef struct Request {
        Operation operation;
        int netns_fd;
        int n_strings;
        char strings[]; /* each ends with a null byte */
} Request;

typedef struct Reply {
        int result;
        int status;
        char texts[]; /* stdout and stderr, each ends with a null byte */
} Reply;

static int daemon_stop(const char *pidfile) {
        g_autofree char *text = NULL;
        pid_t pid;

        if (!g_file_get_contents(pidfile, &text, NULL, NULL))
                return 0;
        pid = atoi(text);
        if (pid <= 1)
                return -EINVAL;
        if (kill(pid, SIGTERM) < 0)
                return errno == ESRCH ? 0 : -errno;
        /* A daemon is an orphan, and orphans are ours. */
        (void)waitpid(pid, NULL, 0);
        (void)unlink(pidfile);
        return 0;
}

static int request_run(const Request *request, const char *end, CommandResult *ret) {
        g_autoptr(GPtrArray) argv = g_ptr_array_new();
        const char *string = request->strings;

        for (int i = 0; i < request->n_strings && string < end; i++, string += strlen(string) + 1)
                g_ptr_array_add(argv, (char *)string);
        g_ptr_array_add(argv, NULL);
        return command_run(&(Command){ .argv = (const char *const *)argv->pdata,
                                   .netns_fd = request->netns_fd },
                ret);
}

static void text_append(GByteArray *message, const char *text) {
        const char *shown = text ?: "";

        g_byte_array_append(message, (const uint8_t *)shown, MIN(strlen(shown), TEXT_BYTES_MAX));
        g_byte_array_append(message, (const uint8_t *)"", 1);
}

static int request_answer(int fd) {
        g_autofree char *buffer = g_malloc0(MESSAGE_BYTES_MAX + 1);
        g_autoptr(GByteArray) message = g_byte_array_new();
        g_auto(CommandResult) result = {};
        Request *request = (Request *)buffer;
        Reply reply = {};
        ssize_t n;

        n = recv(fd, buffer, MESSAGE_BYTES_MAX, 0);
        if (n < (ssize_t)sizeof(Request))
                return n < 0 ? -errno : -ECONNRESET;
        switch (request->operation) {
        case OPERATION_RUN:
                reply.result = request_run(request, buffer + n, &result);
                break;
        case OPERATION_STOP:
                reply.result = daemon_stop(request->strings);
                break;
        }
        reply.status = result.status;
        g_byte_array_append(message, (const uint8_t *)&reply, sizeof(reply));
        text_append(message, result.out);
        text_append(message, result.err);
        return send(fd, message->data, message->len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int agent_serve(int fd, pid_t until) {
        _cleanup_fd_ int pidfd = pidfd_open(until, 0);
        struct pollfd fds[] = {
                { .fd = pidfd, .events = POLLIN },
                { .fd = fd, .events = POLLIN },
        };
        int status = 0;

        assert(pidfd >= 0);

        while (!fds[0].revents) {
                if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        break;
                if (fds[1].revents && request_answer(fd) < 0)
                        fds[1].fd = -1;
        }
        if (waitpid(until, &status, 0) < 0)
                return EXIT_FAILURE;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int agent_ask(
        int fd, Operation operation, int netns_fd, const char *const *strings, CommandResult *ret) {
        g_autofree char *buffer = g_malloc0(MESSAGE_BYTES_MAX + 1);
        g_autoptr(GByteArray) message = g_byte_array_new();
        Request request = { .operation = operation, .netns_fd = netns_fd };
        const Reply *reply = (const Reply *)buffer;
        ssize_t n;

        for (request.n_strings = 0; strings[request.n_strings]; request.n_strings++)
                ;
        g_byte_array_append(message, (const uint8_t *)&request, sizeof(request));
        for (const char *const *string = strings; *string; string++)
                g_byte_array_append(message, (const uint8_t *)*string, strlen(*string) + 1);
        if (message->len > MESSAGE_BYTES_MAX)
                return -E2BIG;
        if (send(fd, message->data, message->len, MSG_NOSIGNAL) < 0)
                return -errno;
        n = recv(fd, buffer, MESSAGE_BYTES_MAX, 0);
        if (n < (ssize_t)sizeof(Reply))
                return n < 0 ? -errno : -ECONNRESET;
        if (reply->result < 0)
                return reply->result;
        *ret = (CommandResult){
                .status = reply->status,
                .out = g_strdup(reply->texts),
                .err = g_strdup(reply->texts + strlen(reply->texts) + 1),
        };
        return 0;
}

int agent_run(int fd, int netns_fd, const char *const *argv, CommandResult *ret) {
        return agent_ask(fd, OPERATION_RUN, netns_fd, argv, ret);
}

int agent_stop(int fd, const char *pidfile) {
        g_auto(CommandResult) result = {};

        return agent_ask(fd, OPERATION_STOP, 0, (const char *const[]){ pidfile, NULL }, &result);
}
