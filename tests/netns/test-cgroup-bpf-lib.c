// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/netns/test-cgroup-bpf-lib.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "tests/lib/netns.h"

#define DEADLINE_MSEC 5000

static const char *const side_names[] = { "physical", "tunnel" };

const WorldFamily world_families[2] = {
        { AF_INET, "10.77.9.9", { "10.77.1.2", "10.77.2.2" }, { "10.77.1.1", "10.77.2.1" } },
        { AF_INET6, "fd77:9::9", { "fd77:1::2", "fd77:2::2" }, { "fd77:1::1", "fd77:2::1" } },
};

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

void world_join(const char *path) {
        g_autofree char *file = g_strconcat(path, "/cgroup.procs", NULL);
        int fd = open(file, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, "0", 1), ==, 1);
        (void)close(fd);
}

Directory *world_directory(World *world, const Directory *parent) {
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

int world_open(const Directory *directory) {
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

void world_go(int namespace) {
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

        world_go(world->peers[side]);
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

        world_go(world->home);
        netns_ip("link set %s up", side_names[side]);
        netns_ip("address add 10.77.%u.2/24 dev %s", n, side_names[side]);
        netns_ip("address add fd77:%u::2/64 dev %s nodad", n, side_names[side]);
        netns_ip("route add default via 10.77.%u.1 table %s", n, side == TUNNEL ? "1985" : "main");
        netns_ip("-6 route add default via fd77:%u::1 table %s", n,
                side == TUNNEL ? "1985" : "main");
        world_go(world->peers[side]);
        /* So that the first packet waits for nobody. */
        netns_ip("neighbour replace 10.77.%u.2 lladdr 02:00:00:00:00:0%u dev peer", n, n);
        netns_ip("neighbour replace fd77:%u::2 lladdr 02:00:00:00:00:0%u dev peer", n, n);
        world_go(world->home);
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

        g_assert_cmpuint(kinds, ==,
                FACT_KIND_BIT(FACT_MARKED_GROUP) | FACT_KIND_BIT(FACT_KNOWN_GROUP) |
                        FACT_KIND_BIT(FACT_RESOLVER));
        g_assert_cmpint(fact_set_copy(&world->observed, facts), ==, 0);
}

CgroupBpfConfig world_config(World *world) {
        return (CgroupBpfConfig){ .open_group = open_group, .userdata = world, .directory = PINS };
}

Backend *world_backend(World *world, bool without_preorder) {
        CgroupBpfConfig config = world_config(world);
        Backend *backend = NULL;
        Fault fault;

        config.without_preorder = without_preorder;
        if (cgroup_bpf_new(world->event, &config, &backend, &fault) < 0)
                g_error("%s", fault.text);
        backend->sink = (BackendSink){ on_changes, on_resync, world };
        return backend;
}

void world_restart(World *world) {
        world->backend = cgroup_bpf_free(world->backend);
        world->event = sd_event_unref(world->event); /* no child may use it */
        g_assert_cmpint(sd_event_new(&world->event), >=, 0);
        fact_set_clear(&world->observed);
        world->backend = world_backend(world, false);
}

static int others_call(enum bpf_cmd command, union bpf_attr *attr) {
        long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

        return r < 0 ? -errno : (int)r;
}

int others_attach(int directory, BpfHook hook, int program, uint32_t flags) {
        return others_call(BPF_PROG_ATTACH, &(union bpf_attr){ .target_fd = (uint32_t)directory,
                                                    .attach_bpf_fd = (uint32_t)program,
                                                    .attach_type = bpf_hook_info(hook)->attach_type,
                                                    .attach_flags = flags });
}

int others_detach(int directory, BpfHook hook, int program) {
        return others_call(
                BPF_PROG_DETACH, &(union bpf_attr){ .target_fd = (uint32_t)directory,
                                         .attach_bpf_fd = (uint32_t)program,
                                         .attach_type = bpf_hook_info(hook)->attach_type });
}

int others_query(int directory, BpfHook hook, uint32_t ids[static PROGRAMS_MAX]) {
        union bpf_attr attr = { .query.target_fd = (uint32_t)directory,
                .query.attach_type = bpf_hook_info(hook)->attach_type,
                .query.prog_ids = (uintptr_t)ids,
                .query.prog_cnt = PROGRAMS_MAX };
        int r = others_call(BPF_PROG_QUERY, &attr);

        return r < 0 ? r : (int)attr.query.prog_cnt;
}

unsigned world_count_programs(const Directory *directory) {
        uint32_t ids[PROGRAMS_MAX];
        int fd = world_open(directory);
        unsigned count = 0;

        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++) {
                int n = others_query(fd, hook, ids);

                count += n > 0 ? (unsigned)n : 0;
        }
        (void)close(fd);
        return count;
}

unsigned world_count_pins(void) {
        g_autoptr(GDir) directory = g_dir_open(PINS, 0, NULL);
        unsigned count = 0;

        while (directory && g_dir_read_name(directory))
                count++;
        return count;
}

/* Unmounted at the end, its last pins go and detach what is left. */
static bool mount_bpf_fs(void) {
        static bool is_apart;

        if (!is_apart &&
                (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                return false;
        is_apart = true;
        return mount("bpf", BPF_FS, "bpf", 0, "mode=700") == 0;
}

static bool can_run(World *world) {
        g_autofree char *root = cgroup2_root();
        const CgroupBpfConfig config = world_config(world);
        char text[CGROUP_BPF_TEXT_MAX];

        if (!root || geteuid() != 0 || !mount_bpf_fs() ||
                cgroup_bpf_probe(&config, NULL, -1, text) != 1) {
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
        if (!can_run(world))
                return false;
        root = cgroup2_root();
        world->home_group = own_group(root);
        g_assert_cmpint(sd_event_new(&world->event), >=, 0);
        world->backend = world_backend(world, false);
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
                world_join(world->home_group);
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
        (void)umount2(BPF_FS, MNT_DETACH);
}

Fact world_group(const Directory *directory, uint32_t mark, uint32_t mask, bool resolves) {
        const char *root_end = strstr(directory->path, "/talpid-test-bpf-");
        uint32_t level = 0;

        for (const char *p = root_end; *p; p++)
                level += *p == '/';
        return (Fact){ .kind = FACT_MARKED_GROUP,
                .marked_group = { directory->id, level, mark, mask, resolves } };
}

int world_apply(World *world, OperationVerb verb, const Fact *fact, Fault *ret) {
        const Operation operation = { .verb = verb, .fact = *fact, .old = *fact };
        Fault fault;
        size_t n = world->backend->interface->apply(world->backend, &operation, 1, &fault);

        g_assert_cmpuint(n, ==, fault.error != 0);
        if (ret)
                *ret = fault;
        return fault.error;
}

void world_want(World *world, OperationVerb verb, const Fact *fact) {
        Fault fault;

        if (world_apply(world, verb, fact, &fault) < 0)
                g_error("%s", fault.text);
}

/* A new group with our mark. */
Fact world_known(const Directory *directory, uint32_t level, uint32_t mark) {
        return (Fact){ .kind = FACT_KNOWN_GROUP,
                .known_group = { .id = directory->id,
                        .level = level,
                        .is_above = mark != 0,
                        .mark = mark,
                        .mask = mark ? MASK : 0 } };
}

Directory *world_marked(World *world, bool resolves) {
        Directory *directory = world_directory(world, NULL);
        const Fact fact = world_group(directory, MARK, MASK, resolves);

        world_want(world, OPERATION_ADD, &fact);
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
        return strcmp(destination, world_families[v6].destination) == 0;
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

void world_drain(World *world) {
        char byte;

        for (Side side = 0; side < _SIDE_MAX; side++)
                while (recv(world->captures[side], &byte, 1, 0) >= 0)
                        ;
}

void world_expect_packet(
        World *world, Side side, size_t v6, int protocol, uint8_t tcp_flags, const char *what) {
        Packet packet = next_packet(world, protocol, tcp_flags);

        if (packet.side != side || strcmp(packet.source, world_families[v6].source[side]) != 0)
                g_error("%s: went to the %s from %s, not to the %s from %s", what,
                        side_names[packet.side], packet.source, side_names[side],
                        world_families[v6].source[side]);
}

Endpoint world_endpoint(const char *text, uint16_t port, socklen_t *ret_size) {
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

char *world_endpoint_text(const Endpoint *e) {
        char text[INET6_ADDRSTRLEN] = "nothing";

        if (e->any.sa_family == AF_INET)
                (void)inet_ntop(AF_INET, &e->v4.sin_addr, text, sizeof(text));
        else if (e->any.sa_family == AF_INET6)
                (void)inet_ntop(AF_INET6, &e->v6.sin6_addr, text, sizeof(text));
        return g_strdup(text);
}

void world_bind(int fd, const char *text, uint16_t port) {
        static const int on = 1;
        socklen_t size;
        Endpoint e = world_endpoint(text, port, &size);

        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        g_assert_cmpint(bind(fd, &e.any, size), ==, 0);
}

uint32_t world_mark_of(int fd) {
        uint32_t mark = 0;
        socklen_t size = sizeof(mark);

        g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size), ==, 0);
        return mark;
}

int world_socket(int family, int type, int protocol) {
        int fd = socket(family, type | SOCK_CLOEXEC, protocol);

        if (fd < 0)
                g_error("socket(%d, %d, %d): %s", family, type, protocol, g_strerror(errno));
        return fd;
}

uint32_t world_mark_in(const Directory *directory) {
        uint32_t mark;
        int fd;

        world_join(directory->path);
        fd = world_socket(AF_INET, SOCK_DGRAM, 0);
        mark = world_mark_of(fd);
        (void)close(fd);
        return mark;
}

void world_wait_unmarked(const Directory *directory) {
        const gint64 until = g_get_monotonic_time() + DEADLINE_MSEC * 1000;

        while (world_mark_in(directory) != 0)
                g_assert_cmpint(g_get_monotonic_time(), <, until);
}

void world_run_in_child(void (*function)(void *), void *data) {
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

int world_listen_in_peer(World *world, Side side, const char *address, uint16_t port) {
        int fd;

        world_go(world->peers[side]);
        fd = world_socket(strchr(address, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
        world_bind(fd, address, port);
        g_assert_cmpint(listen(fd, 8), ==, 0);
        world_go(world->home);
        return fd;
}

void world_expect_readable(int fd) {
        struct pollfd pollfd = { fd, POLLIN, 0 };

        g_assert_cmpint(poll(&pollfd, 1, DEADLINE_MSEC), ==, 1);
}

int world_accept(int listener) {
        int fd;

        world_expect_readable(listener);
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        return fd;
}

int world_connect(int fd, const char *text, uint16_t port) {
        socklen_t size;
        Endpoint to = world_endpoint(text, port, &size);

        return connect(fd, &to.any, size) < 0 ? -errno : 0;
}

void world_expect_only(World *world, const Fact *fact) {
        char text[FACT_TEXT_MAX];

        g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        g_assert_cmpuint(world->observed.facts.n, ==, fact ? 1 : 0);
        if (fact && !fact_equals(world->observed.facts.items, fact))
                g_error("found %s", fact_format(world->observed.facts.items, text));
}

void world_wait_only(World *world, const Fact *fact) {
        const gint64 until = g_get_monotonic_time() + DEADLINE_MSEC * 1000;

        do {
                g_assert_cmpint(g_get_monotonic_time(), <, until);
                g_assert_cmpint(world->backend->interface->resync(world->backend), ==, 0);
        } while (world->observed.facts.n != (fact ? 1 : 0));
        world_expect_only(world, fact);
}

Fact world_resolver(const char *text) {
        Fact fact = { .kind = FACT_RESOLVER };

        g_assert_cmpint(address_parse(text, &fact.resolver.address), ==, 0);
        return fact;
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

void world_test_add(const char *path, void (*test)(World *), bool with_network) {
        Case *c = g_new(Case, 1);

        *c = (Case){ test, with_network };
        g_test_add_data_func_full(path, c, (GTestDataFunc)run_case, g_free);
}
