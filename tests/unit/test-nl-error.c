// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/netlink/nl-error.h"

#include <errno.h>
#include <glib.h>
#include <libmnl/libmnl.h>
#include <string.h>

static uint32_t buffer[256];

static struct nlmsghdr *start(int error, uint16_t flags, uint32_t original) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct nlmsgerr *payload;

        nlh->nlmsg_type = NLMSG_ERROR;
        nlh->nlmsg_flags = flags;
        payload = mnl_nlmsg_put_extra_header(nlh, sizeof(*payload));
        payload->error = error;
        payload->msg.nlmsg_len = NLMSG_HDRLEN + original;
        if (original > 0 && !(flags & NLM_F_CAPPED))
                (void)mnl_nlmsg_put_extra_header(nlh, original);
        return nlh;
}

static void test_reads_an_ack(void) {
        Fault fault;

        g_assert_cmpint(nl_error_decode(start(0, 0, 0), &fault), ==, 0);
        g_assert_cmpint(fault.error, ==, 0);
        g_assert_cmpstr(fault.text, ==, "");
        g_assert_cmpint(nl_error_decode(start(-EPERM, 0, 0), NULL), ==, -EPERM);
}

static void test_finds_the_text(void) {
        static const uint16_t flags[] = { NLM_F_ACK_TLVS, NLM_F_ACK_TLVS | NLM_F_CAPPED };

        for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
                struct nlmsghdr *nlh = start(-EINVAL, flags[i], 28);
                Fault fault;

                mnl_attr_put_u32(nlh, NLMSGERR_ATTR_OFFS, 4);
                mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, "Nexthop has invalid gateway");
                g_assert_cmpint(nl_error_decode(nlh, &fault), ==, -EINVAL);
                g_assert_cmpstr(fault.text, ==, "Nexthop has invalid gateway");
        }
}

static void test_says_something_without_text(void) {
        Fault fault;

        g_assert_cmpint(nl_error_decode(start(-EEXIST, 0, 0), &fault), ==, -EEXIST);
        g_assert_cmpstr(fault.text, ==, strerror(EEXIST));
}

static void test_survives_a_wrong_offset(void) {
        struct nlmsghdr *nlh = start(-EINVAL, NLM_F_ACK_TLVS, 28);
        struct nlmsgerr *payload = mnl_nlmsg_get_payload(nlh);
        static const uint32_t lengths[] = { 0, 1, 15, 16, 1000, UINT32_MAX - 3, UINT32_MAX };
        Fault fault;

        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                payload->msg.nlmsg_len = lengths[i];
                g_assert_cmpint(nl_error_decode(nlh, &fault), ==, -EINVAL);
        }
}

static void test_refuses_malformed(void) {
        struct nlmsghdr *nlh = start(5, 0, 0);

        g_assert_cmpint(nl_error_decode(nlh, NULL), ==, -EBADMSG);
        g_assert_cmpint(nl_error_decode(start(-100000, 0, 0), NULL), ==, -EBADMSG);
        nlh = start(0, 0, 0);
        nlh->nlmsg_len = NLMSG_HDRLEN + 3;
        g_assert_cmpint(nl_error_decode(nlh, NULL), ==, -EBADMSG);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/nl-error/reads-an-ack", test_reads_an_ack);
        g_test_add_func("/nl-error/finds-the-text", test_finds_the_text);
        g_test_add_func("/nl-error/says-something-without-text", test_says_something_without_text);
        g_test_add_func("/nl-error/survives-a-wrong-offset", test_survives_a_wrong_offset);
        g_test_add_func("/nl-error/refuses-malformed", test_refuses_malformed);
        return g_test_run();
}
