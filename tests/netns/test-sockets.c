// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/sockets/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "backends/sockets/diag-codec.h"
#include "tests/lib/netns.h"

#define MARK UINT32_C(0x10000000)
#define N_PACKETS 20
#define PORT 7777

/*
 * Two paths to 10.77.9.9 and fd77:9::9: what carries MARK goes by "phys",
 * everything else by "tun". A child in a namespace of its own is the other end.
 */
typedef struct Path {
        const char *device, *v4, *v6;
} Path;

static const Path phys = { "phys", "10.77.1.2", "fd77:1::2" };
static const Path tun = { "tun", "10.77.2.2", "fd77:2::2" };
static const char *const targets[] = { "10.77.9.9", "fd77:9::9" };
static pid_t peer = -1;
static Address tunnel_addresses[2];

static int listen_at(int family) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(PORT) };

        g_assert_cmpint(fd, >=, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (family == AF_INET6) {
                (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
                g_assert_cmpint(bind(fd, (struct sockaddr *)&v6, sizeof(v6)), ==, 0);
        } else
                g_assert_cmpint(bind(fd, (struct sockaddr *)&v4, sizeof(v4)), ==, 0);
        g_assert_cmpint(listen(fd, 16), ==, 0);
        return fd;
}

/* Lets the child go on, or waits until it does. */
static void pass(int fd) {
        g_assert_cmpint(write(fd, "x", 1), ==, 1);
}

static void await(int fd) {
        char byte;

        g_assert_cmpint(read(fd, &byte, 1), ==, 1);
}

static void be_peer(int control) {
        g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0);
        netns_sysctl("ipv6/conf/default/accept_dad", "0");
        pass(control);
        await(control); /* the devices are here */
        for (unsigned i = 1; i <= 2; i++) {
                netns_ip("link set p%u up", i);
                netns_ip("address add 10.77.%u.1/24 dev p%u", i, i);
                netns_ip("address add fd77:%u::1/64 dev p%u nodad", i, i);
        }
        netns_ip("link set lo up");
        netns_ip("address add 10.77.9.9/32 dev lo");
        netns_ip("address add fd77:9::9/128 dev lo nodad");
        (void)listen_at(AF_INET);
        (void)listen_at(AF_INET6);
        pass(control);
        for (;;)
                (void)pause();
}

static void make_paths(void) {
        int control[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), ==, 0);
        peer = fork();
        g_assert_cmpint(peer, >=, 0);
        if (peer == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)close(control[0]);
                be_peer(control[1]);
        }
        (void)close(control[1]);
        await(control[0]);
        netns_ip("link add phys type veth peer name p1 netns %d", peer);
        netns_ip("link add tun type veth peer name p2 netns %d", peer);
        pass(control[0]);
        await(control[0]);
        (void)close(control[0]);
        for (unsigned i = 1; i <= 2; i++) {
                const Path *path = i == 1 ? &phys : &tun;

                netns_ip("link set %s up", path->device);
                netns_ip("address add %s/24 dev %s", path->v4, path->device);
                netns_ip("address add %s/64 dev %s nodad", path->v6, path->device);
                netns_ip("route add default via 10.77.%u.1 dev %s table %u", i, path->device,
                        i == 1 ? 254 : 100);
                netns_ip("-6 route add default via fd77:%u::1 dev %s table %u", i, path->device,
                        i == 1 ? 254 : 100);
        }
        for (unsigned i = 0; i < 2; i++) {
                const char *family = i ? "-6" : "-4";

                netns_ip("%s rule add pref 100 lookup main suppress_prefixlength 0", family);
                netns_ip(
                        "%s rule add pref 101 not fwmark 0x10000000/0x10000000 lookup 100", family);
                g_assert_cmpint(address_parse(i ? tun.v6 : tun.v4, &tunnel_addresses[i]), ==, 0);
        }
        netns_sysctl("ipv4/ping_group_range", "0 2147483647");
}

