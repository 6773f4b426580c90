// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Questions of groups that resolve: whom they reach, and whom the program sees.
 *
 * The resolvers are the physical peer; another server listens on 127.0.0.53.
 */

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cgroup-bpf/bpf-call.h"
#include "tests/netns/test-cgroup-bpf-lib.h"

#define DNS 53

/* Sockets of the resolvers and of the server that is not to be asked, all with port 53. */
typedef struct Servers {
        int udp[2], tcp[2]; /* of the family at the physical peer */
        int local;          /* UDP, 127.0.0.53 */
} Servers;

static int listen_udp(World *world, int namespace, const char *address) {
        int fd;

        world_go(namespace);
        fd = world_socket(strchr(address, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
        world_bind(fd, address, DNS);
        world_go(world->home);
        return fd;
}

static Servers start_servers(World *world) {
        Servers servers;

        for (size_t v6 = 0; v6 < 2; v6++) {
                const char *address = world_families[v6].peer[PHYSICAL];

                servers.udp[v6] = listen_udp(world, world->peers[PHYSICAL], address);
                servers.tcp[v6] = world_listen_in_peer(world, PHYSICAL, address, DNS);
        }
        servers.local = listen_udp(world, world->home, "127.0.0.53");
        return servers;
}

static void stop_servers(const Servers *servers) {
        for (size_t v6 = 0; v6 < 2; v6++) {
                (void)close(servers->udp[v6]);
                (void)close(servers->tcp[v6]);
        }
        (void)close(servers->local);
}

static void set_resolvers(World *world) {
        for (size_t v6 = 0; v6 < 2; v6++) {
                const Fact fact = world_resolver(world_families[v6].peer[PHYSICAL]);

                world_want(world, OPERATION_ADD, &fact);
        }
}

typedef struct Question {
        int family, type;
        bool connected;
        const char *asked;
        size_t v6; /* the resolver's family */
} Question;

static const Question questions[] = {
        { AF_INET, SOCK_DGRAM, false, "127.0.0.53", 0 },
        { AF_INET, SOCK_DGRAM, false, "10.77.2.1", 0 },
        { AF_INET, SOCK_DGRAM, false, "10.77.1.1", 0 },
        { AF_INET, SOCK_DGRAM, true, "127.0.0.53", 0 },
        { AF_INET, SOCK_DGRAM, true, "10.77.2.1", 0 },
        { AF_INET, SOCK_DGRAM, true, "10.77.1.1", 0 },
        { AF_INET, SOCK_STREAM, true, "127.0.0.53", 0 },
        { AF_INET, SOCK_STREAM, true, "10.77.2.1", 0 },
        { AF_INET6, SOCK_DGRAM, false, "::ffff:127.0.0.53", 0 },
        { AF_INET6, SOCK_DGRAM, false, "::ffff:10.77.2.1", 0 },
        { AF_INET6, SOCK_DGRAM, true, "::ffff:127.0.0.53", 0 },
        { AF_INET6, SOCK_DGRAM, true, "::ffff:10.77.2.1", 0 },
        { AF_INET6, SOCK_STREAM, true, "::ffff:127.0.0.53", 0 },
        { AF_INET6, SOCK_STREAM, true, "::ffff:10.77.2.1", 0 },
        { AF_INET6, SOCK_DGRAM, false, "::1", 1 },
        { AF_INET6, SOCK_DGRAM, false, "fd77:2::1", 1 },
        { AF_INET6, SOCK_DGRAM, false, "fd77:1::1", 1 },
        { AF_INET6, SOCK_DGRAM, true, "::1", 1 },
        { AF_INET6, SOCK_DGRAM, true, "fd77:2::1", 1 },
        { AF_INET6, SOCK_STREAM, true, "::1", 1 },
        { AF_INET6, SOCK_STREAM, true, "fd77:2::1", 1 },
};

static void expect_endpoint(const Endpoint *found, const char *text, uint16_t port) {
        g_autofree char *shown = world_endpoint_text(found);

        g_assert_cmpstr(shown, ==, text);
        g_assert_cmpuint(
                ntohs(found->any.sa_family == AF_INET ? found->v4.sin_port : found->v6.sin6_port),
                ==, port);
}

static void ask(int fd, const Question *question) {
        socklen_t size;
        Endpoint to = world_endpoint(question->asked, DNS, &size);

        if (question->connected) {
                g_assert_cmpint(connect(fd, &to.any, size), ==, 0);
                g_assert_cmpint(send(fd, "?", 1, 0), ==, 1);
        } else
                g_assert_cmpint(sendto(fd, "?", 1, 0, &to.any, size), ==, 1);
}

static Endpoint receive(int fd) {
        Endpoint from = { 0 };
        socklen_t size = sizeof(from);
        char byte;

        world_expect_readable(fd);
        g_assert_cmpint(recvfrom(fd, &byte, 1, 0, &from.any, &size), ==, 1);
        return from;
}

static void answer(int fd, const Endpoint *to) {
        g_assert_cmpint(sendto(fd, "!", 1, 0, &to->any,
                                to->any.sa_family == AF_INET ? sizeof(to->v4) : sizeof(to->v6)),
                ==, 1);
}

/* The resolver gets it, by the physical link; the program sees whom it asked. */
static void check_turned(World *world, const Servers *servers, const Question *question) {
        const char *source = world_families[question->v6].source[PHYSICAL];
        int fd = world_socket(question->family, question->type, 0);
        Endpoint from, peer = { 0 };
        socklen_t size = sizeof(peer);

        ask(fd, question);
        if (question->type == SOCK_STREAM) {
                int server = world_accept(servers->tcp[question->v6]);

                g_assert_cmpint(getpeername(server, &from.any, &size), ==, 0);
                (void)receive(server);
                g_assert_cmpint(send(server, "!", 1, 0), ==, 1);
                (void)receive(fd);
                (void)close(server);
        } else {
                int server = servers->udp[question->v6];
                Endpoint seen;

                from = receive(server);
                answer(server, &from);
                seen = receive(fd);
                expect_endpoint(&seen, question->asked, DNS);
        }
        {
                g_autofree char *shown = world_endpoint_text(&from);

                g_assert_cmpstr(shown, ==, source);
        }
        if (question->connected) {
                size = sizeof(peer);
                g_assert_cmpint(getpeername(fd, &peer.any, &size), ==, 0);
                expect_endpoint(&peer, question->asked, DNS);
        }
        (void)close(fd);
}

static void test_resolver_gets_the_questions(World *world) {
        Directory *group = world_marked(world, /* resolves= */ true);
        Servers servers = start_servers(world);

        set_resolvers(world);
        world_join(group->path);
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++)
                check_turned(world, &servers, &questions[i]);
        stop_servers(&servers);
}

static void expect_nothing(int fd) {
        struct pollfd pollfd = { fd, POLLIN, 0 };

        g_assert_cmpint(poll(&pollfd, 1, 0), ==, 0);
}

/* 127.0.0.53 gets it itself. Loopback delivers at once. */
static void check_left_alone(const Servers *servers) {
        for (int connected = 0; connected < 2; connected++) {
                const Question question = { AF_INET, SOCK_DGRAM, connected, "127.0.0.53", 0 };
                int fd = world_socket(AF_INET, SOCK_DGRAM, 0);
                Endpoint from;

                ask(fd, &question);
                from = receive(servers->local);
                expect_nothing(servers->udp[0]);
                answer(servers->local, &from);
                from = receive(fd);
                expect_endpoint(&from, "127.0.0.53", DNS);
                (void)close(fd);
        }
}

static void test_questions_of_others_are_left_alone(World *world) {
        Directory *outer = world_marked(world, /* resolves= */ true);
        Directory *plain = world_marked(world, /* resolves= */ false);
        Directory *inner = world_directory(world, outer);
        const Fact exception = world_group(inner, 0, MASK, false);
        Servers servers = start_servers(world);

        set_resolvers(world);
        check_left_alone(&servers);
        world_join(plain->path);
        check_left_alone(&servers);
        world_want(world, OPERATION_ADD, &exception);
        world_join(inner->path);
        check_left_alone(&servers);
        stop_servers(&servers);
}

static void test_nested_groups_turn_a_question_once(World *world) {
        Directory *outer = world_marked(world, /* resolves= */ true);
        Directory *inner = world_directory(world, outer);
        const Fact fact = world_group(inner, MARK, MASK, true);
        Servers servers = start_servers(world);

        world_want(world, OPERATION_ADD, &fact);
        set_resolvers(world);
        world_join(inner->path);
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++)
                check_turned(world, &servers, &questions[i]);
        stop_servers(&servers);
}

