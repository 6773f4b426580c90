// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/other-vpns.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/model/conflicts.h"
#include "tests/lib/make-fact.h"

#define ALL UINT32_MAX
#define MULLVAD 0x6d6f6c65
#define NOT true

static const Ours ours = OURS_DEFAULT;

typedef struct Line {
        uint32_t priority;
        bool invert;
        uint32_t mark, mask, table;
        uint32_t suppress; /* 0: none; n: prefixes up to n - 1 */
} Line;

static Fact fact_of(int family, const Line *line) {
        return (Fact){ .kind = FACT_RULE,
                .rule = { .family = (uint8_t)family,
                        .action = FR_ACT_TO_TBL,
                        .protocol = RTPROT_BOOT,
                        .invert = line->invert,
                        .priority = line->priority,
                        .table = line->table,
                        .mark = line->mark,
                        .mark_mask = line->mask,
                        .suppress_prefixlength = line->suppress - 1 } };
}

/* As the VPNs' sources make them, of both families; what is told beside our tunnel, or without. */
static const struct {
        const char *path;
        Line rules[6];
        const char *owner;
        const char *beside_kind, *alone_kind;
} cases[] = {
        { "nobody", { { 32766, 0, 0, 0, RT_TABLE_MAIN, 0 }, { 32767, 0, 0, 0, 253, 0 } }, NULL,
                NULL, NULL },
        { "wg-quick-before-us",
                { { 4982, 0, 0, 0, RT_TABLE_MAIN, 1 }, { 4983, NOT, 51820, ALL, 51820, 0 } },
                "wg-quick", "overruled", "other-vpn" },
        { "wg-quick-behind-us",
                { { 32764, 0, 0, 0, RT_TABLE_MAIN, 1 }, { 32765, NOT, 51820, ALL, 51820, 0 } },
                "wg-quick", "other-vpn", "other-vpn" },
        { "wg-quick-with-a-table-of-the-user-s",
                { { 32764, 0, 0, 0, RT_TABLE_MAIN, 1 }, { 32765, NOT, 1234, ALL, 1234, 0 } },
                "wg-quick", "other-vpn", "other-vpn" },
        { "networkmanager-s-wireguard",
                { { 31000, 0, 0, 0, RT_TABLE_MAIN, 1 }, { 31001, NOT, 51999, ALL, 51999, 0 } },
                "NetworkManager's WireGuard", "other-vpn", "other-vpn" },
        { "tailscale",
                { { 5210, 0, 0x80000, 0xff0000, RT_TABLE_MAIN, 0 },
                        { 5230, 0, 0x80000, 0xff0000, RT_TABLE_DEFAULT, 0 },
                        { 5250, 0, 0x80000, 0xff0000, 0, 0 }, { 5270, 0, 0, 0, 52, 0 } },
                "Tailscale", "other-vpn", "other-vpn" },
        { "mullvad-before-us",
                { { 4982, 0, 0, 0, RT_TABLE_MAIN, 1 }, { 4983, NOT, MULLVAD, ALL, MULLVAD, 0 } },
                "Mullvad VPN", "overruled", "other-vpn" },
        { "strongswan", { { 220, 0, 0, 0, 220, 0 } }, "strongSwan", "overruled", "other-vpn" },
        { "a-rule-of-an-administrator", { { 100, 0, 7, ALL, 77, 0 } }, NULL, NULL, NULL },
        { "everything-but-a-mark-to-another-table", { { 100, NOT, 7, ALL, 77, 0 } }, NULL, NULL,
                NULL },
};

