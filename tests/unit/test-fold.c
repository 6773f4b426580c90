// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/fold.h"

#include <glib.h>

#include <linux/rtnetlink.h>

#include "tests/lib/make-fact.h"

#define MSEC USEC_PER_MSEC

static DefaultRoute via(uint32_t ifindex, const char *gateway, uint8_t mac) {
        DefaultRoute route = { .present = true,
                .route = make_route(RT_TABLE_MAIN, "0.0.0.0/0", 100, ifindex, gateway).route };

        (void)g_snprintf(route.device, sizeof(route.device), "eth%u", ifindex);
        if (mac)
                route.gateway_mac = make_neighbour(ifindex, gateway, mac).neighbour.mac;
        return route;
}

/* One look at a time in milliseconds: at what, and what is to be said. */
typedef struct Step {
        unsigned msec;
        unsigned ifindex; /* 0: there is no default route */
        FoldVerdict verdict;
        unsigned when_msec;      /* WAIT */
        unsigned before_ifindex; /* TELL */
        const char *reason;      /* TELL */
} Step;

#define T0 (1000 * USEC_PER_SEC)

static void check_steps(unsigned told, const Step *steps, size_t n) {
        Fold fold = { .told = told ? via(told, "10.0.0.1", 0) : (DefaultRoute){ 0 } };

        for (size_t i = 0; i < n; i++) {
                const Step *s = &steps[i];
                DefaultRoute current =
                        s->ifindex ? via(s->ifindex, "10.0.0.1", 0) : (DefaultRoute){ 0 };
                const char *reason = NULL;
                DefaultRoute before;
                usec_t when;
                FoldVerdict verdict =
                        fold_step(&fold, &current, T0 + s->msec * MSEC, &before, &reason, &when);

                g_test_message("step %zu at %u ms", i, s->msec);
                g_assert_cmpint(verdict, ==, s->verdict);
                if (verdict == FOLD_WAIT)
                        g_assert_cmpuint((when - T0) / MSEC, ==, s->when_msec);
                if (verdict == FOLD_TELL) {
                        g_assert_cmpuint(
                                before.present ? before.route.ifindex : 0, ==, s->before_ifindex);
                        g_assert_cmpstr(reason, ==, s->reason);
                        g_assert_cmpint(default_route_compare(&fold.told, &current, NULL), ==, 0);
                }
        }
}

#define CHECK_STEPS(told, ...)                                                                     \
        check_steps((told), (const Step[]){ __VA_ARGS__ },                                         \
                G_N_ELEMENTS(((const Step[]){ __VA_ARGS__ })))

static void test_first_change_at_once(void) {
        CHECK_STEPS(2, { 0, 2, FOLD_NOTHING }, { 10, 3, FOLD_TELL, 0, 2, "link" },
                { 10, 3, FOLD_NOTHING });
}

static void test_burst(void) {
        CHECK_STEPS(2, { 0, 3, FOLD_TELL, 0, 2, "link" }, { 10, 4, FOLD_WAIT, 100 },
                { 20, 5, FOLD_WAIT, 100 }, { 99, 6, FOLD_WAIT, 100 },
                { 100, 6, FOLD_TELL, 0, 3, "link" }, { 150, 6, FOLD_NOTHING });
}

static void test_burst_that_ends_where_it_began(void) {
        CHECK_STEPS(2, { 0, 3, FOLD_TELL, 0, 2, "link" }, { 10, 2, FOLD_WAIT, 100 },
                { 20, 3, FOLD_NOTHING }, { 100, 3, FOLD_NOTHING });
}

static void test_replace_by_remove_and_add(void) {
        CHECK_STEPS(2, { 0, 0, FOLD_WAIT, 150 }, { 50, 3, FOLD_TELL, 0, 2, "link" },
                { 150, 3, FOLD_NOTHING });
}

static void test_remove_and_add_the_same(void) {
        CHECK_STEPS(2, { 0, 0, FOLD_WAIT, 150 }, { 149, 2, FOLD_NOTHING },
                { 1000, 0, FOLD_WAIT, 1150 }, { 1150, 0, FOLD_TELL, 0, 2, "removed" });
}

