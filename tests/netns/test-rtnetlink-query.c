// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"
#include "tests/lib/netns.h"

static RouteQuery query_for(const char *destination) {
        RouteQuery query = { 0 };

        g_assert_cmpint(address_parse(destination, &query.destination), ==, 0);
        return query;
}

static RouteAnswer ask(Netns *netns, const RouteQuery *query) {
        RouteAnswer answer;
        Fault fault;

        if (rtnetlink_get_route(netns->backend, query, &answer, &fault) < 0)
                g_error("get route: %s", fault.text);
        return answer;
}

static void assert_prefix(const Prefix *prefix, const char *text) {
        char is[PREFIX_TEXT_MAX];

        g_assert_cmpstr(prefix_format(prefix, is), ==, text);
}

static void assert_address(const Address *address, const char *text) {
        char is[ADDRESS_TEXT_MAX];

        g_assert_cmpstr(address_format(address, is), ==, text);
}

static void test_tells_the_way(Netns *netns) {
        static const struct {
                const char *to, *prefix, *gateway, *source;
        } cases[] = {
                { "192.0.2.1", "192.0.2.0/24", "10.1.0.9", "10.1.0.1" },
                { "2001:db8::1", "2001:db8::/32", "fd01::9", "fd01::1" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                RouteQuery query = query_for(cases[i].to);
                RouteAnswer answer;

                netns_ip("route add %s via %s metric 77", cases[i].prefix, cases[i].gateway);
                answer = ask(netns, &query);
                assert_prefix(&answer.matched, cases[i].prefix);
                assert_address(&answer.route.gateway, cases[i].gateway);
                assert_address(&answer.route.source, cases[i].source);
                g_assert_cmpuint(answer.route.ifindex, ==, netns_ifindex("v0"));
                g_assert_cmpuint(answer.route.table, ==, RT_TABLE_MAIN);
                g_assert_cmpuint(answer.metric, ==, 77);
                g_assert_cmpuint(answer.route_mtu, ==, 0);
        }
}

static void test_follows_the_mark(Netns *netns) {
        static const char *const families[] = { "-4", "-6" };
        static const char *const targets[] = { "192.0.2.1", "2001:db8::1" };

        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                RouteQuery query = query_for(targets[i]);
                RouteAnswer answer;

                netns_ip("%s route add default dev v0", families[i]);
                netns_ip("%s route add default dev v1 table 1984", families[i]);
                netns_ip("%s rule add pref 100 fwmark 0x10 table 1984", families[i]);
                answer = ask(netns, &query);
                g_assert_cmpuint(answer.route.ifindex, ==, netns_ifindex("v0"));
                query.mark = 0x10;
                answer = ask(netns, &query);
                g_assert_cmpuint(answer.route.ifindex, ==, netns_ifindex("v1"));
                g_assert_cmpuint(answer.route.table, ==, 1984);
                assert_prefix(&answer.matched, i ? "::/0" : "0.0.0.0/0");
        }
}

static void test_follows_the_user(Netns *netns) {
        RouteQuery query = query_for("192.0.2.1");
        RouteAnswer answer;

        netns_ip("route add default dev v0");
        netns_ip("route add default dev v1 table 1984");
        netns_ip("rule add pref 100 uidrange 0-0 table 1984");
        query.have_uid = true;
        query.uid = 0;
        answer = ask(netns, &query);
        g_assert_cmpuint(answer.route.ifindex, ==, netns_ifindex("v1"));
        if (geteuid() == 0 && g_file_test("/proc/self/uid_map", G_FILE_TEST_EXISTS)) {
                RouteAnswer other;

                query.uid = 12345;
                /* Users that the namespace does not map cannot be asked about. */
                if (rtnetlink_get_route(netns->backend, &query, &other, NULL) == 0)
                        g_assert_cmpuint(other.route.ifindex, ==, netns_ifindex("v0"));
        }
}

static void test_follows_the_device(Netns *netns) {
        RouteQuery query = query_for("192.0.2.1");

        netns_ip("route add default dev v0");
        netns_ip("route add default dev v1 metric 9");
        query.oif = netns_ifindex("v1");
        g_assert_cmpuint(ask(netns, &query).route.ifindex, ==, netns_ifindex("v1"));
}

static void test_tells_the_mtu(Netns *netns) {
        RouteQuery query = query_for("192.0.2.1"), query6 = query_for("2001:db8::1");

        netns_ip("route add default dev v0 mtu 1380");
        netns_ip("-6 route add default dev v0 mtu 1390");
        g_assert_cmpuint(ask(netns, &query).route_mtu, ==, 1380);
        g_assert_cmpuint(ask(netns, &query6).route_mtu, ==, 1390);
}

static void test_tells_how_packets_fail(Netns *netns) {
        static const struct {
                const char *type;
                int error;
        } cases[] = {
                { "unreachable", -EHOSTUNREACH },
                { "prohibit", -EACCES },
                { "blackhole", -EINVAL },
        };
        static const char *const targets[] = { "192.0.2.1", "2001:db8::1" };

        for (size_t i = 0; i < G_N_ELEMENTS(targets); i++) {
                RouteQuery query = query_for(targets[i]);
                RouteAnswer answer;
                Fault fault;

                g_assert_cmpint(rtnetlink_get_route(netns->backend, &query, &answer, &fault), ==,
                        -ENETUNREACH);
                g_assert_cmpint(fault.error, ==, -ENETUNREACH);
                for (size_t k = 0; k < G_N_ELEMENTS(cases); k++) {
                        netns_ip("%s route replace %s default metric 9", i ? "-6" : "-4",
                                cases[k].type);
                        g_assert_cmpint(
                                rtnetlink_get_route(netns->backend, &query, &answer, &fault), ==,
                                cases[k].error);
                }
        }
}

static void test_refuses_no_address(Netns *netns) {
        const RouteQuery query = { 0 };
        RouteAnswer answer;

        g_assert_cmpint(
                rtnetlink_get_route(netns->backend, &query, &answer, NULL), ==, -EAFNOSUPPORT);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        netns_test_add("/route-query/tells-the-way", test_tells_the_way);
        netns_test_add("/route-query/follows-the-mark", test_follows_the_mark);
        netns_test_add("/route-query/follows-the-user", test_follows_the_user);
        netns_test_add("/route-query/follows-the-device", test_follows_the_device);
        netns_test_add("/route-query/tells-the-mtu", test_tells_the_mtu);
        netns_test_add("/route-query/tells-how-packets-fail", test_tells_how_packets_fail);
        netns_test_add("/route-query/refuses-no-address", test_refuses_no_address);
        return g_test_run();
}
