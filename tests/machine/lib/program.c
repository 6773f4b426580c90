// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/program-protocol.h"

#define REPLY_TIMEOUT_MSEC 20000

struct Program {
        pid_t pid;
        int fd;
};

Program *program_start(const char *build_dir, const Command *where) {
        g_autofree char *path = g_build_filename(build_dir, "tests/machine/socket-program", NULL);
        g_autofree char *number = NULL;
        Program *program = g_new0(Program, 1);
        Command command = where ? *where : (Command){};
        int fds[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), ==, 0);
        number = g_strdup_printf("%d", fds[1]);
        command.argv = (const char *const[]){ path, number, NULL };
        g_assert_cmpint(fcntl(fds[0], F_SETFD, FD_CLOEXEC), ==, 0);
        g_assert_cmpint(command_start(&command, &program->pid), ==, 0);
        (void)fd_close(fds[1]);
        program->fd = fds[0];
        return program;
}

Program *program_stop(Program *program) {
        if (!program)
                return NULL;
        command_stop(program->pid);
        (void)fd_close(program->fd);
        g_free(program);
        return NULL;
}

pid_t program_pid(const Program *program) {
        return program->pid;
}

/* A program that answers nothing has ended, or hangs: no test goes on then. */
static int step(Program *program, const ProgramStep *asked, int passed, int *ret_passed,
        char **ret_answer) {
        struct pollfd poller = { .fd = program->fd, .events = POLLIN };
        ProgramReply reply = {};
        int received = -1;

        g_assert_cmpint(program_packet_send(program->fd, asked, sizeof(*asked), passed), ==, 0);
        g_assert_cmpint(poll(&poller, 1, REPLY_TIMEOUT_MSEC), ==, 1);
        g_assert_cmpint(
                program_packet_receive(program->fd, &reply, sizeof(reply), &received), ==, 0);
        if (ret_passed)
                *ret_passed = TAKE_FD(received);
        (void)fd_close(received);
        if (ret_answer)
                *ret_answer = g_strndup(reply.answer, sizeof(reply.answer));
        return reply.result;
}

int program_socket(Program *program, int slot, int family, int type, int protocol) {
        const ProgramStep asked = { .verb = PROGRAM_SOCKET,
                .slot = slot,
                .family = family,
                .type = type,
                .protocol = protocol };

        return step(program, &asked, -1, NULL, NULL);
}

int program_connect(Program *program, int slot, int port, bool mapped) {
        const ProgramStep asked = {
                .verb = PROGRAM_CONNECT, .slot = slot, .port = port, .flag = mapped
        };

        return step(program, &asked, -1, NULL, NULL);
}

int program_ask(Program *program, int slot, int port, bool mapped, char **answer) {
        const ProgramStep asked = {
                .verb = PROGRAM_ASK, .slot = slot, .port = port, .flag = mapped
        };

        return step(program, &asked, -1, NULL, answer);
}

int program_send(Program *program, int slot, int port, bool mapped) {
        const ProgramStep asked = {
                .verb = PROGRAM_SEND, .slot = slot, .port = port, .flag = mapped
        };

        return step(program, &asked, -1, NULL, NULL);
}

int program_flood(Program *program, int port) {
        const ProgramStep asked = { .verb = PROGRAM_FLOOD, .port = port };

        return step(program, &asked, -1, NULL, NULL);
}

int program_listen(Program *program, int slot, int port) {
        const ProgramStep asked = { .verb = PROGRAM_LISTEN, .slot = slot, .port = port };

        return step(program, &asked, -1, NULL, NULL);
}

int program_close(Program *program, int slot, bool abort) {
        const ProgramStep asked = { .verb = PROGRAM_CLOSE, .slot = slot, .flag = abort };

        return step(program, &asked, -1, NULL, NULL);
}

int program_pass(Program *program, int slot, Program *other, int other_slot) {
        const ProgramStep give = { .verb = PROGRAM_GIVE, .slot = slot };
        const ProgramStep take = { .verb = PROGRAM_TAKE, .slot = other_slot };
        _cleanup_fd_ int passed = -1;
        int r = step(program, &give, -1, &passed, NULL);

        return r < 0 ? r : step(other, &take, passed, NULL, NULL);
}
