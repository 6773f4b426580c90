// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/fact-set.h"

#include <glib.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"

static Fact link_fact(uint32_t ifindex, uint32_t mtu) {
        return (Fact){ .kind = FACT_LINK, .link = { .ifindex = ifindex, .mtu = mtu } };
}

static Fact route_fact(uint32_t metric, uint8_t protocol, uint32_t ifindex) {
        const Route route = {
                .destination = prefix_default(AF_INET),
                .type = RTN_UNICAST,
                .protocol = protocol,
                .table = 254,
                .metric = metric,
                .ifindex = ifindex,
        };

        return fact_of_route(&route);
}

static void check_is_sorted(const FactSet *set) {
        for (size_t i = 1; i < set->facts.n; i++)
                g_assert_cmpint(
                        fact_compare_key(array_at(&set->facts, i - 1), array_at(&set->facts, i)), <,
                        0);
}

static void test_holds_a_key_once(void) {
        FactSet set = FACT_SET_INIT;
        Fact first = link_fact(1, 1500), second = link_fact(1, 1400);

        g_assert_cmpint(fact_set_put(&set, &first), ==, 0);
        g_assert_cmpint(fact_set_put(&set, &second), ==, 0);
        g_assert_cmpuint(set.facts.n, ==, 1);
        g_assert_cmpuint(fact_set_find(&set, &first)->link.mtu, ==, 1400);
        g_assert_true(fact_set_remove(&set, &first));
        g_assert_false(fact_set_remove(&set, &first));
        fact_set_clear(&set);
}

static void test_sort_keeps_the_first_of_a_key(void) {
        FactSet set = FACT_SET_INIT;

        for (uint32_t i = 0; i < 100; i++) {
                Fact fact = link_fact(i % 10 + 1, i);

                g_assert_cmpint(fact_set_append(&set, &fact), ==, 0);
        }
        g_assert_cmpint(fact_set_sort(&set), ==, 0);
        g_assert_cmpuint(set.facts.n, ==, 10);
        check_is_sorted(&set);
        for (uint32_t i = 0; i < 10; i++)
                g_assert_cmpuint(((Fact *)array_at(&set.facts, i))->link.mtu, ==, i);
        fact_set_clear(&set);
}

static Fact random_fact(void) {
        if (g_test_rand_bit())
                return link_fact((uint32_t)g_test_rand_int_range(1, 40),
                        (uint32_t)g_test_rand_int_range(0, 3));
        return route_fact((uint32_t)g_test_rand_int_range(0, 10),
                g_test_rand_bit() ? OURS_PROTOCOL : RTPROT_STATIC,
                (uint32_t)g_test_rand_int_range(1, 4));
}

/* The merge of many at once against the same changes one by one. */
static void test_merge_is_the_changes_one_by_one(void) {
        for (unsigned round = 0; round < 500; round++) {
                FactSet merged = FACT_SET_INIT, plain = FACT_SET_INIT;
                Array changes = ARRAY_INIT(FactChange);
                int n = g_test_rand_int_range(0, 100);

                for (unsigned i = 0; i < 30; i++) {
                        Fact fact = random_fact();

                        g_assert_cmpint(fact_set_put(&merged, &fact), ==, 0);
                }
                g_assert_cmpint(fact_set_copy(&plain, &merged), ==, 0);

                for (int i = 0; i < n; i++) {
                        FactChange change = { .fact = random_fact(), .removed = g_test_rand_bit() };

                        g_assert_nonnull(array_append(&changes, &change));
                        if (change.removed)
                                (void)fact_set_remove(&plain, &change.fact);
                        else
                                g_assert_cmpint(fact_set_put(&plain, &change.fact), ==, 0);
                }
                g_assert_cmpint(fact_set_merge(&merged, &changes), ==, 0);

                check_is_sorted(&merged);
                g_assert_cmpuint(merged.facts.n, ==, plain.facts.n);
                for (size_t i = 0; i < plain.facts.n; i++)
                        g_assert_true(
                                fact_equals(array_at(&merged.facts, i), array_at(&plain.facts, i)));
                array_clear(&changes);
                fact_set_clear(&merged);
                fact_set_clear(&plain);
        }
}

