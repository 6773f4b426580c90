// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A program of client-examples/ as its head says it is compiled, run, and what
 * it prints, where <word> stands for what is another each time.
 *
 * Programs are copied into the machine and run there, in a directory of their
 * language. The functions end the test when something is not as it should be.
 * Values are cleared by their owner, the caller.
 */

#include "tests/machine/lib/check.h"

typedef struct ExampleLanguage {
        const char *name;
        const char *folder;
        const char *suffix;
        const char *denied;    /* what bob is told */
        bool holds_connection; /* to the bus; a shell does not */
} ExampleLanguage;

/* Return: borrowed; NULL: there is none of this name. */
const ExampleLanguage *example_language(const char *name);

typedef struct Example {
        char *directory;
        char *run;     /* its line */
        GStrv prints;  /* its lines */
        char *program; /* the first word of @run */
} Example;

/* Copies it, and compiles it by the line in its head. */
void example_open(Example *example, const ExampleLanguage *language, const char *task);
void example_clear(Example *example);

/* Runs it as its head says: it prints what is said there, and nothing to stderr. */
void example_check_run(const Example *example);

/* Run with other arguments it ends with @status, says @text and no D-Bus name of an error. */
void example_check_fails(const Example *example, const char *before, const char *arguments,
        int status, const char *text);

/* A line of shell in a directory of the machine, which ends well and says nothing to stderr. */
void example_run_well_in(const char *directory, const char *line);

/* One that runs on. */
typedef struct ExampleRunning {
        const Example *example;
        GSubprocess *process;
        GDataInputStream *output;
        GPtrArray *lines; /* what it printed */
        unsigned n_wanted;
        bool open;
} ExampleRunning;

/* @line: as it is typed in its folder. @example is borrowed. */
void example_running_start(ExampleRunning *running, const Example *example, const char *line);

/* Waits until it has printed so many lines in all, and not more. */
void example_running_wait(ExampleRunning *running, Machine *machine, unsigned n_lines);

/* Ends it by a signal. Return: its wait status. */
int example_running_end(ExampleRunning *running, Machine *machine, int number);

/*
 * All that it printed is what its head says, each line once. The order is the test's to check: of
 * the two families, either may be first.
 */
void example_running_check_prints(ExampleRunning *running);

void example_running_clear(ExampleRunning *running);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Example, example_clear)
