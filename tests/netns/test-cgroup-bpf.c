// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The backend on a real kernel: which sockets are marked, and where they lead.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cgroup-bpf/bpf-call.h"
#include "tests/netns/test-cgroup-bpf-lib.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

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
                                          : world_families[kind->family == AF_INET6].destination;
        socklen_t size;
        Endpoint to = world_endpoint(destination, kind->type == SOCK_RAW ? 0 : PORT, &size);

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
        world_drain(world);
        use(kind, fd);
        world_expect_packet(world, side, kind->family == AF_INET6 && !kind->destination,
                kind->seen_as, kind->seen_as == IPPROTO_TCP ? TH_SYN : 0, kind->name);
}

static int make(const Kind *kind) {
        return world_socket(kind->family, kind->type, kind->protocol);
}

static void test_marks_what_is_born_after(World *world) {
        Directory *group = world_marked(world, /* resolves= */ false);

        world_join(group->path);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                int fd = make(&kinds[i]);

                g_assert_cmphex(world_mark_of(fd), ==, MARK);
                expect_use(world, &kinds[i], fd, PHYSICAL);
                (void)close(fd);
        }
}

static void test_leaves_others_in_the_tunnel(World *world) {
        (void)world_marked(world, /* resolves= */ false);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                int fd = make(&kinds[i]);

                g_assert_cmphex(world_mark_of(fd), ==, 0);
                expect_use(world, &kinds[i], fd, TUNNEL);
                (void)close(fd);
        }
}

static void test_leaves_sockets_from_before(World *world) {
        Directory *group = world_marked(world, /* resolves= */ false);
        int fds[G_N_ELEMENTS(kinds)];

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                fds[i] = make(&kinds[i]);
        world_join(group->path);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                expect_use(world, &kinds[i], fds[i], TUNNEL);
                (void)close(fds[i]);
        }
}

/* Born in the directory before the programs came to it: what connects is marked still. */
static void test_connecting_marks_older_sockets_of_the_group(World *world) {
        Directory *group = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, false);
        int fds[G_N_ELEMENTS(kinds)];

        world_join(group->path);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                fds[i] = make(&kinds[i]);
        world_want(world, OPERATION_ADD, &fact);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                expect_use(world, &kinds[i], fds[i],
                        kinds[i].how == SEND || kinds[i].how == CONNECT || kinds[i].how == FASTOPEN
                                ? PHYSICAL
                                : TUNNEL);
                (void)close(fds[i]);
        }
}

static void use_udp(void *data) {
        int fd = make(&kinds[0]);

        use(&kinds[0], fd);
}

static void test_marks_sockets_of_children(World *world) {
        Directory *group = world_marked(world, /* resolves= */ false);

        world_join(group->path);
        world_drain(world);
        world_run_in_child(use_udp, NULL);
        world_expect_packet(world, PHYSICAL, 0, IPPROTO_UDP, 0, "child");
}

/* From the destination's address, by the physical peer, to us. */
static void check_accepts(World *world, size_t v6, int protocol, const char *bound) {
        Directory *group = world_marked(world, /* resolves= */ false);
        int listener, caller, fd;

        world_join(group->path);
        listener = world_socket(world_families[v6].family, SOCK_STREAM, protocol);
        world_bind(listener, bound, PORT);
        g_assert_cmpint(listen(listener, 1), ==, 0);
        world_drain(world);

        world_go(world->peers[PHYSICAL]);
        caller = world_socket(world_families[v6].family, SOCK_STREAM | SOCK_NONBLOCK, protocol);
        world_bind(caller, world_families[v6].destination, 0);
        g_assert_cmpint(
                world_connect(caller, world_families[v6].source[PHYSICAL], PORT), ==, -EINPROGRESS);
        world_go(world->home);

        world_expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_SYN | TH_ACK, "accept");
        fd = world_accept(listener);
        g_assert_cmphex(world_mark_of(fd) & MASK, ==, MARK);
        g_assert_cmpint(write(fd, "x", 1), ==, 1);
        world_expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_PUSH, "accept");
        (void)close(fd);
        (void)close(caller);
        (void)close(listener);
        world_join(world->home_group);
}

