// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/desired.h"

#include <glib.h>
#include <string.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "tests/lib/cases.h"
#include "tests/lib/make-fact.h"

#define MAIN RT_TABLE_MAIN
#define TABLE OURS_DEFAULT_TUNNEL_TABLE

/* eth0 2 (default gateway 192.168.1.1), wlan0 3, wg0 4 (10.64.0.2/32); both families. */
typedef struct World {
        FactSet observed, desired;
        Intent intent;
        DesiredView view;
} World;

static World *world_new(void) {
        World *w = g_new0(World, 1);

        *w = (World){ .observed = FACT_SET_INIT, .desired = FACT_SET_INIT, .intent = INTENT_INIT };
        make_put(&w->observed, make_link(1, "lo", "", MAKE_LINK_UP | IFF_LOOPBACK));
        make_put(&w->observed, make_link(2, "eth0", "", MAKE_LINK_UP));
        make_put(&w->observed, make_link(3, "wlan0", "", MAKE_LINK_UP));
        make_put(&w->observed, make_link(4, "wg0", "wireguard", MAKE_LINK_UP));
        make_put(&w->observed, make_link_address(1, "127.0.0.1", 8));
        make_put(&w->observed, make_link_address(2, "192.168.1.2", 24));
        make_put(&w->observed, make_link_address(2, "fd00:1::2", 64));
        make_put(&w->observed, make_link_address(4, "10.64.0.2", 32));
        make_put(&w->observed, make_link_address(4, "fc00:bbbb::2", 128));
        make_put(&w->observed, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        make_put(&w->observed, make_route(MAIN, "::/0", 100, 2, "fe80::1"));
        g_assert_nonnull(array_append(&w->intent.owners, NULL));
        return w;
}

static void world_free(World *w) {
        fact_set_clear(&w->observed);
        fact_set_clear(&w->desired);
        intent_clear(&w->intent);
        g_free(w);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static void set_tunnel(World *w, bool fail_closed, bool allow_lan) {
        (void)g_strlcpy(w->intent.tunnel.device, "wg0", IFNAMSIZ);
        w->intent.tunnel.fail_closed = fail_closed;
        w->intent.tunnel.allow_lan = allow_lan;
}

static void want(World *w, WantedRoute wanted) {
        g_assert_nonnull(array_append(&w->intent.routes, &wanted));
        g_assert_cmpint(array_sort(&w->intent.routes, wanted_route_compare), ==, 0);
}

static void forget(World *w, Fact fact) {
        g_assert_true(fact_set_remove(&w->observed, &fact));
}

static void build(World *w) {
        w->view = desired_view(&(DesiredInput){
                .intent = &w->intent, .observed = &w->observed, .ours = OURS_DEFAULT });
        g_assert_cmpint(desired_build(&w->view, &w->desired), ==, 0);
}

static bool has(const World *w, Fact fact) {
        const Fact *found = fact_set_find(&w->desired, &fact);

        return found && fact_equals(found, &fact);
}

static size_t n_desired(const World *w) {
        return w->desired.facts.n;
}

static Fact closed(int family) {
        return make_our_dead_end(TABLE, family == AF_INET ? "0.0.0.0/0" : "::/0",
                OURS_FAIL_CLOSED_METRIC, RTN_UNREACHABLE);
}

static Fact around(const char *destination) {
        return make_our_dead_end(TABLE, destination, 1, RTN_THROW);
}

/* The longest match a lookup in our table would take for @address; NULL: falls through. */
static const Route *look_up(const World *w, const char *text) {
        Address address = make_address(text);
        const Route *best = NULL;
        const Fact *fact;

        ARRAY_FOREACH(fact, &w->desired.facts) {
                const Route *route = &fact->route;

                if (fact->kind != FACT_ROUTE || route->table != TABLE ||
                        !prefix_contains(&route->destination, &address))
                        continue;
                if (!best || route->destination.length > best->destination.length ||
                        (route->destination.length == best->destination.length &&
                                route->metric < best->metric))
                        best = route;
        }
        return best;
}

static void assert_in_tunnel(const World *w, const char *address) {
        const Route *route = look_up(w, address);

        g_assert_nonnull(route);
        g_assert_cmpuint(route->ifindex, ==, 4);
}

static void test_nothing(void) {
        g_autoptr(World) w = world_new();

        build(w);
        g_assert_cmpuint(n_desired(w), ==, 0);
}

static void test_tunnel_up(void) {
        static const Ours ours = OURS_DEFAULT;
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        build(w);
        g_assert_cmpuint(n_desired(w), ==, 6);
        g_assert_true(has(w, make_our_rule(AF_INET, &ours)));
        g_assert_true(has(w, make_our_rule(AF_INET6, &ours)));
        g_assert_true(has(w, closed(AF_INET)));
        g_assert_true(has(w, closed(AF_INET6)));
        g_assert_true(has(w, make_our_route(TABLE, "0.0.0.0/0", 1, 4, "")));
        g_assert_true(has(w, make_our_route(TABLE, "::/0", 1, 4, "")));
        assert_in_tunnel(w, "192.168.1.77");
}

static void test_main_untouched(void) {
        g_autoptr(World) w = world_new();
        Prefix relay = make_prefix("9.9.9.9/32");
        const Fact *fact;

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ true);
        g_assert_nonnull(array_append(&w->intent.tunnel.bypass, &relay));
        want(w, make_symbolic(MAIN, "8.8.8.8/32", 0));
        build(w);
        ARRAY_FOREACH(fact, &w->desired.facts)
                g_assert_true(fact->kind == FACT_RULE || fact->route.table == TABLE);
}

static void test_mtu(void) {
        g_autoptr(World) w = world_new();
        Fact route = make_our_route(TABLE, "0.0.0.0/0", 1, 4, "");

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        w->intent.tunnel.mtu = 1380;
        want(w, make_wanted(MAIN, "11.0.0.0/8", 5, "", "eth0"));
        ((WantedRoute *)array_at(&w->intent.routes, 0))->route.mtu = 1200;
        build(w);
        route.route.mtu = 1380;
        g_assert_true(has(w, route));
        route = make_our_route(MAIN, "11.0.0.0/8", 5, 2, "");
        route.route.mtu = 1200;
        g_assert_true(has(w, route));
}

static void test_bypass(void) {
        g_autoptr(World) w = world_new();
        Prefix relay = make_prefix("9.9.9.9/32"), relay6 = make_prefix("2001:db8::1/128");

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        g_assert_nonnull(array_append(&w->intent.tunnel.bypass, &relay));
        g_assert_nonnull(array_append(&w->intent.tunnel.bypass, &relay6));
        build(w);
        g_assert_true(has(w, around("9.9.9.9/32")));
        g_assert_true(has(w, around("2001:db8::1/128")));
        assert_in_tunnel(w, "9.9.9.8");
}

/* The families of a tunnel, by what is asked for and what the device has. */
static void test_families(void) {
        static const struct {
                Carry carry;
                bool has_address, up, exists, fail_closed;
                TunnelFamily want;
        } cases[] = {
                { CARRY_AUTO, true, true, true, true, TUNNEL_FAMILY_CARRIED },
                { CARRY_AUTO, false, true, true, true, TUNNEL_FAMILY_BLOCKED },
                { CARRY_AUTO, false, true, true, false, TUNNEL_FAMILY_OPEN },
                { CARRY_YES, false, true, true, true, TUNNEL_FAMILY_CARRIED },
                { CARRY_NO, true, true, true, true, TUNNEL_FAMILY_BLOCKED },
                { CARRY_NO, true, true, true, false, TUNNEL_FAMILY_OPEN },
                { CARRY_YES, true, false, true, true, TUNNEL_FAMILY_BLOCKED },
                { CARRY_YES, true, false, true, false, TUNNEL_FAMILY_OPEN },
                { CARRY_YES, false, true, false, true, TUNNEL_FAMILY_BLOCKED },
                { CARRY_YES, false, true, false, false, TUNNEL_FAMILY_OPEN },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                for (int slot = 0; slot < 2; slot++) {
                        g_autoptr(World) w = world_new();
                        int family = slot ? AF_INET6 : AF_INET;

                        g_test_message("case %zu, %s", i, family_name(family));
                        set_tunnel(w, cases[i].fail_closed, /* allow_lan= */ false);
                        *(slot ? &w->intent.tunnel.ipv6 : &w->intent.tunnel.ipv4) = cases[i].carry;
                        if (!cases[i].has_address)
                                forget(w, slot ? make_link_address(4, "fc00:bbbb::2", 128)
                                               : make_link_address(4, "10.64.0.2", 32));
                        forget(w, make_link(4, "", "", 0));
                        if (cases[i].exists)
                                make_put(&w->observed, make_link(4, "wg0", "wireguard",
                                                               cases[i].up ? MAKE_LINK_UP : 0));
                        build(w);
                        g_assert_cmpint(w->view.tunnel[slot], ==, cases[i].want);
                        g_assert_cmpint(has(w, closed(family)), ==,
                                cases[i].fail_closed && cases[i].want != TUNNEL_FAMILY_OPEN);
                        g_assert_cmpint(has(w, make_our_route(TABLE, slot ? "::/0" : "0.0.0.0/0", 1,
                                                       4, "")),
                                ==, cases[i].want == TUNNEL_FAMILY_CARRIED);
                }
        }
}

static void test_lan(void) {
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ true);
        build(w);
        g_assert_cmpuint(look_up(w, "192.168.1.77")->ifindex, ==, 2);
        g_assert_cmpuint(look_up(w, "fd00:1::77")->ifindex, ==, 2);
        g_assert_false(address_is_set(&look_up(w, "192.168.1.77")->gateway));
        g_assert_cmpint(look_up(w, "fe80::77")->type, ==, RTN_THROW);
        assert_in_tunnel(w, "192.168.2.1");
        assert_in_tunnel(w, "8.8.8.8");
        assert_in_tunnel(w, "127.0.0.1"); /* the local table has it before any rule of ours */
}

