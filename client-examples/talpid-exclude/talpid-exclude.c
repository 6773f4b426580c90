// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpid-exclude COMMAND [ARGUMENT…]: runs a program around the tunnel.
 *
 * This process asks for itself, by its own pidfd, waits for the answer, and
 * becomes the command: whatever that opens goes around from its first packet.
 * Nobody else is asked for anything, so it needs no special right. Where the
 * service does not grant it, the command is not run: a program that was to go
 * around would otherwise go through the tunnel unnoticed.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

/* As env(1), nohup(1) and timeout(1) end. */
#define EXIT_OURS 125
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

/* People type passwords slowly. */
#define TIMEOUT_USEC (10 * 60 * 1000000ULL)

static const char help[] =
        "Usage: talpid-exclude [--sockets keep|migrate|reset] COMMAND [ARGUMENT]...\n"
        "Runs COMMAND around the VPN tunnel.\n"
        "\n"
        "  --sockets HOW  what happens to connections that are inherited (default: keep)\n"
        "  --help         this text\n"
        "\n"
        "Ends as COMMAND does; with 125 when it could not be let around the tunnel, 126\n"
        "when it cannot be run, 127 when it is not found.\n";

/* Nothing of ours may stay open in the command. Return: 0; negative errno, *error may be set. */
static int call_service(int pidfd, const char *sockets, sd_bus_error *error) {
        sd_bus_message *message = NULL;
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_NO_SERVER,
                        "the system bus cannot be reached: %s", strerror(-r));
        r = sd_bus_message_new_method_call(bus, &message, "org.talpid.SplitTunnel",
                "/org/talpid/SplitTunnel", "org.talpid.SplitTunnel", "AddProcessFd");
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(message, 1);
        if (r >= 0)
                r = sd_bus_message_append(message, "ha{sv}", pidfd, 2, "lifetime", "s", "boot",
                        "sockets", "s", sockets);
        if (r >= 0)
                r = sd_bus_call(bus, message, TIMEOUT_USEC, error, NULL);

        sd_bus_message_unref(message);
        sd_bus_flush_close_unref(bus);
        return r < 0 ? r : 0;
}

static int exclude_ourselves(const char *sockets) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        int r;

        if (pidfd < 0) {
                fprintf(stderr, "talpid-exclude: pidfd_open: %s\n", strerror(errno));
                return -errno;
        }
        r = call_service(pidfd, sockets, &error);
        (void)close(pidfd);
        if (r < 0)
                fprintf(stderr, "talpid-exclude: %s\n",
                        error.message ? error.message : strerror(-r));
        sd_bus_error_free(&error);
        return r;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "sockets", required_argument, NULL, 's' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        const char *sockets = "keep";
        int option;

        /* "+": options behind the command are the command's. */
        while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
                if (option == 'h')
                        return fputs(help, stdout) < 0 ? EXIT_OURS : EXIT_SUCCESS;
                if (option != 's') {
                        fputs("Try talpid-exclude --help\n", stderr);
                        return EXIT_OURS;
                }
                sockets = optarg;
        }
        if (optind >= argc) {
                fputs("talpid-exclude: no command; try talpid-exclude --help\n", stderr);
                return EXIT_OURS;
        }

        if (exclude_ourselves(sockets) < 0) {
                fprintf(stderr, "talpid-exclude: %s was not run\n", argv[optind]);
                return EXIT_OURS;
        }
        (void)execvp(argv[optind], argv + optind);
        fprintf(stderr, "talpid-exclude: %s: %s\n", argv[optind], strerror(errno));
        return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
