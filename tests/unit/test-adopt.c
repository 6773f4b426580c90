// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/adopt.h"

#include <glib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/model/desired.h"
#include "service/model/plan.h"
#include "tests/lib/make-fact.h"

#define TABLE OURS_DEFAULT_TUNNEL_TABLE

static const Ours ours = OURS_DEFAULT;

static FactSet machine(void) {
        FactSet set = FACT_SET_INIT;

        make_put(&set, make_link(2, "eth0", "", MAKE_LINK_UP));
        make_put(&set, make_link(4, "wg0", "wireguard", MAKE_LINK_UP));
        make_put(&set, make_link_address(2, "192.168.1.2", 24));
        make_put(&set, make_link_address(2, "fd00:1::2", 64));
        make_put(&set, make_link_address(4, "10.64.0.2", 32));
        make_put(&set, make_link_address(4, "fc00:bbbb::2", 128));
        make_put(&set, make_route(RT_TABLE_MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        return set;
}

/* Sets up @tunnel in @set as the service would. Return: how many operations adoption would need. */
static size_t adopt_again(FactSet *set, const WantedTunnel *tunnel, Intent *ret) {
        CLEANUP(fact_set_clear) FactSet desired = FACT_SET_INIT;
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
        Intent intent = INTENT_INIT;
        const Fact *fact;
        DesiredView view;

        intent.tunnel = *tunnel;
        view = desired_view(&(DesiredInput){ .intent = &intent, .observed = set, .ours = ours });
        g_assert_cmpint(desired_build(&view, &desired), ==, 0);
        ARRAY_FOREACH(fact, &desired.facts)
                make_put(set, *fact);

        g_assert_cmpint(adopt_tunnel(set, &ours, ret), ==, 1);
        view = desired_view(&(DesiredInput){ .intent = ret, .observed = set, .ours = ours });
        g_assert_cmpint(desired_build(&view, &desired), ==, 0);
        g_assert_cmpint(plan_make(&desired, set, &operations), ==, 0);
        return operations.n;
}

static void test_nothing(void) {
        CLEANUP(fact_set_clear) FactSet set = machine();
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;

        make_put(&set, make_route(TABLE, "0.0.0.0/0", 1, 4, ""));
        g_assert_cmpint(adopt_tunnel(&set, &ours, &intent), ==, 0);
        g_assert_true(intent_is_empty(&intent));
}

/* Every tunnel that can be set, but for one that left a family open by request. */
static void test_silent(void) {
        for (unsigned i = 0; i < 72; i++) {
                CLEANUP(fact_set_clear) FactSet set = machine();
                CLEANUP(intent_clear) Intent intent = INTENT_INIT;
                CLEANUP(array_clear) Array bypass = ARRAY_INIT(Prefix);
                Prefix relays[2] = { make_prefix("9.9.9.9/32"), make_prefix("2001:db8::1/128") };
                WantedTunnel tunnel = { .device = "wg0",
                        .mtu = i & 1 ? 1380 : 0,
                        .allow_lan = i & 2,
                        .fail_closed = i & 4,
                        .ipv4 = (Carry)(i / 8 % 3),
                        .ipv6 = (Carry)(i / 24) };
                size_t n;

                g_assert_nonnull(array_append(&bypass, &relays[0]));
                g_assert_nonnull(array_append(&bypass, &relays[1]));
                tunnel.bypass = bypass;
                if (tunnel.ipv4 == CARRY_NO && tunnel.ipv6 == CARRY_NO)
                        continue; /* which device it was cannot be told: below */
                n = adopt_again(&set, &tunnel, &intent);
                g_test_message("ipv4 %d ipv6 %d lan %d closed %d", tunnel.ipv4, tunnel.ipv6,
                        tunnel.allow_lan, tunnel.fail_closed);
                g_assert_cmpuint(n, ==, 0);
                g_assert_cmpstr(intent.tunnel.device, ==, "wg0");
                g_assert_cmpuint(intent.tunnel.mtu, ==, tunnel.mtu);
                g_assert_cmpint(intent.tunnel.fail_closed, ==, tunnel.fail_closed);
                g_assert_cmpint(intent.tunnel.allow_lan, ==, tunnel.allow_lan);
                g_assert_cmpint(
                        intent_owner_lifetime(&intent, intent.tunnel.owner), ==, LIFETIME_BOOT);
        }
}

static void test_lost_device(void) {
        CLEANUP(fact_set_clear) FactSet set = machine();
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        WantedTunnel tunnel = { .device = "wg1", .fail_closed = true };

        g_assert_cmpuint(adopt_again(&set, &tunnel, &intent), ==, 0);
        g_assert_cmpstr(intent.tunnel.device, ==, ADOPT_LOST_DEVICE);
        g_assert_true(intent.tunnel.fail_closed);
}

static void test_not_lan(void) {
        CLEANUP(fact_set_clear) FactSet set = machine();
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;

        make_put(&set, make_our_rule(AF_INET, &ours));
        make_put(&set, make_our_route(TABLE, "0.0.0.0/0", 1, 4, ""));
        make_put(&set, make_our_dead_end(TABLE, "10.0.0.0/8", 0, RTN_UNREACHABLE));
        make_put(&set, make_our_route(TABLE, "11.0.0.0/8", 0, 4, ""));
        make_put(&set, make_our_route(TABLE, "192.168.7.0/24", 0, 2, "192.168.1.9"));
        make_put(&set, make_our_dead_end(TABLE, "12.0.0.0/8", 1, RTN_THROW));
        make_put(&set, make_our_dead_end(TABLE, "12.0.0.0/8", 7, RTN_THROW));
        g_assert_cmpint(adopt_tunnel(&set, &ours, &intent), ==, 1);
        g_assert_false(intent.tunnel.allow_lan);
        g_assert_cmpuint(intent.tunnel.bypass.n, ==, 1);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/adopt/without-our-rule-there-is-nothing", test_nothing);
        g_test_add_func("/adopt/a-tunnel-is-adopted-silently", test_silent);
        g_test_add_func("/adopt/a-tunnel-without-device-stays-closed", test_lost_device);
        g_test_add_func("/adopt/a-client-s-own-routes-are-no-lan", test_not_lan);
        return g_test_run();
}
