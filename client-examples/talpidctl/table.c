// SPDX-License-Identifier: LGPL-2.1-or-later

#include "table.h"

#include <string.h>

#define FIELD_WIDTH 14

#define BOLD "\033[1m"
#define PLAIN "\033[0m"

struct Table {
        const char *const *titles;
        unsigned n_columns;
        GPtrArray *rows; // type: char **, each NULL-terminated
};

static const struct {
        const char *word; /* a state begins with it */
        const char *colour;
} colours[] = {
        { "active", "\033[32m" },
        { "installed", "\033[32m" },
        { "on", "\033[32m" },
        { "waiting", "\033[33m" },
        { "idle", "" },
        { "degraded", "\033[31m" },
        { "conflict", "\033[31m" },
        { "off", "\033[33m" },
};

static const char *colour_of(const char *text) {
        for (size_t i = 0; i < G_N_ELEMENTS(colours); i++)
                if (g_str_has_prefix(text, colours[i].word))
                        return colours[i].colour;
        return "";
}

char *table_clean(const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        GString *clean = g_string_new(NULL);

        for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
                gunichar c = g_utf8_get_char(at);

                g_string_append_unichar(clean, g_unichar_isprint(c) ? c : '?');
        }
        return g_string_free(clean, FALSE);
}

Table *table_new(const char *const *titles) {
        Table *table = g_new0(Table, 1);

        table->titles = titles;
        table->n_columns = g_strv_length((char **)titles);
        table->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
        return table;
}

Table *table_free(Table *table) {
        if (!table)
                return NULL;
        g_ptr_array_unref(table->rows);
        g_free(table);
        return NULL;
}

void table_add(Table *table, const char *const *cells) {
        char **row = g_new0(char *, table->n_columns + 1);

        for (unsigned i = 0; i < table->n_columns; i++)
                row[i] = cells[i] && *cells[i] ? table_clean(cells[i]) : g_strdup("-");
        g_ptr_array_add(table->rows, row);
}

unsigned table_n_rows(const Table *table) {
        return table->rows->len;
}

/* Columns of a terminal. */
static unsigned width_of(const char *text) {
        unsigned width = 0;

        for (; *text; text = g_utf8_next_char(text)) {
                gunichar c = g_utf8_get_char(text);

                width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
        }
        return width;
}

static void append_coloured(GString *out, Look look, const char *colour, const char *text) {
        if (look.colour && *colour)
                g_string_append_printf(out, "%s%s" PLAIN, colour, text);
        else
                g_string_append(out, text);
}

/* The last cell of a row is not filled up. */
static void append_row(GString *out, const Table *table, Look look, const unsigned *widths,
        const char *const *row, bool is_heading) {
        for (unsigned i = 0; i < table->n_columns; i++) {
                bool is_state = strcmp(table->titles[i], "STATE") == 0;

                append_coloured(out, look,
                        is_heading ? BOLD
                        : is_state ? colour_of(row[i])
                                   : "",
                        row[i]);
                if (i + 1 == table->n_columns)
                        break;
                g_string_append_printf(out, "%*s", (int)(widths[i] - width_of(row[i])) + 2, "");
        }
        g_string_append_c(out, '\n');
}

char *table_format(const Table *table, Look look) {
        g_autofree unsigned *widths = g_new0(unsigned, table->n_columns);
        GString *out = g_string_new(NULL);

        if (!look.aligned) {
                for (unsigned r = 0; r < table->rows->len; r++) {
                        g_autofree char *line = g_strjoinv("\t", table->rows->pdata[r]);

                        g_string_append_printf(out, "%s\n", line);
                }
                return g_string_free(out, FALSE);
        }

        for (unsigned i = 0; i < table->n_columns; i++) {
                widths[i] = width_of(table->titles[i]);
                for (unsigned r = 0; r < table->rows->len; r++)
                        widths[i] = MAX(widths[i], width_of(((char **)table->rows->pdata[r])[i]));
        }
        append_row(out, table, look, widths, table->titles, true);
        for (unsigned r = 0; r < table->rows->len; r++)
                append_row(out, table, look, widths, table->rows->pdata[r], false);
        return g_string_free(out, FALSE);
}

void table_append_field(GString *out, Look look, const char *name, const char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        if (look.aligned)
                g_string_append_printf(out, "%*s", MAX(FIELD_WIDTH - (int)strlen(name), 0), "");
        append_coloured(out, look, BOLD, name);
        g_string_append(out, ": ");
        for (unsigned i = 0; lines[i]; i++) {
                g_autofree char *clean = table_clean(lines[i]);

                if (i > 0)
                        g_string_append_printf(out, "%*s", look.aligned ? FIELD_WIDTH + 2 : 8, "");
                append_coloured(out, look, i == 0 ? colour_of(clean) : "", clean);
                g_string_append_c(out, '\n');
        }
}
