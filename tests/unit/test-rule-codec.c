// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/rule-codec.h"

#include <errno.h>
#include <glib.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"

static uint32_t buffer[256];

static Rule our_rule(uint8_t family) {
        return (Rule){
                .family = family,
                .action = FR_ACT_TO_TBL,
                .protocol = OURS_PROTOCOL,
                .priority = 4984,
                .table = 1985,
                .suppress_prefixlength = RULE_NO_SUPPRESS,
        };
}

static void test_round_trip(void) {
        for (unsigned i = 0; i < 256; i++) {
                Rule rule = our_rule(i & 1 ? AF_INET : AF_INET6), again;
                Address address = { .family = rule.family, .bytes = { 0xfd, 1, 2, 3 } };
                struct nlmsghdr *nlh;

                rule.invert = i & 2;
                rule.mark = i & 4 ? 0x10000000 : 0;
                rule.mark_mask = i & 8 ? 0xff000000 : 0;
                rule.suppress_prefixlength = i & 16 ? 0 : RULE_NO_SUPPRESS;
                if (i & 32)
                        rule.source = prefix_of_address(&address, 16);
                if (i & 64)
                        rule.destination =
                                prefix_of_address(&address, family_size_bits(rule.family));
                rule.table = i & 128 ? 254 : 1985;
                nlh = rule_encode(buffer, OPERATION_ADD, &rule);
                g_assert_cmpuint(nlh->nlmsg_len, <=, RULE_MESSAGE_MAX);
                g_assert_cmpint(rule_decode(nlh, &again), ==, 1);
                g_assert_cmpint(rule_compare_key(&rule, &again), ==, 0);
                g_assert_false(again.exotic);
        }
}

static void test_removal_names_the_whole_value(void) {
        Rule rule = our_rule(AF_INET6), again;
        struct nlmsghdr *nlh = rule_encode(buffer, OPERATION_REMOVE, &rule);

        g_assert_cmpuint(nlh->nlmsg_type, ==, RTM_DELRULE);
        g_assert_cmpuint(nlh->nlmsg_flags, ==, 0);
        g_assert_cmpint(rule_decode(nlh, &again), ==, 1);
        g_assert_cmpint(rule_compare_key(&rule, &again), ==, 0);
}

static void test_one_uid_is_kept(void) {
        static const struct {
                struct fib_rule_uid_range range;
                bool kept;
        } cases[] = { { { 1000, 1000 }, true }, { { 0, 0 }, true }, { { 1000, 1001 }, false } };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const Rule rule = { .family = AF_INET,
                        .action = FR_ACT_TO_TBL,
                        .table = 1984,
                        .suppress_prefixlength = RULE_NO_SUPPRESS };
                struct nlmsghdr *nlh = rule_encode(buffer, OPERATION_ADD, &rule);
                Rule again;

                mnl_attr_put(nlh, FRA_UID_RANGE, sizeof(cases[i].range), &cases[i].range);
                g_assert_cmpint(rule_decode(nlh, &again), ==, 1);
                g_assert_cmpint(again.has_uid, ==, cases[i].kept);
                g_assert_cmpint(again.exotic, ==, !cases[i].kept);
                if (cases[i].kept) {
                        Rule third;

                        g_assert_cmpuint(again.uid, ==, cases[i].range.start);
                        nlh = rule_encode(buffer, OPERATION_ADD, &again);
                        g_assert_cmpint(rule_decode(nlh, &third), ==, 1);
                        g_assert_cmpint(rule_compare_key(&again, &third), ==, 0);
                }
        }
}

static void test_what_has_no_place_is_exotic(void) {
        static const uint16_t types[] = { FRA_IIFNAME, FRA_OIFNAME, FRA_GOTO, FRA_FLOW, FRA_TUN_ID,
                FRA_SUPPRESS_IFGROUP, FRA_L3MDEV, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE,
                FRA_MAX + 1, 1000 };
        Rule rule = our_rule(AF_INET), again;
        struct nlmsghdr *nlh;
        struct fib_rule_hdr *header;

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                nlh = rule_encode(buffer, OPERATION_ADD, &rule);
                mnl_attr_put_u32(nlh, types[i], 0);
                g_assert_cmpint(rule_decode(nlh, &again), ==, 1);
                g_assert_true(again.exotic);
        }
        nlh = rule_encode(buffer, OPERATION_ADD, &rule);
        header = mnl_nlmsg_get_payload(nlh);
        header->tos = 8;
        g_assert_cmpint(rule_decode(nlh, &again), ==, 1);
        g_assert_true(again.exotic);
}

static void test_leaves_out_other_families(void) {
        Rule rule = our_rule(AF_INET);
        struct nlmsghdr *nlh = rule_encode(buffer, OPERATION_ADD, &rule);
        struct fib_rule_hdr *header = mnl_nlmsg_get_payload(nlh);

        header->family = 128; /* RTNL_FAMILY_IPMR */
        g_assert_cmpint(rule_decode(nlh, &rule), ==, 0);
}

static void test_refuses_malformed(void) {
        static const uint16_t types[] = { FRA_SRC, FRA_DST, FRA_PRIORITY, FRA_FWMARK, FRA_FWMASK,
                FRA_TABLE, FRA_SUPPRESS_PREFIXLEN, FRA_PROTOCOL };
        Rule rule = our_rule(AF_INET), again;
        struct nlmsghdr *nlh;
        struct fib_rule_hdr *header;

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                nlh = rule_encode(buffer, OPERATION_ADD, &rule);
                mnl_attr_put(nlh, types[i], 3, "abc");
                g_assert_cmpint(rule_decode(nlh, &again), ==, -EBADMSG);
        }
        nlh = rule_encode(buffer, OPERATION_ADD, &rule);
        header = mnl_nlmsg_get_payload(nlh);
        header->src_len = 33;
        g_assert_cmpint(rule_decode(nlh, &again), ==, -EBADMSG);
        header->src_len = 8; /* and no source */
        g_assert_cmpint(rule_decode(nlh, &again), ==, -EBADMSG);
        nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*header)) - 1;
        g_assert_cmpint(rule_decode(nlh, &again), ==, -EBADMSG);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/rule-codec/round-trip", test_round_trip);
        g_test_add_func(
                "/rule-codec/removal-names-the-whole-value", test_removal_names_the_whole_value);
        g_test_add_func("/rule-codec/one-uid-is-kept-a-range-is-exotic", test_one_uid_is_kept);
        g_test_add_func(
                "/rule-codec/what-has-no-place-is-exotic", test_what_has_no_place_is_exotic);
        g_test_add_func("/rule-codec/leaves-out-other-families", test_leaves_out_other_families);
        g_test_add_func("/rule-codec/refuses-malformed", test_refuses_malformed);
        return g_test_run();
}
