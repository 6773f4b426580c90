/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A growing array of values of one size.
 *
 * The array owns its memory; items are plain values. An empty array is all
 * zeroes but for item_size. Pointers into it die with the next append.
 */

#include <stddef.h>

typedef struct Array {
        void *items;
        size_t n;
        size_t n_allocated;
        size_t item_size;
} Array;

typedef int (*ArrayCompare)(const void *a, const void *b);

#define ARRAY_INIT(type)                                                                           \
        (Array) {                                                                                  \
                .item_size = sizeof(type)                                                          \
        }

/* Frees the items; the array is empty and usable afterwards. */
void array_clear(Array *array);

/* Makes room for @n_more items. Return: 0; -ENOMEM. */
int array_reserve(Array *array, size_t n_more);

/* Gives back the memory behind the last item. */
void array_trim(Array *array);

/* Appends a copy of @item (NULL: a zeroed item). Return: the new item; NULL without memory. */
void *array_append(Array *array, const void *item);

/* Removes the item at @index and closes the gap. */
void array_remove(Array *array, size_t index);

/* Inserts a copy of @item before @index. Return: the new item; NULL without memory. */
void *array_insert(Array *array, size_t index, const void *item);

/* The item at @index, which must exist. */
void *array_at(const Array *array, size_t index);

/* Replaces @to by a copy of @from; both have the same item size. Return: 0; -ENOMEM. */
int array_copy(Array *to, const Array *from);

/* Sorts by @compare; equal items keep their order. Return: 0; -ENOMEM. */
int array_sort(Array *array, ArrayCompare compare);

/*
 * Searches a sorted array. Return: the item or NULL; *ret_index (if given) is
 * where it stands or would have to be inserted.
 */
void *array_search(const Array *array, const void *key, ArrayCompare compare, size_t *ret_index);

#define ARRAY_FOREACH(item, array)                                                                 \
        for ((item) = (array)->items;                                                              \
                (item) && (item) < (__typeof__(item))(array)->items + (array)->n; (item)++)
