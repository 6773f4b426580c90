// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The process of a Program: does the steps that it is told, one at a time, on
 * the socket whose number is its argument.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/icmpv6.h>

#include "tests/machine/lib/lab.h"
#include "tests/machine/lib/program-protocol.h"
#include "tests/machine/lib/program.h"

#define ASK_ROUNDS 4
#define ROUND_MSEC 500
#define FLOOD_PAUSE_NSEC 500000

typedef struct Slot {
        int fd;
        int family, type, protocol;
} Slot;

static Slot slots[PROGRAM_SLOTS_MAX];

static socklen_t address_of(
        const Slot *slot, const ProgramStep *step, struct sockaddr_storage *ret) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

        memset(ret, 0, sizeof(*ret));
        if (slot->family == AF_INET) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons((uint16_t)step->port);
                (void)inet_pton(AF_INET, LAB_INTERNET_V4, &v4->sin_addr);
                return sizeof(*v4);
        }
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)step->port);
        (void)inet_pton(
                AF_INET6, step->flag ? "::ffff:" LAB_INTERNET_V4 : LAB_INTERNET_V6, &v6->sin6_addr);
        return sizeof(*v6);
}

static int open_socket(const ProgramStep *step) {
        Slot *slot = &slots[step->slot];

        *slot = (Slot){ .family = step->family, .type = step->type, .protocol = step->protocol };
        slot->fd = socket(step->family, step->type | SOCK_CLOEXEC, step->protocol);
        return slot->fd < 0 ? -errno : 0;
}

static bool is_ready(int fd, short events, int timeout_msec) {
        struct pollfd poller = { .fd = fd, .events = events };

        return poll(&poller, 1, timeout_msec) == 1;
}

static int connect_socket(const ProgramStep *step) {
        struct timeval patience = { .tv_sec = ASK_ROUNDS * ROUND_MSEC / 1000 };
        const Slot *slot = &slots[step->slot];
        struct sockaddr_storage to;
        socklen_t n = address_of(slot, step, &to);

        (void)setsockopt(slot->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        return connect(slot->fd, (struct sockaddr *)&to, n) < 0 ? -errno : 0;
}

static uint16_t checksum(const void *data, size_t n_bytes) {
        const uint16_t *words = data;
        uint32_t sum = 0;

        for (size_t i = 0; i < n_bytes / 2; i++)
                sum += words[i];
        sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t) ~(sum + (sum >> 16));
}

static bool is_icmp(const Slot *slot) {
        return slot->protocol == IPPROTO_ICMP || slot->protocol == IPPROTO_ICMPV6;
}

/* Each raw socket has a number of its own, as each run of ping has. */
static size_t write_question(const Slot *slot, char data[static 64]) {
        struct icmphdr echo = { .type = ICMP_ECHO,
                .un.echo.id = htons((uint16_t)(getpid() * PROGRAM_SLOTS_MAX + (slot - slots))) };

        if (!is_icmp(slot)) {
                data[0] = '?';
                return 1;
        }
        if (slot->family == AF_INET6)
                echo.type = ICMPV6_ECHO_REQUEST;
        else
                echo.checksum = checksum(&echo, sizeof(echo));
        memcpy(data, &echo, sizeof(echo));
        return sizeof(echo);
}

static int send_question(const ProgramStep *step) {
        const Slot *slot = &slots[step->slot];
        struct sockaddr_storage to;
        socklen_t n_to = address_of(slot, step, &to);
        char data[64];
        size_t n = write_question(slot, data);

        if (slot->type == SOCK_RAW)
                ((struct sockaddr_in *)&to)->sin_port = 0;
        if (sendto(slot->fd, data, n, MSG_NOSIGNAL, step->port ? (struct sockaddr *)&to : NULL,
                    step->port ? n_to : 0) < 0)
                return -errno;
        return 0;
}

/* A raw socket hears what others are answered, too. */
static bool is_answer(const Slot *slot, const char *data, ssize_t n) {
        size_t at = slot->type == SOCK_RAW && slot->family == AF_INET ? 20 : 0;

        if (!is_icmp(slot))
                return n > 0;
        if (n < (ssize_t)at + 8)
                return false;
        return (uint8_t)data[at] == (slot->family == AF_INET ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY);
}

static int read_answer(const Slot *slot, char answer[static PROGRAM_ANSWER_BYTES_MAX]) {
        char data[1500];
        ssize_t n;

        while (is_ready(slot->fd, POLLIN, ROUND_MSEC)) {
                n = recv(slot->fd, data, sizeof(data), MSG_DONTWAIT);
                if (n <= 0)
                        return n < 0 ? -errno : -EPIPE;
                if (!is_answer(slot, data, n))
                        continue;
                if (!is_icmp(slot) && n < PROGRAM_ANSWER_BYTES_MAX)
                        memcpy(answer, data, (size_t)n);
                return 0;
        }
        return -ETIMEDOUT;
}

