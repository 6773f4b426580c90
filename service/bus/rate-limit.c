// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/rate-limit.h"

static RateLimitUser *find_user(RateLimit *limit, uid_t uid) {
        RateLimitUser *quietest = &limit->users[0];

        for (RateLimitUser *user = limit->users; user < limit->users + RATE_LIMIT_USERS_MAX;
                user++) {
                if (user->updated_usec && user->uid == uid)
                        return user;
                if (user->updated_usec < quietest->updated_usec)
                        quietest = user;
        }
        *quietest = (RateLimitUser){ .uid = uid, .tokens = RATE_LIMIT_BURST };
        return quietest;
}

bool rate_limit_take(RateLimit *limit, uid_t uid, usec_t now_usec) {
        RateLimitUser *user;
        usec_t refill;

        if (uid == 0)
                return true;

        user = find_user(limit, uid);
        if (user->updated_usec == 0)
                user->updated_usec = now_usec;

        refill = (now_usec - user->updated_usec) / RATE_LIMIT_REFILL_USEC;
        if (refill > 0) {
                user->updated_usec = now_usec;
                user->tokens = refill >= RATE_LIMIT_BURST - user->tokens
                                       ? RATE_LIMIT_BURST
                                       : user->tokens + (uint32_t)refill;
        }
        if (user->tokens == 0)
                return false;
        user->tokens--;
        return true;
}
