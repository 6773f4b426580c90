// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/fact-set.h"

#include <assert.h>
#include <errno.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"

static int compare_facts(const void *a, const void *b) {
        return fact_compare_key(a, b);
}

void fact_set_clear(FactSet *set) {
        array_clear(&set->facts);
}

int fact_set_copy(FactSet *to, const FactSet *from) {
        return array_copy(&to->facts, &from->facts);
}

int fact_set_put(FactSet *set, const Fact *fact) {
        size_t index;
        Fact *found = array_search(&set->facts, fact, compare_facts, &index);

        if (found)
                *found = *fact;
        else if (!array_insert(&set->facts, index, fact))
                return -ENOMEM;
        return 0;
}

bool fact_set_remove(FactSet *set, const Fact *key) {
        size_t index;

        if (!array_search(&set->facts, key, compare_facts, &index))
                return false;
        array_remove(&set->facts, index);
        return true;
}

const Fact *fact_set_find(const FactSet *set, const Fact *key) {
        return array_search(&set->facts, key, compare_facts, NULL);
}

int fact_set_append(FactSet *set, const Fact *fact) {
        return array_append(&set->facts, fact) ? 0 : -ENOMEM;
}

int fact_set_sort(FactSet *set) {
        size_t n = 0;
        Fact *facts;
        int r;

        r = array_sort(&set->facts, compare_facts);
        if (r < 0)
                return r;

        facts = set->facts.items;
        for (size_t i = 0; i < set->facts.n; i++)
                if (n == 0 || fact_compare_key(&facts[n - 1], &facts[i]) != 0)
                        facts[n++] = facts[i];
        set->facts.n = n;
        array_trim(&set->facts);
        return 0;
}

/* Drops all routes in the slot of @route; ours would sort first. */
static void remove_slot(FactSet *set, const Route *route) {
        Fact first = fact_of_route(route);
        size_t index;

        first.route.protocol = OURS_PROTOCOL;
        (void)array_search(&set->facts, &first, compare_facts, &index);
        while (index < set->facts.n) {
                const Fact *fact = array_at(&set->facts, index);

                if (fact->kind != FACT_ROUTE || route_compare_slot(&fact->route, route) != 0)
                        break;
                array_remove(&set->facts, index);
        }
}

