// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The first process of the lab: does what a test asks in the lab's own mount
 * and process namespaces, which cannot be entered from inside the machine.
 *
 * One socket, one question at a time, so only one process may ask at once.
 * The asking side owns its socket. Functions return 0 or a negative errno.
 */

#include "tests/machine/lib/command.h"

/**
 * agent_serve() - answer until the process `until` is gone
 * @fd:         our end of a SOCK_SEQPACKET pair
 *
 * Return: the exit status of `until` (128 + signal when killed).
 */
int agent_serve(int fd, pid_t until);

/**
 * agent_run() - run a program in the lab
 * @netns_fd:   number of the descriptor in the agent, which inherited it
 * @ret:        set on success only; caller clears; texts are cut at 32 KiB
 */
int agent_run(int fd, int netns_fd, const char *const *argv, CommandResult *ret);

/**
 * agent_stop() - end the daemon that wrote @pidfile and wait until it is gone
 *
 * Return: 0, also when no such daemon runs.
 */
int agent_stop(int fd, const char *pidfile);
