// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * talpidd: arguments, settings, exit status.
 */

#include <getopt.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "backends/base/log.h"
#include "service/service.h"

static bool arg_clean_up;
static const char *arg_idle_timeout;

static void print_help(void) {
        (void)printf("Usage: talpidd [OPTION]\n"
                     "Routing and split tunnelling for VPN clients, on the system bus as\n"
                     "org.talpid.Routing and org.talpid.SplitTunnel. The first call to either\n"
                     "starts it: \"talpidctl status\", for one.\n"
                     "\n"
                     "  --idle-timeout=TIME  leave after TIME without work: 30s, 500ms, infinity\n"
                     "  --clean-up           remove everything of ours from the kernel, and what\n"
                     "                       was asked for; only root, while the service is off\n"
                     "  --help               show this\n"
                     "  --version            show the version\n"
                     "\n"
                     "Settings are environment variables: see /etc/default/talpid, talpidd(8).\n");
}

/* Return: 1 go on; otherwise *ret_status is how to end. */
static int parse_arguments(int argc, char *argv[], int *ret_status) {
        static const struct option options[] = {
                { "clean-up", no_argument, NULL, 'c' },
                { "help", no_argument, NULL, 'h' },
                { "idle-timeout", required_argument, NULL, 'i' },
                { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        int option;

        *ret_status = EXIT_SUCCESS;
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (option) {
                case 'c':
                        arg_clean_up = true;
                        break;
                case 'h':
                        print_help();
                        return 0;
                case 'i':
                        arg_idle_timeout = optarg;
                        break;
                case 'v':
                        (void)printf("talpidd %s\n", PROJECT_VERSION);
                        return 0;
                default:
                        /* getopt_long() said why */
                        log_error("See talpidd --help");
                        *ret_status = EXIT_FAILURE;
                        return 0;
                }
        }
        if (optind < argc) {
                log_error("Unknown argument %s: see talpidd --help", argv[optind]);
                *ret_status = EXIT_FAILURE;
                return 0;
        }
        return 1;
}

static const char *look_up_environment(const char *name) {
        return getenv(name);
}

int main(int argc, char *argv[]) {
        Refusal why = { .code = REFUSAL_NONE };
        Settings settings;
        int status;

        /* Lists of thousands of routes come and go: give their memory back at once. A fixed
         * threshold keeps glibc from raising it, see mallopt(3). */
        (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);

        if (parse_arguments(argc, argv, &status) == 0)
                return status;

        if (settings_read(look_up_environment, &settings, &why) < 0) {
                log_error("%s", why.text);
                return EX_CONFIG; /* the unit does not start us again for that */
        }
        if (arg_idle_timeout &&
                settings_parse_timeout(arg_idle_timeout, &settings.idle_timeout_usec) < 0) {
                log_error("--idle-timeout=%s is not a time such as 30s, 500ms or infinity",
                        arg_idle_timeout);
                return EXIT_FAILURE;
        }

        return arg_clean_up ? service_clean_up(&settings) : service_run(&settings);
}