static void test_removal_after_grace(void) {
        CHECK_STEPS(2, { 0, 0, FOLD_WAIT, 150 }, { 149, 0, FOLD_WAIT, 150 },
                { 150, 0, FOLD_TELL, 0, 2, "removed" }, { 151, 0, FOLD_NOTHING },
                { 1000, 3, FOLD_TELL, 0, 0, "added" });
}

static void test_grace_of_the_last_removal(void) {
        CHECK_STEPS(2, { 0, 3, FOLD_TELL, 0, 2, "link" }, { 10, 0, FOLD_WAIT, 160 },
                { 20, 4, FOLD_WAIT, 100 }, { 30, 0, FOLD_WAIT, 180 }, { 170, 0, FOLD_WAIT, 180 },
                { 180, 0, FOLD_TELL, 0, 3, "removed" });
}

static void test_wake(void) {
        Fold fold = { .told = via(2, "10.0.0.1", 0) };
        DefaultRoute gone = { 0 }, other = via(3, "10.0.0.1", 0), before;
        const char *reason = NULL;
        usec_t when = 0;

        fold_wake(&fold, T0);
        g_assert_cmpint(fold_step(&fold, &gone, T0, &before, &reason, &when), ==, FOLD_WAIT);
        g_assert_cmpuint(when, ==, T0 + FOLD_WAKE_GRACE_USEC);
        g_assert_cmpint(fold_step(&fold, &other, T0 + USEC_PER_SEC, &before, &reason, &when), ==,
                FOLD_TELL);
        g_assert_cmpuint(before.route.ifindex, ==, 2);

        fold_wake(&fold, T0);
        when = T0 + FOLD_WAKE_GRACE_USEC - FOLD_GRACE_USEC / 2;
        g_assert_cmpint(fold_step(&fold, &gone, when, &before, &reason, &when), ==, FOLD_WAIT);
        g_assert_cmpuint(when, ==, T0 + FOLD_WAKE_GRACE_USEC + FOLD_GRACE_USEC / 2);
        g_assert_cmpint(fold_step(&fold, &gone, when, &before, &reason, &when), ==, FOLD_TELL);
        g_assert_cmpstr(reason, ==, "removed");
}

static void test_completion(void) {
        Fold fold = { .told = via(2, "10.0.0.1", 0) };
        DefaultRoute known = via(2, "10.0.0.1", 7), before;
        const char *reason = NULL;
        usec_t when;

        g_assert_cmpint(fold_step(&fold, &known, T0, &before, &reason, &when), ==, FOLD_COMPLETE);
        g_assert_cmpuint(fold.told.gateway_mac.length, ==, 6);
        g_assert_cmpint(fold_step(&fold, &known, T0, &before, &reason, &when), ==, FOLD_NOTHING);

        known = via(2, "10.0.0.1", 8);
        g_assert_cmpint(fold_step(&fold, &known, T0, &before, &reason, &when), ==, FOLD_TELL);
        g_assert_cmpstr(reason, ==, "gateway-mac");
}

static Address source(const char *text) {
        return make_route(RT_TABLE_MAIN, "0.0.0.0/0", 100, 2, text).route.gateway;
}

static void test_unknown_for_a_while(void) {
        DefaultRoute first = via(2, "10.0.0.1", 7), unknown = via(2, "10.0.0.1", 0), before;
        DefaultRoute other = first;
        Fold fold = { 0 };
        const char *reason = NULL;
        usec_t when;

        first.source = source("10.0.0.7");
        other.source = source("10.0.0.8");
        fold.told = first;
        g_assert_cmpint(fold_step(&fold, &unknown, T0, &before, &reason, &when), ==, FOLD_COMPLETE);
        g_assert_false(address_is_set(&fold.told.source));
        g_assert_cmpint(fold_step(&fold, &unknown, T0, &before, &reason, &when), ==, FOLD_NOTHING);

        /* The same again is no change, another is, were it unknown in between or not. */
        g_assert_cmpint(fold_step(&fold, &first, T0, &before, &reason, &when), ==, FOLD_COMPLETE);
        (void)fold_step(&fold, &unknown, T0, &before, &reason, &when);
        g_assert_cmpint(fold_step(&fold, &other, T0, &before, &reason, &when), ==, FOLD_TELL);
        g_assert_cmpstr(reason, ==, "source");
        g_assert_cmpint(address_compare(&before.source, &first.source), ==, 0);

        other.gateway_mac = make_neighbour(2, "10.0.0.1", 8).neighbour.mac;
        (void)fold_step(&fold, &unknown, T0 + MSEC, &before, &reason, &when);
        g_assert_cmpint(
                fold_step(&fold, &other, T0 + MSEC, &before, &reason, &when), ==, FOLD_WAIT);
        g_assert_cmpint(fold_step(&fold, &other, when, &before, &reason, &when), ==, FOLD_TELL);
        g_assert_cmpstr(reason, ==, "gateway-mac");
}

