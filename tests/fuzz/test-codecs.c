// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Messages the kernel could send, cut and mutated, through every decoder.
 *
 * Each input stands in a heap block of exactly its size, so that a sanitizer
 * sees the first byte read behind it. Decoders may refuse, never crash, and what
 * they accept has to be in range. G_TEST_SEED repeats a run (`--seed`).
 */

#include <glib.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "backends/facts/fact.h"
#include "backends/netlink/nl-error.h"
#include "backends/rtnetlink/link-codec.h"
#include "backends/rtnetlink/neighbour-codec.h"
#include "backends/rtnetlink/nexthop-codec.h"
#include "backends/rtnetlink/route-codec.h"
#include "backends/rtnetlink/rule-codec.h"

#define N_ROUNDS 40000

static void check_prefix(const Prefix *prefix) {
        Address address = prefix_address(prefix);
        Prefix cut;

        if (prefix->family == 0)
                return;
        g_assert_cmpuint(prefix->length, <=, family_size_bits(prefix->family));
        cut = prefix_of_address(&address, prefix->length);
        g_assert_cmpint(prefix_compare(prefix, &cut), ==, 0);
}

static void check_fact(const Fact *fact) {
        char text[FACT_TEXT_MAX];

        g_assert_cmpstr(fact_format(fact, text), !=, "");
        g_assert_true(fact_equals(fact, fact));
}

static void feed_route(const struct nlmsghdr *nlh) {
        RouteMessage message;

        if (route_decode(nlh, &message) <= 0)
                return;
        g_assert_cmpuint(message.n_hops, >=, 1);
        g_assert_cmpuint(message.n_hops, <=, ROUTE_HOPS_MAX);
        for (size_t i = 0; i < message.n_hops; i++) {
                Fact fact = fact_of_route(&message.hops[i]);

                check_prefix(&fact.route.destination);
                check_fact(&fact);
        }
}

static void feed_rule(const struct nlmsghdr *nlh) {
        Fact fact = { .kind = FACT_RULE };

        if (rule_decode(nlh, &fact.rule) <= 0)
                return;
        check_prefix(&fact.rule.source);
        check_prefix(&fact.rule.destination);
        check_fact(&fact);
}

static void feed_link(const struct nlmsghdr *nlh) {
        Fact fact = { .kind = FACT_LINK };

        if (link_decode(nlh, &fact.link) <= 0)
                return;
        g_assert_nonnull(memchr(fact.link.name, 0, sizeof(fact.link.name)));
        g_assert_nonnull(memchr(fact.link.kind, 0, sizeof(fact.link.kind)));
        check_fact(&fact);
}

static void feed_link_address(const struct nlmsghdr *nlh) {
        Fact fact = { .kind = FACT_LINK_ADDRESS };
        Prefix prefix;

        if (link_address_decode(nlh, &fact.link_address) <= 0)
                return;
        prefix = link_address_prefix(&fact.link_address);
        check_prefix(&prefix);
        check_fact(&fact);
}

static void feed_neighbour(const struct nlmsghdr *nlh) {
        Fact fact = { .kind = FACT_NEIGHBOUR };

        if (neighbour_decode(nlh, &fact.neighbour) > 0)
                check_fact(&fact);
}

static void feed_nexthop(const struct nlmsghdr *nlh) {
        Nexthop nexthop;

        if (nexthop_decode(nlh, &nexthop) > 0)
                g_assert_cmpuint(nexthop.n_members, <=, NEXTHOP_MEMBERS_MAX);
}

static void feed_error(const struct nlmsghdr *nlh) {
        Fault fault;

        g_assert_cmpint(nl_error_decode(nlh, &fault), <=, 0);
        g_assert_nonnull(memchr(fault.text, 0, sizeof(fault.text)));
}

static struct nlmsghdr *start(void *buffer, uint16_t type, size_t header_size) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        uint8_t *header = mnl_nlmsg_put_extra_header(nlh, header_size);

        nlh->nlmsg_type = type;
        header[0] = g_test_rand_bit() ? AF_INET : AF_INET6;
        return nlh;
}

