// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl: org.talpid.Routing and org.talpid.SplitTunnel for people. Called
 * as talpid-exclude it is `talpidctl exclude run`.
 */

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "commands.h"

static const Command commands[] = {
        { .name = "status",
                .title = "status",
                .summary = "Show what is in force",
                .help = "Examples:\n"
                        "  talpidctl status\n"
                        "  talpidctl status --json=short",
                .run = status_run },
        { .name = "route",
                .title = "route",
                .arguments = "COMMAND",
                .summary = "Routes, also such that follow the default route",
                .commands = route_commands },
        { .name = "default-route",
                .title = "default-route",
                .summary = "Show the best default routes outside of tunnels",
                .help = "With --watch it follows the service, which it neither starts again nor "
                        "keeps\n"
                        "from leaving when nobody needs it.\n"
                        "\n"
                        "Examples:\n"
                        "  talpidctl default-route",
                .run = default_route_run },
        { .name = "tunnel",
                .title = "tunnel",
                .arguments = "COMMAND",
                .summary = "Which device carries all traffic",
                .commands = tunnel_commands },
        { .name = "exclude",
                .title = "exclude",
                .arguments = "COMMAND",
                .summary = "Who goes around the tunnel",
                .commands = exclude_commands },
        { .name = "mode",
                .title = "mode",
                .arguments = "[exclude|include]",
                .summary = "Whether what is listed goes around the tunnel, or alone through it",
                .help = "Examples:\n"
                        "  talpidctl mode\n"
                        "  talpidctl mode exclude",
                .run = mode_run },
        { .name = "dns",
                .title = "dns",
                .arguments = "[system|tunnel]",
                .summary = "Whose resolvers excluded programs ask",
                .help = "system: those of the link they leave by; tunnel: those of everybody "
                        "else.\n"
                        "\n"
                        "Examples:\n"
                        "  talpidctl dns\n"
                        "  talpidctl dns system",
                .run = dns_run },
        { .name = "monitor",
                .title = "monitor",
                .summary = "Print what the service tells, a line each",
                .help = "Until it is interrupted. The service is not started and may leave when "
                        "nobody\n"
                        "needs it, which is told. It tells of processes, selectors and the "
                        "kernel's\n"
                        "routes only to those that subscribe, and stays for them: --subscribe.\n",
                .run = monitor_run },
        { .name = "log-level",
                .title = "log-level",
                .arguments = "[LEVEL]",
                .summary = "How much the service writes to the journal",
                .help = "LEVEL: emerg, alert, crit, err, warning, notice, info or debug; until the "
                        "service\n"
                        "ends. Root alone may set it.\n"
                        "\n"
                        "Examples:\n"
                        "  talpidctl log-level\n"
                        "  talpidctl log-level info",
                .run = log_level_run },
        { .name = NULL },
};

static const Command root = {
        .title = "",
        .arguments = "COMMAND",
        .summary = "Routes and split tunnelling of the VPN service talpidd(8).",
        .help = "Commands and their words may be cut short: talpidctl r l.\n"
                "talpidctl COMMAND --help tells more. Exit status: 0 done, 1 refused, 2 wrong\n"
                "words, 3 no service, 4 not allowed, 5 not found.",
        .commands = commands,
};

static bool wants_colour(bool is_terminal) {
        const char *no_colour = g_getenv("NO_COLOR"), *terminal = g_getenv("TERM");

        return is_terminal && !(no_colour && *no_colour) && g_strcmp0(terminal, "dumb") != 0;
}

static int run(Ctl *ctl, char **argv, GError **error) {
        const Command *command = command_take(&root, argv, error);

        if (!command)
                return -1;
        if (command->run)
                return command->run(ctl, command, argv, error);
        /* Its help or the version was asked for, and then this does not return. */
        return command_parse(ctl, command, NULL, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error) ? CTL_OK
                                                                                            : -1;
}

static int finish(Ctl *ctl, const char *program, int status, const GError *error) {
        g_autofree char *text = NULL;

        if (status < 0) {
                text = bus_error_text(error);
                (void)fprintf(stderr, "%s: %s\n", program, text);
                status = bus_error_status(error);
        }
        if (fflush(stdout) != 0 && status == CTL_OK) {
                perror(program);
                status = CTL_FAILED;
        }
        g_clear_object(&ctl->bus);
        return status;
}

int main(int argc, char *argv[]) {
        bool is_terminal = isatty(STDOUT_FILENO);
        Ctl ctl = {
                .is_terminal = is_terminal,
                .colour = wants_colour(is_terminal),
                .may_ask_password = true,
        };
        g_autofree char *name = g_path_get_basename(argc > 0 ? argv[0] : "talpidctl");
        g_autoptr(GError) error = NULL;
        int status;

        (void)setlocale(LC_CTYPE, "");
        if (strcmp(name, "talpid-exclude") == 0)
                status = exclude_run_main(&ctl, argv);
        else
                status = run(&ctl, argv, &error);
        return finish(&ctl, "talpidctl", status, error);
}