static void test_questions_are_left_alone_without_a_resolver(World *world) {
        Directory *group = world_marked(world, /* resolves= */ true);
        Servers servers = start_servers(world);
        const Fact v4 = world_resolver("10.77.1.1"), v6 = world_resolver("fd77:1::1");

        world_join(group->path);
        check_left_alone(&servers);
        world_want(world, OPERATION_ADD, &v6);
        check_left_alone(&servers);
        world_want(world, OPERATION_ADD, &v4);
        check_turned(world, &servers, &questions[0]);
        world_want(world, OPERATION_REMOVE, &v4);
        check_left_alone(&servers);
        world_want(world, OPERATION_REMOVE, &v4);
        stop_servers(&servers);
}

/* What is new below a group that lies above listed ones; an answer comes back when it is not. */
static void test_newcomers_ask_the_resolver(World *world) {
        const Directory *top = world_directory(world, NULL);
        Directory *fresh = world_directory(world, top);
        Servers servers = start_servers(world);
        Fact above = world_known(top, 0, MARK), known = world_known(fresh, 1, 0);

        above.known_group.resolves = above.known_group.confined = true;
        set_resolvers(world);
        world_want(world, OPERATION_ADD, &above);
        world_join(fresh->path);
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++)
                check_turned(world, &servers, &questions[i]);
        world_want(world, OPERATION_ADD, &known);
        check_left_alone(&servers);
        stop_servers(&servers);
}

