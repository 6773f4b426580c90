// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/base/array.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void array_clear(Array *array) {
        free(array->items);
        array->items = NULL;
        array->n = array->n_allocated = 0;
}

int array_reserve(Array *array, size_t n_more) {
        size_t wanted, n;
        void *items;

        assert(array->item_size > 0);

        if (n_more > SIZE_MAX / array->item_size - array->n)
                return -ENOMEM;

        wanted = array->n + n_more;
        if (wanted <= array->n_allocated)
                return 0;

        n = array->n_allocated + array->n_allocated / 2;
        if (n < wanted)
                n = wanted;

        items = realloc(array->items, n * array->item_size);
        if (!items)
                return -ENOMEM;

        array->items = items;
        array->n_allocated = n;
        return 0;
}

void array_trim(Array *array) {
        void *items;

        if (array->n == 0) {
                array_clear(array);
                return;
        }
        items = realloc(array->items, array->n * array->item_size);
        if (items) { /* else the larger block is as good */
                array->items = items;
                array->n_allocated = array->n;
        }
}

void *array_at(const Array *array, size_t index) {
        assert(index < array->n);

        return (char *)array->items + index * array->item_size;
}

void *array_append(Array *array, const void *item) {
        return array_insert(array, array->n, item);
}

void *array_insert(Array *array, size_t index, const void *item) {
        char *at;

        assert(index <= array->n);

        if (array_reserve(array, 1) < 0)
                return NULL;

        at = (char *)array->items + index * array->item_size;
        memmove(at + array->item_size, at, (array->n - index) * array->item_size);
        if (item)
                memcpy(at, item, array->item_size);
        else
                memset(at, 0, array->item_size);

        array->n++;
        return at;
}

void array_remove(Array *array, size_t index) {
        char *at = array_at(array, index);

        memmove(at, at + array->item_size, (array->n - index - 1) * array->item_size);
        array->n--;
}

int array_copy(Array *to, const Array *from) {
        assert(to->item_size == from->item_size);

        to->n = 0;
        if (array_reserve(to, from->n) < 0)
                return -ENOMEM;
        if (from->n > 0)
                memcpy(to->items, from->items, from->n * from->item_size);
        to->n = from->n;
        return 0;
}

/* One merge step of a bottom-up merge sort: runs of @width items from @from into @to. */
static void merge_runs(
        const Array *array, const char *from, char *to, size_t width, ArrayCompare compare) {
        size_t size = array->item_size;

        for (size_t start = 0; start < array->n; start += 2 * width) {
                size_t middle = start + width < array->n ? start + width : array->n;
                size_t end = start + 2 * width < array->n ? start + 2 * width : array->n;
                size_t left = start, right = middle;

                for (size_t k = start; k < end; k++) {
                        bool take_left = left < middle &&
                                         (right >= end || compare(from + left * size,
                                                                  from + right * size) <= 0);
                        size_t index = take_left ? left++ : right++;

                        memcpy(to + k * size, from + index * size, size);
                }
        }
}

int array_sort(Array *array, ArrayCompare compare) {
        char *from = array->items, *to;
        bool sorted = true;

        for (size_t i = 1; sorted && i < array->n; i++)
                sorted = compare(array_at(array, i - 1), array_at(array, i)) <= 0;
        if (sorted)
                return 0;

        to = malloc(array->n * array->item_size);
        if (!to)
                return -ENOMEM;

        for (size_t width = 1; width < array->n; width *= 2) {
                char *swap = from;

                merge_runs(array, from, to, width, compare);
                from = to;
                to = swap;
        }

        if (from != array->items) {
                memcpy(to, from, array->n * array->item_size);
                free(from);
        } else
                free(to);
        return 0;
}

void *array_search(const Array *array, const void *key, ArrayCompare compare, size_t *ret_index) {
        size_t low = 0, high = array->n;
        bool found = false;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = compare(array_at(array, middle), key);

                if (c < 0)
                        low = middle + 1;
                else {
                        found = found || c == 0;
                        high = middle;
                }
        }

        if (ret_index)
                *ret_index = low;
        return found ? array_at(array, low) : NULL;
}
