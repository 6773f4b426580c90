// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/heal.h"

#include <glib.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "tests/lib/make-fact.h"

#define T0 (1000 * USEC_PER_SEC)

typedef struct Case {
        HealLedger ledger;
        uint64_t turn;
        usec_t now, when;
        bool new_fight;
} Case;

static bool admit(Case *c, const Fact *fact) {
        return heal_admit(&c->ledger, fact, c->turn, c->now, &c->when, &c->new_fight);
}

static Case begin(void) {
        return (Case){ .ledger = HEAL_LEDGER_INIT, .turn = 1, .now = T0 };
}

/* Somebody undoes @fact every @period until it is a fight. Return: how often it was healed. */
static unsigned fight(Case *c, const Fact *fact, usec_t period) {
        for (unsigned n = 1; n < 1000; n++, c->turn++, c->now += period) {
                g_assert_true(admit(c, fact));
                if (c->new_fight)
                        return n;
        }
        return 0;
}

static void test_burst(void) {
        Fact fact = make_our_rule(AF_INET, &OURS_DEFAULT);
        Case c = begin();

        g_assert_cmpuint(fight(&c, &fact, 1000), ==, HEAL_BURST + 1);
        heal_ledger_clear(&c.ledger);
}

static void test_slow_loss(void) {
        Fact fact = make_our_rule(AF_INET, &OURS_DEFAULT);
        Case c = begin();

        g_assert_cmpuint(fight(&c, &fact, HEAL_REFILL_USEC), ==, 0);
        heal_ledger_clear(&c.ledger);
}

static void test_growing_pauses(void) {
        Fact fact = make_our_rule(AF_INET, &OURS_DEFAULT);
        usec_t pause = HEAL_PAUSE_MIN_USEC, start;
        Case c = begin();

        (void)fight(&c, &fact, 1000);
        start = c.now;
        for (int i = 0; i < 10; i++) {
                usec_t healed = c.now;

                c.turn++;
                g_assert_false(admit(&c, &fact));
                g_assert_cmpuint(c.when, ==, healed + pause);
                c.now = c.when;
                c.turn++;
                g_assert_true(admit(&c, &fact));
                g_assert_false(c.new_fight);
                g_assert_true(heal_is_fighting(&c.ledger, c.now, &c.when));
                pause = MIN(pause * 2, HEAL_PAUSE_MAX_USEC);
        }
        g_assert_cmpuint(c.now - start, >, 10 * USEC_PER_SEC);
        heal_ledger_clear(&c.ledger);
}

static void test_accounts(void) {
        Fact four = make_our_rule(AF_INET, &OURS_DEFAULT),
             six = make_our_rule(AF_INET6, &OURS_DEFAULT);
        Fact a = make_our_dead_end(1985, "10.0.0.0/8", 1, RTN_THROW);
        Fact b = make_our_dead_end(1985, "11.0.0.0/8", 1, RTN_THROW);
        Fact other = make_our_dead_end(254, "11.0.0.0/8", 1, RTN_THROW);
        Case c = begin();

        (void)fight(&c, &four, 1000);
        c.turn++;
        g_assert_false(admit(&c, &four));
        g_assert_true(admit(&c, &six));

        (void)fight(&c, &a, 1000);
        g_assert_true(admit(&c, &b)); /* of the turn that was admitted */
        c.turn++;
        g_assert_false(admit(&c, &b));
        g_assert_true(admit(&c, &other));
        heal_ledger_clear(&c.ledger);
}

static void test_one_turn(void) {
        Case c = begin();

        for (unsigned i = 0; i < 10000; i++) {
                Fact fact = make_our_dead_end(1985, "10.0.0.0/8", i, RTN_THROW);

                g_assert_true(admit(&c, &fact));
                g_assert_false(c.new_fight);
        }
        heal_ledger_clear(&c.ledger);
}

static void test_peace(void) {
        Fact fact = make_our_rule(AF_INET, &OURS_DEFAULT);
        Case c = begin();
        usec_t when;

        (void)fight(&c, &fact, 1000);
        g_assert_true(heal_is_fighting(&c.ledger, c.now, &when));
        g_assert_cmpuint(when, ==, c.now + HEAL_PEACE_USEC);
        c.now = when;
        g_assert_false(heal_is_fighting(&c.ledger, c.now, &when));
        g_assert_cmpuint(fight(&c, &fact, 1000), ==, HEAL_BURST + 1);
        heal_ledger_clear(&c.ledger);
}

static void test_forgive(void) {
        Fact fact = make_our_rule(AF_INET, &OURS_DEFAULT);
        Case c = begin();

        (void)fight(&c, &fact, 1000);
        heal_forgive(&c.ledger);
        g_assert_false(heal_is_fighting(&c.ledger, c.now, &c.when));
        c.turn++;
        g_assert_true(admit(&c, &fact));
        heal_ledger_clear(&c.ledger);
}

static void test_bound(void) {
        unsigned n_admitted = 0;
        Case c = begin();

        for (uint32_t table = 0; table < 10 * HEAL_ACCOUNTS_MAX; table++, c.turn++) {
                Fact fact = make_our_dead_end(table, "10.0.0.0/8", 1, RTN_THROW);

                n_admitted += admit(&c, &fact);
        }
        g_assert_cmpuint(c.ledger.accounts.n, <=, HEAL_ACCOUNTS_MAX);
        g_assert_cmpuint(n_admitted, ==, HEAL_ACCOUNTS_MAX + HEAL_BURST);
        g_assert_true(heal_is_fighting(&c.ledger, c.now, &c.when));
        heal_ledger_clear(&c.ledger);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/heal/burst-is-healed-at-once", test_burst);
        g_test_add_func("/heal/slow-losses-never-become-a-fight", test_slow_loss);
        g_test_add_func("/heal/a-fight-goes-on-with-growing-pauses", test_growing_pauses);
        g_test_add_func("/heal/families-and-tables-fight-apart", test_accounts);
        g_test_add_func("/heal/ten-thousand-losses-of-one-turn-are-one", test_one_turn);
        g_test_add_func("/heal/peace-ends-a-fight", test_peace);
        g_test_add_func("/heal/refresh-forgives", test_forgive);
        g_test_add_func("/heal/accounts-are-bounded-and-none-is-without-limit", test_bound);
        return g_test_run();
}
