// SPDX-License-Identifier: GPL-3.0-or-later
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/lab.h"

#define TIMEOUT_MSEC 2000
#define REPEAT_MSEC 300
#define ANSWER_BYTES_MAX 4096

static const char http_request[] = "GET / HTTP/1.0\r\nHost: internet.test\r\n\r\n";

static int msec_left(int64_t deadline) {
        return (int)MAX(0, (deadline - g_get_monotonic_time()) / 1000);
}

static int socket_wait(int fd, short events, int timeout_msec) {
        struct pollfd poller = { .fd = fd, .events = events };
        int n;

        do
                n = poll(&poller, 1, timeout_msec);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n == 0 ? -ETIMEDOUT : 0;
}

static int socket_error(int fd) {
        socklen_t length = sizeof(int);
        int error = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
                return -errno;
        return -error;
}

/* Return: the length of the address; -EINVAL when the text is none. */
static int question_address(const LabQuestion *question, struct sockaddr_storage *ret) {
        uint16_t be_port =
                htons(question->protocol == LAB_HTTP ? INTERNET_HTTP_PORT : INTERNET_PORT);
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

        if (question->family == AF_INET) {
                *v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = be_port };
                return inet_pton(AF_INET, question->address ?: LAB_INTERNET_V4, &v4->sin_addr) == 1
                               ? (int)sizeof(*v4)
                               : -EINVAL;
        }
        *v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = be_port };
        return inet_pton(AF_INET6, question->address ?: LAB_INTERNET_V6, &v6->sin6_addr) == 1
                       ? (int)sizeof(*v6)
                       : -EINVAL;
}

static int question_connect(const LabQuestion *question, int64_t deadline) {
        int type = question->protocol == LAB_UDP ? SOCK_DGRAM : SOCK_STREAM;
        _cleanup_fd_ int fd = socket(question->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_storage address;
        int r, length;

        if (fd < 0)
                return -errno;
        length = question_address(question, &address);
        if (length < 0)
                return length;
        if (question->mark &&
                setsockopt(fd, SOL_SOCKET, SO_MARK, &question->mark, sizeof(question->mark)) < 0)
                return -errno;
        if (question->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, question->device,
                                        strlen(question->device) + 1) < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, (socklen_t)length) == 0)
                return TAKE_FD(fd);
        if (errno != EINPROGRESS)
                return -errno;
        r = socket_wait(fd, POLLOUT, msec_left(deadline));
        if (r < 0)
                return r;
        r = socket_error(fd);
        return r < 0 ? r : TAKE_FD(fd);
}

/* Asks again now and then: a datagram may be lost while a tunnel shakes hands. */
static int udp_ask(int fd, int64_t deadline, char answer[static ANSWER_BYTES_MAX]) {
        ssize_t n;
        int r;

        do {
                if (send(fd, "?", 1, MSG_NOSIGNAL) < 0)
                        return -errno;
                r = socket_wait(fd, POLLIN, MIN(REPEAT_MSEC, msec_left(deadline)));
                if (r == 0) {
                        n = recv(fd, answer, ANSWER_BYTES_MAX - 1, 0);
                        return n < 0 ? -errno : (int)n;
                }
        } while (r == -ETIMEDOUT && msec_left(deadline) > 0);
        return r;
}

static int stream_ask(int fd, bool http, int64_t deadline, char answer[static ANSWER_BYTES_MAX]) {
        int r, used = 0;
        ssize_t n;

        if (http && send(fd, http_request, strlen(http_request), MSG_NOSIGNAL) < 0)
                return -errno;
        for (;;) {
                r = socket_wait(fd, POLLIN, msec_left(deadline));
                if (r < 0)
                        return r;
                n = recv(fd, answer + used, ANSWER_BYTES_MAX - 1 - used, 0);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return used;
                used += n;
        }
}

int lab_ask_question(const LabQuestion *question, char **ret) {
        int64_t deadline =
                g_get_monotonic_time() + (int64_t)(question->timeout_msec ?: TIMEOUT_MSEC) * 1000;
        char answer[ANSWER_BYTES_MAX] = "";
        _cleanup_fd_ int fd = -1;
        const char *text = answer;
        int r;

        assert(ret);

        fd = question_connect(question, deadline);
        if (fd < 0)
                return fd;
        r = question->protocol == LAB_UDP
                    ? udp_ask(fd, deadline, answer)
                    : stream_ask(fd, question->protocol == LAB_HTTP, deadline, answer);
        if (r < 0)
                return r;
        if (question->protocol == LAB_HTTP) {
                text = strstr(answer, "\r\n\r\n");
                if (!text)
                        return -EBADMSG;
                text += strlen("\r\n\r\n");
        }
        *ret = g_strdup(text);
        return 0;
}

int lab_ask(int family, LabProtocol protocol, char **ret) {
        return lab_ask_question(&(LabQuestion){ .family = family, .protocol = protocol }, ret);
}
