// SPDX-License-Identifier: GPL-3.0-or-later

#include "polkit/details.h"

#include <stdlib.h>
#include <string.h>

char **details_free(char **details) {
        for (size_t i = 0; details && details[i]; i++)
                free(details[i]);
        free(details);
        return NULL;
}

size_t details_count(const char *const *details) {
        size_t n = 0;

        while (details && details[n])
                n++;
        return n;
}

char **details_copy(const char *const *details) {
        size_t n = details_count(details);
        CLEANUP(details_free_p) char **copy = calloc(n + 1, sizeof(char *));

        for (size_t i = 0; copy && i < n; i++) {
                copy[i] = strdup(details[i]);
                if (!copy[i])
                        return NULL;
        }
        return TAKE(copy);
}

bool details_equal(const char *const *a, const char *const *b) {
        size_t n = details_count(a);

        if (n != details_count(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (strcmp(a[i], b[i]) != 0)
                        return false;
        return true;
}
