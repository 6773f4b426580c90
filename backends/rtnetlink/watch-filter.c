// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/watch-filter.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"

/* Loads of classic BPF are big-endian; the fields of a message are in host order. */
#define LOAD_BYTE(offset) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset)
#define LOAD_HALF(offset) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offset)
#define LOAD_WORD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define IF_GREATER(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, value, yes, no)
#define IF_SET(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no)
#define PASS BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)
#define DROP BPF_STMT(BPF_RET | BPF_K, 0)

#define AT_TYPE offsetof(struct nlmsghdr, nlmsg_type)
#define AT_FLAGS offsetof(struct nlmsghdr, nlmsg_flags)
#define AT_PORT offsetof(struct nlmsghdr, nlmsg_pid)
#define AT_ROUTE(field) (NLMSG_HDRLEN + offsetof(struct rtmsg, field))
#define AT_IFINDEX (NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_ifindex))

/* Jumps count the instructions they skip; the numbers at the left are of the instructions. */
size_t watch_filter_build(struct sock_filter program[static WATCH_FILTER_MAX], uint32_t port,
        WatchRoutes routes, const uint32_t *ifindexes, size_t n) {
        const uint8_t longest = routes == WATCH_ROUTES_ALL ? UINT8_MAX : 1;
        const uint8_t to_table = routes == WATCH_ROUTES_REPLACED ? 2 : 0;
        const struct sock_filter head[] = {
                /* 0 */ LOAD_HALF(AT_TYPE),
                /* 1 */ IF_EQUAL(htons(RTM_NEWNEIGH), 17, 0),
                /* 2 */ IF_EQUAL(htons(RTM_DELNEIGH), 16, 0),
                /* 3: our own requests */ LOAD_WORD(AT_PORT),
                /* 4 */ IF_EQUAL(htonl(port), 13, 0),
                /* 5 */ LOAD_HALF(AT_TYPE),
                /* 6 */ IF_EQUAL(htons(RTM_NEWROUTE), 2, 0),
                /* 7 */ IF_EQUAL(htons(RTM_DELROUTE), 1, 0),
                /* 8 */ PASS,
                /* 9: routes */ LOAD_BYTE(AT_ROUTE(rtm_dst_len)),
                /* 10 */ IF_GREATER(longest, 0, 6),
                /* 11 */ LOAD_BYTE(AT_ROUTE(rtm_protocol)),
                /* 12 */ IF_EQUAL(OURS_PROTOCOL, 4, 0),
                /* 13 */ LOAD_HALF(AT_FLAGS),
                /* 14 */ IF_SET(htons(NLM_F_REPLACE), to_table, 3),
                /* 15 */ LOAD_BYTE(AT_ROUTE(rtm_table)),
                /* 16 */ IF_EQUAL(RT_TABLE_COMPAT, 0, 1),
                /* 17 */ PASS,
                /* 18 */ DROP,
                /* 19: neighbours */ LOAD_WORD(AT_IFINDEX),
        };
        size_t at = ARRAY_LENGTH(head);

        assert(n <= WATCH_FILTER_LINKS_MAX);

        memcpy(program, head, sizeof(head));
        for (size_t i = 0; i < n; i++) /* over those that follow and the DROP, to the PASS */
                program[at++] =
                        (struct sock_filter)IF_EQUAL(htonl(ifindexes[i]), (uint8_t)(n - i), 0);
        program[at++] = (struct sock_filter)DROP;
        program[at++] = (struct sock_filter)PASS;
        return at;
}
