// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/base/array.h"

#include <errno.h>
#include <glib.h>
#include <stdint.h>

typedef struct Item {
        int key;
        unsigned serial;
} Item;

static int compare(const void *a, const void *b) {
        const Item *x = a, *y = b;

        return x->key < y->key ? -1 : x->key > y->key;
}

static void test_grows_and_shrinks(void) {
        Array array = ARRAY_INIT(int);
        int *item, n = 0;

        for (int i = 0; i < 1000; i++)
                g_assert_nonnull(array_append(&array, &i));
        array_remove(&array, 0);
        array_remove(&array, 998);
        g_assert_cmpuint(array.n, ==, 998);
        ARRAY_FOREACH(item, &array)
                g_assert_cmpint(*item, ==, ++n);
        item = array_insert(&array, 1, NULL);
        g_assert_cmpint(*item, ==, 0);
        g_assert_cmpint(*(int *)array_at(&array, 2), ==, 2);
        array_clear(&array);
        g_assert_cmpuint(array.n, ==, 0);
        ARRAY_FOREACH(item, &array)
                g_assert_not_reached();
        g_assert_nonnull(array_append(&array, &n)); /* usable again */
        array_clear(&array);
}

static void test_refuses_absurd_sizes(void) {
        Array array = ARRAY_INIT(Item);

        g_assert_cmpint(array_reserve(&array, SIZE_MAX), ==, -ENOMEM);
        g_assert_cmpuint(array.n_allocated, ==, 0);
}

static void test_sorts_and_keeps_the_order_of_equals(void) {
        for (unsigned n = 0; n < 200; n++) {
                Array array = ARRAY_INIT(Item);

                for (unsigned i = 0; i < n; i++) {
                        Item item = { g_test_rand_int_range(0, 20), i };

                        g_assert_nonnull(array_append(&array, &item));
                }
                g_assert_cmpint(array_sort(&array, compare), ==, 0);
                for (unsigned i = 1; i < n; i++) {
                        const Item *a = array_at(&array, i - 1), *b = array_at(&array, i);

                        g_assert_true(
                                a->key < b->key || (a->key == b->key && a->serial < b->serial));
                }
                array_clear(&array);
        }
}

static void test_finds_or_says_where(void) {
        Array array = ARRAY_INIT(Item);
        size_t index;

        for (int i = 0; i < 100; i++) {
                Item item = { i * 2, 0 };

                g_assert_nonnull(array_append(&array, &item));
        }
        for (int i = -1; i < 201; i++) {
                Item key = { i, 0 };
                Item *found = array_search(&array, &key, compare, &index);

                if (i >= 0 && i < 200 && i % 2 == 0)
                        g_assert_cmpint(found->key, ==, i);
                else
                        g_assert_null(found);
                g_assert_cmpuint(index, ==, (size_t)((i + 1) / 2));
        }
        array_clear(&array);
        g_assert_null(array_search(&array, &(Item){ 0 }, compare, &index));
        g_assert_cmpuint(index, ==, 0);
}

static void test_copies(void) {
        Array a = ARRAY_INIT(int), b = ARRAY_INIT(int);
        int value = 7;

        g_assert_nonnull(array_append(&a, &value));
        g_assert_cmpint(array_copy(&b, &a), ==, 0);
        *(int *)array_at(&a, 0) = 8;
        g_assert_cmpint(*(int *)array_at(&b, 0), ==, 7);
        array_clear(&a);
        g_assert_cmpint(array_copy(&b, &a), ==, 0);
        g_assert_cmpuint(b.n, ==, 0);
        array_clear(&b);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/array/grows-and-shrinks", test_grows_and_shrinks);
        g_test_add_func("/array/refuses-absurd-sizes", test_refuses_absurd_sizes);
        g_test_add_func("/array/sorts-and-keeps-the-order-of-equals",
                test_sorts_and_keeps_the_order_of_equals);
        g_test_add_func("/array/finds-or-says-where", test_finds_or_says_where);
        g_test_add_func("/array/copies", test_copies);
        return g_test_run();
}