static void check_takes_slot(unsigned n_others) {
        FactSet set = FACT_SET_INIT;
        Array changes = ARRAY_INIT(FactChange);
        Fact ours = route_fact(5, OURS_PROTOCOL, 1), foreign = route_fact(5, RTPROT_STATIC, 2),
             other = route_fact(6, RTPROT_STATIC, 2);
        FactChange taken = { .fact = route_fact(5, RTPROT_STATIC, 3), .takes_slot = true };

        g_assert_cmpint(fact_set_put(&set, &ours), ==, 0);
        g_assert_cmpint(fact_set_put(&set, &foreign), ==, 0);
        g_assert_cmpint(fact_set_put(&set, &other), ==, 0);
        for (uint32_t i = 0; i < n_others; i++) {
                FactChange change = { .fact = link_fact(i + 1, 0) };

                g_assert_nonnull(array_append(&changes, &change));
        }
        g_assert_nonnull(array_append(&changes, &taken));
        g_assert_cmpint(fact_set_merge(&set, &changes), ==, 0);

        check_is_sorted(&set);
        g_assert_cmpuint(set.facts.n, ==, n_others + 2);
        g_assert_null(fact_set_find(&set, &ours));
        g_assert_null(fact_set_find(&set, &foreign));
        g_assert_nonnull(fact_set_find(&set, &taken.fact));
        g_assert_nonnull(fact_set_find(&set, &other));
        array_clear(&changes);
        fact_set_clear(&set);
}

static void test_replacement_takes_the_slot(void) {
        check_takes_slot(0);
        check_takes_slot(50);
}

/* What the documentation of takes_slot says, in so many words. */
static void apply_plainly(FactSet *set, const FactChange *change) {
        for (size_t i = set->facts.n; change->takes_slot && i > 0; i--) {
                const Fact *fact = array_at(&set->facts, i - 1);

                if (fact->kind == FACT_ROUTE &&
                        route_compare_slot(&fact->route, &change->fact.route) == 0)
                        array_remove(&set->facts, i - 1);
        }
        if (change->removed)
                (void)fact_set_remove(set, &change->fact);
        else
                g_assert_cmpint(fact_set_put(set, &change->fact), ==, 0);
}

static void test_taken_slots_merge_in_order(void) {
        for (unsigned round = 0; round < 500; round++) {
                FactSet plain = FACT_SET_INIT, merged = FACT_SET_INIT;
                Array changes = ARRAY_INIT(FactChange);

                for (unsigned i = 0; i < 100; i++) {
                        FactChange change = {
                                .fact = route_fact((uint32_t)g_test_rand_int_range(0, 4),
                                        g_test_rand_bit() ? OURS_PROTOCOL : RTPROT_STATIC,
                                        (uint32_t)g_test_rand_int_range(1, 5)),
                                .removed = g_test_rand_bit(),
                                .takes_slot = g_test_rand_int_range(0, 8) == 0,
                        };

                        if (i % 3 == 0)
                                change = (FactChange){ .fact = random_fact() };
                        if (i == 40)
                                g_assert_cmpint(fact_set_copy(&merged, &plain), ==, 0);
                        if (i >= 40)
                                g_assert_nonnull(array_append(&changes, &change));
                        apply_plainly(&plain, &change);
                }
                g_assert_cmpint(fact_set_merge(&merged, &changes), ==, 0);

                check_is_sorted(&merged);
                g_assert_cmpuint(merged.facts.n, ==, plain.facts.n);
                for (size_t i = 0; i < plain.facts.n; i++)
                        g_assert_true(
                                fact_equals(array_at(&merged.facts, i), array_at(&plain.facts, i)));
                array_clear(&changes);
                fact_set_clear(&merged);
                fact_set_clear(&plain);
        }
}

