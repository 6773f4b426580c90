// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/unit/broken-text.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/model/intent-text.h"

#define ROUNDS 20000
#define LIKELY "0123456789=: \nabf/.%" /* to get past the first check */

char *broken_text_of(const Intent *intent) {
        char *text;

        g_assert_cmpint(intent_text_format(intent, &text), ==, 0);
        return text;
}

static void assert_refused(const char *text) {
        CLEANUP(intent_clear) Intent read = INTENT_INIT;

        g_assert_cmpint(intent_text_parse(text, &read), ==, -EBADMSG);
        g_assert_true(intent_is_empty(&read));
        g_assert_cmpuint(read.owners.n, ==, 0);
}

void broken_text_cut_short(const Intent *intent) {
        g_autofree char *text = broken_text_of(intent);

        for (size_t i = strlen(text); i > 0; i--) {
                g_autofree char *part = g_strndup(text, i - 1);

                assert_refused(part);
        }
}

static char mutated(void) {
        return g_test_rand_bit() ? (char)g_test_rand_int_range(1, 256)
                                 : LIKELY[g_test_rand_int_range(0, (gint32)strlen(LIKELY))];
}

/* What is accepted is an intent that comes back the same. */
static void assert_sound(const Intent *intent) {
        CLEANUP(intent_clear) Intent again = INTENT_INIT;
        g_autofree char *first = broken_text_of(intent), *second = NULL;

        g_assert_cmpint(intent_text_parse(first, &again), ==, 0);
        second = broken_text_of(&again);
        g_assert_cmpstr(first, ==, second);
}

void broken_text_mutate(const Intent *intent) {
        g_autofree char *text = broken_text_of(intent);

        for (int round = 0; round < ROUNDS; round++) {
                CLEANUP(intent_clear) Intent read = INTENT_INIT;
                g_autofree char *mutant = g_strdup(text);

                for (int i = g_test_rand_int_range(1, 4); i > 0; i--)
                        mutant[g_test_rand_int_range(0, (gint32)strlen(text))] = mutated();
                if (intent_text_parse(mutant, &read) < 0)
                        assert_refused(mutant);
                else
                        assert_sound(&read);
        }
}
