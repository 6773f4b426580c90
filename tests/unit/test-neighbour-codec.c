// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/neighbour-codec.h"

#include <errno.h>
#include <glib.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

static uint32_t buffer[64];

static Address address_of(const char *text) {
        Address address;

        g_assert_cmpint(address_parse(text, &address), ==, 0);
        return address;
}

static struct nlmsghdr *message(const char *text, uint16_t state) {
        Address address = address_of(text);
        struct nlmsghdr *nlh = neighbour_encode_get(buffer, 3, &address);
        struct ndmsg *header = mnl_nlmsg_get_payload(nlh);

        header->ndm_state = state;
        return nlh;
}

static void test_round_trip(void) {
        static const char *const addresses[] = { "10.0.0.1", "fe80::1" };

        for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
                struct nlmsghdr *nlh = message(addresses[i], NUD_REACHABLE);
                Neighbour neighbour;
                char text[ADDRESS_TEXT_MAX];

                g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, 1);
                g_assert_false(neighbour_is_resolved(&neighbour));
                mnl_attr_put(nlh, NDA_LLADDR, 6, "\2\0\0\0\0\1");
                g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, 1);
                g_assert_cmpuint(neighbour.ifindex, ==, 3);
                g_assert_cmpstr(address_format(&neighbour.address, text), ==, addresses[i]);
                g_assert_cmpuint(neighbour.mac.length, ==, 6);
                g_assert_true(neighbour_is_resolved(&neighbour));
        }
}

static void test_only_valid_states_are_resolved(void) {
        static const uint16_t states[] = { NUD_NONE, NUD_INCOMPLETE, NUD_FAILED };

        for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
                struct nlmsghdr *nlh = message("10.0.0.1", states[i]);
                Neighbour neighbour;

                mnl_attr_put(nlh, NDA_LLADDR, 6, "\2\0\0\0\0\1");
                g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, 1);
                g_assert_false(neighbour_is_resolved(&neighbour));
        }
}

static void test_leaves_out_bridges_and_proxies(void) {
        struct nlmsghdr *nlh = message("10.0.0.1", NUD_REACHABLE);
        struct ndmsg *header = mnl_nlmsg_get_payload(nlh);
        Neighbour neighbour;

        header->ndm_flags = NTF_PROXY;
        g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, 0);
        header->ndm_flags = 0;
        header->ndm_family = AF_BRIDGE;
        g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, 0);
}

static void test_a_long_mac_is_not_kept(void) {
        struct nlmsghdr *nlh = message("10.0.0.1", NUD_REACHABLE);
        Neighbour neighbour;

        mnl_attr_put(nlh, NDA_LLADDR, 20, "infiniband has twenty");
        g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, 1);
        g_assert_cmpuint(neighbour.mac.length, ==, 0);
}

static void test_refuses_malformed(void) {
        struct nlmsghdr *nlh = message("10.0.0.1", NUD_REACHABLE);
        struct ndmsg *header = mnl_nlmsg_get_payload(nlh);
        Neighbour neighbour;

        header->ndm_family = AF_INET6; /* of four bytes */
        g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, -EBADMSG);
        header->ndm_family = AF_INET;
        header->ndm_ifindex = 0;
        g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, -EBADMSG);
        header->ndm_ifindex = 3;
        nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*header)); /* no address */
        g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, -EBADMSG);
        nlh->nlmsg_len--;
        g_assert_cmpint(neighbour_decode(nlh, &neighbour), ==, -EBADMSG);
}

static void test_use_asks_the_kernel_to_look(void) {
        Address address = address_of("10.0.0.1");
        struct nlmsghdr *nlh = neighbour_encode_use(buffer, 3, &address);
        struct ndmsg *header = mnl_nlmsg_get_payload(nlh);

        g_assert_cmpuint(nlh->nlmsg_type, ==, RTM_NEWNEIGH);
        g_assert_true(nlh->nlmsg_flags & NLM_F_CREATE);
        g_assert_cmpuint(header->ndm_flags, ==, NTF_USE);
        g_assert_cmpuint(nlh->nlmsg_len, <=, NEIGHBOUR_MESSAGE_MAX);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/neighbour-codec/round-trip", test_round_trip);
        g_test_add_func("/neighbour-codec/only-valid-states-are-resolved",
                test_only_valid_states_are_resolved);
        g_test_add_func("/neighbour-codec/leaves-out-bridges-and-proxies",
                test_leaves_out_bridges_and_proxies);
        g_test_add_func("/neighbour-codec/a-long-mac-is-not-kept", test_a_long_mac_is_not_kept);
        g_test_add_func("/neighbour-codec/refuses-malformed", test_refuses_malformed);
        g_test_add_func(
                "/neighbour-codec/use-asks-the-kernel-to-look", test_use_asks_the_kernel_to_look);
        return g_test_run();
}