/* What another link had is not held against the one that was told since. */
static void test_unknown_of_another_link(void) {
        DefaultRoute first = via(2, "10.0.0.1", 7), unknown = via(2, "10.0.0.1", 0), before;
        DefaultRoute other = via(3, "10.0.0.1", 0), complete = via(3, "10.0.0.1", 8);
        Fold fold = { .told = first };
        const char *reason = NULL;
        usec_t when;

        (void)fold_step(&fold, &unknown, T0, &before, &reason, &when);
        g_assert_cmpint(fold_step(&fold, &other, T0, &before, &reason, &when), ==, FOLD_TELL);
        g_assert_cmpint(
                fold_step(&fold, &complete, T0, &before, &reason, &when), ==, FOLD_COMPLETE);
}

/* Whatever happens: two tellings never within the window, each differs from the one before, and
 * when things are quiet, what was told is what is. */
static void test_random(void) {
        for (int round = 0; round < 500; round++) {
                Fold fold = { 0 };
                DefaultRoute current = { 0 }, last_told = { 0 };
                usec_t now = T0, last_usec = 0, when = 0;
                const char *reason = NULL;
                FoldVerdict verdict = FOLD_NOTHING;
                DefaultRoute before;

                for (int i = 0; i < 50; i++) {
                        unsigned ifindex = (unsigned)g_test_rand_int_range(0, 4);

                        now += (usec_t)g_test_rand_int_range(0, 120) * MSEC;
                        current = ifindex ? via(ifindex, "10.0.0.1", 0) : (DefaultRoute){ 0 };
                        verdict = fold_step(&fold, &current, now, &before, &reason, &when);
                        if (verdict == FOLD_WAIT)
                                g_assert_cmpuint(when, >, now);
                        if (verdict != FOLD_TELL)
                                continue;
                        g_assert_cmpint(default_route_compare(&before, &last_told, NULL), ==, 0);
                        g_assert_cmpint(default_route_compare(&before, &current, NULL), ==,
                                DEFAULT_ROUTE_CHANGED);
                        g_assert_true(last_usec == 0 || now - last_usec >= FOLD_WINDOW_USEC);
                        last_usec = now;
                        last_told = current;
                }
                while (verdict == FOLD_WAIT)
                        verdict = fold_step(&fold, &current, when, &before, &reason, &when);
                g_assert_cmpint(default_route_compare(&fold.told, &current, NULL), ==, 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/fold/first-change-is-told-at-once", test_first_change_at_once);
        g_test_add_func("/fold/burst-is-told-at-its-start-and-its-end", test_burst);
        g_test_add_func("/fold/burst-that-ends-where-it-was-told-says-nothing-more",
                test_burst_that_ends_where_it_began);
        g_test_add_func("/fold/remove-and-add-is-one-change", test_replace_by_remove_and_add);
        g_test_add_func(
                "/fold/remove-and-add-of-the-same-is-no-change", test_remove_and_add_the_same);
        g_test_add_func("/fold/removal-is-told-after-the-grace-time", test_removal_after_grace);
        g_test_add_func("/fold/grace-counts-from-the-last-removal", test_grace_of_the_last_removal);
        g_test_add_func("/fold/after-sleep-a-default-may-come-late", test_wake);
        g_test_add_func("/fold/what-becomes-known-is-no-change", test_completion);
        g_test_add_func("/fold/what-is-unknown-for-a-while-is-compared-with-what-it-was",
                test_unknown_for_a_while);
        g_test_add_func("/fold/what-another-link-had-is-forgotten", test_unknown_of_another_link);
        g_test_add_func("/fold/random-bursts-never-tell-twice-or-stale", test_random);
        return g_test_run();
}
