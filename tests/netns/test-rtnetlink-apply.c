// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <string.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"
#include "tests/lib/netns.h"

#define TABLE OURS_DEFAULT_TUNNEL_TABLE

/* Adds the fact, reads it back, replaces it by itself, removes it. */
static void check_comes_back(Netns *netns, const Fact *fact) {
        char went[FACT_TEXT_MAX], came[FACT_TEXT_MAX] = "nothing";
        const Fact *found;
        Fault fault;

        if (netns_apply(netns, OPERATION_ADD, fact, &fault) < 0)
                g_error("%s: %s", fact_format(fact, went), fault.text);
        found = netns_dumped(fact);
        if (!found || !fact_equals(found, fact))
                g_error("went as %s, came as %s", fact_format(fact, went),
                        found ? fact_format(found, came) : came);
        g_assert_cmpint(netns_apply(netns, OPERATION_ADD, fact, &fault), ==, -EEXIST);
        g_assert_cmpint(netns_apply(netns, OPERATION_REPLACE, fact, NULL), ==, 0);
        g_assert_nonnull(netns_dumped(fact));
        g_assert_cmpint(netns_apply(netns, OPERATION_REMOVE, fact, NULL), ==, 0);
        g_assert_null(netns_dumped(fact));
        g_assert_cmpint(netns_apply(netns, OPERATION_REMOVE, fact, NULL), ==, 0);
}

static void check_route(Netns *netns, const Route *route) {
        const Fact fact = fact_of_route(route);

        check_comes_back(netns, &fact);
}

static const struct {
        const char *destination, *gateway, *source;
        uint8_t type;
        bool device, onlink;
        uint32_t table, metric, mtu;
} routes[] = {
        { "0.0.0.0/0", "10.1.0.9", NULL, RTN_UNICAST, true, false, 1985, 0, 0 },
        { "192.0.2.0/24", "10.1.0.9", "10.1.0.1", RTN_UNICAST, true, false, 1985, 77, 1380 },
        { "192.0.2.7/32", NULL, NULL, RTN_UNICAST, true, false, 1985, 0, 0 },
        { "192.0.2.7/32", "198.51.100.1", NULL, RTN_UNICAST, true, true, 254, 5, 0 },
        { "192.0.2.7/32", "fd01::9", NULL, RTN_UNICAST, true, false, 1985, 5, 0 },
        { "128.0.0.0/1", NULL, NULL, RTN_THROW, false, false, 1985, 0, 0 },
        { "0.0.0.0/0", NULL, NULL, RTN_UNREACHABLE, false, false, 1985, UINT32_MAX, 0 },
        { "10.0.0.0/8", NULL, NULL, RTN_BLACKHOLE, false, false, 42, 3, 0 },
        { "10.0.0.0/8", NULL, NULL, RTN_PROHIBIT, false, false, UINT32_MAX, 3, 0 },
        { "::/0", "fd01::9", NULL, RTN_UNICAST, true, false, 1985, 1024, 0 },
        { "2001:db8::/32", "fd01::9", "fd01::1", RTN_UNICAST, true, false, 1985, 77, 1380 },
        { "2001:db8::1/128", NULL, NULL, RTN_UNICAST, true, false, 1985, 1, 0 },
        { "2001:db8::1/128", "2001:db8:1::1", NULL, RTN_UNICAST, true, true, 254, 5, 0 },
        { "8000::/1", NULL, NULL, RTN_THROW, false, false, 1985, 1024, 0 },
        { "::/0", NULL, NULL, RTN_UNREACHABLE, false, false, 1985, UINT32_MAX, 0 },
        { "fd00::/8", NULL, NULL, RTN_BLACKHOLE, false, false, 42, 3, 0 },
        { "fd00::/8", NULL, NULL, RTN_PROHIBIT, false, false, UINT32_MAX, 3, 0 },
};