/* A hundred thousand changes that each take a slot cost about what plain ones do. */
static void test_taken_slots_cost_no_more(void) {
        double seconds[2];

        for (int takes = 0; takes < 2; takes++) {
                FactSet set = FACT_SET_INIT;
                Array changes = ARRAY_INIT(FactChange);

                for (uint32_t i = 0; i < 100000; i++) {
                        FactChange change = { .fact = route_fact(i, RTPROT_STATIC, 1),
                                .takes_slot = takes };

                        g_assert_cmpint(fact_set_append(&set, &change.fact), ==, 0);
                        g_assert_nonnull(array_append(&changes, &change));
                }
                g_assert_cmpint(fact_set_sort(&set), ==, 0);
                g_test_timer_start();
                g_assert_cmpint(fact_set_merge(&set, &changes), ==, 0);
                seconds[takes] = g_test_timer_elapsed();
                g_assert_cmpuint(set.facts.n, ==, 100000);
                array_clear(&changes);
                fact_set_clear(&set);
        }
        g_test_message("plain %f s, taking slots %f s", seconds[0], seconds[1]);
        g_assert_cmpfloat(seconds[1], <, 10 * seconds[0] + 0.1);
}

static void test_walk_yields_every_key_once_in_order(void) {
        for (unsigned round = 0; round < 200; round++) {
                FactSet a = FACT_SET_INIT, b = FACT_SET_INIT;
                FactWalk walk = { 0 };
                const Fact *in_a, *in_b, *key, *last = NULL;
                size_t n_a = 0, n_b = 0;

                for (unsigned i = 0; i < 30; i++) {
                        Fact fact = random_fact();

                        g_assert_cmpint(fact_set_put(g_test_rand_bit() ? &a : &b, &fact), ==, 0);
                }
                while (fact_walk_next(&walk, &a, &b, &in_a, &in_b)) {
                        key = in_a ? in_a : in_b;
                        g_assert_nonnull(key);
                        if (in_a && in_b)
                                g_assert_cmpint(fact_compare_key(in_a, in_b), ==, 0);
                        if (last)
                                g_assert_cmpint(fact_compare_key(last, key), <, 0);
                        last = key;
                        n_a += in_a != NULL;
                        n_b += in_b != NULL;
                }
                g_assert_cmpuint(n_a, ==, a.facts.n);
                g_assert_cmpuint(n_b, ==, b.facts.n);
                fact_set_clear(&a);
                fact_set_clear(&b);
        }
}

static void test_kinds_stand_together(void) {
        FactSet set = FACT_SET_INIT;
        const Fact *fact;
        size_t n;

        (void)fact_set_of_kind(&set, FACT_LINK, &n);
        g_assert_cmpuint(n, ==, 0);
        for (uint32_t i = 0; i < 20; i++) {
                Fact link = link_fact(i + 1, 0), route = route_fact(i, RTPROT_STATIC, 1);

                g_assert_cmpint(fact_set_put(&set, &route), ==, 0);
                g_assert_cmpint(fact_set_put(&set, &link), ==, 0);
        }
        fact = fact_set_of_kind(&set, FACT_ROUTE, &n);
        g_assert_cmpuint(n, ==, 20);
        g_assert_cmpint(fact[0].kind, ==, FACT_ROUTE);
        g_assert_cmpint(fact[19].kind, ==, FACT_ROUTE);
        (void)fact_set_of_kind(&set, FACT_NEIGHBOUR, &n);
        g_assert_cmpuint(n, ==, 0);
        fact_set_clear(&set);
}

static void test_formats_every_kind(void) {
        char text[FACT_TEXT_MAX];

        for (FactKind kind = 0; kind < _FACT_KIND_MAX; kind++) {
                Fact fact = { .kind = kind };

                g_assert_cmpstr(fact_format(&fact, text), !=, "");
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/fact-set/holds-a-key-once", test_holds_a_key_once);
        g_test_add_func(
                "/fact-set/sort-keeps-the-first-of-a-key", test_sort_keeps_the_first_of_a_key);
        g_test_add_func(
                "/fact-set/merge-is-the-changes-one-by-one", test_merge_is_the_changes_one_by_one);
        g_test_add_func("/fact-set/replacement-takes-the-slot", test_replacement_takes_the_slot);
        g_test_add_func("/fact-set/taken-slots-merge-in-order", test_taken_slots_merge_in_order);
        g_test_add_func("/fact-set/taken-slots-cost-no-more", test_taken_slots_cost_no_more);
        g_test_add_func("/fact-set/walk-yields-every-key-once-in-order",
                test_walk_yields_every_key_once_in_order);
        g_test_add_func("/fact-set/kinds-stand-together", test_kinds_stand_together);
        g_test_add_func("/fact-set/formats-every-kind", test_formats_every_kind);
        return g_test_run();
}
