// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/plan.h"

#include <glib.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"
#include "service/model/desired.h"
#include "tests/lib/fake-backend.h"
#include "tests/lib/make-fact.h"

#define TABLE OURS_DEFAULT_TUNNEL_TABLE

static const Ours ours = OURS_DEFAULT;

static Array plan(const FactSet *desired, const FactSet *observed) {
        Array operations = ARRAY_INIT(Operation);

        g_assert_cmpint(plan_make(desired, observed, &operations), ==, 0);
        return operations;
}

static const Operation *at(const Array *operations, size_t i) {
        return array_at(operations, i);
}

/* A tunnel of one family, with a bypass and a gateway route. */
static FactSet tunnel(void) {
        FactSet set = FACT_SET_INIT;

        make_put(&set, make_our_rule(AF_INET, &ours));
        make_put(&set, make_our_route(TABLE, "10.0.0.0/8", 2, 2, "192.168.1.1"));
        make_put(&set, make_our_route(TABLE, "0.0.0.0/0", 1, 4, ""));
        make_put(&set, make_our_dead_end(TABLE, "9.9.9.9/32", 1, RTN_THROW));
        make_put(&set,
                make_our_dead_end(TABLE, "0.0.0.0/0", OURS_FAIL_CLOSED_METRIC, RTN_UNREACHABLE));
        return set;
}

static void test_fill_then_rule(void) {
        CLEANUP(fact_set_clear) FactSet desired = tunnel(), observed = FACT_SET_INIT;
        CLEANUP(array_clear) Array operations = plan(&desired, &observed);

        g_assert_cmpuint(operations.n, ==, 5);
        for (size_t i = 0; i < operations.n; i++)
                g_assert_cmpint(at(&operations, i)->verb, ==, OPERATION_ADD);
        g_assert_cmpint(at(&operations, 4)->fact.kind, ==, FACT_RULE);
        g_assert_true(address_is_set(&at(&operations, 3)->fact.route.gateway));
}

static void test_rule_then_empty(void) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT, observed = tunnel();
        CLEANUP(array_clear) Array operations = plan(&desired, &observed);

        g_assert_cmpuint(operations.n, ==, 5);
        for (size_t i = 0; i < operations.n; i++)
                g_assert_cmpint(at(&operations, i)->verb, ==, OPERATION_REMOVE);
        g_assert_cmpint(at(&operations, 0)->fact.kind, ==, FACT_RULE);
}

static void test_fail_closed_order(void) {
        CLEANUP(fact_set_clear) FactSet there = tunnel(), none = FACT_SET_INIT;
        CLEANUP(array_clear) Array up = plan(&there, &none), down = plan(&none, &there);

        g_assert_cmpint(at(&up, 0)->fact.route.type, ==, RTN_UNREACHABLE);
        g_assert_cmpint(at(&down, down.n - 1)->fact.route.type, ==, RTN_UNREACHABLE);
}

/* route_localnet is never open without the guard that drops what others send there. */
static void test_settings_order(void) {
        const Fact base = { .kind = FACT_FILTER, .filter = { .kind = FILTER_BASE, .mark = 1 } };
        const Fact localnet = { .kind = FACT_SYSCTL,
                .sysctl = { .key = SYSCTL_ROUTE_LOCALNET, .device = "eth0", .value = 1 } };
        CLEANUP(fact_set_clear) FactSet there = FACT_SET_INIT, none = FACT_SET_INIT;
        CLEANUP(array_clear) Array up = ARRAY_INIT(Operation), down = ARRAY_INIT(Operation);

        make_put(&there, base);
        make_put(&there, localnet);
        g_assert_cmpint(plan_make(&there, &none, &up), ==, 0);
        g_assert_cmpint(plan_make(&none, &there, &down), ==, 0);
        g_assert_cmpint(at(&up, 0)->fact.kind, ==, FACT_FILTER);
        g_assert_cmpint(at(&down, 0)->fact.kind, ==, FACT_SYSCTL);
}

static void test_satisfied(void) {
        CLEANUP(fact_set_clear) FactSet desired = tunnel(), observed = tunnel();
        CLEANUP(array_clear) Array operations = plan(&desired, &observed);

        g_assert_cmpuint(operations.n, ==, 0);
}

static void test_foreign(void) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT, observed = FACT_SET_INIT;
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
        Fact rule = make_our_rule(AF_INET, &ours);

        rule.rule.protocol = RTPROT_STATIC;
        make_put(&observed, rule);
        make_put(&observed, make_route(TABLE, "0.0.0.0/0", 1, 4, ""));
        make_put(&observed, make_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 2, ""));
        g_assert_cmpint(plan_make(&desired, &observed, &operations), ==, 0);
        g_assert_cmpuint(operations.n, ==, 0);

        /* The slot is taken: asked for all the same, so that the kernel says so. */
        make_put(&desired, make_our_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 3, ""));
        g_assert_cmpint(plan_make(&desired, &observed, &operations), ==, 0);
        g_assert_cmpuint(operations.n, ==, 1);
        g_assert_cmpint(at(&operations, 0)->verb, ==, OPERATION_ADD);
}

