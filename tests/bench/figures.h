// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Samples and how they are told: median and 99th percentile, and the ratio to
 * a floor of the same run.
 *
 * A Figures owns its samples; times are microseconds of CLOCK_MONOTONIC.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct Figures {
        double *samples;
        size_t n, n_allocated;
} Figures;

int64_t bench_now_usec(void);

void figures_add(Figures *figures, double sample);
double figures_percentile(Figures *figures, double percent);
void figures_clear(Figures *figures);

/* "  name    p50 12.3   p99 45.6 unit   n 100"; with @beside also the ratio of the medians. */
void figures_print(const char *name, Figures *figures, const char *unit, Figures *beside);
