// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The backend on a real kernel: which way packets go, and with which source.
 *
 * The test stands between two peers, "physical" and "tunnel", each in a network
 * namespace of its own, who both have the destination on their loopback device.
 * What is not marked goes to the tunnel. Everything happens in one process:
 * sockets of the peers are opened in their namespaces.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/cgroup-bpf.h"
#include "backends/cgroup-bpf/program-set.h"
#include "backends/facts/ours.h"
#include "tests/lib/netns.h"

#define MARK OURS_DEFAULT_MARK
#define MASK OURS_DEFAULT_MARK_MASK
#define DEADLINE_MSEC 5000
#define PORT 7777

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

typedef enum Side { PHYSICAL, TUNNEL, _SIDE_MAX } Side;

static const char *const side_names[] = { "physical", "tunnel" };

static const struct {
        int family;
        const char *destination;
        const char *source[_SIDE_MAX];
        const char *peer[_SIDE_MAX];
} families[] = {
        { AF_INET, "10.77.9.9", { "10.77.1.2", "10.77.2.2" }, { "10.77.1.1", "10.77.2.1" } },
        { AF_INET6, "fd77:9::9", { "fd77:1::2", "fd77:2::2" }, { "fd77:1::1", "fd77:2::1" } },
};

typedef struct Directory {
        char *path;
        uint64_t id;
} Directory;

typedef struct World {
        int home; /* network namespaces */
        int peers[_SIDE_MAX];
        int captures[_SIDE_MAX]; /* packet sockets of the peers */
        GPtrArray *directories;  /* Directory, a parent before its children */
        char *home_group;        /* path of the cgroup the test was started in */
        sd_event *event;
        Backend *backend;
        FactSet observed;
        unsigned n_changes;
} World;

/* Where the cgroup2 hierarchy is mounted; NULL when nowhere. */
static char *cgroup2_root(void) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        g_assert_true(g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", -1);

                if (strstr(*line, " - cgroup2 ") && g_strv_length(words) > 4)
                        return g_strdup(words[4]);
        }
        return NULL;
}

static char *own_group(const char *root) {
        g_autofree char *text = NULL;
        char *start;

        g_assert_true(g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL));
        start = strstr(text, "0::");
        g_assert_nonnull(start);
        return g_strconcat(root, strndupa(start + 3, strcspn(start + 3, "\n")), NULL);
}

static void directory_free(void *data) {
        Directory *directory = data;

        g_free(directory->path);
        g_free(directory);
}

static void join(const char *path) {
        g_autofree char *file = g_strconcat(path, "/cgroup.procs", NULL);
        int fd = open(file, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, "0", 1), ==, 1);
        (void)close(fd);
}

static Directory *make_directory(World *world, const Directory *parent) {
        static unsigned n;
        g_autofree char *root = cgroup2_root();
        Directory *directory = g_new0(Directory, 1);
        struct stat st;

        directory->path = g_strdup_printf(
                "%s/talpid-test-bpf-%d-%u", parent ? parent->path : root, (int)getpid(), n++);
        g_assert_cmpint(mkdir(directory->path, 0755), ==, 0);
        g_assert_cmpint(stat(directory->path, &st), ==, 0);
        directory->id = st.st_ino;
        g_ptr_array_add(world->directories, directory);
        return directory;
}

static int open_group(uint64_t id, void *userdata) {
        World *world = userdata;

        for (guint i = 0; i < world->directories->len; i++) {
                const Directory *directory = world->directories->pdata[i];

                if (directory->id == id) {
                        int fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                        return fd < 0 ? -errno : fd;
                }
        }
        return -ENOENT;
}

