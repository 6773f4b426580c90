// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/netlink/nl-watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "backends/base/log.h"
#include "backends/netlink/nl-socket.h"

#define BUFFER_SIZE ((size_t)64 * 1024)
#define RECEIVE_QUEUE_SIZE (8 * 1024 * 1024)

/* Others get their turn of the loop after so many; a queue of 16 MiB holds about 20,000. */
#define MESSAGES_PER_WAKE_UP 256
#define MESSAGES_PER_DRAIN 100000

struct NlWatch {
        int fd;
        NlWatchListener listener;
        sd_event_source *source;
        char *buffer; /* BUFFER_SIZE */
};

static void deliver(NlWatch *watch, size_t size) {
        const struct nlmsghdr *nlh = (const struct nlmsghdr *)watch->buffer;
        int left = (int)size;

        for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
                watch->listener.on_message(nlh, watch->listener.userdata);
}

/* Return: 1 more may be queued; 0 the queue is empty; negative errno. */
static int receive_many(NlWatch *watch, unsigned n_max) {
        for (unsigned i = 0; i < n_max; i++) {
                ssize_t n = nl_socket_receive(watch->fd, watch->buffer, BUFFER_SIZE);

                if (n == -EAGAIN)
                        return 0;
                if (n == -ENOBUFS || n == -EMSGSIZE)
                        watch->listener.on_overrun(watch->listener.userdata);
                else if (n < 0)
                        return (int)n;
                else
                        deliver(watch, (size_t)n);
        }
        return 1;
}

static int receive_turn(NlWatch *watch, unsigned n_max) {
        int r = receive_many(watch, n_max);

        if (r < 0)
                log_debug("Cannot read netlink notifications: errno %d", -r);
        watch->listener.on_turn_end(/* is_empty= */ r == 0, watch->listener.userdata);
        return r;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        /* An error of one read is not the end: the source stays on. */
        (void)receive_turn(userdata, MESSAGES_PER_WAKE_UP);
        return 0;
}

int nl_watch_new(sd_event *event, int protocol, const NlWatchListener *listener, NlWatch **ret) {
        CLEANUP(nl_watch_free_p) NlWatch *watch = calloc(1, sizeof(*watch));
        uint32_t port;
        int r;

        if (!watch)
                return -ENOMEM;
        watch->fd = -1;
        watch->listener = *listener;

        watch->buffer = malloc(BUFFER_SIZE);
        if (!watch->buffer)
                return -ENOMEM;

        r = nl_socket_open(protocol, RECEIVE_QUEUE_SIZE, &watch->fd, &port);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &watch->source, watch->fd, EPOLLIN, on_io, watch);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(watch->source, "netlink-watch");

        *ret = TAKE(watch);
        return 0;
}

NlWatch *nl_watch_free(NlWatch *watch) {
        if (!watch)
                return NULL;
        watch->source = sd_event_source_disable_unref(watch->source);
        watch->fd = fd_close(watch->fd);
        free(watch->buffer);
        free(watch);
        return NULL;
}

int nl_watch_join(NlWatch *watch, unsigned group) {
        if (setsockopt(watch->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
                return -errno;
        return 0;
}

int nl_watch_set_filter(NlWatch *watch, const struct sock_filter *program, size_t n) {
        struct sock_fprog attached = { .len = (unsigned short)n,
                .filter = (struct sock_filter *)program };

        if (setsockopt(watch->fd, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof(attached)) < 0)
                return -errno;
        return 0;
}

bool nl_watch_is_empty(const NlWatch *watch) {
        struct pollfd fd = { .fd = watch->fd, .events = POLLIN };

        return poll(&fd, 1, /* timeout= */ 0) == 0;
}

void nl_watch_drain(NlWatch *watch) {
        (void)receive_turn(watch, MESSAGES_PER_DRAIN); /* an error shows at the next wake-up */
}