static void test_routes_come_back_as_they_went(Netns *netns) {
        for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
                Route route = netns_route(routes[i].destination, routes[i].gateway,
                        routes[i].device ? netns_ifindex("v0") : 0, routes[i].table);

                route.type = routes[i].type;
                route.metric = routes[i].metric;
                route.mtu = routes[i].mtu;
                route.onlink = routes[i].onlink;
                if (routes[i].source)
                        g_assert_cmpint(address_parse(routes[i].source, &route.source), ==, 0);
                check_route(netns, &route);
        }
}

static Rule our_rule(int family) {
        return (Rule){
                .family = (uint8_t)family,
                .action = FR_ACT_TO_TBL,
                .protocol = OURS_PROTOCOL,
                .priority = 4984,
                .table = TABLE,
                .suppress_prefixlength = RULE_NO_SUPPRESS,
        };
}

static void test_rules_come_back_as_they_went(Netns *netns) {
        static const int families[] = { AF_INET, AF_INET6 };

        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                bool v4 = families[i] == AF_INET;
                Rule rules[] = { our_rule(families[i]), our_rule(families[i]),
                        our_rule(families[i]), our_rule(families[i]) };

                rules[1].mark = rules[1].mark_mask = 0x10000000;
                rules[1].invert = true;
                rules[2].table = RT_TABLE_MAIN;
                rules[2].suppress_prefixlength = 0;
                rules[2].mark_mask = 0xff;
                g_assert_cmpint(
                        prefix_parse(v4 ? "10.0.0.0/8" : "fd00::/8", &rules[3].source), ==, 0);
                g_assert_cmpint(
                        prefix_parse(v4 ? "192.0.2.1" : "2001:db8::1", &rules[3].destination), ==,
                        0);
                rules[3].table = 42;
                for (size_t k = 0; k < G_N_ELEMENTS(rules); k++) {
                        const Fact fact = fact_of_rule(&rules[k]);

                        check_comes_back(netns, &fact);
                }
        }
}

static void test_add_leaves_a_foreign_route_alone(Netns *netns) {
        static const char *const destinations[] = { "192.0.2.0/24", "2001:db8::/32" };

        for (size_t i = 0; i < G_N_ELEMENTS(destinations); i++) {
                Route route = netns_route(destinations[i], NULL, netns_ifindex("v0"), TABLE);
                g_autofree char *before = NULL, *after = NULL;

                route.metric = 7;
                netns_ip("route add %s dev v1 table %u metric 7 proto static", destinations[i],
                        TABLE);
                before = netns_output("route show table %u", TABLE);
                g_assert_cmpint(netns_apply_route(netns, OPERATION_ADD, &route), ==, -EEXIST);
                after = netns_output("route show table %u", TABLE);
                g_assert_cmpstr(before, ==, after);
        }
}

static void test_remove_leaves_a_foreign_route_alone(Netns *netns) {
        static const char *const destinations[] = { "192.0.2.0/24", "2001:db8::/32" };

        for (size_t i = 0; i < G_N_ELEMENTS(destinations); i++) {
                Route route = netns_route(destinations[i], NULL, netns_ifindex("v0"), TABLE);
                g_autofree char *left = NULL;

                route.metric = 7;
                netns_ip("route add %s dev v0 table %u metric 7 proto static", destinations[i],
                        TABLE);
                g_assert_cmpint(netns_apply_route(netns, OPERATION_REMOVE, &route), ==, 0);
                left = netns_output("%s route show table %u", i ? "-6" : "-4", TABLE);
                g_assert_nonnull(strstr(left, "proto static"));
        }
}