static void end_child(pid_t pid) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}

/* A process that holds what we have open: its sockets are ours, so we see what becomes of them. */
static pid_t start_holder(void) {
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void)pause();
        }
        return pid;
}

static SocketsCounts sweep_pid(Sockets *sockets, pid_t pid, SocketsPolicy policy, int expected) {
        const SocketsChange change = {
                .policy = policy,
                .mark = MARK,
                .mask = MARK,
                .old_sources = tunnel_addresses,
                .n_old_sources = G_N_ELEMENTS(tunnel_addresses),
        };
        CLEANUP(process_clear) Process process = PROCESS_NONE;
        SocketsCounts counts = { 0 };
        Fault fault = { 0 };

        g_assert_cmpint(process_open(pid, &process), ==, 0);
        g_assert_cmpint(
                sockets_sweep_process(sockets, &process, &change, &counts, &fault), ==, expected);
        g_assert_true((fault.text[0] != '\0') == (expected < 0));
        return counts;
}

static SocketsCounts sweep(SocketsPolicy policy) {
        CLEANUP(sockets_free_p) Sockets *sockets = NULL;
        pid_t pid = start_holder();
        SocketsCounts counts;

        g_assert_cmpint(sockets_new(&sockets), ==, 0);
        counts = sweep_pid(sockets, pid, policy, 0);
        end_child(pid);
        return counts;
}

static void assert_counts(const SocketsCounts *counts, unsigned marked, unsigned reconnected,
        unsigned reset, unsigned stale, unsigned left) {
        g_assert_cmpuint(counts->n_marked, ==, marked);
        g_assert_cmpuint(counts->n_reconnected, ==, reconnected);
        g_assert_cmpuint(counts->n_reset, ==, reset);
        g_assert_cmpuint(counts->n_stale, ==, stale);
        g_assert_cmpuint(counts->n_left, ==, left);
}

static uint64_t n_sent(const char *device) {
        g_autofree char *text = NULL, *name = g_strdup_printf("%s:", device);
        unsigned long long bytes[8], packets;
        const char *line;

        g_assert_true(g_file_get_contents("/proc/thread-self/net/dev", &text, NULL, NULL));
        line = strstr(text, name);
        g_assert_nonnull(line);
        g_assert_cmpint(
                sscanf(line + strlen(name), " %llu %llu %llu %llu %llu %llu %llu %llu %*u %llu",
                        &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5], &bytes[6],
                        &bytes[7], &packets),
                ==, 9);
        return packets;
}

static socklen_t target(unsigned family, uint16_t port, struct sockaddr_storage *ret) {
        struct sockaddr_in *v4 = (void *)ret;
        struct sockaddr_in6 *v6 = (void *)ret;

        memset(ret, 0, sizeof(*ret));
        if (family == 0) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons(port);
                g_assert_cmpint(inet_pton(AF_INET, targets[0], &v4->sin_addr), ==, 1);
                return sizeof(*v4);
        }
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        g_assert_cmpint(inet_pton(AF_INET6, targets[1], &v6->sin6_addr), ==, 1);
        return sizeof(*v6);
}

