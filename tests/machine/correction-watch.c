// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/correction-watch.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"

#define QUEUE_BYTES (8 << 20)

struct CorrectionWatch {
        GThread *thread;
        int socket;
        int ended;            /* eventfd */
        GArray *delays;       /* int64_t */
        int64_t last_foreign; /* 0: none yet */
        unsigned n_foreign;
        int error;
};

static bool is_rule_of_ours(const struct nlmsghdr *nlh) {
        const struct rtattr *attr =
                (const struct rtattr *)((const char *)NLMSG_DATA(nlh) +
                                        NLMSG_ALIGN(sizeof(struct fib_rule_hdr)));
        int left = (int)(nlh->nlmsg_len - NLMSG_SPACE(sizeof(struct fib_rule_hdr)));

        for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
                if (attr->rta_type == FRA_PROTOCOL)
                        return *(const uint8_t *)RTA_DATA(attr) == OURS_PROTOCOL;
        return false;
}

static bool is_ours(const struct nlmsghdr *nlh) {
        if (nlh->nlmsg_pid == 0)
                return false;
        switch (nlh->nlmsg_type) {
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
                return ((const struct rtmsg *)NLMSG_DATA(nlh))->rtm_protocol == OURS_PROTOCOL;
        case RTM_NEWRULE:
        case RTM_DELRULE:
                return is_rule_of_ours(nlh);
        default:
                return false;
        }
}

static void note(CorrectionWatch *watch, const struct nlmsghdr *nlh, int64_t now) {
        if (!is_ours(nlh)) {
                watch->last_foreign = now;
                watch->n_foreign++;
        } else if (watch->last_foreign > 0) {
                const int64_t delay = now - watch->last_foreign;

                g_array_append_val(watch->delays, delay);
        }
}

/* Return: whether there was something to read. */
static bool read_once(CorrectionWatch *watch) {
        char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
        const ssize_t n = recv(watch->socket, buffer, sizeof(buffer), MSG_DONTWAIT);
        const int64_t now = g_get_monotonic_time();
        const struct nlmsghdr *nlh = (const struct nlmsghdr *)buffer;

        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        watch->error = errno;
                return false;
        }
        for (unsigned left = (unsigned)n; NLMSG_OK(nlh, left); nlh = NLMSG_NEXT(nlh, left))
                note(watch, nlh, now);
        return true;
}

/* What was told before the end is read, too. */
static gpointer watch_all(gpointer user) {
        CorrectionWatch *watch = user;
        struct pollfd fds[] = { { watch->socket, POLLIN, 0 }, { watch->ended, POLLIN, 0 } };

        do {
                if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        watch->error = errno;
                while (read_once(watch))
                        ;
        } while (watch->error == 0 && fds[1].revents == 0);
        return NULL;
}

CorrectionWatch *correction_watch_new(void) {
        const struct sockaddr_nl address = { .nl_family = AF_NETLINK,
                .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                             RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
                             1u << (RTNLGRP_IPV6_RULE - 1) };
        CorrectionWatch *watch = g_new0(CorrectionWatch, 1);
        const int size = QUEUE_BYTES;

        watch->delays = g_array_new(FALSE, FALSE, sizeof(int64_t));
        watch->ended = eventfd(0, EFD_CLOEXEC);
        g_assert_cmpint(watch->ended, >=, 0);
        watch->socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        g_assert_cmpint(watch->socket, >=, 0);
        g_assert_no_errno(
                setsockopt(watch->socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
        g_assert_no_errno(bind(watch->socket, (const struct sockaddr *)&address, sizeof(address)));
        watch->thread = g_thread_new("corrections", watch_all, watch);
        return watch;
}

unsigned correction_watch_end(CorrectionWatch *watch, GArray *delays) {
        unsigned n_foreign;

        g_assert_no_errno(eventfd_write(watch->ended, 1));
        (void)g_thread_join(watch->thread);
        g_assert_cmpint(watch->error, ==, 0);
        n_foreign = watch->n_foreign;
        g_array_append_vals(delays, watch->delays->data, watch->delays->len);
        g_array_unref(watch->delays);
        (void)close(watch->ended);
        (void)close(watch->socket);
        g_free(watch);
        return n_foreign;
}
