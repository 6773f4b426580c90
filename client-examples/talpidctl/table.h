/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rows of cells as text: for people aligned below a heading, for programs a
 * line a row with a tab between two cells, and "-" for an empty one.
 *
 * What comes from elsewhere (names of programs and connections) is shown with
 * its control characters replaced: none of it speaks to the terminal.
 */

#include <glib.h>
#include <stdbool.h>

typedef struct Look {
        bool aligned; /* and with headings */
        bool colour;
} Look;

typedef struct Table Table;

/* @titles: ends with NULL, borrowed. Cells of a column that is called "STATE" are coloured. */
Table *table_new(const char *const *titles);
Table *table_free(Table *table);

/* @cells: as many as there are titles; copied; NULL and "" are empty. */
void table_add(Table *table, const char *const *cells);

unsigned table_n_rows(const Table *table);

/* Return: all of it; caller frees. */
char *table_format(const Table *table, Look look);

/* "State: active", the names of several below each other flush right where aligned; a @text of
 * several lines is told below itself. */
void table_append_field(GString *out, Look look, const char *name, const char *text);

/* @text as it may be shown; caller frees. */
char *table_clean(const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