static void test_other_ports_are_left_alone(World *world) {
        Directory *group = world_marked(world, /* resolves= */ true);
        int server, fd;
        Endpoint from;

        set_resolvers(world);
        server = world_socket(AF_INET, SOCK_DGRAM, 0);
        world_bind(server, "127.0.0.53", 54);
        world_join(group->path);
        fd = world_socket(AF_INET, SOCK_DGRAM, 0);
        g_assert_cmpint(world_connect(fd, "127.0.0.53", 54), ==, 0);
        g_assert_cmpint(send(fd, "?", 1, 0), ==, 1);
        from = receive(server);
        answer(server, &from);
        from = receive(fd);
        expect_endpoint(&from, "127.0.0.53", 54);
        (void)close(server);
        (void)close(fd);
}

static void test_resolver_changes_in_place(World *world) {
        const Question question = { AF_INET, SOCK_DGRAM, false, "127.0.0.53", 0 };
        const Fact facts[] = { world_resolver("10.77.1.1"), world_resolver("10.77.9.9") };
        Directory *group = world_marked(world, /* resolves= */ true);
        int servers[2], fd;
        Fault fault;

        for (size_t i = 0; i < 2; i++)
                servers[i] = listen_udp(
                        world, world->peers[PHYSICAL], i == 0 ? "10.77.1.1" : "10.77.9.9");
        world_want(world, OPERATION_ADD, &facts[0]);
        g_assert_cmpint(world_apply(world, OPERATION_ADD, &facts[1], &fault), ==, -EEXIST);
        world_join(group->path);
        fd = world_socket(AF_INET, SOCK_DGRAM, 0);
        for (size_t i = 0; i < 2; i++) {
                Endpoint from;

                ask(fd, &question);
                from = receive(servers[i]);
                /* An answer of the one that was asked counts still when there is another. */
                world_want(world, OPERATION_REPLACE, &facts[1]);
                answer(servers[i], &from);
                from = receive(fd);
                expect_endpoint(&from, "127.0.0.53", DNS);
        }
        (void)close(fd);
        (void)close(servers[0]);
        (void)close(servers[1]);
}

