// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/netlink/nl-request.h"
#include "backends/netlink/nl-watch.h"
#include "backends/rtnetlink/route-codec.h"
#include "tests/lib/netns.h"

static NlRequest *open_request(void) {
        NlRequest *request = NULL;

        g_assert_cmpint(nl_request_new(NETLINK_ROUTE, &request), ==, 0);
        g_assert_cmpuint(nl_request_port(request), !=, 0);
        return request;
}

static int send_route(NlRequest *request, OperationVerb verb, const Route *route, Fault *fault) {
        uint32_t buffer[ROUTE_MESSAGE_MAX / sizeof(uint32_t)];

        return nl_request_send(request, route_encode(buffer, verb, route), NULL, NULL, fault);
}

static void test_tells_the_kernels_sentence(Netns *netns) {
        CLEANUP(nl_request_free_p) NlRequest *request = open_request();
        Route route = netns_route("192.0.2.0/24", "198.51.100.1", netns_ifindex("v0"), 1985);
        Fault fault;

        g_assert_cmpint(send_route(request, OPERATION_ADD, &route, &fault), ==, -ENETUNREACH);
        g_assert_cmpint(fault.error, ==, -ENETUNREACH);
        g_assert_nonnull(strstr(fault.text, "invalid gateway"));
        g_assert_cmpint(send_route(request, OPERATION_ADD, &route, NULL), ==, -ENETUNREACH);
}

static void test_ack_is_no_fault(Netns *netns) {
        CLEANUP(nl_request_free_p) NlRequest *request = open_request();
        Route route = netns_route("192.0.2.0/24", "10.1.0.9", netns_ifindex("v0"), 1985);
        Fault fault = { .error = 1 };

        g_assert_cmpint(send_route(request, OPERATION_ADD, &route, &fault), ==, 0);
        g_assert_cmpint(fault.error, ==, 0);
        g_assert_cmpstr(fault.text, ==, "");
}

typedef struct Count {
        unsigned n;
        int answer;
} Count;

static int on_reply(const struct nlmsghdr *nlh, void *userdata) {
        Count *count = userdata;

        count->n += nlh != NULL;
        return count->answer;
}

static struct nlmsghdr *encode_dump(void *buffer) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct rtmsg *header;

        nlh->nlmsg_type = RTM_GETROUTE;
        header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));
        header->rtm_family = AF_INET;
        return nlh;
}

static void test_socket_survives_a_dump_given_up(Netns *netns) {
        CLEANUP(nl_request_free_p) NlRequest *request = open_request();
        uint32_t buffer[64];
        Count all = { 0 }, one = { .answer = -ECANCELED };

        g_assert_cmpint(nl_request_dump(request, encode_dump(buffer), on_reply, &one, NULL), ==,
                -ECANCELED);
        g_assert_cmpuint(one.n, ==, 1);
        g_assert_cmpint(nl_request_dump(request, encode_dump(buffer), on_reply, &all, NULL), ==, 0);
        g_assert_cmpuint(all.n, >, 1);
}

static void on_fault(size_t tag, const Fault *fault, void *userdata) {
        int *errors = userdata;

        g_assert_cmpint(errors[tag], ==, 0);
        errors[tag] = fault->error;
}

static void test_batch_says_which_failed(Netns *netns) {
        enum { N = 3000 };
        CLEANUP(nl_request_free_p) NlRequest *request = open_request();
        CLEANUP(nl_batch_free_p) NlBatch *batch = NULL;
        uint32_t buffer[ROUTE_MESSAGE_MAX / sizeof(uint32_t)];
        static int errors[N];

        g_assert_cmpint(nl_batch_new(request, on_fault, errors, &batch), ==, 0);
        for (unsigned i = 0; i < N; i++) {
                g_autofree char *text = g_strdup_printf("11.%u.%u.0/24", i / 256, i % 256);
                Route route = netns_route(
                        text, i % 3 ? "10.1.0.9" : "198.51.100.1", netns_ifindex("v0"), 1985);

                nl_batch_append(batch, route_encode(buffer, OPERATION_ADD, &route), i);
        }
        nl_batch_flush(batch);
        for (unsigned i = 0; i < N; i++)
                g_assert_cmpint(errors[i], ==, i % 3 ? 0 : -ENETUNREACH);
}

