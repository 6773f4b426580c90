// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl exclude run, and talpid-exclude(1): runs a program around the
 * tunnel.
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
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"
#include "commands.h"

/* As env(1), nohup(1) and timeout(1) end. */
#define EXIT_OURS 125
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

#define LAUNCHER "talpid-exclude"

static const char help[] =
        "Usage: talpid-exclude [--sockets keep|migrate|reset] COMMAND [ARGUMENT]...\n"
        "Runs COMMAND around the VPN tunnel.\n"
        "\n"
        "  --sockets HOW      what happens to connections that are inherited (default: keep)\n"
        "  --no-ask-password  fail where a password would be needed\n"
        "  --help             this text\n"
        "\n"
        "Ends as COMMAND does; with 125 when it could not be let around the tunnel, 126\n"
        "when it cannot be run, 127 when it is not found.\n";

/* Takes over @pidfd. */
static bool call_service(Ctl *ctl, int pidfd, const char *sockets, GError **error) {
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&pidfd, 1);
        g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
        g_autoptr(GVariant) answer = NULL;

        g_variant_dict_insert(&options, "lifetime", "s", "boot");
        g_variant_dict_insert(&options, "sockets", "s", sockets);
        answer = bus_call_with_fds(ctl, BUS_SPLIT, "AddProcessFd",
                g_variant_new("(h@a{sv})", 0, g_variant_dict_end(&options)), fds, error);
        return answer != NULL;
}

static bool exclude_ourselves(Ctl *ctl, const char *sockets, GError **error) {
        int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

        if (pidfd < 0) {
                g_set_error(error, CTL_ERROR, CTL_FAILED, "pidfd_open: %s", g_strerror(errno));
                return false;
        }
        return call_service(ctl, pidfd, sockets, error);
}

static int become(Ctl *ctl, const char *program, const char *sockets, char **argv) {
        g_autoptr(GError) error = NULL;

        if (!exclude_ourselves(ctl, sockets, &error)) {
                g_autofree char *text = bus_error_text(error);

                (void)fprintf(
                        stderr, "%s: %s\n%s: %s was not run\n", program, text, program, argv[0]);
                return EXIT_OURS;
        }
        /* Nothing of ours stays open in the command. */
        (void)g_dbus_connection_close_sync(ctl->bus, NULL, NULL);
        (void)execvp(argv[0], argv);
        (void)fprintf(stderr, "%s: %s: %s\n", program, argv[0], strerror(errno));
        return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* Its own errors are told here: no status of ours is to look like the command's. */
int exclude_run_run(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_autofree char *sockets = NULL;
        const GOptionEntry entries[] = {
                { "sockets", 0, 0, G_OPTION_ARG_STRING, &sockets,
                        "Of connections that are inherited: keep (default), migrate or reset",
                        "HOW" },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GError) why = NULL;

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_STRICT, argv, 1, -1, &why)) {
                (void)fprintf(stderr, "talpidctl: %s\n", why->message);
                return EXIT_OURS;
        }
        return become(ctl, "talpidctl", sockets ?: "keep", argv);
}

int exclude_run_main(Ctl *ctl, char **argv) {
        static const struct option options[] = {
                { "sockets", required_argument, NULL, 's' },
                { "no-ask-password", no_argument, NULL, 'n' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        const char *sockets = "keep";
        int option;

        /* "+": options behind the command are the command's. */
        while ((option = getopt_long((int)g_strv_length(argv), argv, "+", options, NULL)) >= 0) {
                if (option == 'h')
                        return fputs(help, stdout) < 0 ? EXIT_OURS : CTL_OK;
                if (option == 'n')
                        ctl->may_ask_password = false;
                else if (option == 's')
                        sockets = optarg;
                else {
                        (void)fputs("Try talpid-exclude --help\n", stderr);
                        return EXIT_OURS;
                }
        }
        if (!argv[optind]) {
                (void)fputs(LAUNCHER ": no command; try talpid-exclude --help\n", stderr);
                return EXIT_OURS;
        }
        return become(ctl, LAUNCHER, sockets, argv + optind);
}