static void test_lan_public(void) {
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ true);
        make_put(&w->observed, make_link_address(2, "8.8.8.1", 24));
        make_put(&w->observed, make_link_address(2, "172.16.0.1", 8)); /* wider than private */
        make_put(&w->observed, make_link_address(2, "10.0.0.1", 7));
        make_put(&w->observed, make_link_address(2, "192.168.9.1", 0));
        make_put(&w->observed, make_link_address(2, "2001:db8::1", 32));
        build(w);
        assert_in_tunnel(w, "8.8.8.8");
        assert_in_tunnel(w, "172.200.0.1");
        assert_in_tunnel(w, "11.0.0.1");
        assert_in_tunnel(w, "1.1.1.1");
        assert_in_tunnel(w, "2001:db8::2");
}

static void test_lan_option_121(void) {
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ true);
        make_put(&w->observed, make_route(MAIN, "10.0.0.0/8", 100, 2, "192.168.1.66"));
        make_put(&w->observed, make_route(MAIN, "0.0.0.0/1", 100, 2, "192.168.1.66"));
        make_put(&w->observed, make_route(MAIN, "8.8.8.0/24", 100, 2, ""));
        build(w);
        assert_in_tunnel(w, "10.7.7.7");
        assert_in_tunnel(w, "8.8.8.8");
}

