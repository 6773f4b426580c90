// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/route-codec.h"

#include <errno.h>
#include <glib.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"
#include "backends/rtnetlink/nexthop-codec.h"

static uint32_t buffer[1024];

static Route random_route(void) {
        static const uint8_t types[] = { RTN_UNICAST, RTN_UNREACHABLE, RTN_BLACKHOLE, RTN_PROHIBIT,
                RTN_THROW };
        int family = g_test_rand_bit() ? AF_INET : AF_INET6;
        Address address = { .family = (uint8_t)family };
        Route route = {
                .type = types[g_test_rand_int_range(0, G_N_ELEMENTS(types))],
                .protocol = OURS_PROTOCOL,
                .table = (uint32_t)g_test_rand_int_range(1, 5000),
                .metric = (uint32_t)g_test_rand_int(),
        };

        for (size_t i = 0; i < family_size_bytes(family); i++)
                address.bytes[i] = (uint8_t)g_test_rand_int();
        route.destination = prefix_of_address(
                &address, (unsigned)g_test_rand_int_range(0, (int)family_size_bits(family) + 1));
        if (g_test_rand_bit())
                route.mtu = 1380;
        if (route_type_is_dead_end(route.type))
                return route;
        route.ifindex = (uint32_t)g_test_rand_int_range(1, 1000);
        if (g_test_rand_bit())
                route.gateway = address;
        if (family == AF_INET && g_test_rand_bit()) {
                route.gateway = (Address){ .family = AF_INET6, .bytes = { 0xfd, 1, [15] = 9 } };
        }
        route.onlink = address_is_set(&route.gateway) && g_test_rand_bit();
        if (g_test_rand_bit())
                route.source = address;
        return route;
}

static void test_round_trip(void) {
        for (unsigned i = 0; i < 20000; i++) {
                Route route = random_route();
                struct nlmsghdr *nlh = route_encode(buffer, OPERATION_ADD, &route);
                RouteMessage message;

                g_assert_cmpuint(nlh->nlmsg_len, <=, ROUTE_MESSAGE_MAX);
                g_assert_cmpint(route_decode(nlh, &message), ==, 1);
                g_assert_cmpuint(message.n_hops, ==, 1);
                g_assert_cmpint(route_compare_value(&route, &message.hops[0]), ==, 0);
                g_assert_cmpuint(message.nexthop_id, ==, 0);
        }
}

static void test_verbs_ask_for_what_they_promise(void) {
        Route route = random_route();
        struct nlmsghdr *nlh;
        struct rtmsg *header;

        nlh = route_encode(buffer, OPERATION_ADD, &route);
        g_assert_cmpuint(nlh->nlmsg_type, ==, RTM_NEWROUTE);
        g_assert_cmpuint(nlh->nlmsg_flags, ==, NLM_F_CREATE | NLM_F_EXCL);
        nlh = route_encode(buffer, OPERATION_REPLACE, &route);
        g_assert_cmpuint(nlh->nlmsg_flags, ==, NLM_F_CREATE | NLM_F_REPLACE);
        nlh = route_encode(buffer, OPERATION_REMOVE, &route);
        g_assert_cmpuint(nlh->nlmsg_type, ==, RTM_DELROUTE);
        g_assert_cmpuint(nlh->nlmsg_flags, ==, 0);
        header = mnl_nlmsg_get_payload(nlh);
        g_assert_cmpuint(header->rtm_protocol, ==, OURS_PROTOCOL);
        g_assert_cmpuint(header->rtm_scope, ==, RT_SCOPE_NOWHERE);
        g_assert_cmpuint(header->rtm_type, ==, route.type);
}

static struct nlmsghdr *start(uint8_t family, uint8_t length, uint8_t type) {
        struct nlmsghdr *nlh;
        struct rtmsg *header;

        memset(buffer, 0, sizeof(buffer));
        nlh = mnl_nlmsg_put_header(buffer);
        nlh->nlmsg_type = RTM_NEWROUTE;
        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->rtm_family = family;
        header->rtm_dst_len = length;
        header->rtm_type = type;
        header->rtm_table = RT_TABLE_MAIN;
        header->rtm_protocol = RTPROT_STATIC;
        return nlh;
}

