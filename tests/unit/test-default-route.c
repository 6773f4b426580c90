// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/default-route.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "tests/lib/make-fact.h"

#define MAIN RT_TABLE_MAIN

/* eth0 2, wlan0 3, wg0 4 (WireGuard), ppp0 5, down0 6 (no carrier) */
static FactSet machine(void) {
        FactSet set = FACT_SET_INIT;

        make_put(&set, make_link(2, "eth0", "", MAKE_LINK_UP));
        make_put(&set, make_link(3, "wlan0", "", MAKE_LINK_UP));
        make_put(&set, make_link(4, "wg0", "wireguard", MAKE_LINK_UP));
        make_put(&set, make_link(5, "ppp0", "ppp", MAKE_LINK_UP));
        make_put(&set, make_link(6, "down0", "", IFF_UP));
        make_put(&set, make_link_address(2, "192.168.1.2", 24));
        make_put(&set, make_link_address(3, "10.1.0.7", 16));
        return set;
}

typedef struct Case {
        const char *name;
        struct {
                uint32_t table, metric, ifindex;
                const char *gateway;
                uint8_t status, type;
        } routes[4];
        const char *tunnel_device;
        const char *want; /* "" none */
        bool overridden;
} Case;

static const Case cases[] = {
        { "none", { { 0 } }, "", "", false },
        { "lowest-metric", { { MAIN, 600, 3, "10.1.0.1" }, { MAIN, 100, 2, "192.168.1.1" } }, "",
                "eth0", false },
        { "a-tunnel-never", { { MAIN, 50, 4, "" }, { MAIN, 100, 2, "192.168.1.1" } }, "", "eth0",
                true },
        { "a-tunnel-alone-is-none", { { MAIN, 50, 4, "" } }, "", "", true },
        { "a-tunnel-behind-overrides-nothing",
                { { MAIN, 500, 4, "" }, { MAIN, 100, 2, "192.168.1.1" } }, "", "eth0", false },
        { "our-tunnel-device-is-a-tunnel-whatever-its-kind",
                { { MAIN, 50, 3, "10.1.0.1" }, { MAIN, 100, 2, "192.168.1.1" } }, "wlan0", "eth0",
                true },
        { "no-carrier-does-not-count-and-leads-main-astray",
                { { MAIN, 50, 6, "" }, { MAIN, 100, 2, "192.168.1.1" } }, "", "eth0", true },
        { "no-carrier-behind-leads-nobody-astray",
                { { MAIN, 500, 6, "" }, { MAIN, 100, 2, "192.168.1.1" } }, "", "eth0", false },
        { "no-carrier-and-no-other-is-none", { { MAIN, 50, 6, "" } }, "", "", false },
        { "ppp-where-there-is-no-other", { { MAIN, 50, 5, "" } }, "", "ppp0", false },
        { "ppp-not-where-there-is-another",
                { { MAIN, 50, 5, "" }, { MAIN, 100, 2, "192.168.1.1" } }, "", "eth0", true },
        { "main-before-the-default-table",
                { { RT_TABLE_DEFAULT, 1, 3, "10.1.0.1" }, { MAIN, 100, 2, "192.168.1.1" } }, "",
                "eth0", false },
        { "the-default-table-where-main-has-none", { { RT_TABLE_DEFAULT, 1, 3, "10.1.0.1" } }, "",
                "wlan0", false },
        { "other-tables-do-not-count", { { 100, 1, 3, "10.1.0.1" } }, "", "", false },
        { "a-dead-hop-does-not-count",
                { { MAIN, 50, 3, "10.1.0.1", ROUTE_STATUS_DEAD }, { MAIN, 100, 2, "192.168.1.1" } },
                "", "eth0", false },
        { "unreachable-is-no-route", { { MAIN, 50, 0, "", 0, RTN_UNREACHABLE } }, "", "", false },
        { "a-missing-link-does-not-count",
                { { MAIN, 50, 99, "10.9.0.1" }, { MAIN, 100, 2, "192.168.1.1" } }, "", "eth0",
                false },
};