static void test_lan_tunnels(void) {
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ true);
        make_put(&w->observed, make_link(9, "tun9", "tun", MAKE_LINK_UP));
        make_put(&w->observed, make_link_address(9, "10.9.0.1", 24));
        make_put(&w->observed, make_link(8, "ppp0", "ppp", MAKE_LINK_UP));
        make_put(&w->observed, make_link_address(8, "10.8.0.1", 24));
        make_put(&w->observed, make_link(7, "dead0", "", 0));
        make_put(&w->observed, make_link_address(7, "10.7.0.1", 24));
        build(w);
        assert_in_tunnel(w, "10.64.0.2");
        assert_in_tunnel(w, "10.9.0.2");
        assert_in_tunnel(w, "10.8.0.2");
        assert_in_tunnel(w, "10.7.0.2");
}

/* A wide LAN, an equal one and one inside: none gets at the VPN's resolver. */
static void test_lan_around_tunnel(void) {
        static const struct {
                const char *address;
                uint8_t length;
        } lans[] = {
                { "10.0.0.5", 8 },
                { "10.64.7.5", 16 },
                { "10.64.7.5", 24 },
                { "10.64.7.5", 29 },
                { "fd00::5", 8 },
                { "fd64::5", 64 },
                { "fd64::5", 126 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(lans); i++) {
                g_autoptr(World) w = world_new();

                set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ true);
                make_put(&w->observed, make_link_address(4, "10.64.7.2", 24));
                make_put(&w->observed, make_link_address(4, "fd64::2", 64));
                make_put(&w->observed, make_link_address(4, "fe80::2", 64));
                make_put(&w->observed, make_link_address(2, lans[i].address, lans[i].length));
                build(w);
                assert_in_tunnel(w, "10.64.7.1");
                assert_in_tunnel(w, "10.64.7.6");
                assert_in_tunnel(w, "fd64::1");
                g_assert_cmpint(look_up(w, "fe80::77")->type, ==, RTN_THROW);
                g_assert_cmpuint(look_up(w, "192.168.1.77")->ifindex, ==, 2);
                if (lans[i].length == 8 && i == 0)
                        g_assert_cmpuint(look_up(w, "10.1.1.1")->ifindex, ==, 2);

                /* Nor while the device is down, which leaves its IPv4 addresses. */
                make_put(&w->observed, make_link(4, "wg0", "wireguard", 0));
                build(w);
                g_assert_cmpint(look_up(w, "10.64.7.1")->type, ==, RTN_UNREACHABLE);
                g_assert_cmpint(look_up(w, "fd64::1")->type, ==, RTN_UNREACHABLE);
        }
}