static void test_remove_names_metric_device_and_type(Netns *netns) {
        static const char *const destinations[] = { "192.0.2.0/24", "2001:db8::/32" };

        for (size_t i = 0; i < G_N_ELEMENTS(destinations); i++) {
                Route held = netns_route(destinations[i], NULL, netns_ifindex("v0"), TABLE);
                Route other;
                const Fact fact = (held.metric = 7, fact_of_route(&held));

                g_assert_cmpint(netns_apply_route(netns, OPERATION_ADD, &held), ==, 0);
                other = held;
                other.metric = 8;
                g_assert_cmpint(netns_apply_route(netns, OPERATION_REMOVE, &other), ==, 0);
                g_assert_nonnull(netns_dumped(&fact));
                other = held;
                other.ifindex = netns_ifindex("v1");
                g_assert_cmpint(netns_apply_route(netns, OPERATION_REMOVE, &other), ==, 0);
                g_assert_nonnull(netns_dumped(&fact));
                other = held;
                other.table = 1;
                g_assert_cmpint(netns_apply_route(netns, OPERATION_REMOVE, &other), ==, 0);
                g_assert_nonnull(netns_dumped(&fact));
        }
}

static void test_remove_leaves_a_foreign_rule_alone(Netns *netns) {
        Rule rule = our_rule(AF_INET);
        g_autofree char *left = NULL;

        rule.mark = rule.mark_mask = 1;
        netns_ip("rule add pref 4984 fwmark 1/1 table %u protocol static", TABLE);
        g_assert_cmpint(netns_apply_rule(netns, OPERATION_REMOVE, &rule), ==, 0);
        left = netns_output("rule show");
        g_assert_nonnull(strstr(left, "4984:"));
}

static void test_remove_of_a_lost_device_is_good(Netns *netns) {
        Route route = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        Route route6 = netns_route("2001:db8::/32", NULL, netns_ifindex("v0"), TABLE);

        netns_ip("link delete v0");
        g_assert_cmpint(netns_apply_route(netns, OPERATION_REMOVE, &route), ==, 0);
        g_assert_cmpint(netns_apply_route(netns, OPERATION_REMOVE, &route6), ==, 0);
}

/* The kernel replaces in place whatever the type was, so that no packet falls through. */
static void test_replace_changes_the_type(Netns *netns) {
        static const struct {
                const char *destination, *gateway;
        } cases[] = { { "0.0.0.0/0", "10.1.0.9" }, { "::/0", "fd01::9" } };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Route forms[4];
                g_autofree char *shown = NULL;

                forms[0] = netns_route(cases[i].destination, NULL, netns_ifindex("v0"), TABLE);
                forms[1] = netns_route(cases[i].destination, NULL, 0, TABLE);
                forms[1].type = RTN_UNREACHABLE;
                forms[2] = netns_route(
                        cases[i].destination, cases[i].gateway, netns_ifindex("v0"), TABLE);
                forms[3] = netns_route(cases[i].destination, NULL, 0, TABLE);
                forms[3].type = RTN_THROW;
                for (size_t k = 0; k < 12; k++) {
                        Route *to = &forms[k % 4];
                        Fact fact;
                        const Fact *found;

                        to->metric = 9;
                        fact = fact_of_route(to);
                        g_assert_cmpint(netns_apply_route(netns, OPERATION_REPLACE, to), ==, 0);
                        found = netns_dumped(&fact);
                        g_assert_true(found && fact_equals(found, &fact));
                }
                shown = netns_output("%s route show table %u", i ? "-6" : "-4", TABLE);
                g_assert_cmpuint(strcspn(shown, "\n") + 1, ==, strlen(shown)); /* one line */
        }
}

static void test_rule_replace_leaves_the_new_one(Netns *netns) {
        Operation operation = { .verb = OPERATION_REPLACE };
        Rule old = our_rule(AF_INET6), new = our_rule(AF_INET6);
        Fault fault;

        new.mark = new.mark_mask = 4;
        g_assert_cmpint(netns_apply_rule(netns, OPERATION_ADD, &old), ==, 0);
        operation.fact = fact_of_rule(&new);
        operation.old = fact_of_rule(&old);
        g_assert_cmpuint(
                netns->backend->interface->apply(netns->backend, &operation, 1, &fault), ==, 0);
        g_assert_nonnull(netns_dumped(&operation.fact));
        g_assert_null(netns_dumped(&operation.old));
}