static void test_case(const void *data) {
        CLEANUP(fact_set_clear) FactSet set = machine();
        const Case *c = data;
        DefaultRoute best;

        for (size_t i = 0; i < G_N_ELEMENTS(c->routes) && c->routes[i].table; i++) {
                Fact fact = make_route(c->routes[i].table, "0.0.0.0/0", c->routes[i].metric,
                        c->routes[i].ifindex, c->routes[i].gateway);

                fact.route.status = c->routes[i].status;
                if (c->routes[i].type)
                        fact.route.type = c->routes[i].type;
                make_put(&set, fact);
        }

        best = default_route_find(&set, AF_INET, c->tunnel_device);
        g_assert_cmpstr(best.device, ==, c->want);
        g_assert_cmpint(best.present, ==, c->want[0] != '\0');
        g_assert_cmpint(default_route_is_overridden(&set, AF_INET, c->tunnel_device, &best), ==,
                c->overridden);
        g_assert_false(default_route_find(&set, AF_INET6, c->tunnel_device).present);
}

static void test_halves(void) {
        CLEANUP(fact_set_clear) FactSet set = machine();
        DefaultRoute best;

        make_put(&set, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        best = default_route_find(&set, AF_INET, "");
        make_put(&set, make_route(MAIN, "0.0.0.0/1", 0, 3, "10.1.0.1"));
        g_assert_false(default_route_is_overridden(&set, AF_INET, "", &best));
        make_put(&set, make_route(MAIN, "128.0.0.0/1", 0, 4, ""));
        g_assert_true(default_route_is_overridden(&set, AF_INET, "", &best));
}

static void test_details(void) {
        CLEANUP(fact_set_clear) FactSet set = machine();
        DefaultRoute best;

        make_put(&set, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        best = default_route_find(&set, AF_INET, "");
        g_assert_cmpuint(best.route.mtu, ==, 1500);
        g_assert_cmpuint(best.gateway_mac.length, ==, 0);
        g_assert_cmpint(
                address_compare(&best.source, &(Address){ AF_INET, { 192, 168, 1, 2 } }), ==, 0);

        make_put(&set, make_neighbour(2, "192.168.1.1", 9));
        best = default_route_find(&set, AF_INET, "");
        g_assert_cmpuint(best.gateway_mac.bytes[5], ==, 9);
}

static void test_source(void) {
        CLEANUP(fact_set_clear) FactSet set = machine();
        Fact fact = make_link_address(2, "192.168.1.1", 32);
        Address source;

        make_put(&set, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.254"));
        fact.link_address.scope = RT_SCOPE_LINK;
        make_put(&set, fact);
        fact = make_link_address(2, "192.168.0.9", 32);
        make_put(&set, fact);
        fact = make_link_address(2, "192.168.1.0", 24);
        fact.link_address.flags = IFA_F_TENTATIVE;
        make_put(&set, fact);

        source = default_route_find(&set, AF_INET, "").source;
        g_assert_cmpint(address_compare(&source, &(Address){ AF_INET, { 192, 168, 1, 2 } }), ==, 0);
}

static void test_compare(void) {
        static const char *const reasons[] = { "removed", "link", "gateway", "metric", "mtu",
                "source", "gateway-mac" };
        DefaultRoute a = { .present = true,
                .route = make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1").route,
                .device = "eth0",
                .gateway_mac = { 6, { 1 } },
                .source = make_address("192.168.1.2") };

        g_assert_cmpint(default_route_compare(&a, &a, NULL), ==, DEFAULT_ROUTE_SAME);
        for (unsigned i = 0; i < G_N_ELEMENTS(reasons); i++) {
                const char *reason = "";
                DefaultRoute b = a;

                b.present = i != 0;
                b.route.ifindex += i == 1;
                b.route.gateway.bytes[3] += i == 2;
                b.route.metric += i == 3;
                b.route.mtu += i == 4;
                b.source.bytes[3] += i == 5;
                b.gateway_mac.bytes[0] += i == 6;
                g_assert_cmpint(default_route_compare(&a, &b, &reason), ==, DEFAULT_ROUTE_CHANGED);
                g_assert_cmpstr(reason, ==, reasons[i]);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_strconcat("/default-route/", cases[i].name, NULL);

                g_test_add_data_func(path, &cases[i], test_case);
        }
        g_test_add_func("/default-route/openvpn-halves-override-it", test_halves);
        g_test_add_func("/default-route/says-mtu-and-gateway-mac", test_details);
        g_test_add_func("/default-route/source-is-the-address-beside-the-gateway", test_source);
        g_test_add_func("/default-route/a-change-has-a-reason", test_compare);
        return g_test_run();
}
