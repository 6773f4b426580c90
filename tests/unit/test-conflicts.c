// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/conflicts.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "tests/lib/make-fact.h"

static const Ours ours = OURS_DEFAULT;

static Fact rule(uint32_t priority, uint32_t table, uint32_t mark, uint32_t mask) {
        return (Fact){ .kind = FACT_RULE,
                .rule = { .family = AF_INET,
                        .action = FR_ACT_TO_TBL,
                        .protocol = RTPROT_STATIC,
                        .priority = priority,
                        .table = table,
                        .mark = mark,
                        .mark_mask = mask,
                        .suppress_prefixlength = RULE_NO_SUPPRESS } };
}

static const struct {
        const char *name, *want, *remedy;
        uint32_t priority, table, mark, mask;
} cases[] = {
        { "main-rule", "", "", 32766, RT_TABLE_MAIN, 0, 0 },
        { "tailscale", "other-vpn", "Tailscale", 5210, 52, 0x80000, 0xff0000 },
        { "our-priority", "priority", "TALPID_RULE_PRIORITY", OURS_DEFAULT_RULE_PRIORITY, 99, 0,
                0 },
        { "our-mark-bits", "mark", "TALPID_MARK", 7, 99, 0, 0xff000000 },
        { "our-table", "table", "TALPID_TUNNEL_TABLE", 7, OURS_DEFAULT_TUNNEL_TABLE, 0, 0 },
};

static void test_rule(const void *data) {
        size_t i = GPOINTER_TO_SIZE(data);
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        CLEANUP(array_clear) Array found = ARRAY_INIT(Conflict);

        make_put(&set, rule(cases[i].priority, cases[i].table, cases[i].mark, cases[i].mask));
        make_put(&set, make_our_rule(AF_INET, &ours));
        make_put(&set, make_our_route(OURS_DEFAULT_TUNNEL_TABLE, "0.0.0.0/0", 1, 4, ""));
        g_assert_cmpint(conflicts_find(&set, &ours, "wg0", &found), ==, 0);
        g_assert_cmpuint(found.n, ==, cases[i].want[0] ? 1 : 0);
        if (found.n) {
                const Conflict *conflict = array_at(&found, 0);

                g_assert_cmpstr(conflict->kind, ==, cases[i].want);
                g_assert_nonnull(strstr(conflict->what, cases[i].remedy));
        }
}

static void test_route(void) {
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        CLEANUP(array_clear) Array found = ARRAY_INIT(Conflict);
        Fact route =
                make_route(OURS_DEFAULT_TUNNEL_TABLE, "2001:db8:ffff:ffff:ffff:ffff:ffff:0/112",
                        4294967294, 4294967295, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
        const Conflict *conflict;

        route.route.protocol = RTPROT_DHCP;
        route.route.mtu = 65535;
        make_put(&set, route);
        make_put(&set, make_route(RT_TABLE_MAIN, "10.0.0.0/8", 1, 4, ""));
        g_assert_cmpint(conflicts_find(&set, &ours, "wg0", &found), ==, 0);
        g_assert_cmpuint(found.n, ==, 1);
        conflict = array_at(&found, 0);
        g_assert_cmpstr(conflict->kind, ==, "table");
        g_assert_cmpstr(conflict->owner, ==, "DHCP client");
        g_assert_true(g_str_has_suffix(conflict->what, "; remove it"));
}

static void test_bounded(void) {
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        CLEANUP(array_clear) Array found = ARRAY_INIT(Conflict);

        for (uint32_t i = 0; i < 10 * CONFLICTS_MAX; i++)
                make_put(&set, make_route(OURS_DEFAULT_TUNNEL_TABLE, "10.0.0.0/8", i, 4, ""));
        g_assert_cmpint(conflicts_find(&set, &ours, "wg0", &found), ==, 0);
        g_assert_cmpuint(found.n, ==, CONFLICTS_MAX);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_strconcat("/conflicts/rule/", cases[i].name, NULL);

                g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_rule);
        }
        g_test_add_func("/conflicts/a-foreign-route-in-our-table-has-an-owner", test_route);
        g_test_add_func("/conflicts/are-bounded", test_bounded);
        return g_test_run();
}
