/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A sorted set of facts with unique keys, and batches of changes to it.
 *
 * The set owns its memory; the facts are values. Changes are merged in one
 * pass, so that ten thousand cost what sorting them costs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "backends/base/array.h"
#include "backends/facts/fact.h"

typedef struct FactSet {
        Array facts; /* of Fact, sorted by key */
} FactSet;

typedef struct FactChange {
        Fact fact;
        bool removed;
        bool by_us;      /* the echo of our own request */
        bool takes_slot; /* a route that replaced (NLM_F_REPLACE) whatever was in its slot: all of
                          * other hops, owners and gateways there go */
        uint32_t author; /* netlink port of who asked for it, often a process id; 0: the kernel */
} FactChange;

#define FACT_SET_INIT                                                                              \
        (FactSet) {                                                                                \
                .facts = ARRAY_INIT(Fact)                                                          \
        }

/* Frees the facts; the set is empty and usable afterwards. */
void fact_set_clear(FactSet *set);

/* Replaces @to by a copy of @from. Return: 0; -ENOMEM. */
int fact_set_copy(FactSet *to, const FactSet *from);

/* Adds or overwrites one fact. For many, append changes and merge. Return: 0; -ENOMEM. */
int fact_set_put(FactSet *set, const Fact *fact);

/* Return: whether a fact of that key was there. */
bool fact_set_remove(FactSet *set, const Fact *key);

/* Return: the fact of the same key, valid until the set changes; NULL. */
const Fact *fact_set_find(const FactSet *set, const Fact *key);

/* Appends without keeping order; the set is unusable until fact_set_sort(). Return: 0; -ENOMEM. */
int fact_set_append(FactSet *set, const Fact *fact);

/* Sorts after appends; of equal keys the first appended stays. Return: 0; -ENOMEM. */
int fact_set_sort(FactSet *set);

/* Applies @changes (an Array of FactChange) in their order. Return: 0; -ENOMEM. */
int fact_set_merge(FactSet *set, const Array *changes);

/* The first fact of @kind; *ret_n says how many follow each other. */
const Fact *fact_set_of_kind(const FactSet *set, FactKind kind, size_t *ret_n);

/*
 * Walks two sets in step: each step yields the next key in order with the
 * facts that hold it, NULL where a set has none. Start with all zeroes.
 */
typedef struct FactWalk {
        size_t a, b;
} FactWalk;

bool fact_walk_next(
        FactWalk *walk, const FactSet *a, const FactSet *b, const Fact **ret_a, const Fact **ret_b);
