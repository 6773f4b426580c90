// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Programs run to their end somewhere else: in another network namespace,
 * as another user, in another control group.
 *
 * A Command is a plain value of borrowed pointers; zero means "as the caller".
 * A CommandResult owns its two texts: clear it with command_result_clear().
 * Times are milliseconds. Functions return 0 or a negative errno; that a
 * program ran and failed is no error, its status says so.
 */

#include <glib.h>
#include <sys/types.h>

#define COMMAND_TIMEOUT_MSEC 30000
#define COMMAND_OUTPUT_BYTES_MAX (1024 * 1024)

typedef struct Command {
        const char *const *argv;
        const char *input;  /* text for stdin; NULL reads /dev/null */
        const char *cgroup; /* directory to run in; NULL stays */
        int netns_fd;       /* 0 stays (no namespace ever has fd 0) */
        uid_t uid;          /* 0 stays the caller */
        int timeout_msec;   /* 0 takes COMMAND_TIMEOUT_MSEC */
} Command;

typedef struct CommandResult {
        int status; /* exit status, or 128 + signal */
        char *out;  /* stdout, cut at COMMAND_OUTPUT_BYTES_MAX */
        char *err;
} CommandResult;

/**
 * command_run() - run a program and wait for its end
 * @ret:        set on success only; caller clears
 *
 * A background process that keeps the output open does not delay the return.
 *
 * Return: 0; -ETIMEDOUT after the program was killed; other negative errno.
 */
int command_run(const Command *command, CommandResult *ret);

/**
 * command_start() - run a program in the background, output goes to ours
 *
 * Return: 0 and its pid; negative errno. The caller ends it with command_stop().
 */
int command_start(const Command *command, pid_t *ret);

/* Kills and reaps; a pid of 0 is fine. */
void command_stop(pid_t pid);

void command_result_clear(CommandResult *result);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CommandResult, command_result_clear)