static int merge_one_by_one(FactSet *set, const Array *changes) {
        const FactChange *change;

        ARRAY_FOREACH(change, changes) {
                if (change->takes_slot)
                        remove_slot(set, &change->fact.route);
                if (change->removed)
                        (void)fact_set_remove(set, &change->fact); /* already gone is fine */
                else if (fact_set_put(set, &change->fact) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Few changes cost less as searches and moves than as a new array. */
#define ONE_BY_ONE_MAX 8

static int compare_change_pointers(const void *a, const void *b) {
        const FactChange *const *x = a, *const *y = b;

        return fact_compare_key(&(*x)->fact, &(*y)->fact);
}

/* What one change with takes_slot can take: a slot of routes, else a key. */
static int compare_slots(const Fact *a, const Fact *b) {
        if (a->kind == FACT_ROUTE && b->kind == FACT_ROUTE)
                return route_compare_slot(&a->route, &b->route);
        return fact_compare_key(a, b);
}

/* Pointers to @changes, by key; those of one key in their order. */
static int sort_changes(const Array *changes, Array *ret) {
        const FactChange *change;
        int r;

        r = array_reserve(ret, changes->n);
        if (r < 0)
                return r;
        ARRAY_FOREACH(change, changes)
                (void)array_append(ret, &change); /* room is reserved */
        return array_sort(ret, compare_change_pointers);
}

/*
 * Merges the @n changes of one slot, sorted, with what @old holds from *i on.
 * Pointers grow with the order of the changes: what is before the last change
 * that took the slot is gone.
 */
static void merge_slot(
        const FactSet *old, size_t *i, const FactChange *const *sorted, size_t n, FactSet *ret) {
        const Fact *facts = old->facts.items;
        const FactChange *taker = NULL;

        for (size_t k = 0; k < n; k++)
                if (sorted[k]->takes_slot && (!taker || sorted[k] > taker))
                        taker = sorted[k];

        for (size_t k = 0; k < n; k++) {
                const FactChange *change = sorted[k];

                /* Of several changes to one key the last one counts. */
                if (k + 1 < n && compare_change_pointers(&sorted[k], &sorted[k + 1]) == 0)
                        continue;
                for (; *i < old->facts.n && fact_compare_key(&facts[*i], &change->fact) < 0; ++*i)
                        if (!taker)
                                (void)array_append(&ret->facts, &facts[*i]); /* room is reserved */
                if (*i < old->facts.n && fact_compare_key(&facts[*i], &change->fact) == 0)
                        ++*i;
                if (!change->removed && (!taker || change >= taker))
                        (void)array_append(&ret->facts, &change->fact); /* room is reserved */
        }
        for (; *i < old->facts.n && compare_slots(&facts[*i], &sorted[0]->fact) == 0; ++*i)
                if (!taker)
                        (void)array_append(&ret->facts, &facts[*i]); /* room is reserved */
}

int fact_set_merge(FactSet *set, const Array *changes) {
        CLEANUP(fact_set_clear) FactSet merged = FACT_SET_INIT;
        CLEANUP(array_clear) Array pointers = ARRAY_INIT(const FactChange *);
        const FactChange *const *sorted;
        const Fact *facts = set->facts.items;
        size_t i = 0;
        int r;

        if (changes->n <= ONE_BY_ONE_MAX)
                return merge_one_by_one(set, changes);

        r = sort_changes(changes, &pointers);
        if (r >= 0)
                r = array_reserve(&merged.facts, set->facts.n + changes->n);
        if (r < 0)
                return r;

        sorted = pointers.items;
        for (size_t k = 0, n; k < pointers.n; k += n) {
                const Fact *first = &sorted[k]->fact;

                for (n = 1; k + n < pointers.n; n++)
                        if (compare_slots(first, &sorted[k + n]->fact) != 0)
                                break;
                while (i < set->facts.n && compare_slots(&facts[i], first) < 0)
                        (void)array_append(&merged.facts, &facts[i++]); /* room is reserved */
                merge_slot(set, &i, sorted + k, n, &merged);
        }
        while (i < set->facts.n)
                (void)array_append(&merged.facts, &facts[i++]); /* room is reserved */

        array_clear(&set->facts);
        array_trim(&merged.facts);
        set->facts = merged.facts;
        merged = FACT_SET_INIT;
        return 0;
}

const Fact *fact_set_of_kind(const FactSet *set, FactKind kind, size_t *ret_n) {
        const Fact *facts = set->facts.items;
        size_t low = 0, high = set->facts.n, first;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (facts[middle].kind < kind)
                        low = middle + 1;
                else
                        high = middle;
        }
        first = low;

        high = set->facts.n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (facts[middle].kind <= kind)
                        low = middle + 1;
                else
                        high = middle;
        }

        *ret_n = low - first;
        return facts ? facts + first : NULL;
}

bool fact_walk_next(FactWalk *walk, const FactSet *a, const FactSet *b, const Fact **ret_a,
        const Fact **ret_b) {
        const Fact *fact_a = walk->a < a->facts.n ? (const Fact *)a->facts.items + walk->a : NULL;
        const Fact *fact_b = walk->b < b->facts.n ? (const Fact *)b->facts.items + walk->b : NULL;
        int c;

        if (!fact_a && !fact_b)
                return false;

        c = !fact_a ? 1 : !fact_b ? -1 : fact_compare_key(fact_a, fact_b);
        *ret_a = c <= 0 ? fact_a : NULL;
        *ret_b = c >= 0 ? fact_b : NULL;
        walk->a += c <= 0;
        walk->b += c >= 0;
        return true;
}