static void test_marks_accepted_connections(World *world) {
        check_accepts(world, 0, 0, world_families[0].source[PHYSICAL]);
        check_accepts(world, 1, 0, world_families[1].source[PHYSICAL]);
        check_accepts(world, 0, 0, "0.0.0.0");
        check_accepts(world, 1, 0, "::");
}

static void test_marks_accepted_mptcp_connections(World *world) {
        check_accepts(world, 0, IPPROTO_MPTCP, world_families[0].source[PHYSICAL]);
        check_accepts(world, 1, IPPROTO_MPTCP, world_families[1].source[PHYSICAL]);
        check_accepts(world, 0, IPPROTO_MPTCP, "0.0.0.0");
        check_accepts(world, 1, IPPROTO_MPTCP, "::");
}

static void test_reset_goes_the_way_of_its_socket(World *world) {
        static const struct linger hard = { 1, 0 };
        Directory *group = world_marked(world, /* resolves= */ false);

        world_join(group->path);
        for (size_t v6 = 0; v6 < 2; v6++) {
                int listener =
                        world_listen_in_peer(world, PHYSICAL, world_families[v6].destination, PORT);
                int fd = world_socket(world_families[v6].family, SOCK_STREAM, 0);
                int peer;

                g_assert_cmpint(world_connect(fd, world_families[v6].destination, PORT), ==, 0);
                peer = world_accept(listener);
                g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), ==, 0);
                world_drain(world);
                (void)close(fd);
                world_expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_RST, "reset");
                (void)close(peer);
                (void)close(listener);
        }
}

static void test_end_of_connection_goes_the_way_of_its_socket(World *world) {
        Directory *group = world_marked(world, /* resolves= */ false);

        world_join(group->path);
        for (size_t v6 = 0; v6 < 2; v6++) {
                int listener =
                        world_listen_in_peer(world, PHYSICAL, world_families[v6].destination, PORT);
                int fd = world_socket(world_families[v6].family, SOCK_STREAM, 0);
                int peer;

                g_assert_cmpint(world_connect(fd, world_families[v6].destination, PORT), ==, 0);
                peer = world_accept(listener);
                world_drain(world);
                (void)close(fd);
                world_expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_FIN, "end");
                world_expect_readable(peer);
                world_drain(world);
                (void)close(peer); /* its FIN is answered by a timewait socket */
                world_expect_packet(world, PHYSICAL, v6, IPPROTO_TCP, TH_ACK, "time wait");
                (void)close(listener);
        }
}

static void test_changes_no_bit_but_ours(World *world) {
        const uint32_t foreign = 0xff0051;
        Directory *group = world_marked(world, /* resolves= */ false);
        Fact other = world_group(group, 0, 0x3 << 28, false);
        int fd;

        world_join(group->path);
        fd = make(&kinds[0]);
        g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_MARK, &foreign, sizeof(foreign)), ==, 0);
        g_assert_cmpint(world_connect(fd, world_families[0].destination, PORT), ==, 0);
        g_assert_cmphex(world_mark_of(fd), ==, foreign | MARK);

        /* Another mark of ours reaches a socket when it connects. */
        world_want(world, OPERATION_REPLACE, &other);
        g_assert_cmpint(world_connect(fd, world_families[0].destination, PORT), ==, 0);
        g_assert_cmphex(world_mark_of(fd), ==, foreign);
        (void)close(fd);
}

static int load_foreign(BpfHook hook, uint32_t mark, uint32_t mask) {
        const BpfProgramParameters parameters = { .mark = mark, .mask = mask };
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
        return fd;
}