static int open_socket(unsigned family, int type, int protocol) {
        int fd = socket(family ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, protocol);

        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static void connect_to(int fd, unsigned family, uint16_t port) {
        struct sockaddr_storage to;
        socklen_t length = target(family, port, &to);

        g_assert_cmpint(connect(fd, (struct sockaddr *)&to, length), ==, 0);
}

/* Many packets, so that the few of neighbour discovery do not matter. */
static void assert_goes_by(const Path *path, int fd, unsigned family, bool is_connected) {
        const Path *other = path == &phys ? &tun : &phys;
        uint64_t before = n_sent(path->device), before_other = n_sent(other->device);
        static const uint8_t echo_v4[8] = { 8 }, echo_v6[8] = { 128 };
        struct sockaddr_storage to;
        socklen_t length, type_length = sizeof(int);
        int type;

        g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length), ==, 0);
        length = target(family, type == SOCK_RAW ? 0 : 9, &to); /* rawv6 wants none */
        for (unsigned i = 0; i < N_PACKETS; i++) {
                ssize_t n = is_connected ? send(fd, family ? echo_v6 : echo_v4, 8, MSG_NOSIGNAL)
                                         : sendto(fd, family ? echo_v6 : echo_v4, 8, MSG_NOSIGNAL,
                                                   (struct sockaddr *)&to, length);

                /* The answer to an earlier one may be that nobody listens there. */
                g_assert_true(n == 8 || errno == ECONNREFUSED || errno == EHOSTUNREACH ||
                              errno == EPROTO);
        }
        g_assert_cmpuint(n_sent(path->device) - before, >=, N_PACKETS / 2);
        g_assert_cmpuint(n_sent(other->device) - before_other, <, N_PACKETS / 2);
}

static void assert_source(int fd, unsigned family, const Path *path) {
        struct sockaddr_storage local;
        socklen_t length = sizeof(local);
        char text[INET6_ADDRSTRLEN];

        g_assert_cmpint(getsockname(fd, (struct sockaddr *)&local, &length), ==, 0);
        (void)inet_ntop(local.ss_family,
                family ? (void *)&((struct sockaddr_in6 *)&local)->sin6_addr
                       : (void *)&((struct sockaddr_in *)&local)->sin_addr,
                text, sizeof(text));
        g_assert_cmpstr(text, ==, family ? path->v6 : path->v4);
}

static uint32_t mark_of(int fd) {
        uint32_t mark = 0;
        socklen_t length = sizeof(mark);

        g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &length), ==, 0);
        return mark;
}

typedef struct Kind {
        const char *name;
        int type, protocol, protocol_v6;
        bool is_connected;
} Kind;

static const Kind kinds[] = {
        { "unconnected UDP", SOCK_DGRAM, 0, 0, false },
        { "connected UDP", SOCK_DGRAM, 0, 0, true },
        { "UDP-Lite", SOCK_DGRAM, IPPROTO_UDPLITE, IPPROTO_UDPLITE, false },
        { "raw", SOCK_RAW, 253, 253, false },
        { "connected raw", SOCK_RAW, 253, 253, true },
        { "ping", SOCK_DGRAM, IPPROTO_ICMP, IPPROTO_ICMPV6, false },
        { "connected ping", SOCK_DGRAM, IPPROTO_ICMP, IPPROTO_ICMPV6, true },
};

static void test_every_kind_changes_its_path(Netns *netns) {
        make_paths();
        for (unsigned family = 0; family < 2; family++)
                for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                        const Kind *kind = &kinds[i];
                        int protocol = family ? kind->protocol_v6 : kind->protocol;
                        int fd = socket(
                                family ? AF_INET6 : AF_INET, kind->type | SOCK_CLOEXEC, protocol);
                        SocketsCounts counts;

                        g_test_message("%s %s", family ? "IPv6" : "IPv4", kind->name);
                        if (fd < 0 && errno == EPROTONOSUPPORT)
                                continue; /* UDP-Lite is gone from newer kernels */
                        g_assert_cmpint(fd, >=, 0);
                        if (kind->is_connected)
                                connect_to(fd, family, 9); /* a raw one to port 0 tells no peer */
                        assert_goes_by(&tun, fd, family, kind->is_connected);
                        counts = sweep(SOCKETS_MIGRATE);
                        assert_counts(&counts, 1, kind->is_connected, 0, 0, 0);
                        assert_goes_by(&phys, fd, family, kind->is_connected);
                        if (kind->is_connected)
                                assert_source(fd, family, &phys);
                        counts = sweep(SOCKETS_MIGRATE);
                        assert_counts(&counts, 0, 0, 0, 0, 0); /* only what is new is touched */
                        (void)close(fd);
                }
        end_child(peer);
}

