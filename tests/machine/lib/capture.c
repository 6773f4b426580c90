// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/capture.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/filter.h>
#include <linux/if_packet.h>

#include "tests/machine/lib/descriptor.h"

#define SYNC_TIMEOUT_MSEC 2000
#define SNAPSHOT_BYTES 256

/* IEEE 802 local experimental ethertype 1. */
#define MARKER_ETHERTYPE 0x88b5

struct Capture {
        int fd;
        int marker_fd; /* the kernel does not show a socket its own packets */
        int ifindex;
        char *ifname;
        GArray *packets; /* of Packet */
        uint64_t n_markers_sent, n_markers_seen;
        bool full;
};

static int packet_socket(void) {
        int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd < 0 ? -errno : fd;
}

static int socket_listen(int fd, int ifindex) {
        struct sockaddr_ll address = {
                .sll_family = AF_PACKET,
                .sll_protocol = htons(ETH_P_ALL),
                .sll_ifindex = ifindex,
        };
        const int bytes = CAPTURE_BUFFER_BYTES;

        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
                return -errno;
        return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* To be called in the namespace of the link. */
static int capture_open(Capture *capture) {
        capture->ifindex = (int)if_nametoindex(capture->ifname);
        if (capture->ifindex == 0)
                return -errno;
        capture->fd = packet_socket();
        if (capture->fd < 0)
                return capture->fd;
        capture->marker_fd = packet_socket();
        if (capture->marker_fd < 0)
                return capture->marker_fd;
        return socket_listen(capture->fd, capture->ifindex);
}

/* A socket stays in the namespace it was made in; the thread comes back. */
static int capture_open_in(Capture *capture, int netns_fd) {
        _cleanup_fd_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        int r;

        if (own < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
                return -errno;
        r = capture_open(capture);
        if (setns(own, CLONE_NEWNET) < 0)
                g_error("back from the namespace of %s: %s", capture->ifname, g_strerror(errno));
        return r;
}

int capture_start(Lab *lab, LabSpace space, const char *ifname, Capture **ret) {
        g_autoptr(Capture) capture = g_new0(Capture, 1);
        int r;

        assert(ret);

        capture->fd = capture->marker_fd = -1;
        capture->ifname = g_strdup(ifname);
        capture->packets = g_array_new(FALSE, FALSE, sizeof(Packet));
        r = capture_open_in(capture, lab_space_fd(lab, space));
        if (r < 0)
                return r;
        *ret = g_steal_pointer(&capture);
        return 0;
}

/* The data of a SOCK_DGRAM packet socket begins with the network header. */
int capture_narrow(Capture *capture, const char *v4, const char *v6) {
        enum { IPV4 = 4, IPV6 = 6, ACCEPT = 14, DROP = 15 };
        uint32_t to_v4, to_v6[4];

        if (inet_pton(AF_INET, v4, &to_v4) != 1 || inet_pton(AF_INET6, v6, to_v6) != 1)
                return -EINVAL;

        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARKER_ETHERTYPE, ACCEPT - 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, IPV4 - 3, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, IPV6 - 4, DROP - 4),
                [IPV4] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(to_v4), ACCEPT - 6, DROP - 6),
                [IPV6] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 24),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(to_v6[0]), 0, DROP - 8),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 28),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(to_v6[1]), 0, DROP - 10),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 32),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(to_v6[2]), 0, DROP - 12),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 36),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(to_v6[3]), 0, DROP - 14),
                [ACCEPT] = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
                [DROP] = BPF_STMT(BPF_RET | BPF_K, 0),
        };
        const struct sock_fprog program = { G_N_ELEMENTS(code), code };

        return setsockopt(capture->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
                       ? -errno
                       : 0;
}

static void capture_add(
        Capture *capture, const struct sockaddr_ll *address, const uint8_t *bytes, size_t n_bytes) {
        uint16_t ethertype = ntohs(address->sll_protocol);
        uint64_t number;
        Packet packet;

        if (ethertype == MARKER_ETHERTYPE) {
                /* Those of other captures, and what comes in from the other end, carry other
                 * senders' tags. */
                if (n_bytes < 2 * sizeof(uint64_t) || memcmp(bytes, &capture, sizeof(capture)) != 0)
                        return;
                memcpy(&number, bytes + sizeof(uint64_t), sizeof(number));
                capture->n_markers_seen = MAX(capture->n_markers_seen, number);
                return;
        }
        if (capture->packets->len >= CAPTURE_PACKETS_MAX) {
                capture->full = true;
                return;
        }
        packet_parse(ethertype, bytes, n_bytes, &packet);
        packet.outgoing = address->sll_pkttype == PACKET_OUTGOING;
        g_array_append_val(capture->packets, packet);
}