static void test_keeps_marks_that_others_write(World *world) {
        Directory *outer = world_directory(world, NULL), *inner = world_directory(world, outer);
        const Fact fact = world_group(inner, MARK, MASK, false);
        int theirs = load_foreign(BPF_HOOK_SOCK_CREATE, 0x51, 0xff);
        int directory = world_open(outer), fd;

        g_assert_cmpint(
                others_attach(directory, BPF_HOOK_SOCK_CREATE, theirs, BPF_F_ALLOW_MULTI), ==, 0);
        world_want(world, OPERATION_ADD, &fact);
        world_join(inner->path);
        fd = make(&kinds[0]);
        g_assert_cmphex(world_mark_of(fd), ==, MARK | 0x51);
        (void)close(fd);

        /* And theirs stays where ours goes. */
        world_want(world, OPERATION_REMOVE, &fact);
        fd = make(&kinds[0]);
        g_assert_cmphex(world_mark_of(fd), ==, 0x51);
        (void)close(fd);
        (void)close(directory);
        (void)close(theirs);
}

static void test_says_who_forbids_it(World *world) {
        Directory *outer = world_directory(world, NULL), *inner = world_directory(world, outer);
        const Fact fact = world_group(inner, MARK, MASK, true);
        static const BpfHook hooks[] = { BPF_HOOK_SOCK_CREATE, BPF_HOOK_CONNECT6 };
        const CgroupBpfConfig config = world_config(world);
        int directory = world_open(outer);
        int inside = world_open(inner);

        world->backend = cgroup_bpf_free(world->backend);
        for (size_t i = 0; i < G_N_ELEMENTS(hooks); i++) {
                int theirs = load_foreign(hooks[i], 0x51, 0xff);
                char text[CGROUP_BPF_TEXT_MAX];
                Fault fault;

                g_assert_cmpint(others_attach(directory, hooks[i], theirs, 0), ==, 0);
                g_assert_cmpint(cgroup_bpf_probe(&config, NULL, inside, text), ==, 0);
                g_assert_nonnull(strstr(text, "program of others"));
                world->backend = world_backend(world, false);
                g_assert_cmpint(world_apply(world, OPERATION_ADD, &fact, &fault), ==, -EPERM);
                g_assert_nonnull(strstr(fault.text, "program of others"));
                g_assert_cmpuint(world_count_programs(inner), ==, 0);
                world->backend = cgroup_bpf_free(world->backend);
                g_assert_cmpuint(world_count_pins(), ==, 0);
                g_assert_cmpint(others_detach(directory, hooks[i], theirs), ==, 0);
                (void)close(theirs);
        }
        world->backend = world_backend(world, false);
        world_want(world, OPERATION_ADD, &fact);
        (void)close(inside);
        (void)close(directory);
}

static uint32_t mark_after_connect(const Directory *directory) {
        uint32_t mark;
        int fd;

        world_join(directory->path);
        fd = make(&kinds[0]);
        g_assert_cmpint(world_connect(fd, "127.0.0.1", PORT), ==, 0);
        mark = world_mark_of(fd);
        (void)close(fd);
        return mark;
}

static void check_innermost_wins(World *world, bool child_first, uint32_t child_mark) {
        const uint32_t mask = UINT32_C(3) << 28;
        Directory *outer = world_directory(world, NULL), *inner = world_directory(world, outer),
                  *innermost = world_directory(world, inner);
        const Fact of_outer = world_group(outer, 1u << 28, mask, true);
        const Fact of_inner = world_group(inner, child_mark, mask, true);

        world_want(world, OPERATION_ADD, child_first ? &of_inner : &of_outer);
        world_want(world, OPERATION_ADD, child_first ? &of_outer : &of_inner);
        g_assert_cmphex(world_mark_in(outer), ==, 1u << 28);
        g_assert_cmphex(world_mark_in(inner), ==, child_mark);
        g_assert_cmphex(world_mark_in(innermost), ==, child_mark);
        g_assert_cmphex(mark_after_connect(outer), ==, 1u << 28);
        g_assert_cmphex(mark_after_connect(innermost), ==, child_mark);
        world_want(world, OPERATION_REPLACE, &of_outer);
        g_assert_cmphex(world_mark_in(innermost), ==, child_mark);
        world_want(world, OPERATION_REMOVE, &of_inner);
        g_assert_cmphex(world_mark_in(innermost), ==, 1u << 28);
        world_want(world, OPERATION_REMOVE, &of_outer);
        g_assert_cmphex(world_mark_in(innermost), ==, 0);
        world_join(world->home_group);
}

