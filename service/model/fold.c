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

FoldVerdict fold_step(Fold *fold, const DefaultRoute *current, usec_t now_usec,
        DefaultRoute *ret_before, const char **ret_reason, usec_t *ret_when_usec) {
        DefaultRouteDifference difference = default_route_compare(&fold->told, current, ret_reason);

        if (current->present || !fold->told.present)
                fold->gone = false;

        switch (difference) {
        case DEFAULT_ROUTE_SAME:
                return FOLD_NOTHING;
        case DEFAULT_ROUTE_COMPLETED:
                fold->told = *current;
                return FOLD_COMPLETE;
        case DEFAULT_ROUTE_CHANGED:
                break;
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

        *ret_before = fold->told;
        fold->told = *current;
        fold->told_any = true;
        fold->told_usec = now_usec;
        fold->gone = false;
        return FOLD_TELL;
}
