// SPDX-License-Identifier: GPL-3.0-or-later

/* The table as a whole: what it says, who may change it, what it costs. */

#include <errno.h>
#include <string.h>

#include "backends/base/clock.h"
#include "tests/lib/netns.h"
#include "tests/netns/test-nftables-lab.h"

#define GUARD_BOTH (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6)

static void check_listing(const char *fixture) {
        g_autofree char *path = g_build_filename(FIXTURES, fixture, NULL);
        g_autofree char *listed = lab_nft("list table inet talpid");
        g_autofree char *expected = NULL;

        if (g_getenv("NFT_FIXTURES_WRITE")) /* after a change of the table: look at the diff */
                g_assert_true(g_file_set_contents(path, listed, -1, NULL));
        g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
        g_assert_cmpstr(listed, ==, expected);
}

#define EVERY_ITEM                                                                                 \
        lab_name(FILTER_TUNNEL, "tun0"), lab_prefix(FILTER_TUNNEL_ADDRESS, "10.77.2.2"),           \
                lab_prefix(FILTER_TUNNEL_ADDRESS, "fd77:2::2"), lab_name(FILTER_UPLINK, "up0"),    \
                lab_prefix(FILTER_LAN, "10.0.0.0/8"), lab_prefix(FILTER_LAN, "192.168.0.0/16"),    \
                lab_prefix(FILTER_LAN, "fe80::/10"), lab_prefix(FILTER_AROUND, "192.0.2.0/24"),    \
                lab_prefix(FILTER_AROUND, "2001:db8::/32"), lab_user(1234),                        \
                lab_name(FILTER_INTERFACE, "box0")

static void reads_as_in_guard_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH), EVERY_ITEM);
        check_listing("guard.txt");
}

static void reads_as_in_guard_counting_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH | FILTER_COUNT), lab_name(FILTER_TUNNEL, "tun9"));
        check_listing("guard-counting.txt");
}

static void reads_as_in_guard_included_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH | FILTER_GUARD_INCLUDED), EVERY_ITEM);
        check_listing("guard-included.txt");
}

static void reads_as_in_guard_ipv4_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(FILTER_GUARD_IPV4), EVERY_ITEM);
        check_listing("guard-ipv4.txt");
}

#define GROUPS                                                                                     \
        lab_group(9000000001, 1, LAB_MARK, true), lab_group(9000000002, 3, LAB_MARK, false),       \
                lab_group(9000000003, 3, LAB_INCLUDED, false), lab_resolver("10.77.1.1"),          \
                lab_resolver("fd77:1::1")

static void reads_as_in_groups_cgroup2_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, GROUPS, lab_base(GUARD_BOTH), EVERY_ITEM);
        check_listing("groups-cgroup2.txt");
}

static void reads_as_in_groups_net_cls_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_group(0x00100001, 0, LAB_MARK, true),
                lab_group(0x00100002, 0, LAB_MARK, false), lab_resolver("10.77.1.1"), lab_base(0));
        check_listing("groups-net-cls.txt");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        lab_test_add("/nftables/reads-as-in-guard.txt", NFTABLES_GUARD_ONLY, reads_as_in_guard_txt);
        lab_test_add("/nftables/reads-as-in-guard-counting.txt", NFTABLES_GUARD_ONLY,
                reads_as_in_guard_counting_txt);
        lab_test_add("/nftables/reads-as-in-guard-included.txt", NFTABLES_GUARD_ONLY,
                reads_as_in_guard_included_txt);
        lab_test_add("/nftables/reads-as-in-guard-ipv4.txt", NFTABLES_GUARD_ONLY,
                reads_as_in_guard_ipv4_txt);
        lab_test_add("/nftables/reads-as-in-groups-cgroup2.txt", NFTABLES_CGROUP2,
                reads_as_in_groups_cgroup2_txt);
        lab_test_add("/nftables/reads-as-in-groups-net-cls.txt", NFTABLES_NET_CLS,
                reads_as_in_groups_net_cls_txt);
        return g_test_run();
}