/* TCP repeats by itself, and is to acknowledge now, while somebody looks. */
static int ask(const ProgramStep *step, char answer[static PROGRAM_ANSWER_BYTES_MAX]) {
        const Slot *slot = &slots[step->slot];
        int r = -ETIMEDOUT, on = 1;

        for (int round = 0; r == -ETIMEDOUT && round < ASK_ROUNDS; round++) {
                if (round == 0 || slot->type != SOCK_STREAM) {
                        r = send_question(step);
                        if (r < 0)
                                return r;
                }
                r = read_answer(slot, answer);
        }
        if (slot->type == SOCK_STREAM)
                (void)setsockopt(slot->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
        return r;
}

/* What is connected goes where it is connected to. */
static void *run_flood(void *userdata) {
        static const struct timespec pause = { .tv_nsec = FLOOD_PAUSE_NSEC };
        const ProgramStep *flood = userdata;

        for (;;) {
                for (int i = 0; i < PROGRAM_SLOTS_MAX; i++) {
                        const Slot *slot = &slots[i];
                        struct sockaddr_storage to, peer;
                        socklen_t n = address_of(slot, flood, &to), n_peer = sizeof(peer);

                        if (slot->type != SOCK_DGRAM)
                                continue;
                        if (getpeername(slot->fd, (struct sockaddr *)&peer, &n_peer) == 0)
                                (void)send(slot->fd, "x", 1, MSG_DONTWAIT);
                        else
                                (void)sendto(
                                        slot->fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&to, n);
                }
                (void)ppoll(NULL, 0, &pause, NULL); /* the pace of the traffic */
        }
        return NULL;
}

static int start_flood(const ProgramStep *step) {
        static ProgramStep flood;
        pthread_t thread;

        flood = *step;
        return -pthread_create(&thread, NULL, run_flood, &flood);
}

static int listen_socket(const ProgramStep *step) {
        const Slot *slot = &slots[step->slot];
        struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
                .sin6_port = htons((uint16_t)step->port) };
        struct sockaddr_in any4 = { .sin_family = AF_INET,
                .sin_port = htons((uint16_t)step->port) };
        bool is_v4 = slot->family == AF_INET;
        int on = 1;

        (void)setsockopt(slot->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (!is_v4)
                (void)setsockopt(slot->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        if (bind(slot->fd, is_v4 ? (struct sockaddr *)&any4 : (struct sockaddr *)&any6,
                    is_v4 ? sizeof(any4) : sizeof(any6)) < 0)
                return -errno;
        return slot->type == SOCK_STREAM && listen(slot->fd, 16) < 0 ? -errno : 0;
}

static int close_socket(const ProgramStep *step) {
        const struct linger at_once = { .l_onoff = 1 };
        int fd = slots[step->slot].fd;

        if (step->flag && setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0)
                return -errno;
        return close(fd) < 0 ? -errno : 0;
}

static int take_socket(const ProgramStep *step, int passed) {
        Slot *slot = &slots[step->slot];
        socklen_t n = sizeof(int);

        if (passed < 0)
                return -EBADF;
        slot->fd = passed;
        if (getsockopt(passed, SOL_SOCKET, SO_DOMAIN, &slot->family, &n) < 0 ||
                getsockopt(passed, SOL_SOCKET, SO_TYPE, &slot->type, &n) < 0 ||
                getsockopt(passed, SOL_SOCKET, SO_PROTOCOL, &slot->protocol, &n) < 0)
                return -errno;
        return 0;
}

static int do_step(const ProgramStep *step, int passed, ProgramReply *reply, int *ret_pass) {
        switch (step->verb) {
        case PROGRAM_SOCKET:
                return open_socket(step);
        case PROGRAM_CONNECT:
                return connect_socket(step);
        case PROGRAM_ASK:
                return ask(step, reply->answer);
        case PROGRAM_SEND:
                return send_question(step);
        case PROGRAM_FLOOD:
                return start_flood(step);
        case PROGRAM_LISTEN:
                return listen_socket(step);
        case PROGRAM_CLOSE:
                return close_socket(step);
        case PROGRAM_GIVE:
                *ret_pass = slots[step->slot].fd;
                return 0;
        case PROGRAM_TAKE:
                return take_socket(step, passed);
        }
        return -EINVAL;
}

int main(int argc, char **argv) {
        int fd = argc == 2 ? atoi(argv[1]) : -1, passed = -1;
        ProgramStep step;

        while (program_packet_receive(fd, &step, sizeof(step), &passed) == 0) {
                ProgramReply reply = {};
                int pass = -1;

                reply.result = do_step(&step, passed, &reply, &pass);
                if (program_packet_send(fd, &reply, sizeof(reply), pass) < 0)
                        return EXIT_FAILURE;
                passed = -1;
        }
        return EXIT_SUCCESS;
}