/* Attributes of the right types with sizes that are mostly right, some with others inside. */
static void put_attributes(struct nlmsghdr *nlh, uint16_t type_max, unsigned depth) {
        static const size_t sizes[] = { 0, 1, 2, 4, 4, 4, 6, 8, 16, 16, 18, 20 };
        int n = g_test_rand_int_range(0, 8);
        uint8_t bytes[20];

        for (int i = 0; i < n; i++) {
                uint16_t type = (uint16_t)g_test_rand_int_range(0, type_max + 2);

                if (depth > 0 && g_test_rand_int_range(0, 4) == 0) {
                        struct nlattr *nest = mnl_attr_nest_start(nlh, type);

                        put_attributes(nlh, 4, depth - 1);
                        mnl_attr_nest_end(nlh, nest);
                        continue;
                }
                for (size_t k = 0; k < sizeof(bytes); k++)
                        bytes[k] = (uint8_t)g_test_rand_int_range(0, 256);
                mnl_attr_put(
                        nlh, type, sizes[g_test_rand_int_range(0, G_N_ELEMENTS(sizes))], bytes);
        }
}

static const struct {
        const char *path;
        uint16_t type;
        size_t header_size;
        uint16_t type_max;
        void (*feed)(const struct nlmsghdr *nlh);
} formats[] = {
        { "/codecs/survive-hostile-routes", RTM_NEWROUTE, sizeof(struct rtmsg), RTA_MAX,
                feed_route },
        { "/codecs/survive-hostile-rules", RTM_NEWRULE, sizeof(struct fib_rule_hdr), FRA_MAX,
                feed_rule },
        { "/codecs/survive-hostile-links", RTM_NEWLINK, sizeof(struct ifinfomsg), IFLA_LINKINFO,
                feed_link },
        { "/codecs/survive-hostile-addresses", RTM_NEWADDR, sizeof(struct ifaddrmsg), IFA_MAX,
                feed_link_address },
        { "/codecs/survive-hostile-neighbours", RTM_NEWNEIGH, sizeof(struct ndmsg), NDA_MAX,
                feed_neighbour },
        { "/codecs/survive-hostile-nexthops", RTM_NEWNEXTHOP, sizeof(struct nhmsg), NHA_MAX,
                feed_nexthop },
        { "/codecs/survive-hostile-errors", NLMSG_ERROR, sizeof(struct nlmsgerr), 3, feed_error },
};

/* Copies the first @size bytes into a block of that size and decodes it there. */
static void feed_cut(
        const struct nlmsghdr *nlh, uint32_t size, void (*feed)(const struct nlmsghdr *)) {
        struct nlmsghdr *copy = g_memdup2(nlh, size);

        copy->nlmsg_len = size;
        feed(copy);
        g_free(copy);
}

static void mutate(uint8_t *bytes, uint32_t size) {
        int n = g_test_rand_int_range(1, 6);

        for (int i = 0; i < n; i++) {
                uint32_t at = (uint32_t)g_test_rand_int_range(NLMSG_HDRLEN, (int)size);

                bytes[at] = g_test_rand_bit()
                                    ? (uint8_t)g_test_rand_int_range(0, 256)
                                    : (uint8_t)(bytes[at] ^ 1 << g_test_rand_int_range(0, 8));
        }
}

static void test_format(const void *data) {
        size_t format = GPOINTER_TO_SIZE(data);

        for (unsigned i = 0; i < N_ROUNDS; i++) {
                uint32_t buffer[1024];
                struct nlmsghdr *nlh =
                        start(buffer, formats[format].type, formats[format].header_size);

                put_attributes(nlh, formats[format].type_max, 2);
                if (formats[format].type == NLMSG_ERROR)
                        nlh->nlmsg_flags = (uint16_t)g_test_rand_int_range(0, 0x400);
                feed_cut(nlh, nlh->nlmsg_len, formats[format].feed);
                mutate((uint8_t *)nlh, nlh->nlmsg_len);
                feed_cut(nlh, nlh->nlmsg_len, formats[format].feed);
                feed_cut(nlh,
                        (uint32_t)g_test_rand_int_range(NLMSG_HDRLEN, (int)nlh->nlmsg_len + 1),
                        formats[format].feed);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
                g_test_add_data_func(formats[i].path, GSIZE_TO_POINTER(i), test_format);
        return g_test_run();
}