static Operation *many(size_t n, OperationVerb verb, const char *gateway) {
        Operation *operations = g_new0(Operation, n);

        for (size_t i = 0; i < n; i++) {
                g_autofree char *text =
                        g_strdup_printf("11.%zu.%zu.%zu", i >> 16, (i >> 8) & 255, i & 255);
                Route route = netns_route(text, gateway, netns_ifindex("v0"), TABLE);

                operations[i].verb = verb;
                operations[i].fact = operations[i].old = fact_of_route(&route);
        }
        return operations;
}

static void test_ten_thousand_wake_nobody(Netns *netns) {
        enum { N = 10000 };
        g_autofree Operation *add = many(N, OPERATION_ADD, "10.1.0.9");
        g_autofree Operation *replace = many(N, OPERATION_REPLACE, "10.1.0.8");
        g_autofree Operation *remove = many(N, OPERATION_REMOVE, "10.1.0.8");
        g_autofree Fault *faults = g_new0(Fault, N);
        const BackendInterface *interface = netns->backend->interface;

        g_assert_cmpuint(interface->apply(netns->backend, add, N, faults), ==, 0);
        g_assert_cmpuint(interface->apply(netns->backend, replace, N, faults), ==, 0);
        g_assert_nonnull(netns_dumped(&replace[N - 1].fact));
        g_assert_cmpuint(interface->apply(netns->backend, remove, N, faults), ==, 0);
        g_assert_null(netns_dumped(&remove[0].fact));

        /* The filter drops what our requests cause; links may still come up meanwhile. */
        g_assert_cmpuint(netns_settle(netns), <, 10);
        g_assert_cmpuint(netns->n_changes, <, 10);
}

static void test_faults_belong_to_their_operation(Netns *netns) {
        enum { N = 1000 };
        g_autofree Operation *operations = many(N, OPERATION_ADD, "10.1.0.9");
        g_autofree Fault *faults = g_new0(Fault, N);

        operations[10].fact.route.gateway.bytes[0] = 99;
        operations[500].fact = operations[499].fact;
        operations[999].fact.kind = FACT_LINK;
        g_assert_cmpuint(
                netns->backend->interface->apply(netns->backend, operations, N, faults), ==, 3);
        for (size_t i = 0; i < N; i++)
                g_assert_cmpint(faults[i].error, ==,
                        i == 10    ? -ENETUNREACH
                        : i == 500 ? -EEXIST
                        : i == 999 ? -EOPNOTSUPP
                                   : 0);
        g_assert_nonnull(strstr(faults[10].text, "invalid gateway"));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        netns_test_add(
                "/rtnetlink/routes-come-back-as-they-went", test_routes_come_back_as_they_went);
        netns_test_add(
                "/rtnetlink/rules-come-back-as-they-went", test_rules_come_back_as_they_went);
        netns_test_add("/rtnetlink/add-leaves-a-foreign-route-alone",
                test_add_leaves_a_foreign_route_alone);
        netns_test_add("/rtnetlink/remove-leaves-a-foreign-route-alone",
                test_remove_leaves_a_foreign_route_alone);
        netns_test_add("/rtnetlink/remove-names-metric-device-and-table",
                test_remove_names_metric_device_and_type);
        netns_test_add("/rtnetlink/remove-leaves-a-foreign-rule-alone",
                test_remove_leaves_a_foreign_rule_alone);
        netns_test_add(
                "/rtnetlink/remove-of-a-lost-device-is-good", test_remove_of_a_lost_device_is_good);
        netns_test_add("/rtnetlink/replace-changes-the-type", test_replace_changes_the_type);
        netns_test_add(
                "/rtnetlink/rule-replace-leaves-the-new-one", test_rule_replace_leaves_the_new_one);
        netns_test_add(
                "/rtnetlink/ten-thousand-of-ours-wake-nobody", test_ten_thousand_wake_nobody);
        netns_test_add("/rtnetlink/faults-belong-to-their-operation",
                test_faults_belong_to_their_operation);
        return g_test_run();
}