static void put_hop(struct nlmsghdr *nlh, uint32_t ifindex, uint32_t be_gateway, uint8_t flags) {
        struct rtnexthop *hop = (struct rtnexthop *)mnl_nlmsg_get_payload_tail(nlh);
        uint32_t before = nlh->nlmsg_len;

        nlh->nlmsg_len += sizeof(*hop);
        mnl_attr_put_u32(nlh, RTA_GATEWAY, be_gateway);
        hop->rtnh_len = (unsigned short)(nlh->nlmsg_len - before);
        hop->rtnh_ifindex = (int)ifindex;
        hop->rtnh_flags = flags;
}

static void test_yields_every_hop(void) {
        struct nlmsghdr *nlh = start(AF_INET, 0, RTN_UNICAST);
        struct nlattr *hops = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
        RouteMessage message;

        put_hop(nlh, 3, 0x01020304, 0);
        put_hop(nlh, 4, 0x05060708, RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_ONLINK);
        mnl_attr_nest_end(nlh, hops);
        mnl_attr_put_u32(nlh, RTA_PRIORITY, 100);

        g_assert_cmpint(route_decode(nlh, &message), ==, 1);
        g_assert_cmpuint(message.n_hops, ==, 2);
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpuint(message.hops[i].hop, ==, i);
                g_assert_cmpuint(message.hops[i].ifindex, ==, 3 + i);
                g_assert_cmpuint(message.hops[i].metric, ==, 100);
                g_assert_cmpuint(message.hops[i].gateway.family, ==, AF_INET);
        }
        g_assert_cmpuint(message.hops[0].status, ==, 0);
        g_assert_false(message.hops[0].onlink);
        g_assert_cmpuint(message.hops[1].status, ==, ROUTE_STATUS_DEAD | ROUTE_STATUS_LINKDOWN);
        g_assert_true(message.hops[1].onlink);
}

static void test_hops_are_bounded(void) {
        struct nlmsghdr *nlh = start(AF_INET, 0, RTN_UNICAST);
        struct nlattr *hops = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
        RouteMessage message;

        for (uint32_t i = 0; i < 100; i++)
                put_hop(nlh, i + 1, i, 0);
        mnl_attr_nest_end(nlh, hops);
        g_assert_cmpint(route_decode(nlh, &message), ==, 1);
        g_assert_cmpuint(message.n_hops, ==, ROUTE_HOPS_MAX);
}

static void test_dead_ends_have_no_device(void) {
        static const uint8_t types[] = { RTN_UNREACHABLE, RTN_BLACKHOLE, RTN_PROHIBIT, RTN_THROW };

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                struct nlmsghdr *nlh = start(AF_INET6, 0, types[i]);
                RouteMessage message;

                mnl_attr_put_u32(nlh, RTA_OIF, 1); /* IPv6 says lo */
                mnl_attr_put_u32(nlh, RTA_PRIORITY, UINT32_MAX);
                g_assert_cmpint(route_decode(nlh, &message), ==, 1);
                g_assert_cmpuint(message.hops[0].ifindex, ==, 0);
                g_assert_cmpuint(message.hops[0].metric, ==, UINT32_MAX);
        }
}

static void test_tells_a_nexthop_object(void) {
        struct nlmsghdr *nlh = start(AF_INET, 0, RTN_UNICAST);
        RouteMessage message;

        mnl_attr_put_u32(nlh, RTA_NH_ID, 77);
        g_assert_cmpint(route_decode(nlh, &message), ==, 1);
        g_assert_cmpuint(message.nexthop_id, ==, 77);
        g_assert_cmpuint(message.hops[0].ifindex, ==, 0);

        mnl_attr_put_u32(nlh, RTA_OIF, 3);
        g_assert_cmpint(route_decode(nlh, &message), ==, 1);
        g_assert_cmpuint(message.nexthop_id, ==, 0);
        g_assert_true(message.has_nexthop_object);
}

static void test_leaves_out_other_families(void) {
        struct nlmsghdr *nlh = start(AF_DECnet, 0, RTN_UNICAST);
        struct rtmsg *header = mnl_nlmsg_get_payload(nlh);
        RouteMessage message;

        g_assert_cmpint(route_decode(nlh, &message), ==, 0);
        header->rtm_family = AF_INET;
        header->rtm_tos = 4;
        g_assert_cmpint(route_decode(nlh, &message), ==, 0);
}