static void check(const FactSet *set, const char *owner, const char *kind) {
        CLEANUP(array_clear) Array found = ARRAY_INIT(Conflict);
        const Conflict *conflict;

        g_assert_cmpint(conflicts_find(set, &ours, "wg0", &found), ==, 0);
        g_assert_cmpuint(found.n, ==, owner ? 1 : 0);
        if (!owner)
                return;
        conflict = array_at(&found, 0);
        g_assert_cmpstr(conflict->owner, ==, owner);
        g_assert_cmpstr(conflict->kind, ==, kind);
        g_assert_nonnull(strstr(conflict->what, owner));
        g_assert_cmpuint(strlen(conflict->what), <, CONFLICT_TEXT_MAX - 1);
}

static void test_rules(const void *data) {
        size_t i = GPOINTER_TO_SIZE(data);
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;

        for (size_t j = 0; j < G_N_ELEMENTS(cases[i].rules) && cases[i].rules[j].priority; j++) {
                make_put(&set, fact_of(AF_INET, &cases[i].rules[j]));
                make_put(&set, fact_of(AF_INET6, &cases[i].rules[j]));
        }
        check(&set, cases[i].owner, cases[i].alone_kind);
        make_put(&set, make_our_rule(AF_INET, &ours));
        make_put(&set, make_our_rule(AF_INET6, &ours));
        check(&set, cases[i].owner, cases[i].beside_kind);
}

static void put_halves(FactSet *set, uint32_t lower, uint32_t upper) {
        make_put(set, make_route(RT_TABLE_MAIN, "0.0.0.0/1", 0, lower, "10.8.0.1"));
        make_put(set, make_route(RT_TABLE_MAIN, "128.0.0.0/1", 0, upper, "10.8.0.1"));
}

static void put_links(FactSet *set) {
        make_put(set, make_link(2, "eth0", "", MAKE_LINK_UP));
        make_put(set, make_link(3, "tun0", "tun", MAKE_LINK_UP));
        make_put(set, make_link(4, "wg0", "wireguard", MAKE_LINK_UP));
}

static void test_halves(void) {
        static const struct {
                uint32_t lower, upper;
                const char *owner;
        } halves[] = {
                { 3, 3, "OpenVPN or alike (tun0)" },
                { 2, 2, NULL }, /* an administrator's way to the internet */
                { 3, 2, NULL }, /* half of it */
                { 4, 4, NULL }, /* of our own tunnel's device */
                { 9, 9, NULL }, /* a device that is gone */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(halves); i++) {
                CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;

                put_links(&set);
                put_halves(&set, halves[i].lower, halves[i].upper);
                check(&set, halves[i].owner, "other-vpn");
        }
}

/* Added without a device, once our tunnel leads everywhere. */
static void test_halves_on_our_tunnel(void) {
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        Fact address = { .kind = FACT_LINK_ADDRESS,
                .link_address = { .ifindex = 3, .length = 32 } };

        put_links(&set);
        put_halves(&set, 4, 4);
        g_assert_cmpint(address_parse("10.8.0.2", &address.link_address.address), ==, 0);
        make_put(&set, address);
        check(&set, NULL, NULL);
        address.link_address.length = 24;
        make_put(&set, address);
        check(&set, "OpenVPN or alike (tun0)", "other-vpn");
}

static void test_halves_behind_a_peer(void) {
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        Fact address = { .kind = FACT_LINK_ADDRESS,
                .link_address = { .ifindex = 3, .length = 32 } };

        put_links(&set);
        put_halves(&set, 4, 4);
        g_assert_cmpint(address_parse("10.8.0.2", &address.link_address.address), ==, 0);
        g_assert_cmpint(address_parse("10.8.0.1", &address.link_address.peer), ==, 0);
        make_put(&set, address);
        check(&set, "OpenVPN or alike (tun0)", "other-vpn");
}

static void test_several(void) {
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        CLEANUP(array_clear) Array found = ARRAY_INIT(OtherVpn);

        put_links(&set);
        put_halves(&set, 3, 3);
        make_put(&set, fact_of(AF_INET, &cases[1].rules[1]));
        make_put(&set, fact_of(AF_INET6, &cases[1].rules[1]));
        make_put(&set, fact_of(AF_INET, &cases[5].rules[3]));
        g_assert_cmpint(other_vpns_find(&set, "", &found), ==, 0);
        g_assert_cmpuint(found.n, ==, 3);
}

