/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The details of a question: key, value, …, NULL.
 *
 * NULL is an empty list. Keys are not sorted: the same question is asked by the
 * same code, and so in the same order.
 */

#include <stdbool.h>
#include <stddef.h>

#include "backends/base/cleanup.h"

char **details_free(char **details);
DEFINE_CLEANUP(char **, details_free)

/* Strings in the list, two for a detail. */
size_t details_count(const char *const *details);

/* Return: a list the caller owns; NULL without memory. */
char **details_copy(const char *const *details);

bool details_equal(const char *const *a, const char *const *b);