static void test_tcp_before_connect_changes_its_path(Netns *netns) {
        make_paths();
        for (unsigned family = 0; family < 2; family++) {
                CLEANUP_FD int fd = open_socket(family, SOCK_STREAM, 0);
                SocketsCounts counts = sweep(SOCKETS_RESET);

                assert_counts(&counts, 1, 0, 0, 0, 0);
                connect_to(fd, family, PORT);
                assert_source(fd, family, &phys);
        }
        end_child(peer);
}

static void test_keep_keeps(Netns *netns) {
        CLEANUP_FD int fd = open_socket(0, SOCK_DGRAM, 0);
        SocketsCounts counts = sweep(SOCKETS_KEEP);

        assert_counts(&counts, 0, 0, 0, 0, 0);
        g_assert_cmpuint(mark_of(fd), ==, 0);
}

static void test_migrate_leaves_established_tcp_alive(Netns *netns) {
        make_paths();
        for (unsigned family = 0; family < 2; family++) {
                CLEANUP_FD int fd = open_socket(family, SOCK_STREAM, 0);
                SocketsCounts counts;

                connect_to(fd, family, PORT);
                assert_source(fd, family, &tun);
                counts = sweep(SOCKETS_MIGRATE);
                assert_counts(&counts, 0, 0, 0, 1, 0);
                g_assert_cmpuint(mark_of(fd), ==, 0);
                g_assert_cmpint(send(fd, "x", 1, MSG_NOSIGNAL), ==, 1);
        }
        end_child(peer);
}

static void test_reset_ends_tcp_of_the_old_path_only(Netns *netns) {
        make_paths();
        for (unsigned family = 0; family < 2; family++) {
                CLEANUP_FD int old = open_socket(family, SOCK_STREAM, 0);
                CLEANUP_FD int right = open_socket(family, SOCK_STREAM, 0);
                CLEANUP_FD int near = open_socket(family, SOCK_STREAM, 0);
                uint32_t mark = MARK | 0x51;
                SocketsCounts counts;
                struct sockaddr_storage lan;
                socklen_t length = target(family, PORT, &lan);

                connect_to(old, family, PORT);
                g_assert_cmpint(setsockopt(right, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), ==, 0);
                connect_to(right, family, PORT);
                if (family)
                        (void)inet_pton(
                                AF_INET6, "fd77:1::1", &((struct sockaddr_in6 *)&lan)->sin6_addr);
                else
                        (void)inet_pton(
                                AF_INET, "10.77.1.1", &((struct sockaddr_in *)&lan)->sin_addr);
                g_assert_cmpint(connect(near, (struct sockaddr *)&lan, length), ==, 0);

                counts = sweep(SOCKETS_RESET);
                assert_counts(&counts, 1, 0, 1, 0, 0);
                /* What it ended is on no path any more. */
                counts = sweep(SOCKETS_RESET);
                assert_counts(&counts, 0, 0, 0, 0, 0);
                g_assert_cmpint(send(old, "x", 1, MSG_NOSIGNAL), <, 0);
                g_assert_true(errno == ECONNABORTED || errno == EPIPE);
                g_assert_cmpint(send(right, "x", 1, MSG_NOSIGNAL), ==, 1);
                g_assert_cmpint(send(near, "x", 1, MSG_NOSIGNAL), ==, 1);
                g_assert_cmphex(mark_of(right), ==, mark);
                g_assert_cmphex(mark_of(near), ==, MARK);
        }
        end_child(peer);
}