/* Answers every question with the address 192.0.2.1, by UDP or, when @truncates, by TCP alone. */
static void serve(const Servers *servers, bool truncates) {
        for (;;) {
                struct pollfd fds[] = { { servers->udp[0], POLLIN, 0 },
                        { servers->tcp[0], POLLIN, 0 } };
                static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0,
                        2, 1 };
                uint8_t message[600], *dns = message + 2;
                bool tcp;
                Endpoint from;
                socklen_t size = sizeof(from);
                ssize_t n;
                int fd;

                (void)poll(fds, 2, -1);
                tcp = fds[1].revents;
                fd = tcp ? accept(servers->tcp[0], NULL, NULL) : servers->udp[0];
                if (tcp)
                        n = recv(fd, message, 2, MSG_WAITALL) == 2
                                    ? recv(fd, dns, (size_t)(message[0] << 8 | message[1]),
                                              MSG_WAITALL)
                                    : -1;
                else
                        n = recvfrom(fd, dns, 512, 0, &from.any, &size);
                if (n < 12)
                        continue;

                dns[2] = 0x81 | (truncates && !tcp ? 2 : 0);
                dns[3] = 0x80;
                dns[10] = dns[11] = 0; /* no additional records */
                /* The question ends with type and class; EDNS behind it is dropped. */
                n = 12;
                while (dns[n])
                        n += dns[n] + 1;
                n += 5;
                if (tcp || !truncates) {
                        dns[7] = 1;
                        memcpy(dns + n, record, sizeof(record));
                        n += (ssize_t)sizeof(record);
                }
                message[0] = (uint8_t)(n >> 8);
                message[1] = (uint8_t)n;
                if (tcp) {
                        (void)!send(fd, message, (size_t)n + 2, 0);
                        (void)close(fd);
                } else
                        (void)!sendto(fd, dns, (size_t)n, 0, &from.any, size);
        }
}

static void test_c_library_resolves(World *world) {
        Directory *group = world_marked(world, /* resolves= */ true);
        Servers servers = start_servers(world);

        set_resolvers(world);
        for (int truncates = 0; truncates < 2; truncates++) {
                struct __res_state state = { 0 };
                uint8_t answer_bytes[512];
                int status, n;
                pid_t pid = fork();

                g_assert_cmpint(pid, >=, 0);
                if (pid == 0)
                        serve(&servers, truncates);

                world_join(group->path);
                g_assert_cmpint(res_ninit(&state), ==, 0);
                state.nscount = 1;
                state.retry = 1;
                state.nsaddr_list[0] = (struct sockaddr_in){ .sin_family = AF_INET,
                        .sin_port = htons(DNS),
                        .sin_addr.s_addr = htonl(0x7f000035) };
                n = res_nquery(&state, "talpid.example", ns_c_in, ns_t_a, answer_bytes,
                        sizeof(answer_bytes));
                g_assert_cmpint(n, >, 16);
                g_assert_cmpmem(answer_bytes + n - 4, 4, "\xc0\x00\x02\x01", 4);
                res_nclose(&state);
                world_join(world->home_group);
                (void)kill(pid, SIGKILL);
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                expect_nothing(servers.local);
        }
        stop_servers(&servers);
}

#define NETWORK(path, test) world_test_add("/cgroup-bpf-dns/" path, test, true)

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        NETWORK("resolver-gets-the-questions", test_resolver_gets_the_questions);
        NETWORK("questions-of-others-are-left-alone", test_questions_of_others_are_left_alone);
        NETWORK("nested-groups-turn-a-question-once", test_nested_groups_turn_a_question_once);
        NETWORK("questions-are-left-alone-without-a-resolver",
                test_questions_are_left_alone_without_a_resolver);
        NETWORK("other-ports-are-left-alone", test_other_ports_are_left_alone);
        NETWORK("resolver-changes-in-place", test_resolver_changes_in_place);
        NETWORK("c-library-resolves", test_c_library_resolves);
        NETWORK("newcomers-ask-the-resolver-until-they-are-known", test_newcomers_ask_the_resolver);
        return g_test_run();
}
