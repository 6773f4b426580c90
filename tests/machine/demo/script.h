// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Somebody's script, program.py, that runs while the demo goes on.
 *
 * The caller owns the Script; it ends with script_free(). It is asked by a
 * line, and answers with lines, see there.
 */

#include <gio/gio.h>
#include <stdbool.h>

/* Not by $PATH: what stands there may be a script that starts another. */
#define PROGRAM "/usr/bin/python3 " SOURCE_DIR "/tests/machine/demo/program.py"
#define PROGRAM_TALK_PORT "1007" /* INTERNET_TALK_PORT */

typedef struct Script Script;

/* Words are separated by spaces. */
Script *script_start(const char *command);

/* Kills it, and waits for its end. NULL is fine. Return: NULL. */
Script *script_free(Script *script);

int script_pid(Script *script);

/* Waits for its first line. */
void script_wait(Script *script);

/* Asks it by a line, and waits for a line from each of its four sockets. */
void script_ask(Script *script);

/* Whether one of those lines is @line. */
bool script_said(Script *script, const char *line);

/* All of them, for people; borrowed until the next question. */
const char *script_words(Script *script);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Script, script_free)