static void test_innermost_group_wins(World *world) {
        if (!bpf_call_knows_link_flags(1u << 6)) {
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
        world->backend = world_backend(world, /* without_preorder= */ true);
        for (int child_first = 0; child_first < 2; child_first++)
                check_innermost_wins(world, child_first, 2u << 28);
}

/* A second process makes sockets all the time while the mark is exchanged. */
static void test_replaces_without_a_moment_without_mark(World *world) {
        const uint32_t marks[] = { 1u << 28, 2u << 28 };
        Directory *group = world_directory(world, NULL);
        Fact facts[] = { world_group(group, marks[0], 3u << 28, false),
                world_group(group, marks[1], 3u << 28, true) };
        int stop[2], status;
        pid_t pid;

        world_want(world, OPERATION_ADD, &facts[0]);
        g_assert_cmpint(pipe2(stop, O_CLOEXEC | O_NONBLOCK), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                char byte;
                bool seen[2] = { false };

                world_join(group->path);
                (void)close(stop[1]);
                while (read(stop[0], &byte, 1) < 0) {
                        int fd = make(&kinds[0]);
                        uint32_t mark = world_mark_of(fd);

                        if (mark != marks[0] && mark != marks[1])
                                _exit(1);
                        seen[mark == marks[1]] = true;
                        (void)close(fd);
                }
                _exit(seen[0] && seen[1] ? 0 : 2);
        }
        for (size_t i = 0; i < 2000; i++)
                world_want(world, OPERATION_REPLACE, &facts[(i + 1) % 2]);
        (void)close(stop[1]);
        (void)close(stop[0]);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void test_add_and_remove_know_what_is_there(World *world) {
        Directory *group = world_directory(world, NULL);
        Fact fact = world_group(group, MARK, MASK, false);
        Fact bad = world_group(group, MARK | 1, MASK, false);
        Fact unknown = fact;
        Fault fault;

        unknown.marked_group.id = UINT64_MAX;
        g_assert_cmpint(world_apply(world, OPERATION_ADD, &bad, &fault), ==, -EINVAL);
        g_assert_cmpint(world_apply(world, OPERATION_ADD, &unknown, &fault), ==, -ENOENT);
        g_assert_cmpint(world_apply(world, OPERATION_REMOVE, &unknown, &fault), ==, 0);
        world_want(world, OPERATION_ADD, &fact);
        g_assert_cmpint(world_apply(world, OPERATION_ADD, &fact, &fault), ==, -EEXIST);
        world_want(world, OPERATION_REMOVE, &fact);
        g_assert_cmphex(world_mark_in(group), ==, 0);
        world_want(world, OPERATION_REMOVE, &fact);
        world_want(world, OPERATION_REPLACE, &fact);
        g_assert_cmphex(world_mark_in(group), ==, MARK);
}

static void test_tells_of_groups_that_are_gone(World *world) {
        Directory *group = world_directory(world, NULL), *other = world_directory(world, NULL);
        const Fact fact = world_group(group, MARK, MASK, true);
        const Fact second = world_group(other, MARK, MASK, false);

        world_want(world, OPERATION_ADD, &fact);
        world_expect_only(world, &fact);
        g_assert_cmpint(rmdir(group->path), ==, 0);
        world_want(world, OPERATION_ADD, &second);
        world_wait_only(world, &second);

        g_assert_cmpint(rmdir(other->path), ==, 0);
        cgroup_bpf_group_gone(world->backend, other->id);
        cgroup_bpf_group_gone(world->backend, other->id);
        g_assert_cmpuint(world->n_changes, ==, 0);
        while (sd_event_run(world->event, 0) > 0)
                ;
        g_assert_cmpuint(world->n_changes, ==, 1);
        world_expect_only(world, NULL);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

#define NETWORK(path, test) world_test_add("/cgroup-bpf/" path, test, true)
#define ALONE(path, test) world_test_add("/cgroup-bpf/" path, test, false)
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
        return g_test_run();
}
