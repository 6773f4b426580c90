// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Somebody's program, program.py, that runs while the demo goes on.
 *
 * The caller owns the Program; it ends with program_free(). It is asked by a
 * line, and answers with lines, see there.
 */

#include <gio/gio.h>
#include <stdbool.h>

/* Not by $PATH: what stands there may be a script that starts another. */
#define PROGRAM "/usr/bin/python3 " SOURCE_DIR "/tests/machine/demo/program.py"
#define PROGRAM_TALK_PORT "1007" /* INTERNET_TALK_PORT */

typedef struct Program Program;

/* Words are separated by spaces. */
Program *program_start(const char *command);

/* Kills it, and waits for its end. NULL is fine. Return: NULL. */
Program *program_free(Program *program);

int program_pid(Program *program);

/* Waits for its first line. */
void program_wait(Program *program);

/* Asks it by a line, and waits for a line from each of its four sockets. */
void program_ask(Program *program);

/* Whether one of those lines is @line. */
bool program_said(Program *program, const char *line);

/* All of them, for people; borrowed until the next question. */
const char *program_words(Program *program);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Program, program_free)