static int open_directory(const Directory *directory) {
        int fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static int new_namespace(void) {
        int fd;

        g_assert_true(netns_enter());
        fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static void go(int namespace) {
        g_assert_cmpint(setns(namespace, CLONE_NEWNET), ==, 0);
}

static void set_up_namespace(void) {
        netns_sysctl("ipv6/conf/default/accept_dad", "0");
        netns_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        netns_sysctl("ipv4/ping_group_range", "0 2147483647");
        netns_ip("link set lo up");
}

static void set_up_peer(World *world, Side side) {
        struct sockaddr_ll any = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
        unsigned n = side + 1;

        go(world->peers[side]);
        set_up_namespace();
        netns_ip("link add peer type veth peer name %s netns /proc/%d/fd/%d", side_names[side],
                (int)getpid(), world->home);
        netns_ip("link set peer up");
        netns_ip("address add 10.77.%u.1/24 dev peer", n);
        netns_ip("address add fd77:%u::1/64 dev peer nodad", n);
        netns_ip("address add 10.77.9.9/32 dev lo");
        netns_ip("address add fd77:9::9/128 dev lo nodad");
        world->captures[side] =
                socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
        g_assert_cmpint(world->captures[side], >=, 0);
        any.sll_ifindex = (int)netns_ifindex("peer");
        g_assert_cmpint(bind(world->captures[side], (struct sockaddr *)&any, sizeof(any)), ==, 0);

        go(world->home);
        netns_ip("link set %s up", side_names[side]);
        netns_ip("address add 10.77.%u.2/24 dev %s", n, side_names[side]);
        netns_ip("address add fd77:%u::2/64 dev %s nodad", n, side_names[side]);
        netns_ip("route add default via 10.77.%u.1 table %s", n, side == TUNNEL ? "1985" : "main");
        netns_ip("-6 route add default via fd77:%u::1 table %s", n,
                side == TUNNEL ? "1985" : "main");
        go(world->peers[side]);
        /* So that the first packet waits for nobody. */
        netns_ip("neighbour replace 10.77.%u.2 lladdr 02:00:00:00:00:0%u dev peer", n, n);
        netns_ip("neighbour replace fd77:%u::2 lladdr 02:00:00:00:00:0%u dev peer", n, n);
        go(world->home);
        netns_ip("link set %s address 02:00:00:00:00:0%u", side_names[side], n);
}

static void on_changes(const FactChange *changes, size_t n, void *userdata) {
        World *world = userdata;

        for (size_t i = 0; i < n; i++) {
                g_assert_true(changes[i].removed);
                g_assert_true(fact_set_remove(&world->observed, &changes[i].fact));
        }
        world->n_changes += n;
}

static void on_resync(uint32_t kinds, FactSet *facts, void *userdata) {
        World *world = userdata;

        g_assert_cmpuint(
                kinds, ==, FACT_KIND_BIT(FACT_MARKED_GROUP) | FACT_KIND_BIT(FACT_RESOLVER));
        g_assert_cmpint(fact_set_copy(&world->observed, facts), ==, 0);
}

static Backend *new_backend(World *world, bool without_preorder) {
        const CgroupBpfConfig config = { open_group, world, without_preorder };
        Backend *backend = NULL;

        g_assert_cmpint(cgroup_bpf_new(world->event, &config, &backend), ==, 0);
        backend->sink = (BackendSink){ on_changes, on_resync, world };
        return backend;
}

static bool can_run(void) {
        g_autofree char *root = cgroup2_root();
        char text[CGROUP_BPF_TEXT_MAX];

        if (!root || geteuid() != 0 || cgroup_bpf_probe(-1, text) != 1) {
                g_test_skip("no BPF programs can be attached to a cgroup here");
                return false;
        }
        return true;
}

static bool set_up(World *world, bool with_network) {
        g_autofree char *root = NULL;

        *world = (World){ .directories = g_ptr_array_new_with_free_func(directory_free),
                .home = -1,
                .peers = { -1, -1 },
                .captures = { -1, -1 },
                .observed = FACT_SET_INIT };
        if (!can_run())
                return false;
        root = cgroup2_root();
        world->home_group = own_group(root);
        g_assert_cmpint(sd_event_new(&world->event), >=, 0);
        world->backend = new_backend(world, false);
        if (!with_network)
                return true;

        for (Side side = 0; side < _SIDE_MAX; side++)
                world->peers[side] = new_namespace();
        world->home = new_namespace();
        set_up_namespace();
        for (Side side = 0; side < _SIDE_MAX; side++)
                set_up_peer(world, side);
        for (int v6 = 0; v6 < 2; v6++) {
                netns_ip("%s rule add priority 4983 lookup main suppress_prefixlength 0",
                        v6 ? "-6" : "-4");
                netns_ip("%s rule add priority 4984 not fwmark 0x%x/0x%x lookup 1985",
                        v6 ? "-6" : "-4", MARK, MASK);
        }
        return true;
}

static void clear(World *world) {
        if (world->home_group)
                join(world->home_group);
        world->backend = cgroup_bpf_free(world->backend);
        world->event = sd_event_unref(world->event);
        fact_set_clear(&world->observed);
        for (guint i = world->directories->len; i-- > 0;)
                (void)rmdir(((Directory *)world->directories->pdata[i])->path);
        g_ptr_array_unref(world->directories);
        for (Side side = 0; side < _SIDE_MAX; side++) {
                (void)fd_close(world->peers[side]);
                (void)fd_close(world->captures[side]);
        }
        (void)fd_close(world->home);
        g_free(world->home_group);
}

static Fact group_fact(const Directory *directory, uint32_t mark, uint32_t mask, bool resolves) {
        const char *root_end = strstr(directory->path, "/talpid-test-bpf-");
        uint32_t level = 0;

        for (const char *p = root_end; *p; p++)
                level += *p == '/';
        return (Fact){ .kind = FACT_MARKED_GROUP,
                .marked_group = { directory->id, level, mark, mask, resolves } };
}

static int apply(World *world, OperationVerb verb, const Fact *fact, Fault *ret) {
        const Operation operation = { .verb = verb, .fact = *fact, .old = *fact };
        Fault fault;
        size_t n = world->backend->interface->apply(world->backend, &operation, 1, &fault);

        g_assert_cmpuint(n, ==, fault.error != 0);
        if (ret)
                *ret = fault;
        return fault.error;
}

static void want(World *world, OperationVerb verb, const Fact *fact) {
        Fault fault;

        if (apply(world, verb, fact, &fault) < 0)
                g_error("%s", fault.text);
}

/* A new group with our mark. */
static Directory *marked(World *world, bool resolves) {
        Directory *directory = make_directory(world, NULL);
        const Fact fact = group_fact(directory, MARK, MASK, resolves);

        want(world, OPERATION_ADD, &fact);
        return directory;
}

/* One packet to the destination, as a peer saw it. */
typedef struct Packet {
        Side side;
        int protocol;
        uint8_t tcp_flags;
        char source[INET6_ADDRSTRLEN];
} Packet;

static bool parse_packet(const uint8_t *bytes, size_t n, Packet *ret) {
        char destination[INET6_ADDRSTRLEN];
        const uint8_t *payload;
        size_t v6;

        if (n >= sizeof(struct iphdr) && bytes[0] >> 4 == 4) {
                const struct iphdr *ip = (const void *)bytes;

                v6 = 0;
                payload = bytes + ip->ihl * 4;
                ret->protocol = ip->protocol;
                (void)inet_ntop(AF_INET, &ip->daddr, destination, sizeof(destination));
                (void)inet_ntop(AF_INET, &ip->saddr, ret->source, sizeof(ret->source));
        } else if (n >= sizeof(struct ip6_hdr) && bytes[0] >> 4 == 6) {
                const struct ip6_hdr *ip = (const void *)bytes;

                v6 = 1;
                payload = bytes + sizeof(*ip);
                ret->protocol = ip->ip6_nxt;
                (void)inet_ntop(AF_INET6, &ip->ip6_dst, destination, sizeof(destination));
                (void)inet_ntop(AF_INET6, &ip->ip6_src, ret->source, sizeof(ret->source));
        } else
                return false;
        ret->tcp_flags = ret->protocol == IPPROTO_TCP ? payload[13] : 0;
        return strcmp(destination, families[v6].destination) == 0;
}

/* The next packet that a peer sees of @protocol, for TCP with all of @tcp_flags. */
static Packet next_packet(World *world, int protocol, uint8_t tcp_flags) {
        for (;;) {
                struct pollfd fds[_SIDE_MAX] = { { world->captures[0], POLLIN, 0 },
                        { world->captures[1], POLLIN, 0 } };

                g_assert_cmpint(poll(fds, _SIDE_MAX, DEADLINE_MSEC), >, 0);
                for (Side side = 0; side < _SIDE_MAX; side++) {
                        union {
                                uint8_t bytes[4096];
                                uint64_t align;
                        } buffer;
                        struct sockaddr_ll from;
                        socklen_t size = sizeof(from);
                        Packet packet = { .side = side };
                        ssize_t n = recvfrom(world->captures[side], buffer.bytes,
                                sizeof(buffer.bytes), 0, (struct sockaddr *)&from, &size);

                        if (n > 0 && from.sll_pkttype != PACKET_OUTGOING &&
                                parse_packet(buffer.bytes, (size_t)n, &packet) &&
                                packet.protocol == protocol &&
                                (packet.tcp_flags & tcp_flags) == tcp_flags)
                                return packet;
                }
        }
}

static void drain(World *world) {
        char byte;

        for (Side side = 0; side < _SIDE_MAX; side++)
                while (recv(world->captures[side], &byte, 1, 0) >= 0)
                        ;
}

static void expect_packet(
        World *world, Side side, size_t v6, int protocol, uint8_t tcp_flags, const char *what) {
        Packet packet = next_packet(world, protocol, tcp_flags);

        if (packet.side != side || strcmp(packet.source, families[v6].source[side]) != 0)
                g_error("%s: went to the %s from %s, not to the %s from %s", what,
                        side_names[packet.side], packet.source, side_names[side],
                        families[v6].source[side]);
}

typedef union Endpoint {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
} Endpoint;

static Endpoint endpoint(const char *text, uint16_t port, socklen_t *ret_size) {
        Endpoint e = { 0 };

        if (inet_pton(AF_INET, text, &e.v4.sin_addr) == 1) {
                e.v4.sin_family = AF_INET;
                e.v4.sin_port = htons(port);
                *ret_size = sizeof(e.v4);
                return e;
        }
        g_assert_cmpint(inet_pton(AF_INET6, text, &e.v6.sin6_addr), ==, 1);
        e.v6.sin6_family = AF_INET6;
        e.v6.sin6_port = htons(port);
        *ret_size = sizeof(e.v6);
        return e;
}

G_GNUC_UNUSED static char *endpoint_text(const Endpoint *e) {
        char text[INET6_ADDRSTRLEN] = "nothing";

        if (e->any.sa_family == AF_INET)
                (void)inet_ntop(AF_INET, &e->v4.sin_addr, text, sizeof(text));
        else if (e->any.sa_family == AF_INET6)
                (void)inet_ntop(AF_INET6, &e->v6.sin6_addr, text, sizeof(text));
        return g_strdup(text);
}

static void bind_to(int fd, const char *text, uint16_t port) {
        static const int on = 1;
        socklen_t size;
        Endpoint e = endpoint(text, port, &size);

        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        g_assert_cmpint(bind(fd, &e.any, size), ==, 0);
}

static uint32_t mark_of(int fd) {
        uint32_t mark = 0;
        socklen_t size = sizeof(mark);

        g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size), ==, 0);
        return mark;
}

