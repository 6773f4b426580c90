// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Runs a command around the tunnel and waits for its end: what a program does that starts others.
 * The new process stands still between fork and exec until the service has let it around, so that
 * not even its first packet goes through the tunnel.
 *
 * Compile:
 *     cc -o exclude-program exclude-program.c $(pkg-config --cflags --libs libsystemd)
 * Run:
 *     ./exclude-program curl --silent http://198.51.100.1/
 * Prints what the command prints, here the address that a server saw, that of the uplink:
 *     203.0.113.10
 * Where the service does not grant it, the command is not run, and it ends with 125.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define REFUSED 125

/* People type passwords slowly. */
#define PASSWORD_USEC (UINT64_C(10) * 60 * 1000000)

/* Waits for a byte. When the pipe ends without one the command is not to be run. */
static void become(int go, char *argv[]) {
        char byte;

        if (read(go, &byte, 1) != 1)
                _exit(REFUSED);
        (void)execvp(argv[0], argv);
        fprintf(stderr, "exclude-program: %s: %s\n", argv[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
}

/* By a descriptor, which cannot come to mean another process as a number can. */
static int exclude(int pidfd, sd_bus_error *error) {
        sd_bus_message *call = NULL;
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &call, "org.talpid.SplitTunnel",
                        "/org/talpid/SplitTunnel", "org.talpid.SplitTunnel", "AddProcessFd");
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(call, 1);
        if (r >= 0)
                r = sd_bus_message_append(call, "ha{sv}", pidfd, 0);
        if (r >= 0)
                r = sd_bus_call(bus, call, PASSWORD_USEC, error, NULL);
        sd_bus_message_unref(call);
        sd_bus_flush_close_unref(bus);
        return r;
}

static int exclude_child(pid_t pid) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        int r = pidfd < 0 ? -errno : exclude(pidfd, &error);

        if (r < 0)
                fprintf(stderr, "exclude-program: %s\n",
                        error.message ? error.message : strerror(-r));
        sd_bus_error_free(&error);
        if (pidfd >= 0)
                (void)close(pidfd);
        return r;
}

int main(int argc, char *argv[]) {
        int go[2], status;
        pid_t pid;

        if (argc < 2) {
                fputs("Usage: exclude-program COMMAND [ARGUMENT]...\n", stderr);
                return REFUSED;
        }
        if (pipe2(go, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
                perror("exclude-program");
                return REFUSED;
        }
        if (pid == 0) {
                (void)close(go[1]);
                become(go[0], argv + 1);
        }

        if (exclude_child(pid) >= 0)
                (void)!write(go[1], "", 1);
        (void)close(go[1]);
        if (waitpid(pid, &status, 0) < 0)
                return REFUSED;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
