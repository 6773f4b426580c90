/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A test program that is a table of cases.
 */

#include <glib.h>
#include <stddef.h>

typedef struct Case {
        const char *name; /* behind the prefix: what it promises */
        void (*test)(void);
} Case;

/* Runs them; the log is quiet but with --verbose. Return: exit status for main(). */
int cases_main(int argc, char **argv, const char *prefix, const Case *cases, size_t n_cases);

#define CASES_MAIN(argc, argv, prefix, cases)                                                      \
        cases_main(argc, argv, prefix, cases, G_N_ELEMENTS(cases))