static void test_replace(void) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT, observed = FACT_SET_INIT;
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
        Fact old = make_our_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 2, "192.168.1.1");

        make_put(&observed, old);
        make_put(&desired, make_our_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 3, "10.1.0.1"));
        g_assert_cmpint(plan_make(&desired, &observed, &operations), ==, 0);
        g_assert_cmpuint(operations.n, ==, 1);
        g_assert_cmpint(at(&operations, 0)->verb, ==, OPERATION_REPLACE);
        g_assert_true(fact_equals(&at(&operations, 0)->old, &old));
}

static void test_lone_gateway(void) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT, observed = FACT_SET_INIT;
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);

        make_put(&desired, make_our_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 0, "192.168.1.1"));
        make_put(&observed, make_our_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 2, "192.168.1.1"));
        g_assert_cmpint(plan_make(&desired, &observed, &operations), ==, 0);
        g_assert_cmpuint(operations.n, ==, 0);
}

static void test_effect_of_taking(void) {
        CLEANUP(fact_set_clear) FactSet observed = FACT_SET_INIT;
        CLEANUP(array_clear) Array changes = ARRAY_INIT(FactChange);
        Operation operation = { .verb = OPERATION_REPLACE,
                .fact = make_our_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 2, ""),
                .old = make_route(RT_TABLE_MAIN, "10.0.0.0/8", 5, 3, "") };

        make_put(&observed, operation.old);
        g_assert_cmpint(plan_append_effect(&operation, &changes), ==, 0);
        g_assert_cmpint(fact_set_merge(&observed, &changes), ==, 0);
        g_assert_cmpuint(observed.facts.n, ==, 1);
        g_assert_nonnull(fact_set_find(&observed, &operation.fact));
}

/* Random worlds */

static Fact random_route(bool is_ours) {
        static const char *const destinations[] = { "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16",
                "9.9.9.9/32", "2000::/3", "::/0" };
        static const uint8_t types[] = { RTN_UNICAST, RTN_UNICAST, RTN_UNICAST, RTN_THROW,
                RTN_BLACKHOLE };
        const char *destination =
                destinations[g_test_rand_int_range(0, G_N_ELEMENTS(destinations))];
        Fact fact = make_our_route(g_test_rand_bit() ? TABLE : RT_TABLE_MAIN, destination,
                (uint32_t)g_test_rand_int_range(1, 4), 0, "");

        fact.route.type = types[g_test_rand_int_range(0, G_N_ELEMENTS(types))];
        if (fact.route.type == RTN_UNICAST) {
                fact.route.ifindex = (uint32_t)g_test_rand_int_range(2, 5);
                if (g_test_rand_bit())
                        fact.route.gateway =
                                make_address(strchr(destination, ':') ? "fe80::1" : "192.0.2.1");
        }
        if (!is_ours)
                fact.route.protocol = RTPROT_DHCP;
        return fact;
}

static void add_random_tunnel(FactSet *set) {
        for (int i = 0; i < 2; i++) {
                const char *all = i ? "::/0" : "0.0.0.0/0";

                if (g_test_rand_bit())
                        continue;
                make_put(set, make_our_rule(i ? AF_INET6 : AF_INET, &ours));
                make_put(set,
                        make_our_dead_end(TABLE, all, OURS_FAIL_CLOSED_METRIC, RTN_UNREACHABLE));
        }
}

static bool slot_is_free(const FactSet *set, const Route *route) {
        const Fact *fact;

        ARRAY_FOREACH(fact, &set->facts) {
                if (fact->kind == FACT_ROUTE && route_compare_slot(&fact->route, route) == 0)
                        return false;
        }
        return true;
}

/* A kernel with links, our facts of some earlier time, and foreign ones. */
static void random_kernel(FakeBackend *kernel) {
        for (uint32_t ifindex = 2; ifindex < 5; ifindex++) {
                g_autofree char *name = g_strdup_printf("eth%u", ifindex);

                make_put(&kernel->facts, make_link(ifindex, name, "", MAKE_LINK_UP));
        }
        add_random_tunnel(&kernel->facts);
        for (int i = g_test_rand_int_range(0, 20); i > 0; i--) {
                Fact fact = random_route(g_test_rand_bit());

                if (slot_is_free(&kernel->facts, &fact.route))
                        make_put(&kernel->facts, fact);
        }
        if (g_test_rand_bit()) {
                Fact rule = make_our_rule(AF_INET, &ours);

                rule.rule.protocol = RTPROT_UNSPEC;
                rule.rule.priority = 32766;
                make_put(&kernel->facts, rule);
        }
}

/* Desired facts whose slots no foreign fact holds: those are refused, by design. */
static FactSet random_desired(const FakeBackend *kernel) {
        FactSet desired = FACT_SET_INIT;
        const Fact *fact;

        add_random_tunnel(&desired);
        for (int i = g_test_rand_int_range(0, 20); i > 0; i--) {
                Fact route = random_route(true);
                bool held = false;

                ARRAY_FOREACH(fact, &kernel->facts.facts) {
                        held = held || (fact->kind == FACT_ROUTE && !fact_is_ours(fact) &&
                                               route_compare_slot(&fact->route, &route.route) == 0);
                }
                if (!held)
                        make_put(&desired, route);
        }
        return desired;
}

