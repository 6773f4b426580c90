// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/intent-text.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "tests/lib/make-fact.h"
#include "tests/unit/broken-text.h"

#define HEADER "talpid-intent 1\n"
#define NUMBERS "numbers mark=1 mask=3 tunnel-table=2 excluded-table=1 priority=4964\n"
#define OWNER "owner uid=1000 name=:1.5\n"
#define ROUTE                                                                                      \
        "route owner=0 destination=9.9.9.9/32 type=1 table=254 metric=5 mtu=0 onlink=0 "           \
        "symbolic=1 gateway= device=\n"
#define TUNNEL "tunnel owner=0 device=wg0 ipv4=auto ipv6=no mtu=1380 allow-lan=1 fail-closed=1\n"
#define BYPASS "bypass destination=9.9.9.9/32\n"
#define END "end\n"

static Intent example(void) {
        Intent intent = INTENT_INIT;
        WantedRoute routes[] = {
                make_wanted(RT_TABLE_MAIN, "10.0.0.0/8", 3, "192.168.1.1", "eth0"),
                make_symbolic(RT_TABLE_MAIN, "11.0.0.0/8", UINT32_MAX),
                make_wanted(UINT32_MAX, "2001:db8::/32", 1024, "fe80::1", "a=b"),
        };
        Prefix relay = make_prefix("9.9.9.9/32");

        g_assert_nonnull(array_append(&intent.owners, &(Owner){ .uid = UINT32_MAX }));
        g_assert_nonnull(array_append(&intent.owners, &(Owner){ .uid = 7, .name = ":1.42" }));
        routes[1].owner = 1;
        routes[0].route.mtu = 1280;
        routes[2].route.onlink = true;
        for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
                g_assert_nonnull(array_append(&intent.routes, &routes[i]));
        intent.tunnel.owner = 1;
        (void)g_strlcpy(intent.tunnel.device, "wg0", IFNAMSIZ);
        intent.tunnel.ipv4 = CARRY_YES;
        intent.tunnel.ipv6 = CARRY_NO;
        intent.tunnel.fail_closed = true;
        (void)g_strlcpy(intent.tunnel.setter, "100% vpn (pid 7)", SETTER_MAX);
        g_assert_nonnull(array_append(&intent.tunnel.bypass, &relay));
        intent.ours = OURS_DEFAULT;
        return intent;
}

static void test_round_trip(void) {
        CLEANUP(intent_clear) Intent intent = example(), read = INTENT_INIT;
        g_autofree char *text = broken_text_of(&intent), *again = NULL;

        g_assert_cmpint(intent_text_parse(text, &read), ==, 0);
        again = broken_text_of(&read);
        g_assert_cmpstr(text, ==, again);
        g_assert_cmpuint(read.routes.n, ==, 3);
        for (size_t i = 0; i < 3; i++)
                g_assert_cmpmem(array_at(&intent.routes, i), sizeof(WantedRoute),
                        array_at(&read.routes, i), sizeof(WantedRoute));
        g_assert_cmpstr(read.tunnel.device, ==, "wg0");
        g_assert_cmpuint(read.tunnel.bypass.n, ==, 1);
}

static void test_empty(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT, read = INTENT_INIT;
        g_autofree char *text = broken_text_of(&intent);

        g_assert_cmpstr(text, ==, HEADER END);
        g_assert_cmpint(intent_text_parse(text, &read), ==, 0);
        g_assert_true(intent_is_empty(&read));
}

static const struct {
        const char *name, *text;
        int want;
} cases[] = {
        { "whole", HEADER OWNER ROUTE TUNNEL BYPASS END, 0 },
        { "nothing", "", -EBADMSG },
        { "another-version", "talpid-intent 2\n" END, -EBADMSG },
        { "no-end", HEADER OWNER ROUTE, -EBADMSG },
        { "end-without-its-line-end", HEADER OWNER ROUTE "end", -EBADMSG },
        { "something-behind-the-end", HEADER OWNER END OWNER, -EBADMSG },
        { "unknown-word", HEADER "magic a=b\n" END, -EBADMSG },
        { "route-before-its-owner", HEADER ROUTE OWNER END, -EBADMSG },
        { "two-tunnels", HEADER OWNER TUNNEL TUNNEL END, -EBADMSG },
        { "bypass-without-tunnel", HEADER OWNER BYPASS END, -EBADMSG },
        { "bypass-of-everything", HEADER OWNER TUNNEL "bypass destination=::/0\n" END, -EBADMSG },
        { "the-same-route-twice", HEADER OWNER ROUTE ROUTE END, -EBADMSG },
        { "local-type",
                HEADER OWNER "route owner=0 destination=9.9.9.9/32 type=2 table=254 metric=5 mtu=0 "
                             "onlink=0 symbolic=0 gateway= device=eth0\n" END,
                -EBADMSG },
        { "symbolic-with-device",
                HEADER OWNER "route owner=0 destination=9.9.9.9/32 type=1 table=254 metric=5 mtu=0 "
                             "onlink=0 symbolic=1 gateway= device=eth0\n" END,
                -EBADMSG },
        { "numbers", HEADER NUMBERS OWNER ROUTE END, 0 },
        { "numbers-twice", HEADER NUMBERS NUMBERS END, -EBADMSG },
        { "numbers-of-the-kernel-s-tables",
                HEADER "numbers mark=1 mask=3 tunnel-table=254 excluded-table=1 priority=1\n" END,
                -EBADMSG },
        { "number-too-large", HEADER "owner uid=4294967296 name=\n" END, -EBADMSG },
        { "negative-number", HEADER "owner uid=-1 name=\n" END, -EBADMSG },
        { "host-bits",
                HEADER OWNER "route owner=0 destination=9.9.9.9/24 type=1 table=254 metric=5 mtu=0 "
                             "onlink=0 symbolic=1 gateway= device=\n" END,
                -EBADMSG },
};

static void test_case(const void *data) {
        size_t i = GPOINTER_TO_SIZE(data);
        CLEANUP(intent_clear) Intent read = INTENT_INIT;

        g_assert_cmpint(intent_text_parse(cases[i].text, &read), ==, cases[i].want);
        if (cases[i].want < 0)
                g_assert_cmpuint(read.owners.n, ==, 0);
}

static void test_truncated(void) {
        CLEANUP(intent_clear) Intent intent = example();

        broken_text_cut_short(&intent);
}

static void test_mutated(void) {
        CLEANUP(intent_clear) Intent intent = example();

        broken_text_mutate(&intent);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/intent-text/comes-back-as-it-went", test_round_trip);
        g_test_add_func("/intent-text/nothing-is-a-text-too", test_empty);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path =
                        g_strconcat("/intent-text/whole-or-not-at-all/", cases[i].name, NULL);

                g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_case);
        }
        g_test_add_func("/intent-text/cut-short-is-refused", test_truncated);
        g_test_add_func("/intent-text/mutants-are-refused-or-sound", test_mutated);
        return g_test_run();
}
