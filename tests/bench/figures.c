// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/bench/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <glib.h>

int64_t bench_now_usec(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void figures_add(Figures *figures, double sample) {
        if (figures->n == figures->n_allocated) {
                figures->n_allocated = figures->n_allocated ? figures->n_allocated * 2 : 64;
                figures->samples = g_renew(double, figures->samples, figures->n_allocated);
        }
        figures->samples[figures->n++] = sample;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

double figures_percentile(Figures *figures, double percent) {
        size_t index;

        if (figures->n == 0)
                return 0;
        qsort(figures->samples, figures->n, sizeof(double), compare);
        index = (size_t)(percent / 100 * (double)(figures->n - 1) + 0.5);
        return figures->samples[index];
}

void figures_clear(Figures *figures) {
        g_free(figures->samples);
        *figures = (Figures){ 0 };
}

void figures_print(const char *name, Figures *figures, const char *unit, Figures *beside) {
        double median = figures_percentile(figures, 50);

        (void)printf("   %-46s p50 %9.1f  p99 %9.1f %s  n %zu", name, median,
                figures_percentile(figures, 99), unit, figures->n);
        if (beside && figures_percentile(beside, 50) > 0)
                (void)printf("  %.2f × that", median / figures_percentile(beside, 50));
        (void)printf("\n");
        (void)fflush(stdout);
}