static bool leads_all(uint32_t table, uint32_t ifindex, void *userdata) {
        const Route *route = userdata;

        return route->table == table && route->ifindex == ifindex;
}

/* A default route in the table of the VPN's rule, or in main; what SetTunnel is told of wg0. */
static void test_device(void) {
        static const struct {
                Line rule;
                uint32_t table, ifindex;
                bool is_vpn, has_bypass;
                const char *owner; /* NULL: the device may be ours */
        } devices[] = {
                { { 32765, NOT, 51820, ALL, 51820, 0 }, 51820, 4, false, false, "wg-quick" },
                { { 32765, NOT, 51820, ALL, 51820, 0 }, 51820, 4, false, true, NULL },
                { { 32765, NOT, 51820, ALL, 51820, 0 }, 51820, 3, false, false, NULL },
                { { 32765, NOT, 51820, ALL, 51820, 0 }, 51821, 4, false, false, NULL },
                { { 32765, NOT, OURS_DEFAULT_MARK, ALL, OURS_DEFAULT_MARK, 0 }, OURS_DEFAULT_MARK,
                        4, false, false, NULL },
                { { 31001, NOT, 51999, ALL, 51999, 0 }, 51999, 4, false, false, "NetworkManager" },
                { { 5000, NOT, MULLVAD, ALL, MULLVAD, 0 }, MULLVAD, 4, false, false, "Mullvad" },
                { { 5270, 0, 0, 0, 52, 0 }, 52, 4, false, false, "Tailscale" },
                { { 100, 0, 0, 0, 77, 0 }, 77, 4, false, false, NULL },
                { { 100, 0, 0, 0, 77, 0 }, RT_TABLE_MAIN, 4, true, false, "NetworkManager" },
                { { 100, 0, 0, 0, 77, 0 }, RT_TABLE_MAIN, 4, false, false, NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
                CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
                const LinkHints hints = { .ifindex = 4, .is_vpn = devices[i].is_vpn };
                WantedTunnel tunnel = { .device = "wg0", .bypass = ARRAY_INIT(Prefix) };
                Refusal why = { .code = REFUSAL_NONE };
                Route route = { .table = devices[i].table, .ifindex = devices[i].ifindex };
                const LeadsAll leads = { leads_all, &route };
                int r;

                put_links(&set);
                make_put(&set, fact_of(AF_INET, &devices[i].rule));
                if (devices[i].has_bypass)
                        g_assert_nonnull(array_append(&tunnel.bypass, &(Prefix){ .length = 32 }));
                r = other_vpns_check_tunnel(&set, &ours, &tunnel, &hints, &leads, &why);
                array_clear(&tunnel.bypass);
                g_test_message("%zu: %s", i, why.text);
                g_assert_cmpint(r, ==, devices[i].owner ? -EPERM : 0);
                if (!devices[i].owner)
                        continue;
                g_assert_cmpint(why.code, ==, REFUSAL_DEVICE_HELD);
                g_assert_nonnull(strstr(why.text, devices[i].owner));
                g_assert_cmpuint(strlen(why.text), <, REFUSAL_TEXT_MAX - 1);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_strconcat("/other-vpns/rules/", cases[i].path, NULL);

                g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_rules);
        }
        g_test_add_func("/other-vpns/halves-of-a-foreign-tunnel", test_halves);
        g_test_add_func("/other-vpns/halves-that-lead-into-our-tunnel", test_halves_on_our_tunnel);
        g_test_add_func("/other-vpns/halves-behind-a-peer", test_halves_behind_a_peer);
        g_test_add_func("/other-vpns/device-that-one-of-them-routes-is-refused", test_device);
        g_test_add_func("/other-vpns/several-each-told-once", test_several);
        return g_test_run();
}