static int new_socket(int family, int type, int protocol) {
        int fd = socket(family, type | SOCK_CLOEXEC, protocol);

        if (fd < 0)
                g_error("socket(%d, %d, %d): %s", family, type, protocol, g_strerror(errno));
        return fd;
}

/* Kinds of sockets, made and used at once or one after the other. */
typedef struct Kind {
        const char *name;
        int family, type, protocol;
        enum { SENDTO, SEND, CONNECT, FASTOPEN } how;
        const char *destination; /* NULL: of the family */
        int seen_as;             /* protocol of the packet */
} Kind;

static const Kind kinds[] = {
        { "udp", AF_INET, SOCK_DGRAM, 0, SENDTO, NULL, IPPROTO_UDP },
        { "udp connected", AF_INET, SOCK_DGRAM, 0, SEND, NULL, IPPROTO_UDP },
        { "udp-lite", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, SENDTO, NULL, IPPROTO_UDPLITE },
        { "tcp", AF_INET, SOCK_STREAM, 0, CONNECT, NULL, IPPROTO_TCP },
        { "tcp fast open", AF_INET, SOCK_STREAM, 0, FASTOPEN, NULL, IPPROTO_TCP },
        { "mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP, CONNECT, NULL, IPPROTO_TCP },
        { "raw", AF_INET, SOCK_RAW, 253, SENDTO, NULL, 253 },
        { "ping", AF_INET, SOCK_DGRAM, IPPROTO_ICMP, SENDTO, NULL, IPPROTO_ICMP },
        { "udp v6", AF_INET6, SOCK_DGRAM, 0, SENDTO, NULL, IPPROTO_UDP },
        { "udp v6 connected", AF_INET6, SOCK_DGRAM, 0, SEND, NULL, IPPROTO_UDP },
        { "udp-lite v6", AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE, SENDTO, NULL, IPPROTO_UDPLITE },
        { "tcp v6", AF_INET6, SOCK_STREAM, 0, CONNECT, NULL, IPPROTO_TCP },
        { "tcp v6 fast open", AF_INET6, SOCK_STREAM, 0, FASTOPEN, NULL, IPPROTO_TCP },
        { "mptcp v6", AF_INET6, SOCK_STREAM, IPPROTO_MPTCP, CONNECT, NULL, IPPROTO_TCP },
        { "raw v6", AF_INET6, SOCK_RAW, 253, SENDTO, NULL, 253 },
        { "ping v6", AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, SENDTO, NULL, IPPROTO_ICMPV6 },
        { "udp v4-mapped", AF_INET6, SOCK_DGRAM, 0, SENDTO, "::ffff:10.77.9.9", IPPROTO_UDP },
        { "udp v4-mapped connected", AF_INET6, SOCK_DGRAM, 0, SEND, "::ffff:10.77.9.9",
                IPPROTO_UDP },
        { "tcp v4-mapped", AF_INET6, SOCK_STREAM, 0, CONNECT, "::ffff:10.77.9.9", IPPROTO_TCP },
        { "mptcp v4-mapped", AF_INET6, SOCK_STREAM, IPPROTO_MPTCP, CONNECT, "::ffff:10.77.9.9",
                IPPROTO_TCP },
};

static void use(const Kind *kind, int fd) {
        const uint8_t ping[8] = { kind->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST };
        const char *destination = kind->destination
                                          ? kind->destination
                                          : families[kind->family == AF_INET6].destination;
        socklen_t size;
        Endpoint to = endpoint(destination, kind->type == SOCK_RAW ? 0 : PORT, &size);

        switch (kind->how) {
        case SENDTO:
                g_assert_cmpint(sendto(fd, ping, sizeof(ping), 0, &to.any, size), ==, 8);
                break;
        case SEND:
                g_assert_cmpint(connect(fd, &to.any, size), ==, 0);
                g_assert_cmpint(send(fd, ping, sizeof(ping), 0), ==, 8);
                break;
        case CONNECT:
                g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
                g_assert_cmpint(connect(fd, &to.any, size), ==, -1);
                g_assert_cmpint(errno, ==, EINPROGRESS);
                break;
        case FASTOPEN:
                g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
                g_assert_cmpint(
                        sendto(fd, ping, sizeof(ping), MSG_FASTOPEN, &to.any, size), ==, -1);
                g_assert_cmpint(errno, ==, EINPROGRESS);
                break;
        }
}

static void expect_use(World *world, const Kind *kind, int fd, Side side) {
        drain(world);
        use(kind, fd);
        expect_packet(world, side, kind->family == AF_INET6 && !kind->destination, kind->seen_as,
                kind->seen_as == IPPROTO_TCP ? TH_SYN : 0, kind->name);
}

static int make(const Kind *kind) {
        return new_socket(kind->family, kind->type, kind->protocol);
}

static void test_marks_what_is_born_after(World *world) {
        Directory *group = marked(world, /* resolves= */ false);

        join(group->path);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                int fd = make(&kinds[i]);

                g_assert_cmphex(mark_of(fd), ==, MARK);
                expect_use(world, &kinds[i], fd, PHYSICAL);
                (void)close(fd);
        }
}

