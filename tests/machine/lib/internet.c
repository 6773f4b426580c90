// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/internet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/machine/lib/descriptor.h"

#define HTTP_REQUEST_SEC 2

static void address_format(const struct sockaddr_in6 *address, char text[static INET6_ADDRSTRLEN]) {
        if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr))
                (void)inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
        else
                (void)inet_ntop(AF_INET6, &address->sin6_addr, text, INET6_ADDRSTRLEN);
}

static int socket_open(int type, uint16_t port) {
        struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        _cleanup_fd_ int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
        int off = 0, on = 1;

        if (fd < 0)
                return -errno;
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
                setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
                bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        if (type == SOCK_STREAM && listen(fd, 64) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* The control message goes back as it came: the asked address is the answer's source. */
static void udp_answer(int fd) {
        struct sockaddr_in6 peer = {};
        char question[2048], control[256], text[INET6_ADDRSTRLEN];
        struct iovec data = { .iov_base = question, .iov_len = sizeof(question) };
        struct msghdr message = {
                .msg_name = &peer,
                .msg_namelen = sizeof(peer),
                .msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *header;

        if (recvmsg(fd, &message, MSG_DONTWAIT) < 0)
                return;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == IPV6_PKTINFO)
                ((struct in6_pktinfo *)CMSG_DATA(header))->ipi6_ifindex = 0;
        address_format(&peer, text);
        data = (struct iovec){ .iov_base = text, .iov_len = strlen(text) };
        (void)sendmsg(fd, &message, MSG_DONTWAIT);
}

typedef enum Manner {
        MANNER_AT_ONCE,
        MANNER_HTTP,
        MANNER_TALK,
} Manner;

static void talk(int fd, const char *answer) {
        char said[4096];

        while (recv(fd, said, sizeof(said), 0) > 0 &&
                send(fd, answer, strlen(answer), MSG_NOSIGNAL) >= 0)
                ;
}

static void stream_answer(int fd, const struct sockaddr_in6 *peer, Manner manner) {
        struct timeval patience = { .tv_sec = HTTP_REQUEST_SEC };
        char request[4096], text[INET6_ADDRSTRLEN];
        g_autofree char *answer = NULL;

        address_format(peer, text);
        if (manner == MANNER_TALK) {
                talk(fd, text);
                return;
        }
        if (manner == MANNER_HTTP) {
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
                (void)recv(fd, request, sizeof(request), 0);
                answer = g_strdup_printf("HTTP/1.0 200 OK\r\nContent-Type: "
                                         "text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(text), text);
        } else
                answer = g_strdup(text);
        (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        (void)recv(fd, request, sizeof(request), 0);
}

/* One child per connection: a slow client delays nobody. */
static void stream_accept(int listener, Manner manner) {
        struct sockaddr_in6 peer = {};
        socklen_t length = sizeof(peer);
        _cleanup_fd_ int fd = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);

        if (fd < 0)
                return;
        if (fork() == 0) {
                stream_answer(fd, &peer, manner);
                _exit(0);
        }
}

int internet_serve(int ready_fd) {
        struct pollfd fds[] = {
                { .fd = socket_open(SOCK_DGRAM, INTERNET_PORT), .events = POLLIN },
                { .fd = socket_open(SOCK_STREAM, INTERNET_PORT), .events = POLLIN },
                { .fd = socket_open(SOCK_STREAM, INTERNET_HTTP_PORT), .events = POLLIN },
                { .fd = socket_open(SOCK_STREAM, INTERNET_TALK_PORT), .events = POLLIN },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                if (fds[i].fd < 0)
                        return fds[i].fd;
        (void)signal(SIGCHLD, SIG_IGN);
        (void)fd_close(ready_fd);
        for (;;) {
                if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        return -errno;
                if (fds[0].revents)
                        udp_answer(fds[0].fd);
                if (fds[1].revents)
                        stream_accept(fds[1].fd, MANNER_AT_ONCE);
                if (fds[2].revents)
                        stream_accept(fds[2].fd, MANNER_HTTP);
                if (fds[3].revents)
                        stream_accept(fds[3].fd, MANNER_TALK);
        }
}
