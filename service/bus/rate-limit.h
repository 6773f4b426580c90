/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * How often each user may do something that costs much: a token bucket a uid.
 *
 * A plain value of fixed size. When more users than fit come, the one that was
 * quiet for longest is forgotten, and starts with a full bucket again.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/clock.h"

#define RATE_LIMIT_USERS_MAX 64
#define RATE_LIMIT_BURST 8
#define RATE_LIMIT_REFILL_USEC USEC_PER_SEC /* of one token */

typedef struct RateLimitUser {
        uid_t uid;
        uint32_t tokens;
        usec_t updated_usec; /* 0: unused entry */
} RateLimitUser;

typedef struct RateLimit {
        RateLimitUser users[RATE_LIMIT_USERS_MAX];
} RateLimit;

/* Whether @uid may at @now_usec; takes a token. Root always may. */
bool rate_limit_take(RateLimit *limit, uid_t uid, usec_t now_usec);
