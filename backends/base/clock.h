/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The clock we use: microseconds of CLOCK_MONOTONIC, see clock_gettime(2); and
 * two others, for what is told.
 */

#include <stdint.h>
#include <time.h>

typedef uint64_t usec_t;

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_INFINITY UINT64_MAX

static inline usec_t clock_read(clockid_t clock) {
        struct timespec now;

        (void)clock_gettime(clock, &now); /* cannot fail for these clocks */
        return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

static inline usec_t clock_now(void) {
        return clock_read(CLOCK_MONOTONIC);
}

/* Since the machine started, asleep or not. */
static inline usec_t clock_boot_now(void) {
        return clock_read(CLOCK_BOOTTIME);
}

/* What people read; may be set. */
static inline usec_t clock_real_now(void) {
        return clock_read(CLOCK_REALTIME);
}
