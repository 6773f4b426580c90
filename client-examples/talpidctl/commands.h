/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The commands, one file a group; main.c has their table.
 */

#include "command.h"

extern const Command route_commands[];
extern const Command tunnel_commands[];
extern const Command exclude_commands[];

/* What several have below their options. */
#define COMMAND_LIFETIME_ENTRY(pointer, words)                                                     \
        { "lifetime", 0, 0, G_OPTION_ARG_STRING, pointer, "Until when: " words, "WHEN" }

int status_run(Ctl *ctl, const Command *command, char **argv, GError **error);
int exclude_list_run(Ctl *ctl, const Command *command, char **argv, GError **error);
int default_route_run(Ctl *ctl, const Command *command, char **argv, GError **error);
int monitor_run(Ctl *ctl, const Command *command, char **argv, GError **error);
int mode_run(Ctl *ctl, const Command *command, char **argv, GError **error);
int dns_run(Ctl *ctl, const Command *command, char **argv, GError **error);
int log_level_run(Ctl *ctl, const Command *command, char **argv, GError **error);

/* Exit status as of env(1): 125 it was not run, 126 it cannot be, 127 it is not there. The second
 * is main() of talpid-exclude. */
int exclude_run_run(Ctl *ctl, const Command *command, char **argv, GError **error);
int exclude_run_main(Ctl *ctl, char **argv);
