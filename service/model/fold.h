/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * When a change of the best default route is told: one real change, once.
 *
 * The first change of a burst is told at once, what follows within the window
 * at its end; a default that went is told only when none follows in the grace
 * time, since whoever replaces a route often removes the old one first. After
 * sleep that takes them longer. What is told is always what holds at that
 * moment.
 */

#include "backends/base/clock.h"
#include "service/model/default-route.h"

#define FOLD_WINDOW_USEC (100 * USEC_PER_MSEC)
#define FOLD_GRACE_USEC (150 * USEC_PER_MSEC)
#define FOLD_WAKE_GRACE_USEC (5 * USEC_PER_SEC)

typedef struct Fold {
        DefaultRoute told;
        Address lost_source; /* what `told` had and is unknown since; else unset */
        Mac lost_mac;
        bool told_any; /* a change was told at told_usec */
        usec_t told_usec;
        bool gone; /* the default went at gone_usec and that is not told yet */
        usec_t gone_usec;
        usec_t wake_usec; /* before it no default that went is told */
} Fold;

typedef enum FoldVerdict {
        FOLD_NOTHING,  /* what was told still holds */
        FOLD_COMPLETE, /* something became known or unknown: a property changed, nothing more */
        FOLD_TELL,     /* a real change: from *ret_before, as last known, to @current */
        FOLD_WAIT,     /* ask again at *ret_when_usec */
} FoldVerdict;

/* The machine woke: links come up again, perhaps on another network. */
void fold_wake(Fold *fold, usec_t now_usec);

/* @ret_before, @ret_reason are set for TELL, @ret_when_usec for WAIT. `told` is updated. */
FoldVerdict fold_step(Fold *fold, const DefaultRoute *current, usec_t now_usec,
        DefaultRoute *ret_before, const char **ret_reason, usec_t *ret_when_usec);
