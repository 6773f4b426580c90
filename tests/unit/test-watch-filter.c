// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/watch-filter.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"

#define PORT 0x12345678

typedef struct Message {
        struct nlmsghdr header;
        union {
                struct rtmsg route;
                struct ndmsg neighbour;
        };
} Message;

/* A datagram socket pair runs the kernel's own interpreter. */
static bool passes(
        const Message *message, WatchRoutes routes, const uint32_t *ifindexes, size_t n) {
        struct sock_filter program[WATCH_FILTER_MAX];
        struct sock_fprog attached = { .filter = program };
        char received[sizeof(*message)];
        int sockets[2];
        ssize_t size;

        attached.len = (unsigned short)watch_filter_build(program, PORT, routes, ifindexes, n);
        g_assert_cmpuint(attached.len, <=, WATCH_FILTER_MAX);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
        g_assert_cmpint(
                setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof(attached)),
                ==, 0);
        (void)send(sockets[0], message, sizeof(*message), 0); /* -EPERM when it is dropped */
        size = recv(sockets[1], received, sizeof(received), MSG_DONTWAIT);
        (void)close(sockets[0]);
        (void)close(sockets[1]);
        g_assert_true(size < 0 || size == sizeof(*message));
        return size > 0;
}

static Message route_message(uint16_t type, uint8_t length, uint8_t protocol) {
        return (Message){
                .header = { .nlmsg_len = sizeof(Message), .nlmsg_type = type, .nlmsg_pid = 7 },
                .route = { .rtm_family = AF_INET,
                        .rtm_dst_len = length,
                        .rtm_protocol = protocol,
                        .rtm_table = RT_TABLE_MAIN },
        };
}

static void test_routes(void) {
        static const uint16_t types[] = { RTM_NEWROUTE, RTM_DELROUTE };

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
                for (unsigned length = 0; length <= 128; length++) {
                        Message foreign = route_message(types[i], (uint8_t)length, RTPROT_STATIC);
                        Message ours = route_message(types[i], (uint8_t)length, OURS_PROTOCOL);

                        g_assert_cmpint(
                                passes(&foreign, WATCH_ROUTES_FEW, NULL, 0), ==, length <= 1);
                        g_assert_true(passes(&foreign, WATCH_ROUTES_ALL, NULL, 0));
                        g_assert_true(passes(&ours, WATCH_ROUTES_FEW, NULL, 0));
                }
}

static void test_replacements(void) {
        Message message = route_message(RTM_NEWROUTE, 24, RTPROT_STATIC);

        message.route.rtm_table = RT_TABLE_COMPAT;
        g_assert_false(passes(&message, WATCH_ROUTES_FEW, NULL, 0));
        message.header.nlmsg_flags = NLM_F_REPLACE | NLM_F_CREATE;
        g_assert_true(passes(&message, WATCH_ROUTES_FEW, NULL, 0));
        message.route.rtm_table = RT_TABLE_MAIN;
        g_assert_false(passes(&message, WATCH_ROUTES_FEW, NULL, 0));
        g_assert_true(passes(&message, WATCH_ROUTES_REPLACED, NULL, 0));
        message.header.nlmsg_flags = NLM_F_CREATE;
        g_assert_false(passes(&message, WATCH_ROUTES_REPLACED, NULL, 0));
}

static void test_own_requests(void) {
        static const uint16_t types[] = { RTM_NEWROUTE, RTM_NEWRULE, RTM_DELRULE };

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                Message message = route_message(types[i], 0, OURS_PROTOCOL);

                g_assert_true(passes(&message, WATCH_ROUTES_FEW, NULL, 0));
                message.header.nlmsg_pid = PORT;
                g_assert_false(passes(&message, WATCH_ROUTES_FEW, NULL, 0));
                g_assert_false(passes(&message, WATCH_ROUTES_ALL, NULL, 0));
        }
}

static void test_everything_else_passes(void) {
        for (unsigned type = RTM_NEWLINK; type < 130; type++) {
                Message message = route_message((uint16_t)type, 24, RTPROT_STATIC);

                if (type == RTM_NEWROUTE || type == RTM_DELROUTE || type == RTM_NEWNEIGH ||
                        type == RTM_DELNEIGH)
                        continue;
                g_assert_true(passes(&message, WATCH_ROUTES_FEW, NULL, 0));
        }
}

static void test_neighbours_of_listed_links(void) {
        uint32_t ifindexes[WATCH_FILTER_LINKS_MAX];
        static const uint16_t types[] = { RTM_NEWNEIGH, RTM_DELNEIGH };

        for (uint32_t i = 0; i < WATCH_FILTER_LINKS_MAX; i++)
                ifindexes[i] = 1000 + 2 * i;
        for (size_t n = 0; n <= WATCH_FILTER_LINKS_MAX; n++)
                for (int ifindex = 998; ifindex < 1070; ifindex++) {
                        Message message = {
                                .header = { .nlmsg_len = sizeof(message),
                                        .nlmsg_type = types[ifindex / 2 % 2],
                                        .nlmsg_pid = PORT },
                                .neighbour = { .ndm_ifindex = ifindex },
                        };
                        bool wanted = ifindex >= 1000 && ifindex % 2 == 0 &&
                                      (size_t)(ifindex - 1000) / 2 < n;

                        g_assert_cmpint(
                                passes(&message, WATCH_ROUTES_FEW, ifindexes, n), ==, wanted);
                }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/watch-filter/passes-short-and-our-routes", test_routes);
        g_test_add_func("/watch-filter/passes-replacements-in-high-tables", test_replacements);
        g_test_add_func("/watch-filter/drops-what-we-asked-for", test_own_requests);
        g_test_add_func("/watch-filter/passes-everything-else", test_everything_else_passes);
        g_test_add_func(
                "/watch-filter/passes-neighbours-of-listed-links", test_neighbours_of_listed_links);
        return g_test_run();
}
