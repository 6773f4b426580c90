// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Programs run on a terminal of their own, with somebody who answers their
 * prompts.
 *
 * A Terminal is a plain value of borrowed pointers; zero means "as the caller",
 * and nobody answers.
 */

#include "tests/machine/lib/command.h"

typedef struct Terminal {
        const char *prompt; /* "Password:" */
        const char *answer; /* typed whenever the prompt is shown, without its return key */
        const char *cgroup; /* directory to run in */
        uid_t uid;          /* its group has the same number */
} Terminal;

/**
 * terminal_run() - run a program on a terminal and wait for its end
 * @script:      of sh(1)
 * @ret:         what the terminal showed is in `out`, without carriage returns; caller clears
 * @ret_answers: how often the prompt was answered; may be NULL
 *
 * Return: 0; -ETIMEDOUT after the program was killed; other negative errno.
 */
int terminal_run(
        const Terminal *terminal, const char *script, CommandResult *ret, unsigned *ret_answers);