static void test_refuses_malformed(void) {
        static const uint8_t bytes[17] = { 0 };
        static const struct {
                uint16_t type;
                size_t size;
        } cases[] = { { RTA_DST, 3 }, { RTA_DST, 5 }, { RTA_DST, 0 }, { RTA_DST, 16 },
                { RTA_OIF, 3 }, { RTA_OIF, 8 }, { RTA_PRIORITY, 2 }, { RTA_GATEWAY, 16 },
                { RTA_PREFSRC, 1 }, { RTA_TABLE, 1 }, { RTA_VIA, 1 }, { RTA_VIA, 2 },
                { RTA_VIA, 6 }, { RTA_METRICS, 3 }, { RTA_MULTIPATH, 0 }, { RTA_MULTIPATH, 4 },
                { RTA_MULTIPATH, 8 }, { RTA_NH_ID, 2 } };
        RouteMessage message;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct nlmsghdr *nlh = start(AF_INET, 0, RTN_UNICAST);

                mnl_attr_put(nlh, cases[i].type, cases[i].size, bytes);
                if (route_decode(nlh, &message) != -EBADMSG)
                        g_error("attribute %u of %zu bytes is taken", cases[i].type, cases[i].size);
        }
        g_assert_cmpint(route_decode(start(AF_INET, 33, RTN_UNICAST), &message), ==, -EBADMSG);
        g_assert_cmpint(route_decode(start(AF_INET6, 129, RTN_UNICAST), &message), ==, -EBADMSG);
        g_assert_cmpint(route_decode(start(AF_INET, 8, RTN_UNICAST), &message), ==, -EBADMSG);
}

static void test_refuses_every_cut(void) {
        Route route = random_route();
        struct nlmsghdr *whole = route_encode(buffer, OPERATION_ADD, &route);

        for (uint32_t length = NLMSG_HDRLEN; length < NLMSG_LENGTH(sizeof(struct rtmsg));
                length++) {
                g_autofree struct nlmsghdr *cut = g_memdup2(whole, length);
                RouteMessage message;

                cut->nlmsg_len = length;
                g_assert_cmpint(route_decode(cut, &message), ==, -EBADMSG);
        }
}

static void test_reads_nexthops(void) {
        struct nexthop_grp {
                uint32_t id;
                uint8_t weight, resvd1;
                uint16_t resvd2;
        } group[20] = { { .id = 5 }, { .id = 6 } };
        struct nlmsghdr *nlh = nexthop_encode_get(buffer, 9);
        Nexthop nexthop;

        g_assert_cmpint(nexthop_decode(nlh, &nexthop), ==, 1);
        g_assert_cmpuint(nexthop.id, ==, 9);
        mnl_attr_put(nlh, 2 /* NHA_GROUP */, 2 * sizeof(group[0]), group);
        g_assert_cmpint(nexthop_decode(nlh, &nexthop), ==, 1);
        g_assert_cmpuint(nexthop.n_members, ==, 2);
        g_assert_cmpuint(nexthop.members[1], ==, 6);
        mnl_attr_put(nlh, 2, sizeof(group), group);
        g_assert_cmpint(nexthop_decode(nlh, &nexthop), ==, 1);
        g_assert_cmpuint(nexthop.n_members, ==, NEXTHOP_MEMBERS_MAX);
        mnl_attr_put(nlh, 2, 7, group);
        g_assert_cmpint(nexthop_decode(nlh, &nexthop), ==, -EBADMSG);
        g_assert_cmpint(nexthop_decode(nexthop_encode_get(buffer, 0), &nexthop), ==, -EBADMSG);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/route-codec/round-trip", test_round_trip);
        g_test_add_func("/route-codec/verbs-ask-for-what-they-promise",
                test_verbs_ask_for_what_they_promise);
        g_test_add_func("/route-codec/yields-every-hop", test_yields_every_hop);
        g_test_add_func("/route-codec/hops-are-bounded", test_hops_are_bounded);
        g_test_add_func("/route-codec/dead-ends-have-no-device", test_dead_ends_have_no_device);
        g_test_add_func("/route-codec/tells-a-nexthop-object", test_tells_a_nexthop_object);
        g_test_add_func("/route-codec/leaves-out-other-families", test_leaves_out_other_families);
        g_test_add_func("/route-codec/refuses-malformed", test_refuses_malformed);
        g_test_add_func("/route-codec/refuses-every-cut", test_refuses_every_cut);
        g_test_add_func("/nexthop-codec/reads-nexthops", test_reads_nexthops);
        return g_test_run();
}
