// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/fold.h"

static FoldVerdict wait_until(usec_t when_usec, usec_t *ret_when_usec) {
        *ret_when_usec = when_usec;
        return FOLD_WAIT;
}

void fold_wake(Fold *fold, usec_t now_usec) {
        fold->wake_usec = now_usec + FOLD_WAKE_GRACE_USEC;
}

/* When a default that is gone is told to be. */
static usec_t gone_is_told_usec(const Fold *fold) {
        usec_t grace_usec = fold->gone_usec + FOLD_GRACE_USEC;

        return grace_usec > fold->wake_usec ? grace_usec : fold->wake_usec;
}

/* What was told, as it was when all of it was known last. */
static DefaultRoute last_known(const Fold *fold) {
        DefaultRoute known = fold->told;

        if (!address_is_set(&known.source))
                known.source = fold->lost_source;
        if (known.gateway_mac.length == 0)
                known.gateway_mac = fold->lost_mac;
        return known;
}

static void complete(Fold *fold, const DefaultRoute *current) {
        DefaultRoute known = last_known(fold);

        fold->lost_source = address_is_set(&current->source) ? (Address){ 0 } : known.source;
        fold->lost_mac = current->gateway_mac.length ? (Mac){ 0 } : known.gateway_mac;
        fold->told = *current;
}

FoldVerdict fold_step(Fold *fold, const DefaultRoute *current, usec_t now_usec,
        DefaultRoute *ret_before, const char **ret_reason, usec_t *ret_when_usec) {
        DefaultRoute known = last_known(fold);

        if (current->present || !fold->told.present)
                fold->gone = false;

        if (default_route_compare(&known, current, ret_reason) != DEFAULT_ROUTE_CHANGED) {
                if (default_route_compare(&fold->told, current, NULL) == DEFAULT_ROUTE_SAME)
                        return FOLD_NOTHING;
                complete(fold, current);
                return FOLD_COMPLETE;
        }

        if (!current->present) {
                if (!fold->gone) {
                        fold->gone = true;
                        fold->gone_usec = now_usec;
                }
                if (now_usec < gone_is_told_usec(fold))
                        return wait_until(gone_is_told_usec(fold), ret_when_usec);
        }
        if (fold->told_any && now_usec < fold->told_usec + FOLD_WINDOW_USEC)
                return wait_until(fold->told_usec + FOLD_WINDOW_USEC, ret_when_usec);

        *ret_before = known;
        fold->told = *current;
        fold->lost_source = (Address){ 0 };
        fold->lost_mac = (Mac){ 0 };
        fold->told_any = true;
        fold->told_usec = now_usec;
        fold->gone = false;
        return FOLD_TELL;
}
