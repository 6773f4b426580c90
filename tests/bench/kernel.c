// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/bench/kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <glib.h>

#include "tests/bench/figures.h"

#define BATCH_BYTES 60000

struct Listener {
        struct mnl_socket *socket;
        char buffer[32768];
        int n_left; /* of a datagram that was read in part */
        const struct nlmsghdr *next;
        int64_t received_usec;
};

static struct mnl_socket *open_socket(unsigned groups) {
        struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        int size = 32 << 20;

        if (!socket || mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0)
                g_error("netlink: %s", g_strerror(errno));
        (void)setsockopt(
                mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        return socket;
}

Listener *kernel_listener_new(void) {
        Listener *listener = g_new0(Listener, 1);

        listener->socket = open_socket(RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE);
        return listener;
}

Listener *kernel_listener_free(Listener *listener) {
        (void)mnl_socket_close(listener->socket);
        g_free(listener);
        return NULL;
}

static bool counts(const struct nlmsghdr *nlh, const Wanted *wanted) {
        const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);

        if (nlh->nlmsg_type != wanted->type)
                return false;
        return (wanted->dst_length < 0 || route->rtm_dst_len == wanted->dst_length) &&
               (wanted->protocol < 0 || route->rtm_protocol == wanted->protocol);
}

static bool receive(Listener *listener, int timeout_msec) {
        struct pollfd fd = { .fd = mnl_socket_get_fd(listener->socket), .events = POLLIN };
        ssize_t n;

        if (poll(&fd, 1, timeout_msec) <= 0)
                return false;
        n = mnl_socket_recvfrom(listener->socket, listener->buffer, sizeof(listener->buffer));
        listener->received_usec = bench_now_usec();
        listener->next = (const struct nlmsghdr *)listener->buffer;
        listener->n_left = n > 0 ? (int)n : 0;
        return true;
}

void kernel_listener_drain(Listener *listener) {
        while (receive(listener, 0))
                ;
        listener->n_left = 0;
}

int64_t kernel_listener_wait(
        Listener *listener, const Wanted *wanted, unsigned n, int timeout_msec) {
        for (;;) {
                while (mnl_nlmsg_ok(listener->next, listener->n_left)) {
                        const struct nlmsghdr *nlh = listener->next;

                        listener->next = mnl_nlmsg_next(nlh, &listener->n_left);
                        if (counts(nlh, wanted) && --n == 0)
                                return listener->received_usec;
                }
                if (!receive(listener, timeout_msec))
                        return -1;
        }
}

static struct nlmsghdr *put_route(char *buffer, unsigned length, uint32_t table) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct rtmsg *route;

        nlh->nlmsg_type = RTM_NEWROUTE;
        nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
        route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
        route->rtm_family = AF_INET;
        route->rtm_dst_len = (unsigned char)length;
        route->rtm_table = table < 256 ? (unsigned char)table : RT_TABLE_COMPAT;
        route->rtm_protocol = RTPROT_STATIC;
        route->rtm_scope = RT_SCOPE_UNIVERSE;
        route->rtm_type = RTN_UNICAST;
        mnl_attr_put_u32(nlh, RTA_TABLE, table);
        return nlh;
}

/* The kernel works inside send(): the ack waits when it returns. */
static void read_ack(struct mnl_socket *socket) {
        char buffer[8192];
        ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

        if (n < 0 ||
                mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0)
                g_error("netlink: %s", g_strerror(errno));
}

int64_t kernel_replace_default(uint32_t gateway_be, unsigned ifindex, uint32_t metric) {
        static struct mnl_socket *socket;
        char buffer[256];
        struct nlmsghdr *nlh = put_route(buffer, 0, RT_TABLE_MAIN);
        int64_t sent_usec;

        if (!socket)
                socket = open_socket(0);
        nlh->nlmsg_flags |= NLM_F_ACK;
        mnl_attr_put_u32(nlh, RTA_GATEWAY, gateway_be);
        mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
        mnl_attr_put_u32(nlh, RTA_PRIORITY, metric);
        sent_usec = bench_now_usec();
        if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
                g_error("route: %s", g_strerror(errno));
        read_ack(socket);
        return sent_usec;
}

void kernel_delete_rule(uint32_t priority) {
        static struct mnl_socket *socket;
        char buffer[256];
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        struct fib_rule_hdr *rule;

        if (!socket)
                socket = open_socket(0);
        nlh->nlmsg_type = RTM_DELRULE;
        nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        rule = mnl_nlmsg_put_extra_header(nlh, sizeof(*rule));
        rule->family = AF_INET;
        mnl_attr_put_u32(nlh, FRA_PRIORITY, priority);
        if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
                g_error("rule: %s", g_strerror(errno));
        read_ack(socket);
}

int64_t kernel_replace_routes(unsigned n, uint32_t table, uint32_t gateway_be, unsigned ifindex) {
        struct mnl_socket *socket = open_socket(0);
        char *buffer = g_malloc(BATCH_BYTES + 256);
        int64_t start_usec = bench_now_usec();
        size_t used = 0;

        for (unsigned i = 0; i < n; i++) {
                struct nlmsghdr *nlh = put_route(buffer + used, 32, table);

                mnl_attr_put_u32(nlh, RTA_DST, htonl(0x0a800000u + i));
                mnl_attr_put_u32(nlh, RTA_GATEWAY, gateway_be);
                mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
                used += nlh->nlmsg_len;
                if (used < BATCH_BYTES - 256 && i + 1 < n)
                        continue;
                nlh->nlmsg_flags |= NLM_F_ACK;
                if (mnl_socket_sendto(socket, buffer, used) < 0)
                        g_error("routes: %s", g_strerror(errno));
                read_ack(socket);
                used = 0;
        }
        start_usec = bench_now_usec() - start_usec;
        g_free(buffer);
        (void)mnl_socket_close(socket);
        return start_usec;
}
