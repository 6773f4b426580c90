// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/link-codec.h"

#include <errno.h>
#include <glib.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

static uint32_t buffer[256];

static struct nlmsghdr *start_link(uint8_t family, int ifindex) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct ifinfomsg *header;

        nlh->nlmsg_type = RTM_NEWLINK;
        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->ifi_family = family;
        header->ifi_index = ifindex;
        header->ifi_type = 1;
        header->ifi_flags = IFF_UP | IFF_RUNNING;
        return nlh;
}

static void put_kind(struct nlmsghdr *nlh, const char *kind) {
        struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);

        mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
        mnl_attr_nest_end(nlh, info);
}

static void test_reads_a_link(void) {
        struct nlmsghdr *nlh = start_link(AF_UNSPEC, 7);
        Link link;

        mnl_attr_put_strz(nlh, IFLA_IFNAME, "wg0");
        mnl_attr_put_u32(nlh, IFLA_MTU, 1420);
        mnl_attr_put(nlh, IFLA_ADDRESS, 6, "\2\0\0\0\0\7");
        put_kind(nlh, "wireguard");
        g_assert_cmpint(link_decode(nlh, &link), ==, 1);
        g_assert_cmpuint(link.ifindex, ==, 7);
        g_assert_cmpstr(link.name, ==, "wg0");
        g_assert_cmpstr(link.kind, ==, "wireguard");
        g_assert_cmpuint(link.mtu, ==, 1420);
        g_assert_cmpuint(link.mac.length, ==, 6);
        g_assert_cmpuint(link.mac.bytes[5], ==, 7);
        g_assert_true(link_is_usable(&link));
        g_assert_cmpint(link_is_tunnel(&link), ==, LINK_TUNNEL_YES);
}

static void test_equal_messages_are_equal_links(void) {
        struct nlmsghdr *nlh = start_link(AF_UNSPEC, 7);
        Link a, b;

        memset(&a, 0xaa, sizeof(a));
        memset(&b, 0x55, sizeof(b));
        mnl_attr_put_strz(nlh, IFLA_IFNAME, "eth0");
        g_assert_cmpint(link_decode(nlh, &a), ==, 1);
        g_assert_cmpint(link_decode(nlh, &b), ==, 1);
        g_assert_cmpint(link_compare_value(&a, &b), ==, 0);
}

static void test_shortens_a_long_kind(void) {
        struct nlmsghdr *nlh = start_link(AF_UNSPEC, 7);
        Link link;

        put_kind(nlh, "a-kind-of-more-than-15-bytes");
        g_assert_cmpint(link_decode(nlh, &link), ==, 1);
        g_assert_cmpstr(link.kind, ==, "a-kind-of-more-");
}

static void test_leaves_out_bridge_ports(void) {
        Link link;

        g_assert_cmpint(link_decode(start_link(AF_BRIDGE, 7), &link), ==, 0);
}

static void test_refuses_malformed_links(void) {
        struct nlmsghdr *nlh;
        Link link;

        g_assert_cmpint(link_decode(start_link(AF_UNSPEC, 0), &link), ==, -EBADMSG);
        g_assert_cmpint(link_decode(start_link(AF_UNSPEC, -1), &link), ==, -EBADMSG);
        nlh = start_link(AF_UNSPEC, 7);
        mnl_attr_put_strz(nlh, IFLA_IFNAME, "a-name-of-16-byt");
        g_assert_cmpint(link_decode(nlh, &link), ==, -EBADMSG);
        nlh = start_link(AF_UNSPEC, 7);
        mnl_attr_put(nlh, IFLA_MTU, 3, "abc");
        g_assert_cmpint(link_decode(nlh, &link), ==, -EBADMSG);
        nlh = start_link(AF_UNSPEC, 7);
        mnl_attr_put(nlh, IFLA_LINKINFO, 3, "abc");
        g_assert_cmpint(link_decode(nlh, &link), ==, -EBADMSG);
        nlh = start_link(AF_UNSPEC, 7);
        nlh->nlmsg_len--;
        g_assert_cmpint(link_decode(nlh, &link), ==, -EBADMSG);
}

static struct nlmsghdr *start_address(uint8_t family, uint8_t length, uint32_t ifindex) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct ifaddrmsg *header;

        nlh->nlmsg_type = RTM_NEWADDR;
        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->ifa_family = family;
        header->ifa_prefixlen = length;
        header->ifa_index = ifindex;
        header->ifa_flags = IFA_F_PERMANENT;
        return nlh;
}

static void test_reads_addresses(void) {
        struct nlmsghdr *nlh = start_address(AF_INET, 24, 3);
        LinkAddress address;
        char text[ADDRESS_TEXT_MAX];

        mnl_attr_put(nlh, IFA_ADDRESS, 4, "\12\0\0\1");
        mnl_attr_put(nlh, IFA_LOCAL, 4, "\12\0\0\1");
        mnl_attr_put_u32(nlh, IFA_FLAGS, 0x180);
        g_assert_cmpint(link_address_decode(nlh, &address), ==, 1);
        g_assert_cmpstr(address_format(&address.address, text), ==, "10.0.0.1");
        g_assert_false(address_is_set(&address.peer));
        g_assert_cmpuint(address.flags, ==, 0x180);

        nlh = start_address(AF_INET, 32, 3);
        mnl_attr_put(nlh, IFA_ADDRESS, 4, "\12\0\0\2");
        mnl_attr_put(nlh, IFA_LOCAL, 4, "\12\0\0\1");
        g_assert_cmpint(link_address_decode(nlh, &address), ==, 1);
        g_assert_cmpstr(address_format(&address.address, text), ==, "10.0.0.1");
        g_assert_cmpstr(address_format(&address.peer, text), ==, "10.0.0.2");

        nlh = start_address(AF_INET6, 64, 3);
        mnl_attr_put(nlh, IFA_ADDRESS, 16, "\375\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
        g_assert_cmpint(link_address_decode(nlh, &address), ==, 1);
        g_assert_cmpstr(address_format(&address.address, text), ==, "fd00::1");
        g_assert_cmpuint(address.flags, ==, IFA_F_PERMANENT);
}

static void test_refuses_malformed_addresses(void) {
        struct nlmsghdr *nlh = start_address(AF_INET, 24, 3);
        LinkAddress address;

        g_assert_cmpint(link_address_decode(nlh, &address), ==, -EBADMSG); /* there is none */
        mnl_attr_put(nlh, IFA_ADDRESS, 3, "abc");
        g_assert_cmpint(link_address_decode(nlh, &address), ==, -EBADMSG);
        g_assert_cmpint(link_address_decode(start_address(AF_INET, 33, 3), &address), ==, -EBADMSG);
        g_assert_cmpint(link_address_decode(start_address(AF_INET, 24, 0), &address), ==, -EBADMSG);
        g_assert_cmpint(link_address_decode(start_address(AF_UNIX, 24, 3), &address), ==, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/link-codec/reads-a-link", test_reads_a_link);
        g_test_add_func(
                "/link-codec/equal-messages-are-equal-links", test_equal_messages_are_equal_links);
        g_test_add_func("/link-codec/shortens-a-long-kind", test_shortens_a_long_kind);
        g_test_add_func("/link-codec/leaves-out-bridge-ports", test_leaves_out_bridge_ports);
        g_test_add_func("/link-codec/refuses-malformed-links", test_refuses_malformed_links);
        g_test_add_func("/link-codec/reads-addresses", test_reads_addresses);
        g_test_add_func(
                "/link-codec/refuses-malformed-addresses", test_refuses_malformed_addresses);
        return g_test_run();
}
