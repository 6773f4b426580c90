// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/netlink/nl-socket.h"

#include <errno.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#include "backends/base/cleanup.h"

/* SO_RCVBUFFORCE wants CAP_NET_ADMIN in the first user namespace; SO_RCVBUF stops at rmem_max. */
static void grow_queue(int fd, int size) {
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int nl_socket_open(int protocol, int queue_size, int *ret_fd, uint32_t *ret_port) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        socklen_t length = sizeof(address);
        CLEANUP_FD int fd = -1;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
        if (fd < 0)
                return -errno;
        grow_queue(fd, queue_size);

        if (bind(fd, (struct sockaddr *)&address, length) < 0 ||
                getsockname(fd, (struct sockaddr *)&address, &length) < 0)
                return -errno;

        *ret_port = address.nl_pid;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

ssize_t nl_socket_receive(int fd, void *buffer, size_t size) {
        for (;;) {
                struct sockaddr_nl from = { 0 };
                struct iovec part = { .iov_base = buffer, .iov_len = size };
                struct msghdr message = {
                        .msg_name = &from,
                        .msg_namelen = sizeof(from),
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                };
                ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (from.nl_pid != 0)
                        continue;
                return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
        }
}
