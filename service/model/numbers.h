/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Which mark bits, tables and rule priorities are ours this time.
 *
 * What a setting fixes stays, whoever else uses it: that is told as a
 * conflict. What the saved intent was made for, or what carries our protocol
 * in the kernel, stays as well. Otherwise the first of a short list is taken
 * that nobody uses, with rules before those of other VPNs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "backends/facts/fact-set.h"
#include "backends/facts/ours.h"
#include "service/model/refusal.h"

/* What of Ours a setting fixes. Marks go with their mask, tables with each other. */
typedef enum NumbersFixed {
        NUMBERS_FIXED_MARK = 1 << 0,
        NUMBERS_FIXED_TABLES = 1 << 1,
        NUMBERS_FIXED_PRIORITY = 1 << 2,
} NumbersFixed;

#define NUMBERS_CHOICES 4
#define NUMBERS_TABLES (2 * NUMBERS_CHOICES)

/* A plain value. */
typedef struct NumbersInput {
        const FactSet *observed;                 /* its rules, whosesoever, and our routes */
        Ours set;                                /* by settings, or OURS_DEFAULT */
        unsigned fixed;                          /* NumbersFixed */
        Ours saved;                              /* of the saved intent; mark 0: there is none */
        uint32_t foreign_tables[NUMBERS_TABLES]; /* of the list, in which others have routes */
        size_t n_foreign_tables;
} NumbersInput;

/* Tables that numbers_choose() may take, to be looked at before. */
void numbers_tables(uint32_t ret[static NUMBERS_TABLES]);

Ours numbers_choose(const NumbersInput *input);

bool numbers_equal(const Ours *a, const Ours *b);

/*
 * Whether they can be used at all: bits in the mask, no tables of the kernel,
 * room for rules. Return: 0; -EPERM and @why (may be NULL), by the names of the
 * settings.
 */
int numbers_check(const Ours *ours, Refusal *why);