static FactSet only(const FactSet *set, bool want_ours) {
        FactSet part = FACT_SET_INIT;
        const Fact *fact;

        ARRAY_FOREACH(fact, &set->facts) {
                if (fact_is_ours(fact) == want_ours)
                        make_put(&part, *fact);
        }
        return part;
}

static void assert_same(const FactSet *a, const FactSet *b) {
        g_assert_cmpuint(a->facts.n, ==, b->facts.n);
        for (size_t i = 0; i < a->facts.n; i++)
                g_assert_true(fact_equals(array_at(&a->facts, i), array_at(&b->facts, i)));
}

/* What must hold at every moment: no rule of ours without the route that closes its family. */
static void assert_closed(const FactSet *facts) {
        for (int i = 0; i < 2; i++) {
                Fact rule = make_our_rule(i ? AF_INET6 : AF_INET, &ours);
                Fact closed = make_our_dead_end(
                        TABLE, i ? "::/0" : "0.0.0.0/0", OURS_FAIL_CLOSED_METRIC, RTN_UNREACHABLE);

                if (fact_set_find(facts, &rule))
                        g_assert_nonnull(fact_set_find(facts, &closed));
        }
}

static int phase(const Operation *operation) {
        bool removes = operation->verb == OPERATION_REMOVE;

        if (operation->fact.kind == FACT_RULE)
                return removes ? 2 : 1;
        return removes ? 3 : 0;
}

static void test_random(void) {
        for (int round = 0; round < 2000; round++) {
                CLEANUP(fake_backend_clear) FakeBackend kernel;
                CLEANUP(fact_set_clear)
                FactSet desired = FACT_SET_INIT, foreign = FACT_SET_INIT, our_part = FACT_SET_INIT,
                        after = FACT_SET_INIT;
                CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);

                fake_backend_init(&kernel);
                random_kernel(&kernel);
                desired = random_desired(&kernel);
                foreign = only(&kernel.facts, false);
                operations = plan(&desired, &kernel.facts);

                for (size_t i = 0; i < operations.n; i++) {
                        Fault fault;

                        g_assert_true(fact_is_ours(&at(&operations, i)->fact));
                        if (i > 0)
                                g_assert_cmpint(phase(at(&operations, i - 1)), <=,
                                        phase(at(&operations, i)));
                        g_assert_cmpuint(kernel.backend.interface->apply(
                                                 &kernel.backend, at(&operations, i), 1, &fault),
                                ==, 0);
                        assert_closed(&kernel.facts);
                }

                our_part = only(&kernel.facts, true);
                after = only(&kernel.facts, false);
                assert_same(&our_part, &desired);
                assert_same(&after, &foreign);

                array_clear(&operations);
                operations = plan(&desired, &kernel.facts);
                g_assert_cmpuint(operations.n, ==, 0);
        }
}

/* What the engine believes after a plan is what the kernel holds. */
static void test_random_effects(void) {
        for (int round = 0; round < 500; round++) {
                CLEANUP(fake_backend_clear) FakeBackend kernel;
                CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT, observed = FACT_SET_INIT;
                CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
                CLEANUP(array_clear) Array changes = ARRAY_INIT(FactChange);

                fake_backend_init(&kernel);
                random_kernel(&kernel);
                desired = random_desired(&kernel);
                g_assert_cmpint(fact_set_copy(&observed, &kernel.facts), ==, 0);
                operations = plan(&desired, &kernel.facts);
                for (size_t i = 0; i < operations.n; i++) {
                        Fault fault;

                        (void)kernel.backend.interface->apply(
                                &kernel.backend, at(&operations, i), 1, &fault);
                        g_assert_cmpint(plan_append_effect(at(&operations, i), &changes), ==, 0);
                }
                g_assert_cmpint(fact_set_merge(&observed, &changes), ==, 0);
                assert_same(&observed, &kernel.facts);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/plan/a-rule-comes-after-its-table-is-filled", test_fill_then_rule);
        g_test_add_func("/plan/a-rule-goes-before-its-table-is-emptied", test_rule_then_empty);
        g_test_add_func("/plan/fail-closed-comes-first-and-goes-last", test_fail_closed_order);
        g_test_add_func("/plan/settings-stand-within-the-guard", test_settings_order);
        g_test_add_func("/plan/what-is-there-needs-nothing", test_satisfied);
        g_test_add_func("/plan/a-foreign-fact-is-never-touched", test_foreign);
        g_test_add_func("/plan/an-older-fact-of-ours-is-replaced", test_replace);
        g_test_add_func("/plan/the-kernel-picks-the-device-of-a-lone-gateway", test_lone_gateway);
        g_test_add_func("/plan/who-takes-a-slot-back-leaves-no-ghost", test_effect_of_taking);
        g_test_add_func("/plan/random-worlds-end-as-desired", test_random);
        g_test_add_func("/plan/effects-are-what-the-kernel-does", test_random_effects);
        return g_test_run();
}