static void test_leaves_others_in_the_tunnel(World *world) {
        (void)marked(world, /* resolves= */ false);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                int fd = make(&kinds[i]);

                g_assert_cmphex(mark_of(fd), ==, 0);
                expect_use(world, &kinds[i], fd, TUNNEL);
                (void)close(fd);
        }
}

static void test_leaves_sockets_from_before(World *world) {
        Directory *group = marked(world, /* resolves= */ false);
        int fds[G_N_ELEMENTS(kinds)];

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                fds[i] = make(&kinds[i]);
        join(group->path);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                expect_use(world, &kinds[i], fds[i], TUNNEL);
                (void)close(fds[i]);
        }
}

/* Born in the directory before the programs came to it: what connects is marked still. */
static void test_connecting_marks_older_sockets_of_the_group(World *world) {
        Directory *group = make_directory(world, NULL);
        const Fact fact = group_fact(group, MARK, MASK, false);
        int fds[G_N_ELEMENTS(kinds)];

        join(group->path);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                fds[i] = make(&kinds[i]);
        want(world, OPERATION_ADD, &fact);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                expect_use(world, &kinds[i], fds[i],
                        kinds[i].how == SEND || kinds[i].how == CONNECT || kinds[i].how == FASTOPEN
                                ? PHYSICAL
                                : TUNNEL);
                (void)close(fds[i]);
        }
}

