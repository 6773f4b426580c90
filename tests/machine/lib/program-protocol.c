// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/program-protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int program_packet_send(int fd, const void *data, size_t n_bytes, int passed) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec part = { .iov_base = (void *)data, .iov_len = n_bytes };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        if (passed >= 0) {
                message.msg_control = control.bytes;
                message.msg_controllen = sizeof(control.bytes);
                control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int)) };
                memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
        }
        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int program_packet_receive(int fd, void *data, size_t n_bytes, int *ret_passed) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec part = { .iov_base = data, .iov_len = n_bytes };
        struct msghdr message = { .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control.bytes,
                .msg_controllen = sizeof(control.bytes) };
        struct cmsghdr *header;
        ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

        if (n != (ssize_t)n_bytes)
                return n < 0 ? -errno : -EPIPE;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS)
                memcpy(ret_passed, CMSG_DATA(header), sizeof(int));
        return 0;
}
