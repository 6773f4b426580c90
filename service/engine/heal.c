// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/heal.h"

#include <assert.h>

void heal_ledger_clear(HealLedger *ledger) {
        array_clear(&ledger->accounts);
}

void heal_forgive(HealLedger *ledger) {
        ledger->accounts.n = 0;
}

static int fact_family(const Fact *fact) {
        if (fact->kind == FACT_RULE)
                return fact->rule.family;
        return fact->kind == FACT_ROUTE ? fact->route.destination.family : 0;
}

static bool account_is_of(const HealAccount *account, const Fact *what) {
        uint32_t table = what->kind == FACT_ROUTE ? what->route.table : 0;

        return account->kind == what->kind && account->family == fact_family(what) &&
               account->table == table;
}

/*
 * Return: the account @what belongs to, new if need be; the last one is shared
 * by all that found no room. NULL: no memory for the first.
 */
static HealAccount *find_account(HealLedger *ledger, const Fact *what, usec_t now_usec) {
        HealAccount *account;

        ARRAY_FOREACH(account, &ledger->accounts) {
                if (account_is_of(account, what))
                        return account;
        }

        account = ledger->accounts.n < HEAL_ACCOUNTS_MAX ? array_append(&ledger->accounts, NULL)
                                                         : NULL;
        if (!account)
                return ledger->accounts.n ? array_at(&ledger->accounts, ledger->accounts.n - 1)
                                          : NULL;
        *account = (HealAccount){ .kind = what->kind,
                .family = fact_family(what),
                .table = what->kind == FACT_ROUTE ? what->route.table : 0,
                .n_left = HEAL_BURST,
                .refilled_usec = now_usec };
        return account;
}

static void refill(HealAccount *account, usec_t now_usec) {
        usec_t n = (now_usec - account->refilled_usec) / HEAL_REFILL_USEC;

        account->refilled_usec += n * HEAL_REFILL_USEC;
        account->n_left =
                account->n_left + n > HEAL_BURST ? HEAL_BURST : account->n_left + (unsigned)n;
}

bool heal_admit(HealLedger *ledger, const Fact *what, uint64_t turn, usec_t now_usec,
        usec_t *ret_when_usec, bool *ret_new_fight) {
        HealAccount *account = find_account(ledger, what, now_usec);

        *ret_new_fight = false;
        if (!account) {
                *ret_when_usec = now_usec + HEAL_PAUSE_MIN_USEC;
                return false;
        }
        if (account->turn == turn)
                return true;

        if (now_usec < account->paused_until_usec) {
                *ret_when_usec = account->paused_until_usec;
                return false;
        }

        /* What comes back after a pause is one heal, with a longer pause behind it. */
        refill(account, now_usec);
        if (account->fighting || account->n_left == 0) {
                *ret_new_fight = !account->fighting;
                account->pause_usec =
                        account->fighting ? account->pause_usec * 2 : HEAL_PAUSE_MIN_USEC;
                if (account->pause_usec > HEAL_PAUSE_MAX_USEC)
                        account->pause_usec = HEAL_PAUSE_MAX_USEC;
                account->fighting = true;
                account->paused_until_usec = now_usec + account->pause_usec;
        } else
                account->n_left--;

        account->turn = turn;
        account->last_usec = now_usec;
        return true;
}

bool heal_is_fighting(HealLedger *ledger, usec_t now_usec, usec_t *ret_when_usec) {
        bool fighting = false;

        for (size_t i = ledger->accounts.n; i > 0; i--) {
                HealAccount *account = array_at(&ledger->accounts, i - 1);

                if (now_usec - account->last_usec >= HEAL_PEACE_USEC) {
                        array_remove(&ledger->accounts, i - 1);
                        continue;
                }
                if (account->fighting) {
                        usec_t when = account->last_usec + HEAL_PEACE_USEC;

                        if (!fighting || when < *ret_when_usec)
                                *ret_when_usec = when;
                        fighting = true;
                }
        }
        return fighting;
}