static void run_in_child(void (*function)(void *), void *data) {
        pid_t pid = fork();
        int status;

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                function(data);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void use_udp(void *data) {
        int fd = make(&kinds[0]);

        use(&kinds[0], fd);
}

static void test_marks_sockets_of_children(World *world) {
        Directory *group = marked(world, /* resolves= */ false);

        join(group->path);
        drain(world);
        run_in_child(use_udp, NULL);
        expect_packet(world, PHYSICAL, 0, IPPROTO_UDP, 0, "child");
}

static int listen_in_peer(World *world, Side side, const char *address, uint16_t port) {
        int fd;

        go(world->peers[side]);
        fd = new_socket(strchr(address, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
        bind_to(fd, address, port);
        g_assert_cmpint(listen(fd, 8), ==, 0);
        go(world->home);
        return fd;
}

static void expect_readable(int fd) {
        struct pollfd pollfd = { fd, POLLIN, 0 };

        g_assert_cmpint(poll(&pollfd, 1, DEADLINE_MSEC), ==, 1);
}

static int accept_one(int listener) {
        int fd;

        expect_readable(listener);
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static int connect_to(int fd, const char *text, uint16_t port) {
        socklen_t size;
        Endpoint to = endpoint(text, port, &size);

        return connect(fd, &to.any, size) < 0 ? -errno : 0;
}

/* From the destination's address, by the physical peer, to us. */
static void check_accepts(World *world, size_t v6, int protocol, const char *bound) {
        Directory *group = marked(world, /* resolves= */ false);
        int listener, caller, fd;

        join(group->path);
        listener = new_socket(families[v6].family, SOCK_STREAM, protocol);
        bind_to(listener, bound, PORT);
        g_assert_cmpint(listen(listener, 1), ==, 0);
        drain(world);

        go(world->peers[PHYSICAL]);
        caller = new_socket(families[v6].family, SOCK_STREAM | SOCK_NONBLOCK, protocol);
        bind_to(caller, families[v6].destination, 0);
        g_assert_cmpint(connect_to(caller, families[v6].source[PHYSICAL], PORT), ==, -EINPROGRESS);
        go(world->home);

        expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_SYN | TH_ACK, "accept");
        fd = accept_one(listener);
        g_assert_cmphex(mark_of(fd) & MASK, ==, MARK);
        g_assert_cmpint(write(fd, "x", 1), ==, 1);
        expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_PUSH, "accept");
        (void)close(fd);
        (void)close(caller);
        (void)close(listener);
        join(world->home_group);
}

static void test_marks_accepted_connections(World *world) {
        check_accepts(world, 0, 0, families[0].source[PHYSICAL]);
        check_accepts(world, 1, 0, families[1].source[PHYSICAL]);
        check_accepts(world, 0, 0, "0.0.0.0");
        check_accepts(world, 1, 0, "::");
}

static void test_marks_accepted_mptcp_connections(World *world) {
        check_accepts(world, 0, IPPROTO_MPTCP, families[0].source[PHYSICAL]);
        check_accepts(world, 1, IPPROTO_MPTCP, families[1].source[PHYSICAL]);
        check_accepts(world, 0, IPPROTO_MPTCP, "0.0.0.0");
        check_accepts(world, 1, IPPROTO_MPTCP, "::");
}

static void test_reset_goes_the_way_of_its_socket(World *world) {
        static const struct linger hard = { 1, 0 };
        Directory *group = marked(world, /* resolves= */ false);

        join(group->path);
        for (size_t v6 = 0; v6 < 2; v6++) {
                int listener = listen_in_peer(world, PHYSICAL, families[v6].destination, PORT);
                int fd = new_socket(families[v6].family, SOCK_STREAM, 0);
                int peer;

                g_assert_cmpint(connect_to(fd, families[v6].destination, PORT), ==, 0);
                peer = accept_one(listener);
                g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), ==, 0);
                drain(world);
                (void)close(fd);
                expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_RST, "reset");
                (void)close(peer);
                (void)close(listener);
        }
}

static void test_end_of_connection_goes_the_way_of_its_socket(World *world) {
        Directory *group = marked(world, /* resolves= */ false);

        join(group->path);
        for (size_t v6 = 0; v6 < 2; v6++) {
                int listener = listen_in_peer(world, PHYSICAL, families[v6].destination, PORT);
                int fd = new_socket(families[v6].family, SOCK_STREAM, 0);
                int peer;

                g_assert_cmpint(connect_to(fd, families[v6].destination, PORT), ==, 0);
                peer = accept_one(listener);
                drain(world);
                (void)close(fd);
                expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_FIN, "end");
                expect_readable(peer);
                drain(world);
                (void)close(peer); /* its FIN is answered by a timewait socket */
                expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_ACK, "time wait");
                (void)close(listener);
        }
}

static void test_changes_no_bit_but_ours(World *world) {
        const uint32_t foreign = 0xff0051;
        Directory *group = marked(world, /* resolves= */ false);
        Fact other = group_fact(group, 0, 0x3 << 28, false);
        int fd;

        join(group->path);
        fd = make(&kinds[0]);
        g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_MARK, &foreign, sizeof(foreign)), ==, 0);
        g_assert_cmpint(connect_to(fd, families[0].destination, PORT), ==, 0);
        g_assert_cmphex(mark_of(fd), ==, foreign | MARK);

        /* Another mark of ours reaches a socket when it connects. */
        want(world, OPERATION_REPLACE, &other);
        g_assert_cmpint(connect_to(fd, families[0].destination, PORT), ==, 0);
        g_assert_cmphex(mark_of(fd), ==, foreign);
        (void)close(fd);
}

static int load_foreign(BpfHook hook, uint32_t mark, uint32_t mask) {
        const BpfProgramParameters parameters = { .mark = mark,
                .mask = mask,
                .record_map = bpf_call_make_map(&(BpfMapSpec){ .name = "theirs",
                        .type = BPF_MAP_TYPE_ARRAY,
                        .key_size = 4,
                        .value_size = 4,
                        .max_entries = 1 }) };
        BpfProgram program;
        union bpf_attr attr;
        int fd;

        bpf_program_build(hook, &parameters, &program);
        attr = (union bpf_attr){ .prog_type = bpf_hook_info(hook)->program_type,
                .expected_attach_type = bpf_hook_info(hook)->attach_type,
                .insns = (uintptr_t)program.insns,
                .insn_cnt = (uint32_t)program.n,
                .license = (uintptr_t) "GPL",
                .prog_name = "theirs" };
        fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
        g_assert_cmpint(fd, >=, 0);
        (void)close(parameters.record_map);
        return fd;
}

static void test_keeps_marks_that_others_write(World *world) {
        Directory *outer = make_directory(world, NULL), *inner = make_directory(world, outer);
        const Fact fact = group_fact(inner, MARK, MASK, false);
        int theirs = load_foreign(BPF_HOOK_SOCK_CREATE, 0x51, 0xff);
        int directory = open_directory(outer), fd;

        g_assert_cmpint(
                bpf_call_attach(directory, BPF_HOOK_SOCK_CREATE, theirs, BPF_F_ALLOW_MULTI, -1), ==,
                0);
        want(world, OPERATION_ADD, &fact);
        join(inner->path);
        fd = make(&kinds[0]);
        g_assert_cmphex(mark_of(fd), ==, MARK | 0x51);
        (void)close(fd);

        /* And theirs stays where ours goes. */
        want(world, OPERATION_REMOVE, &fact);
        fd = make(&kinds[0]);
        g_assert_cmphex(mark_of(fd), ==, 0x51);
        (void)close(fd);
        (void)close(directory);
        (void)close(theirs);
}