static void test_reset_ends_tcp_that_still_connects(Netns *netns) {
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        CLEANUP_FD int fd = -1;
        SocketsCounts counts;

        make_paths();
        netns_ip("neighbour replace 10.77.2.1 lladdr 02:00:00:00:00:99 dev tun");
        fd = open_socket(0, SOCK_STREAM | SOCK_NONBLOCK, 0);
        g_assert_cmpint(inet_pton(AF_INET, "10.77.9.9", &to.sin_addr), ==, 1);
        g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof(to)), <, 0);
        g_assert_cmpint(errno, ==, EINPROGRESS);
        assert_source(fd, 0, &tun);
        counts = sweep(SOCKETS_RESET);
        assert_counts(&counts, 0, 0, 1, 0, 0);
        end_child(peer);
}

static void test_listeners_survive_reset(Netns *netns) {
        make_paths();
        for (unsigned family = 0; family < 2; family++) {
                CLEANUP_FD int server = listen_at(family ? AF_INET6 : AF_INET);
                CLEANUP_FD int client = open_socket(family, SOCK_STREAM, 0), accepted = -1;
                SocketsCounts counts = sweep(SOCKETS_RESET);
                struct sockaddr_storage to;
                socklen_t length = sizeof(to);

                assert_counts(&counts, 2, 0, 0, 0, 0);
                g_assert_cmpint(getsockname(server, (struct sockaddr *)&to, &length), ==, 0);
                g_assert_cmpint(connect(client, (struct sockaddr *)&to, length), ==, 0);
                accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
                g_assert_cmpint(accepted, >=, 0);
                g_assert_cmphex(mark_of(accepted), ==, MARK);
        }
        end_child(peer);
}

static void test_keeps_other_bits_and_what_was_bound(Netns *netns) {
        CLEANUP_FD int fd = -1, bound = -1;
        uint32_t mark = 0x51;
        struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(5353) };
        socklen_t length = sizeof(local);
        char device[16] = "";
        SocketsCounts counts;

        make_paths();
        fd = open_socket(0, SOCK_DGRAM, 0);
        g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), ==, 0);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&local, sizeof(local)), ==, 0);
        connect_to(fd, 0, 9);
        bound = open_socket(0, SOCK_DGRAM, 0);
        g_assert_cmpint(setsockopt(bound, SOL_SOCKET, SO_BINDTODEVICE, "tun", 4), ==, 0);
        connect_to(bound, 0, 9);

        counts = sweep(SOCKETS_MIGRATE);
        assert_counts(&counts, 1, 1, 0, 0, 1);
        g_assert_cmphex(mark_of(fd), ==, MARK | 0x51);
        g_assert_cmpint(getsockname(fd, (struct sockaddr *)&local, &length), ==, 0);
        g_assert_cmpuint(ntohs(local.sin_port), ==, 5353);
        assert_source(fd, 0, &phys);
        length = sizeof(device);
        g_assert_cmpint(getsockopt(bound, SOL_SOCKET, SO_BINDTODEVICE, device, &length), ==, 0);
        g_assert_cmpstr(device, ==, "tun");
        assert_goes_by(&tun, bound, 0, true);
        end_child(peer);
}

static void test_does_not_carry_the_old_source_out(Netns *netns) {
        struct sockaddr_in local = { .sin_family = AF_INET };
        int fds[5];
        SocketsCounts counts;

        make_paths();
        g_assert_cmpint(inet_pton(AF_INET, tun.v4, &local.sin_addr), ==, 1);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                fds[i] = i == 4 ? open_socket(0, SOCK_RAW, 253)
                                : open_socket(0, i < 2 ? SOCK_DGRAM : SOCK_STREAM, 0);
                if (i < 4)
                        g_assert_cmpint(
                                bind(fds[i], (struct sockaddr *)&local, sizeof(local)), ==, 0);
        }
        connect_to(fds[1], 0, 9);
        g_assert_cmpint(listen(fds[3], 1), ==, 0);
        connect_to(fds[4], 0, 0);
        counts = sweep(SOCKETS_RESET);
        assert_counts(&counts, 0, 0, 0, 0, G_N_ELEMENTS(fds));
        assert_goes_by(&tun, fds[0], 0, false);
        assert_goes_by(&tun, fds[1], 0, true);
        assert_goes_by(&tun, fds[4], 0, true);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                g_assert_cmphex(mark_of(fds[i]), ==, 0);
                (void)close(fds[i]);
        }
        end_child(peer);
}