/* Reading the statistics resets them, so a loss is remembered. */
static int capture_check_lost(Capture *capture) {
        struct tpacket_stats statistics = {};
        socklen_t length = sizeof(statistics);

        if (getsockopt(capture->fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0)
                return -errno;
        capture->full |= statistics.tp_drops > 0;
        return capture->full ? -ENOBUFS : 0;
}

static int capture_drain(Capture *capture) {
        uint8_t bytes[SNAPSHOT_BYTES];
        struct sockaddr_ll address;
        socklen_t length;
        ssize_t n;

        for (;;) {
                length = sizeof(address);
                n = recvfrom(
                        capture->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&address, &length);
                if (n >= 0)
                        capture_add(capture, &address, bytes, (size_t)n);
                else if (errno == EAGAIN)
                        return capture_check_lost(capture);
                /* The link went down, or is gone: told once, what was seen stays. */
                else if (errno != ENETDOWN && errno != EINTR)
                        return -errno;
        }
}

static bool link_is_running(const Capture *capture) {
        struct ifreq request = {};

        g_strlcpy(request.ifr_name, capture->ifname, sizeof(request.ifr_name));
        return ioctl(capture->marker_fd, SIOCGIFFLAGS, &request) == 0 &&
               (request.ifr_flags & IFF_UP) && (request.ifr_flags & IFF_RUNNING);
}

static int marker_send(Capture *capture) {
        struct sockaddr_ll address = {
                .sll_family = AF_PACKET,
                .sll_protocol = htons(MARKER_ETHERTYPE),
                .sll_ifindex = capture->ifindex,
                .sll_halen = ETH_ALEN,
                .sll_addr = { 0x02, 0, 0, 0, 0, 0x01 },
        };
        uint8_t bytes[2 * sizeof(uint64_t)] = {};
        uint64_t number = capture->n_markers_sent + 1;

        memcpy(bytes, &capture, sizeof(capture));
        memcpy(bytes + sizeof(uint64_t), &number, sizeof(number));
        if (sendto(capture->marker_fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&address,
                    sizeof(address)) < 0)
                return -errno;
        capture->n_markers_sent = number;
        return 0;
}

int capture_sync(Capture *capture) {
        int64_t deadline = g_get_monotonic_time() + SYNC_TIMEOUT_MSEC * 1000;
        struct pollfd poller = { .fd = capture->fd, .events = POLLIN };
        int r;

        if (!link_is_running(capture))
                return capture_drain(capture);
        r = marker_send(capture);
        if (r < 0)
                return r;
        for (;;) {
                int64_t left = (deadline - g_get_monotonic_time()) / 1000;

                r = capture_drain(capture);
                if (r < 0 || capture->n_markers_seen >= capture->n_markers_sent)
                        return r;
                if (left <= 0)
                        return -ETIMEDOUT;
                (void)poll(&poller, 1, (int)left);
        }
}

int capture_count(Capture *capture, CapturePredicate predicate, void *user) {
        int n = 0, r;

        r = capture_sync(capture);
        if (r < 0)
                return r;
        for (guint i = 0; i < capture->packets->len; i++)
                n += !predicate || predicate(&g_array_index(capture->packets, Packet, i), user);
        return n;
}

static bool on_packet_to(const Packet *packet, void *user) {
        return packet_is_to(packet, user);
}

static bool on_packet_from(const Packet *packet, void *user) {
        return packet_is_from(packet, user);
}

int capture_count_to(Capture *capture, const char *address) {
        return capture_count(capture, on_packet_to, (void *)address);
}

int capture_count_from(Capture *capture, const char *address) {
        return capture_count(capture, on_packet_from, (void *)address);
}

int capture_clear(Capture *capture) {
        int r;

        r = capture_sync(capture);
        if (r < 0 && r != -ENOBUFS)
                return r;
        g_array_set_size(capture->packets, 0);
        capture->full = false;
        return 0;
}

void capture_print(Capture *capture) {
        (void)capture_sync(capture);
        for (guint i = 0; i < capture->packets->len; i++) {
                g_autofree char *line = packet_format(&g_array_index(capture->packets, Packet, i));

                g_printerr("%s: %s\n", capture->ifname, line);
        }
}

Capture *capture_stop(Capture *capture) {
        if (!capture)
                return NULL;
        capture->fd = fd_close(capture->fd);
        capture->marker_fd = fd_close(capture->marker_fd);
        g_clear_pointer(&capture->packets, g_array_unref);
        g_free(capture->ifname);
        g_free(capture);
        return NULL;
}