static void test_says_who_forbids_it(World *world) {
        Directory *outer = make_directory(world, NULL), *inner = make_directory(world, outer);
        const Fact fact = group_fact(inner, MARK, MASK, true);
        static const BpfHook hooks[] = { BPF_HOOK_SOCK_CREATE, BPF_HOOK_CONNECT6 };
        int directory = open_directory(outer);
        int inside = open_directory(inner);

        for (size_t i = 0; i < G_N_ELEMENTS(hooks); i++) {
                int theirs = load_foreign(hooks[i], 0x51, 0xff);
                char text[CGROUP_BPF_TEXT_MAX];
                MarkedGroup found;
                Fault fault;

                g_assert_cmpint(bpf_call_attach(directory, hooks[i], theirs, 0, -1), ==, 0);
                g_assert_cmpint(apply(world, OPERATION_ADD, &fact, &fault), ==, -EPERM);
                g_assert_nonnull(strstr(fault.text, "program of others"));
                g_assert_cmpint(cgroup_bpf_query(inside, &found), ==, 0);
                g_assert_cmpint(cgroup_bpf_probe(inside, text), ==, 0);
                g_assert_nonnull(strstr(text, "program of others"));
                g_assert_cmpint(bpf_call_detach(directory, hooks[i], theirs), ==, 0);
                (void)close(theirs);
        }
        want(world, OPERATION_ADD, &fact);
        (void)close(inside);
        (void)close(directory);
}

static uint32_t mark_in(const Directory *directory) {
        uint32_t mark;
        int fd;

        join(directory->path);
        fd = make(&kinds[0]);
        mark = mark_of(fd);
        (void)close(fd);
        return mark;
}

static uint32_t mark_after_connect(const Directory *directory) {
        uint32_t mark;
        int fd;

        join(directory->path);
        fd = make(&kinds[0]);
        g_assert_cmpint(connect_to(fd, "127.0.0.1", PORT), ==, 0);
        mark = mark_of(fd);
        (void)close(fd);
        return mark;
}

static void check_innermost_wins(World *world, bool child_first, uint32_t child_mark) {
        const uint32_t mask = UINT32_C(3) << 28;
        Directory *outer = make_directory(world, NULL), *inner = make_directory(world, outer),
                  *innermost = make_directory(world, inner);
        const Fact of_outer = group_fact(outer, 1u << 28, mask, true);
        const Fact of_inner = group_fact(inner, child_mark, mask, true);

        want(world, OPERATION_ADD, child_first ? &of_inner : &of_outer);
        want(world, OPERATION_ADD, child_first ? &of_outer : &of_inner);
        g_assert_cmphex(mark_in(outer), ==, 1u << 28);
        g_assert_cmphex(mark_in(inner), ==, child_mark);
        g_assert_cmphex(mark_in(innermost), ==, child_mark);
        g_assert_cmphex(mark_after_connect(outer), ==, 1u << 28);
        g_assert_cmphex(mark_after_connect(innermost), ==, child_mark);
        want(world, OPERATION_REPLACE, &of_outer);
        g_assert_cmphex(mark_in(innermost), ==, child_mark);
        want(world, OPERATION_REMOVE, &of_inner);
        g_assert_cmphex(mark_in(innermost), ==, 1u << 28);
        want(world, OPERATION_REMOVE, &of_outer);
        g_assert_cmphex(mark_in(innermost), ==, 0);
        join(world->home_group);
}

static void test_innermost_group_wins(World *world) {
        if (!bpf_call_knows_attach_flags(BPF_F_ALLOW_MULTI | 1u << 6)) {
                g_test_skip("this kernel runs the outer group's programs last");
                return;
        }
        for (int child_first = 0; child_first < 2; child_first++) {
                check_innermost_wins(world, child_first, 2u << 28);
                check_innermost_wins(world, child_first, 0);
        }
}

static void test_innermost_group_with_a_mark_wins_on_older_kernels(World *world) {
        world->backend = cgroup_bpf_free(world->backend);
        world->backend = new_backend(world, /* without_preorder= */ true);
        for (int child_first = 0; child_first < 2; child_first++)
                check_innermost_wins(world, child_first, 2u << 28);
}