static void test_lan_twice(void) {
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ true);
        make_put(&w->observed, make_link_address(3, "192.168.1.3", 24));
        make_put(&w->observed, make_link_address(2, "192.168.1.4", 24));
        build(w);
        g_assert_cmpuint(look_up(w, "192.168.1.77")->ifindex, ==, 2);
        forget(w, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        make_put(&w->observed, make_route(MAIN, "0.0.0.0/0", 100, 3, "192.168.1.1"));
        build(w);
        g_assert_cmpuint(look_up(w, "192.168.1.77")->ifindex, ==, 3);
}

static void test_bypass_of_all(void) {
        g_autoptr(World) w = world_new();
        Prefix all = prefix_default(AF_INET);

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        g_assert_nonnull(array_append(&w->intent.tunnel.bypass, &all));
        forget(w, make_link(4, "", "", 0));
        build(w);
        g_assert_cmpint(look_up(w, "8.8.8.8")->type, ==, RTN_UNREACHABLE);
}

/* Symbolic routes */

static WantedState state_of(const World *w, size_t i, char reason[static STATE_REASON_MAX]) {
        return desired_route_state(&w->view, array_at(&w->intent.routes, i), reason);
}

static void test_symbolic(void) {
        g_autoptr(World) w = world_new();
        char reason[STATE_REASON_MAX];

        want(w, make_symbolic(MAIN, "8.8.8.8/32", 7));
        build(w);
        g_assert_cmpuint(n_desired(w), ==, 1);
        g_assert_true(has(w, make_our_route(MAIN, "8.8.8.8/32", 7, 2, "192.168.1.1")));

        make_put(&w->observed, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"));
        build(w);
        g_assert_true(has(w, make_our_route(MAIN, "8.8.8.8/32", 7, 3, "10.1.0.1")));
        g_assert_cmpint(state_of(w, 0, reason), ==, WANTED_WAITING);
        make_put(&w->observed, make_our_route(MAIN, "8.8.8.8/32", 7, 3, "10.1.0.1"));
        build(w);
        g_assert_cmpint(state_of(w, 0, reason), ==, WANTED_INSTALLED);
        g_assert_cmpstr(reason, ==, "");
}

static void test_symbolic_waits(void) {
        g_autoptr(World) w = world_new();
        char reason[STATE_REASON_MAX];

        want(w, make_symbolic(MAIN, "8.8.8.8/32", 7));
        want(w, make_symbolic(MAIN, "2001:db8::/32", 7));
        forget(w, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        build(w);
        g_assert_cmpuint(n_desired(w), ==, 1);
        g_assert_cmpint(state_of(w, 0, reason), ==, WANTED_WAITING);
        g_assert_cmpstr(reason, ==, "there is no ipv4 default route");
}

static void test_symbolic_around(void) {
        g_autoptr(World) w = world_new();
        char reason[STATE_REASON_MAX];

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        want(w, make_symbolic(MAIN, "8.8.8.8/32", 7));
        build(w);
        g_assert_true(has(w, around("8.8.8.8/32")));
        g_assert_cmpuint(n_desired(w), ==, 7);

        /* A change of the default costs nothing. */
        make_put(&w->observed, make_route(MAIN, "0.0.0.0/0", 50, 3, "10.1.0.1"));
        build(w);
        g_assert_true(has(w, around("8.8.8.8/32")));
        g_assert_cmpuint(n_desired(w), ==, 7);

        g_assert_cmpint(state_of(w, 0, reason), ==, WANTED_WAITING);
        make_put(&w->observed, around("8.8.8.8/32"));
        build(w);
        g_assert_cmpint(state_of(w, 0, reason), ==, WANTED_INSTALLED);
}

static void test_symbolic_beside_foreign_tunnel(void) {
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        make_put(&w->observed, make_link(9, "tun9", "tun", MAKE_LINK_UP));
        make_put(&w->observed, make_route(MAIN, "0.0.0.0/1", 0, 9, ""));
        make_put(&w->observed, make_route(MAIN, "128.0.0.0/1", 0, 9, ""));
        want(w, make_symbolic(MAIN, "8.8.8.8/32", 7));
        build(w);
        g_assert_true(has(w, around("8.8.8.8/32")));
        g_assert_true(has(w, make_our_route(MAIN, "8.8.8.8/32", 7, 2, "192.168.1.1")));
}

/* Routes by gateway or device */

static void test_device(void) {
        g_autoptr(World) w = world_new();
        char reason[STATE_REASON_MAX];

        want(w, make_wanted(MAIN, "11.0.0.0/8", 5, "", "tap5"));
        build(w);
        g_assert_cmpuint(n_desired(w), ==, 0);
        g_assert_cmpint(state_of(w, 0, reason), ==, WANTED_WAITING);
        g_assert_cmpstr(reason, ==, "there is no device tap5");

        make_put(&w->observed, make_link(11, "tap5", "", 0));
        build(w);
        g_assert_cmpuint(n_desired(w), ==, 0);
        (void)state_of(w, 0, reason);
        g_assert_cmpstr(reason, ==, "device tap5 is down");

        make_put(&w->observed, make_link(11, "tap5", "", MAKE_LINK_UP));
        build(w);
        g_assert_true(has(w, make_our_route(MAIN, "11.0.0.0/8", 5, 11, "")));

        forget(w, make_link(11, "", "", 0));
        make_put(&w->observed, make_link(12, "tap5", "", MAKE_LINK_UP));
        build(w);
        g_assert_true(has(w, make_our_route(MAIN, "11.0.0.0/8", 5, 12, "")));
}

static void test_uplink_around(void) {
        g_autoptr(World) w = world_new();

        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        want(w, make_wanted(MAIN, "11.0.0.0/8", 5, "192.168.1.9", ""));
        want(w, make_wanted(MAIN, "12.0.0.0/8", 5, "", "wlan0"));
        want(w, make_wanted(MAIN, "13.0.0.0/8", 5, "", "wg0"));
        want(w, make_wanted(77, "14.0.0.0/8", 5, "", "wlan0"));
        build(w);
        g_assert_true(has(w, around("11.0.0.0/8")));
        g_assert_true(has(w, around("12.0.0.0/8")));
        g_assert_false(has(w, around("13.0.0.0/8")));
        g_assert_false(has(w, around("14.0.0.0/8")));
}

static void test_tunnel_gateway_when_gone(void) {
        g_autoptr(World) w = world_new();

        forget(w, make_link_address(4, "10.64.0.2", 32));
        make_put(&w->observed, make_link_address(4, "10.64.0.2", 24));
        set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
        want(w, make_wanted(MAIN, "11.0.0.0/8", 5, "10.64.0.1", ""));
        want(w, make_wanted(MAIN, "12.0.0.0/8", 5, "", "wg0"));
        build(w);
        assert_in_tunnel(w, "11.0.0.1");

        forget(w, make_link_address(4, "10.64.0.2", 24));
        forget(w, make_link_address(4, "fc00:bbbb::2", 128));
        forget(w, make_link(4, "", "", 0));
        build(w);
        g_assert_cmpint(look_up(w, "11.0.0.1")->type, ==, RTN_UNREACHABLE);
        g_assert_cmpint(look_up(w, "12.0.0.1")->type, ==, RTN_UNREACHABLE);
}

static size_t n_rules_at(const World *w, uint32_t priority) {
        const Fact *facts;
        size_t n, n_found = 0;

        facts = fact_set_of_kind(&w->desired, FACT_RULE, &n);
        for (size_t i = 0; i < n; i++)
                n_found += facts[i].rule.priority == priority;
        return n_found;
}

/* By a default of its own in main, or by a rule: what is marked or in bypass keeps out of it. */
static void test_other_vpn(void) {
        const uint32_t priority = OURS_DEFAULT_RULE_PRIORITY - OURS_RULE_AROUND;
        Fact rule = { .kind = FACT_RULE,
                .rule = { .family = AF_INET,
                        .action = FR_ACT_TO_TBL,
                        .invert = true,
                        .priority = 32765,
                        .table = 51820,
                        .mark = 51820,
                        .mark_mask = UINT32_MAX,
                        .suppress_prefixlength = RULE_NO_SUPPRESS } };

        for (int by_rule = 0; by_rule < 2; by_rule++) {
                g_autoptr(World) w = world_new();
                Prefix relay = make_prefix("9.9.9.9/32");

                make_put(&w->observed, make_link(5, "tun0", "tun", MAKE_LINK_UP));
                g_assert_nonnull(array_append(&w->intent.tunnel.bypass, &relay));
                set_tunnel(w, /* fail_closed= */ true, /* allow_lan= */ false);
                build(w);
                g_assert_cmpuint(n_rules_at(w, priority), ==, 0);
                make_put(&w->observed,
                        by_rule ? rule : make_route(MAIN, "128.0.0.0/1", 0, 5, "10.8.0.1"));
                build(w);
                g_assert_cmpuint(n_rules_at(w, priority), ==, 2);
        }
}

static void test_check(void) {
        g_autoptr(World) w = world_new();
        IntentChange change = INTENT_CHANGE_INIT;
        WantedRoute wanted = make_wanted(MAIN, "11.0.0.0/8", 5, "", "tap5");
        Refusal why;

        change.kind = INTENT_SET_TUNNEL;
        (void)g_strlcpy(change.tunnel.device, "wg9", IFNAMSIZ);
        g_assert_cmpint(desired_check(&w->observed, &change, &why), ==, -EPERM);
        g_assert_cmpint(why.code, ==, REFUSAL_NO_SUCH_LINK);
        g_assert_nonnull(strstr(why.text, "'wg9'"));
        (void)g_strlcpy(change.tunnel.device, "wg0", IFNAMSIZ);
        g_assert_cmpint(desired_check(&w->observed, &change, &why), ==, 0);

        change.kind = INTENT_ADD_ROUTES;
        g_assert_nonnull(array_append(&change.routes, &wanted));
        g_assert_cmpint(desired_check(&w->observed, &change, &why), ==, -EPERM);
        g_assert_nonnull(strstr(why.text, "'tap5'"));
        intent_change_clear(&change);
}

static size_t n_sysctls(World *w, DesiredInput input) {
        size_t n;

        input.intent = &w->intent;
        input.observed = &w->observed;
        input.ours = OURS_DEFAULT;
        w->view = desired_view(&input);
        g_assert_cmpint(desired_build(&w->view, &w->desired), ==, 0);
        (void)fact_set_of_kind(&w->desired, FACT_SYSCTL, &n);
        return n;
}

#define ALL_SYSCTLS (SYSCTL_KEY_BIT(_SYSCTL_KEY_MAX) - 1)

static void test_sysctls(void) {
        g_autoptr(World) w = world_new();
        const Selector selector = { .kind = SELECTOR_USER, .value = "7", .uid = 7 };
        DesiredInput input = { .has_filter = true, .sysctls = ALL_SYSCTLS };
        Fact localnet = { .kind = FACT_SYSCTL,
                .sysctl = { .key = SYSCTL_ROUTE_LOCALNET, .device = "eth0", .value = 1 } };

        g_assert_cmpuint(n_sysctls(w, input), ==, 0);
        set_tunnel(w, true, false);
        g_assert_cmpuint(n_sysctls(w, input), ==, 5);
        input.has_filter = false; /* nothing marks what comes in */
        g_assert_cmpuint(n_sysctls(w, input), ==, 0);
        input.has_filter = true;
        input.sysctls = SYSCTL_KEY_BIT(SYSCTL_SRC_VALID_MARK); /* the others cannot be written */
        g_assert_cmpuint(n_sysctls(w, input), ==, 1);

        /* Loopback goes out only where the firewall sends questions from there. */
        input = (DesiredInput){ .has_filter = true,
                .has_groups = true,
                .sysctls = ALL_SYSCTLS,
                .resolvers = { { AF_INET, { 192, 168, 1, 1 } } } };
        g_assert_nonnull(array_append(&w->intent.split.selectors, &selector));
        g_assert_cmpuint(n_sysctls(w, input), ==, 5);
        input.firewall_marks = true;
        g_assert_cmpuint(n_sysctls(w, input), ==, 6);
        g_assert_true(has(w, localnet));
        w->intent.split.dns = SPLIT_DNS_TUNNEL;
        g_assert_cmpuint(n_sysctls(w, input), ==, 5);
        w->intent.split.dns = SPLIT_DNS_SYSTEM;
        w->intent.split.mode = SPLIT_INCLUDE;
        g_assert_cmpuint(n_sysctls(w, input), ==, 6);
        g_assert_false(has(w, localnet));
        (void)g_strlcpy(localnet.sysctl.device, "wg0", sizeof(localnet.sysctl.device));
        g_assert_true(has(w, localnet));
}

static bool is_outside(World *w, DesiredInput input, const char *device) {
        Fact outside = { .kind = FACT_FILTER, .filter = { .kind = FILTER_OUTSIDE } };

        (void)n_sysctls(w, input);
        (void)g_strlcpy(outside.filter.name, device, sizeof(outside.filter.name));
        return has(w, outside);
}

/* Of no use to the guard: what leads elsewhere, and the tunnel itself. */
static void test_outside(void) {
        g_autoptr(World) w = world_new();
        DesiredInput input = { .has_filter = true };

        make_put(&w->observed, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"));
        make_put(&w->observed, make_route(MAIN, "0.0.0.0/0", 700, 4, ""));
        set_tunnel(w, true, false);
        g_assert_true(is_outside(w, input, "eth0"));
        g_assert_true(is_outside(w, input, "wlan0"));
        g_assert_false(is_outside(w, input, "wg0"));
        forget(w, make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1"));
        g_assert_false(is_outside(w, input, "wlan0"));
        make_put(&w->observed, make_route(MAIN, "128.0.0.0/1", 0, 3, "10.1.0.1"));
        g_assert_true(is_outside(w, input, "wlan0"));
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "nothing-wanted-is-nothing", test_nothing },
                { "settings-are-for-marks-of-what-comes-in", test_sysctls },
                { "tunnel-is-a-rule-a-table-and-a-closed-end", test_tunnel_up },
                { "tunnel-leaves-main-untouched", test_main_untouched },
                { "mtu-is-per-route", test_mtu },
                { "bypass-goes-around", test_bypass },
                { "each-family-is-carried-blocked-or-open", test_families },
                { "lan-is-what-is-on-link-and-private", test_lan },
                { "public-prefix-announced-as-local-stays-in-the-tunnel", test_lan_public },
                { "option-121-stays-in-the-tunnel", test_lan_option_121 },
                { "other-tunnels-are-no-lan", test_lan_tunnels },
                { "vpn-s-own-addresses-stay-in-the-tunnel-whatever-the-lan",
                        test_lan_around_tunnel },
                { "lan-on-two-links-goes-by-the-default", test_lan_twice },
                { "bypass-of-everything-does-not-open-a-closed-end", test_bypass_of_all },
                { "symbolic-follows-the-default", test_symbolic },
                { "symbolic-waits-without-a-default", test_symbolic_waits },
                { "symbolic-around-our-tunnel-is-a-throw", test_symbolic_around },
                { "symbolic-names-its-uplink-beside-a-foreign-tunnel",
                        test_symbolic_beside_foreign_tunnel },
                { "device-is-followed-by-name", test_device },
                { "uplink-routes-go-around", test_uplink_around },
                { "gateway-in-a-vanished-tunnel-does-not-leak", test_tunnel_gateway_when_gone },
                { "what-the-tunnel-encrypts-keeps-out-of-another-vpn", test_other_vpn },
                { "every-default-route-leads-out-not-the-best-alone", test_outside },
                { "missing-devices-are-refused-by-name", test_check },
        };

        return CASES_MAIN(argc, argv, "/desired/", tests);
}