static void test_batch_may_fail_entirely(Netns *netns) {
        enum { N = 1000 };
        CLEANUP(nl_request_free_p) NlRequest *request = open_request();
        CLEANUP(nl_batch_free_p) NlBatch *batch = NULL;
        uint32_t buffer[ROUTE_MESSAGE_MAX / sizeof(uint32_t)];
        static int errors[N];
        Route route = netns_route("11.0.0.0/8", "198.51.100.1", netns_ifindex("v0"), 1985);

        g_assert_cmpint(nl_batch_new(request, on_fault, errors, &batch), ==, 0);
        for (unsigned i = 0; i < N; i++)
                nl_batch_append(batch, route_encode(buffer, OPERATION_ADD, &route), i);
        nl_batch_flush(batch);
        for (unsigned i = 0; i < N; i++)
                g_assert_cmpint(errors[i], ==, -ENETUNREACH);
}

/* An overrun: as many notifications as no queue holds while nobody reads. */
typedef struct Seen {
        unsigned n_messages, n_overruns, n_turns;
        bool is_empty;
} Seen;

static void on_message(const struct nlmsghdr *nlh, void *userdata) {
        ((Seen *)userdata)->n_messages++;
}

static void on_overrun(void *userdata) {
        ((Seen *)userdata)->n_overruns++;
}

static void on_turn_end(bool is_empty, void *userdata) {
        Seen *seen = userdata;

        seen->n_turns++;
        seen->is_empty = is_empty;
}

static void add_routes(unsigned n) {
        g_autoptr(GString) lines = g_string_new(NULL);

        for (unsigned i = 0; i < n; i++)
                g_string_append_printf(lines, "route add 12.%u.%u.%u/32 dev v0\n", i >> 16,
                        (i >> 8) & 255, i & 255);
        netns_ip_batch(lines->str);
}

static void test_watch_tells_of_an_overrun(Netns *netns) {
        Seen seen = { 0 };
        const NlWatchListener listener = { on_message, on_overrun, on_turn_end, &seen };
        CLEANUP(nl_watch_free_p) NlWatch *watch = NULL;

        g_assert_cmpint(nl_watch_new(netns->event, NETLINK_ROUTE, &listener, &watch), ==, 0);
        g_assert_cmpint(nl_watch_join(watch, RTNLGRP_IPV4_ROUTE), ==, 0);
        g_assert_true(nl_watch_is_empty(watch));
        add_routes(50000);
        g_assert_false(nl_watch_is_empty(watch));
        (void)netns_settle(netns);
        g_assert_cmpuint(seen.n_overruns, >=, 1);
        g_assert_true(seen.is_empty);
        g_assert_true(nl_watch_is_empty(watch));

        seen.n_messages = 0;
        netns_ip("route add 13.0.0.0/8 dev v0");
        (void)netns_settle(netns);
        g_assert_cmpuint(seen.n_messages, ==, 1);
}

static void test_watch_reads_in_portions(Netns *netns) {
        Seen seen = { 0 };
        const NlWatchListener listener = { on_message, on_overrun, on_turn_end, &seen };
        CLEANUP(nl_watch_free_p) NlWatch *watch = NULL;

        g_assert_cmpint(nl_watch_new(netns->event, NETLINK_ROUTE, &listener, &watch), ==, 0);
        g_assert_cmpint(nl_watch_join(watch, RTNLGRP_IPV4_ROUTE), ==, 0);
        add_routes(300);
        /* The fixture may have sources of its own, and any of them may come first. */
        while (seen.n_turns == 0)
                g_assert_cmpint(sd_event_run(netns->event, 0), ==, 1);
        g_assert_cmpuint(seen.n_messages, ==, 256);
        g_assert_false(seen.is_empty);
        (void)netns_settle(netns);
        g_assert_cmpuint(seen.n_messages, ==, 300);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        netns_test_add("/nl-request/tells-the-kernels-sentence", test_tells_the_kernels_sentence);
        netns_test_add("/nl-request/ack-is-no-fault", test_ack_is_no_fault);
        netns_test_add("/nl-request/socket-survives-a-dump-given-up",
                test_socket_survives_a_dump_given_up);
        netns_test_add("/nl-batch/says-which-failed", test_batch_says_which_failed);
        netns_test_add("/nl-batch/may-fail-entirely", test_batch_may_fail_entirely);
        netns_test_add("/nl-watch/tells-of-an-overrun", test_watch_tells_of_an_overrun);
        netns_test_add("/nl-watch/reads-in-portions", test_watch_reads_in_portions);
        return g_test_run();
}