/* A second process makes sockets all the time while the mark is exchanged. */
static void test_replaces_without_a_moment_without_mark(World *world) {
        const uint32_t marks[] = { 1u << 28, 2u << 28 };
        Directory *group = make_directory(world, NULL);
        Fact facts[] = { group_fact(group, marks[0], 3u << 28, false),
                group_fact(group, marks[1], 3u << 28, true) };
        int stop[2], status;
        pid_t pid;

        want(world, OPERATION_ADD, &facts[0]);
        g_assert_cmpint(pipe2(stop, O_CLOEXEC | O_NONBLOCK), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                char byte;
                bool seen[2] = { false };

                join(group->path);
                (void)close(stop[1]);
                while (read(stop[0], &byte, 1) < 0) {
                        int fd = make(&kinds[0]);
                        uint32_t mark = mark_of(fd);

                        if (mark != marks[0] && mark != marks[1])
                                _exit(1);
                        seen[mark == marks[1]] = true;
                        (void)close(fd);
                }
                _exit(seen[0] && seen[1] ? 0 : 2);
        }
        for (size_t i = 0; i < 2000; i++)
                want(world, OPERATION_REPLACE, &facts[(i + 1) % 2]);
        (void)close(stop[1]);
        (void)close(stop[0]);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void test_add_and_remove_know_what_is_there(World *world) {
        Directory *group = make_directory(world, NULL);
        Fact fact = group_fact(group, MARK, MASK, false);
        Fact bad = group_fact(group, MARK | 1, MASK, false);
        Fact unknown = fact;
        Fault fault;

        unknown.marked_group.id = UINT64_MAX;
        g_assert_cmpint(apply(world, OPERATION_ADD, &bad, &fault), ==, -EINVAL);
        g_assert_cmpint(apply(world, OPERATION_ADD, &unknown, &fault), ==, -ENOENT);
        g_assert_cmpint(apply(world, OPERATION_REMOVE, &unknown, &fault), ==, 0);
        want(world, OPERATION_ADD, &fact);
        g_assert_cmpint(apply(world, OPERATION_ADD, &fact, &fault), ==, -EEXIST);
        want(world, OPERATION_REMOVE, &fact);
        g_assert_cmphex(mark_in(group), ==, 0);
        want(world, OPERATION_REMOVE, &fact);
        want(world, OPERATION_REPLACE, &fact);
        g_assert_cmphex(mark_in(group), ==, MARK);
}

static void expect_only(World *world, const Fact *fact) {
        char text[FACT_TEXT_MAX];

        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        g_assert_cmpuint(world->observed.facts.n, ==, fact ? 1 : 0);
        if (fact && !fact_equals(world->observed.facts.items, fact))
                g_error("found %s", fact_format(world->observed.facts.items, text));
}

static void test_tells_of_groups_that_are_gone(World *world) {
        Directory *group = make_directory(world, NULL), *other = make_directory(world, NULL);
        const Fact fact = group_fact(group, MARK, MASK, true);
        const Fact second = group_fact(other, MARK, MASK, false);

        want(world, OPERATION_ADD, &fact);
        expect_only(world, &fact);
        g_assert_cmpint(rmdir(group->path), ==, 0);
        want(world, OPERATION_ADD, &second);
        expect_only(world, &second);

        g_assert_cmpint(rmdir(other->path), ==, 0);
        cgroup_bpf_group_gone(world->backend, other->id);
        cgroup_bpf_group_gone(world->backend, other->id);
        g_assert_cmpuint(world->n_changes, ==, 0);
        while (sd_event_run(world->event, 0) > 0)
                ;
        g_assert_cmpuint(world->n_changes, ==, 1);
        expect_only(world, NULL);
}

static void test_notices_what_others_detached(World *world) {
        Directory *group = make_directory(world, NULL);
        const Fact fact = group_fact(group, MARK, MASK, false);
        uint32_t ids[BPF_CALL_ATTACHED_MAX];
        int directory = open_directory(group), program;

        want(world, OPERATION_ADD, &fact);
        g_assert_cmpint(bpf_call_query(directory, BPF_HOOK_SOCK_CREATE, ids), ==, 1);
        program = bpf_call_open_program(ids[0]);
        g_assert_cmpint(bpf_call_detach(directory, BPF_HOOK_SOCK_CREATE, program), ==, 0);
        expect_only(world, NULL);
        want(world, OPERATION_ADD, &fact);
        g_assert_cmphex(mark_in(group), ==, MARK);
        g_assert_cmpint(bpf_call_query(directory, BPF_HOOK_CONNECT4, ids), ==, 1);
        (void)close(program);
        (void)close(directory);
}

static Fact resolver(const char *text) {
        Fact fact = { .kind = FACT_RESOLVER };

        g_assert_cmpint(address_parse(text, &fact.resolver.address), ==, 0);
        return fact;
}

typedef struct Marking {
        World *world;
        Fact facts[2];
} Marking;

static void mark_and_die(void *data) {
        Marking *marking = data;
        const Fact servers[] = { resolver("10.77.1.1"), resolver("fd77:1::1") };

        for (size_t i = 0; i < 2; i++) {
                want(marking->world, OPERATION_ADD, &servers[i]);
                want(marking->world, OPERATION_ADD, &marking->facts[i]);
        }
        (void)kill(getpid(), SIGKILL);
}

static void test_survives_death_and_is_adopted(World *world) {
        Directory *outer = make_directory(world, NULL), *inner = make_directory(world, outer);
        Marking marking = { world,
                { group_fact(outer, MARK, MASK, true), group_fact(inner, 0, MASK, false) } };
        const Fact servers[] = { resolver("10.77.1.1"), resolver("fd77:1::1") };
        uint32_t ids[BPF_CALL_ATTACHED_MAX], same[BPF_CALL_ATTACHED_MAX];
        int directory = open_directory(inner), status;
        MarkedGroup found;
        Fact fact;
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0)
                mark_and_die(&marking);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        g_assert_cmphex(mark_in(outer), ==, MARK);
        g_assert_cmphex(mark_in(inner), ==, 0);
        join(world->home_group);
        g_assert_cmpint(cgroup_bpf_query(directory, &found), ==, 1);
        fact = (Fact){ .kind = FACT_MARKED_GROUP, .marked_group = found };
        g_assert_true(fact_equals(&fact, &marking.facts[1]));

        expect_only(world, NULL);
        g_assert_cmpint(bpf_call_query(directory, BPF_HOOK_SOCK_CREATE, ids), ==, 1);
        g_assert_cmpint(cgroup_bpf_adopt(world->backend, inner->id), ==, 1);
        g_assert_cmpint(cgroup_bpf_adopt(world->backend, outer->id), ==, 1);
        g_assert_cmpint(cgroup_bpf_adopt(world->backend, outer->id), ==, 1);
        g_assert_cmpint(bpf_call_query(directory, BPF_HOOK_SOCK_CREATE, same), ==, 1);
        g_assert_cmpuint(ids[0], !=, same[0]);

        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        g_assert_cmpuint(world->observed.facts.n, ==, 4);
        for (size_t i = 0; i < 2; i++) {
                const Fact *expected[] = { &marking.facts[i], &servers[i] };

                for (size_t k = 0; k < 2; k++) {
                        const Fact *seen = fact_set_find(&world->observed, expected[k]);

                        g_assert_nonnull(seen);
                        g_assert_true(fact_equals(seen, expected[k]));
                }
                want(world, OPERATION_REMOVE, &marking.facts[i]);
        }
        g_assert_cmpint(cgroup_bpf_query(directory, &found), ==, 0);
        g_assert_cmphex(mark_in(outer), ==, 0);
        (void)close(directory);
}