static void test_a_peer_without_a_new_path_stays_connected(Netns *netns) {
        CLEANUP_FD int fd = -1;
        SocketsCounts counts;

        make_paths();
        fd = open_socket(0, SOCK_DGRAM, 0);
        connect_to(fd, 0, 9);
        netns_ip("route del default");
        counts = sweep(SOCKETS_MIGRATE);
        assert_counts(&counts, 0, 0, 0, 0, 1);
        g_assert_cmphex(mark_of(fd), ==, 0);
        assert_goes_by(&tun, fd, 0, true);
        end_child(peer);
}

static void drop(int capability) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        g_assert_cmpint(syscall(SYS_capget, &header, data), ==, 0);
        data[capability / 32].effective &= ~(1u << (capability % 32));
        g_assert_cmpint(syscall(SYS_capset, &header, data), ==, 0);
}

static void test_says_which_right_is_missing(Netns *netns) {
        CLEANUP_FD int fd = open_socket(0, SOCK_DGRAM, 0);
        pid_t holder = start_holder(), pid;
        int status;

        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                CLEANUP(sockets_free_p) Sockets *sockets = NULL;
                SocketsCounts counts;

                g_assert_cmpint(sockets_new(&sockets), ==, 0);
                drop(CAP_NET_ADMIN);
                drop(CAP_NET_RAW);
                counts = sweep_pid(sockets, holder, SOCKETS_MIGRATE, -EPERM);
                assert_counts(&counts, 0, 0, 0, 0, 1);
                /* Its permitted set is larger than ours now: that alone forbids to look. */
                drop(CAP_SYS_PTRACE);
                (void)sweep_pid(sockets, holder, SOCKETS_MIGRATE, -EPERM);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
        end_child(holder);
}

static void test_sweeps_several_and_skips_the_dead(Netns *netns) {
        CLEANUP(sockets_free_p) Sockets *sockets = NULL;
        CLEANUP_FD int fd = open_socket(0, SOCK_DGRAM, 0);
        const SocketsChange change = { .policy = SOCKETS_MIGRATE, .mark = MARK, .mask = MARK };
        pid_t pids[] = { start_holder(), start_holder(), start_holder() };
        SocketsCounts counts = { 0 };

        end_child(pids[1]);
        g_assert_cmpint(sockets_new(&sockets), ==, 0);
        g_assert_cmpint(sockets_sweep_processes(sockets, pids, 3, &change, &counts, NULL), ==, 0);
        assert_counts(&counts, 1, 0, 0, 0, 0);
        end_child(pids[0]);
        end_child(pids[2]);
}

static void test_leaves_other_network_namespaces_alone(Netns *netns) {
        CLEANUP(sockets_free_p) Sockets *sockets = NULL;
        CLEANUP_FD int fd = -1;
        pid_t pid;

        g_assert_cmpint(sockets_new(&sockets), ==, 0);
        g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0);
        fd = open_socket(0, SOCK_DGRAM, 0);
        pid = start_holder();
        (void)sweep_pid(sockets, pid, SOCKETS_MIGRATE, 0);
        g_assert_cmphex(mark_of(fd), ==, 0);
        end_child(pid);
}

