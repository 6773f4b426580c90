/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * How often what others undo is put right again.
 *
 * Facts that are usually undone together (rules of a family, routes of a
 * table) share one account. A burst is healed at once; somebody who keeps
 * undoing is a fight, which goes on with growing pauses and is lost for the
 * time being. An account that stays quiet is forgotten.
 *
 * The ledger owns its accounts; it holds at most HEAL_ACCOUNTS_MAX, and what
 * finds no room in it shares the last of them: nothing heals without a limit.
 */

#include <stdbool.h>

#include "backends/base/array.h"
#include "backends/base/clock.h"
#include "backends/facts/fact.h"

#define HEAL_ACCOUNTS_MAX 256
#define HEAL_BURST 20                          /* turns healed without a pause … */
#define HEAL_REFILL_USEC (250 * USEC_PER_MSEC) /* … each earned back by this much peace */
#define HEAL_PAUSE_MIN_USEC (250 * USEC_PER_MSEC)
#define HEAL_PAUSE_MAX_USEC (5 * USEC_PER_SEC)
#define HEAL_PEACE_USEC (10 * USEC_PER_SEC) /* without a loss: the fight is over */

typedef struct HealAccount {
        FactKind kind;
        int family;
        uint32_t table; /* of routes; 0 for rules */
        unsigned n_left;
        usec_t refilled_usec;
        usec_t last_usec; /* the last loss that was put right */
        usec_t pause_usec;
        usec_t paused_until_usec;
        uint64_t turn; /* counted once a turn */
        bool fighting;
} HealAccount;

typedef struct HealLedger {
        Array accounts; /* of HealAccount */
} HealLedger;

#define HEAL_LEDGER_INIT                                                                           \
        (HealLedger) {                                                                             \
                .accounts = ARRAY_INIT(HealAccount)                                                \
        }

void heal_ledger_clear(HealLedger *ledger);

/*
 * Whether @what may be put right now. If not, *ret_when_usec says when, and
 * its account is fighting. *ret_new_fight is set when it just began.
 */
bool heal_admit(HealLedger *ledger, const Fact *what, uint64_t turn, usec_t now_usec,
        usec_t *ret_when_usec, bool *ret_new_fight);

/* Forgets accounts at peace. Return: whether any is still fighting; then *ret_when_usec is when to
 * ask again. */
bool heal_is_fighting(HealLedger *ledger, usec_t now_usec, usec_t *ret_when_usec);

/* Somebody asked to look afresh: all pauses end. */
void heal_forgive(HealLedger *ledger);