static void test_removes_what_an_earlier_process_left(World *world) {
        Directory *group = make_directory(world, NULL);
        const Fact fact = group_fact(group, MARK, MASK, true);
        Fact other = group_fact(group, 0, MASK, false);
        int directory = open_directory(group);
        uint32_t ids[BPF_CALL_ATTACHED_MAX];
        MarkedGroup found;

        for (int adopts = 0; adopts < 2; adopts++) {
                want(world, OPERATION_ADD, &fact);
                world->backend = cgroup_bpf_free(world->backend);
                world->backend = new_backend(world, false);
                if (adopts) {
                        want(world, OPERATION_ADD, &other);
                        g_assert_cmpint(
                                bpf_call_query(directory, BPF_HOOK_SOCK_CREATE, ids), ==, 1);
                        g_assert_cmpint(bpf_call_query(directory, BPF_HOOK_SENDMSG4, ids), ==, 0);
                }
                want(world, OPERATION_REMOVE, &fact);
                g_assert_cmpint(cgroup_bpf_query(directory, &found), ==, 0);
                for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                        g_assert_cmpint(bpf_call_query(directory, hook, ids), <=, 0);
        }
        (void)close(directory);
}

static void test_marks_many_groups_in_time(World *world) {
        enum { N = 4096 };
        g_autofree Operation *operations = g_new0(Operation, N);
        g_autofree Fault *faults = g_new0(Fault, N);
        Directory *outer = make_directory(world, NULL);
        gint64 start, attached, read;

        for (size_t i = 0; i < N; i++)
                operations[i] = (Operation){ .verb = OPERATION_ADD,
                        .fact = group_fact(make_directory(world, outer), MARK, MASK, false) };
        start = g_get_monotonic_time();
        g_assert_cmpuint(
                world->backend->interface->apply(world->backend, operations, N, faults), ==, 0);
        attached = g_get_monotonic_time();
        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        read = g_get_monotonic_time();
        g_assert_cmpuint(world->observed.facts.n, ==, N);
        g_test_message("%d groups: attached in %d ms, read in %d ms", N,
                (int)((attached - start) / 1000), (int)((read - attached) / 1000));
        g_assert_cmpint(attached - start, <, 20 * G_USEC_PER_SEC);
}

static void test_probe_finds_it_usable(World *world) {
        Directory *group = make_directory(world, NULL);
        const Fact fact = group_fact(group, MARK, MASK, true);
        int directory = open_directory(group);
        char text[CGROUP_BPF_TEXT_MAX];
        MarkedGroup found;

        g_assert_cmpint(cgroup_bpf_probe(directory, text), ==, 1);
        g_assert_cmpstr(text, ==, "");
        g_assert_cmpint(cgroup_bpf_query(directory, &found), ==, 0);
        want(world, OPERATION_ADD, &fact);
        g_assert_cmpint(cgroup_bpf_probe(directory, text), ==, 1);
        g_assert_cmphex(mark_in(group), ==, MARK);
        expect_only(world, &fact);
        (void)close(directory);
}

typedef struct Case {
        void (*test)(World *world);
        bool with_network;
} Case;

static void run_case(const void *data) {
        const Case *c = data;
        World world;

        if (set_up(&world, c->with_network))
                c->test(&world);
        clear(&world);
}

static void add(const char *path, void (*test)(World *), bool with_network) {
        Case *c = g_new(Case, 1);

        *c = (Case){ test, with_network };
        g_test_add_data_func_full(path, c, (GTestDataFunc)run_case, g_free);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define NETWORK(path, test) add("/cgroup-bpf/" path, test, true)
#define ALONE(path, test) add("/cgroup-bpf/" path, test, false)
        NETWORK("marks-what-is-born-after", test_marks_what_is_born_after);
        NETWORK("leaves-others-in-the-tunnel", test_leaves_others_in_the_tunnel);
        NETWORK("leaves-sockets-from-before", test_leaves_sockets_from_before);
        NETWORK("connecting-marks-older-sockets-of-the-group",
                test_connecting_marks_older_sockets_of_the_group);
        NETWORK("marks-sockets-of-children", test_marks_sockets_of_children);
        NETWORK("marks-accepted-connections", test_marks_accepted_connections);
        NETWORK("marks-accepted-mptcp-connections", test_marks_accepted_mptcp_connections);
        NETWORK("reset-goes-the-way-of-its-socket", test_reset_goes_the_way_of_its_socket);
        NETWORK("end-of-connection-goes-the-way-of-its-socket",
                test_end_of_connection_goes_the_way_of_its_socket);
        NETWORK("changes-no-bit-but-ours", test_changes_no_bit_but_ours);
        ALONE("keeps-marks-that-others-write", test_keeps_marks_that_others_write);
        ALONE("says-who-forbids-it", test_says_who_forbids_it);
        ALONE("innermost-group-wins", test_innermost_group_wins);
        ALONE("innermost-group-with-a-mark-wins-on-older-kernels",
                test_innermost_group_with_a_mark_wins_on_older_kernels);
        ALONE("replaces-without-a-moment-without-mark",
                test_replaces_without_a_moment_without_mark);
        ALONE("add-and-remove-know-what-is-there", test_add_and_remove_know_what_is_there);
        ALONE("tells-of-groups-that-are-gone", test_tells_of_groups_that_are_gone);
        ALONE("notices-what-others-detached", test_notices_what_others_detached);
        ALONE("survives-death-and-is-adopted", test_survives_death_and_is_adopted);
        ALONE("removes-what-an-earlier-process-left", test_removes_what_an_earlier_process_left);
        ALONE("marks-many-groups-in-time", test_marks_many_groups_in_time);
        ALONE("probe-finds-it-usable", test_probe_finds_it_usable);
        return g_test_run();
}