static void test_codec_round_trip(void) {
        uint32_t buffer[DIAG_MESSAGE_MAX / sizeof(uint32_t)], answer[64] = { 0 };
        static const char *const addresses[] = { "10.0.0.1", "fd00::1" };

        for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
                SocketName name = { .protocol = IPPROTO_TCP,
                        .local_port = 1,
                        .remote_port = 65535,
                        .ifindex = 7,
                        .cookie = UINT64_C(0x1122334455667788) };
                struct nlmsghdr *nlh, *reply = mnl_nlmsg_put_header(answer);
                const struct inet_diag_req_v2 *request;
                struct inet_diag_msg *message;
                SocketName is;

                g_assert_cmpint(address_parse(addresses[i], &name.local), ==, 0);
                g_assert_cmpint(address_parse(addresses[i], &name.remote), ==, 0);
                nlh = diag_encode_destroy(buffer, &name);
                g_assert_cmpuint(nlh->nlmsg_type, ==, SOCK_DESTROY);
                g_assert_cmpuint(nlh->nlmsg_len, <=, DIAG_MESSAGE_MAX);
                request = mnl_nlmsg_get_payload(nlh);
                g_assert_cmpuint(request->sdiag_protocol, ==, IPPROTO_TCP);

                reply->nlmsg_type = SOCK_DIAG_BY_FAMILY;
                message = mnl_nlmsg_put_extra_header(reply, sizeof(*message));
                message->idiag_family = name.local.family;
                message->id = request->id;
                mnl_attr_put_u64(reply, INET_DIAG_CGROUP_ID, 0x100000001);
                g_assert_cmpint(diag_decode(reply, &is), ==, 1);
                g_assert_cmpint(address_compare(&is.local, &name.local), ==, 0);
                g_assert_cmpint(address_compare(&is.remote, &name.remote), ==, 0);
                g_assert_cmpuint(is.local_port, ==, 1);
                g_assert_cmpuint(is.remote_port, ==, 65535);
                g_assert_cmpuint(is.ifindex, ==, 7);
                g_assert_cmpuint(is.cookie, ==, name.cookie);
                g_assert_cmpuint(is.cgroup, ==, 0x100000001);

                message->idiag_family = AF_UNIX;
                g_assert_cmpint(diag_decode(reply, &is), ==, 0);
                reply->nlmsg_len = NLMSG_LENGTH(sizeof(*message)) - 1;
                g_assert_cmpint(diag_decode(reply, &is), ==, -EBADMSG);
                reply->nlmsg_type = NLMSG_DONE;
                g_assert_cmpint(diag_decode(reply, &is), ==, 0);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/diag-codec/round-trip", test_codec_round_trip);
        netns_test_add("/sockets/every-kind-changes-its-path", test_every_kind_changes_its_path);
        netns_test_add("/sockets/tcp-before-connect-changes-its-path",
                test_tcp_before_connect_changes_its_path);
        netns_test_add("/sockets/keep-keeps", test_keep_keeps);
        netns_test_add("/sockets/migrate-leaves-established-tcp-alive",
                test_migrate_leaves_established_tcp_alive);
        netns_test_add("/sockets/reset-ends-tcp-of-the-old-path-only",
                test_reset_ends_tcp_of_the_old_path_only);
        netns_test_add("/sockets/reset-ends-tcp-that-still-connects",
                test_reset_ends_tcp_that_still_connects);
        netns_test_add("/sockets/listeners-survive-reset", test_listeners_survive_reset);
        netns_test_add("/sockets/keeps-other-bits-and-what-was-bound",
                test_keeps_other_bits_and_what_was_bound);
        netns_test_add("/sockets/does-not-carry-the-old-source-out",
                test_does_not_carry_the_old_source_out);
        netns_test_add("/sockets/a-peer-without-a-new-path-stays-connected",
                test_a_peer_without_a_new_path_stays_connected);
        netns_test_add("/sockets/says-which-right-is-missing", test_says_which_right_is_missing);
        netns_test_add("/sockets/sweeps-several-and-skips-the-dead",
                test_sweeps_several_and_skips_the_dead);
        netns_test_add("/sockets/leaves-other-network-namespaces-alone",
                test_leaves_other_network_namespaces_alone);
        return g_test_run();
}
