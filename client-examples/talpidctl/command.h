/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Commands by their names, which may be cut short, and their options.
 *
 * A Command is a constant value; tables of them end with a name of NULL.
 */

#include "ctl.h"

typedef struct Command Command;

struct Command {
        const char *name;
        const char *title;       /* with the group's: "route list" */
        const char *arguments;   /* for the first line of --help: "DESTINATION..."; NULL: none */
        const char *summary;     /* one line */
        const char *help;        /* below the options: more words, examples; NULL: nothing */
        const Command *commands; /* in place of run */
        /*
         * @argv: the program's name, then what stood behind the command, not yet looked at.
         * Return: exit status; -1 and @error.
         */
        int (*run)(Ctl *ctl, const Command *command, char **argv, GError **error);
};

/**
 * command_find() - the command of this name, or the only one that begins so
 *
 * Return: NULL and @error, which names the candidates.
 */
const Command *command_find(const Command *commands, const char *word, GError **error);

/* The same for a list of words that ends with NULL. Return: the index; -1 and @error. */
int command_find_word(const char *const *words, const char *what, const char *word, GError **error);

/* What --lifetime says, written out; NULL stays. "client" would end with the program. */
bool command_read_lifetime(char **lifetime, bool may_be_permanent, GError **error);

/**
 * command_take() - find the command of a line, and take its words out
 * @root: a group
 * @argv: begins with the program's name; the words of the command leave it
 *
 * Options before and between its words stay in @argv; "help" is --help. Where
 * words are missing it is the first command of the group, or with --help the
 * group itself.
 *
 * Return: NULL and @error.
 */
const Command *command_take(const Command *root, char **argv, GError **error);

typedef enum CommandParse {
        COMMAND_PARSE_ANYWHERE, /* options may stand behind arguments */
        COMMAND_PARSE_STRICT,   /* they end at the first argument */
} CommandParse;

/**
 * command_parse() - read a command's options and those that all have
 * @entries:   of the command; NULL none
 * @argv:      afterwards holds arguments alone, the program's name not among them
 * @min, @max: how many arguments there may be; @max -1 any number
 *
 * --help and --version print and end the program. Return: false and @error.
 */
bool command_parse(Ctl *ctl, const Command *command, const GOptionEntry *entries, CommandParse how,
        char **argv, int min, int max, GError **error);
