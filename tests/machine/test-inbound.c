// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Questions from outside, while a tunnel is set: who answers, and where the
 * answer goes. The first ISP hands a port on to the machine, as routers do;
 * callers are in the internet, and at the relay for what comes by the tunnel.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define PORT 7000
#define CLOSED_PORT 7001
#define PATIENCE_MSEC 1000

static const int families[2] = { AF_INET, AF_INET6 };

static socklen_t set_address(
        int family, const char *text, uint16_t port, struct sockaddr_storage *ret) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

        memset(ret, 0, sizeof(*ret));
        ret->ss_family = (sa_family_t)family;
        if (family == AF_INET) {
                in->sin_port = htons(port);
                g_assert_cmpint(inet_pton(AF_INET, text, &in->sin_addr), ==, 1);
                return sizeof(*in);
        }
        in6->sin6_port = htons(port);
        g_assert_cmpint(inet_pton(AF_INET6, text, &in6->sin6_addr), ==, 1);
        return sizeof(*in6);
}

/* The server: a process that opens what it is told to, and answers one byte by one. */

typedef enum ServerKind {
        SERVER_TCP,
        SERVER_UDP,       /* the kernel chooses what its answers come from */
        SERVER_UDP_BOUND, /* answers come from the address that was asked */
} ServerKind;

typedef struct Server {
        pid_t pid;
        int fd; /* ServerStep out, an int back */
} Server;

typedef struct ServerStep {
        ServerKind kind;
        int family;
        char address[INET6_ADDRSTRLEN];
} ServerStep;

static int open_server(const ServerStep *step) {
        const int type = step->kind == SERVER_TCP ? SOCK_STREAM : SOCK_DGRAM;
        _cleanup_fd_ int fd = socket(step->family, type | SOCK_CLOEXEC, 0);
        struct sockaddr_storage own;
        int on = 1;
        socklen_t n = set_address(step->family, step->address, PORT, &own);

        if (fd < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (step->family == AF_INET6)
                (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&own, n) < 0 || (type == SOCK_STREAM && listen(fd, 16) < 0))
                return -errno;
        return TAKE_FD(fd);
}

static void answer_one(ServerKind kind, int fd) {
        struct sockaddr_storage from;
        socklen_t n = sizeof(from);
        char byte;

        if (kind == SERVER_TCP) {
                _cleanup_fd_ int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

                if (accepted >= 0 && recv(accepted, &byte, 1, 0) == 1)
                        (void)send(accepted, "!", 1, MSG_NOSIGNAL);
                return;
        }
        if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &n) == 1)
                (void)sendto(fd, "!", 1, 0, (struct sockaddr *)&from, n);
}

/* A step closes what the one before opened. */
static void serve(int command_fd) {
        ServerStep step = { .kind = SERVER_TCP };
        int fd = -1;

        for (;;) {
                struct pollfd fds[] = { { .fd = command_fd, .events = POLLIN },
                        { .fd = fd, .events = POLLIN } };
                int opened;

                if (poll(fds, 2, -1) < 0)
                        continue;
                if (fds[1].revents)
                        answer_one(step.kind, fd);
                if (!fds[0].revents)
                        continue;
                if (recv(command_fd, &step, sizeof(step), 0) != sizeof(step))
                        _exit(0);
                fd = fd_close(fd);
                opened = open_server(&step);
                fd = opened < 0 ? -1 : opened;
                opened = opened < 0 ? opened : 0;
                (void)send(command_fd, &opened, sizeof(opened), MSG_NOSIGNAL);
        }
}

static void server_start(Server *server) {
        int fds[2];

        CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
        server->pid = fork();
        g_assert_cmpint(server->pid, >=, 0);
        if (server->pid == 0) {
                (void)close(fds[0]);
                serve(fds[1]);
        }
        (void)close(fds[1]);
        server->fd = fds[0];
}

static void server_stop(Server *server) {
        (void)close(server->fd);
        g_assert_cmpint(waitpid(server->pid, NULL, 0), ==, server->pid);
}

/* An address of a link of the machine; caller frees. */
static char *own_address(const char *link, int family) {
        g_autofree char *script = g_strdup_printf(
                "ip -%c -o address show dev %s scope global | sed 's,.*inet6* \\([^/]*\\)/.*,\\1,' "
                "| head -n1",
                family == AF_INET ? '4' : '6', link);

        return g_strchomp(machine_run_ok("sh", "-c", script, NULL));
}

static void server_open(Server *server, ServerKind kind, int family) {
        g_autofree char *own = own_address("wan0", family);
        ServerStep step = { .kind = kind, .family = family };
        int r;

        g_strlcpy(step.address,
                kind == SERVER_UDP_BOUND ? own
                : family == AF_INET      ? "0.0.0.0"
                                         : "::",
                sizeof(step.address));
        g_assert_cmpint(send(server->fd, &step, sizeof(step), 0), ==, sizeof(step));
        g_assert_cmpint(recv(server->fd, &r, sizeof(r), 0), ==, sizeof(r));
        CHECK_OK(r);
}

/* Callers. */

/* Return: 0 it was answered; -ETIMEDOUT; -ECONNREFUSED; other negative errno. */
static int ask_from(SplitLab *s, LabSpace space, int family, int type, const char *own,
        const char *to, uint16_t port) {
        const struct timeval patience = { .tv_sec = PATIENCE_MSEC / 1000 };
        _cleanup_fd_ int fd = lab_socket(s->lab, space, family, type, 0);
        struct sockaddr_storage address;
        socklen_t n;
        char byte;

        g_assert_cmpint(fd, >=, 0);
        CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)));
        CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
        if (own) {
                n = set_address(family, own, 0, &address);
                CHECK_OK(bind(fd, (struct sockaddr *)&address, n));
        }
        n = set_address(family, to, port, &address);
        if (connect(fd, (struct sockaddr *)&address, n) < 0)
                return errno == EINPROGRESS ? -ETIMEDOUT : -errno;
        g_assert_cmpint(send(fd, "?", 1, MSG_NOSIGNAL), ==, 1);
        if (recv(fd, &byte, 1, 0) == 1)
                return 0;
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int ask_from_internet(SplitLab *s, int family, int type, uint16_t port) {
        return ask_from(s, LAB_INTERNET, family, type,
                family == AF_INET ? LAB_INTERNET_V4 : LAB_INTERNET_V6,
                family == AF_INET ? LAB_ISP0_V4 : LAB_ISP0_V6, port);
}

/* What comes to the first ISP's address for us is handed to the machine. */
static void forward_ports(SplitLab *s) {
        g_autofree char *v4 = own_address("wan0", AF_INET);
        g_autofree char *v6 = own_address("wan0", AF_INET6);
        g_autofree char *script = g_strdup_printf(
                "nft add chain inet lab in '{ type nat hook prerouting priority dstnat; }'\n"
                "for protocol in tcp udp; do\n"
                "  nft add rule inet lab in iifname world $protocol dport %d-%d dnat ip to %s\n"
                "  nft add rule inet lab in iifname world $protocol dport %d-%d dnat ip6 to %s\n"
                "done",
                PORT, CLOSED_PORT, v4, PORT, CLOSED_PORT, v6);

        g_free(lab_run_ok(s->lab, LAB_ISP0, "sh", "-euc", script, NULL));
}

static void fixture_open(SplitLab *s, Machine *machine) {
        split_lab_open(s, machine);
        forward_ports(s);
}

static void fixture_close(SplitLab *s) {
        g_free(lab_run_ok(s->lab, LAB_ISP0, "sh", "-euc",
                "nft flush chain inet lab in; nft delete chain inet lab in", NULL));
        split_lab_close(s);
}

static const char *kind_name(ServerKind kind) {
        static const char *const names[] = { "TCP", "UDP", "UDP, bound to an address" };

        return names[kind];
}

static int type_of(ServerKind kind) {
        return kind == SERVER_TCP ? SOCK_STREAM : SOCK_DGRAM;
}

/*
 * 'O': answered where the question came from. 'T': the answer went into the
 * tunnel. 'L': it left by the link with another port, and was not heard.
 */
static char letter_of(int r, const WaysSeen *seen) {
        if (r == 0 && seen->n_open > 0 && seen->n_tunnel == 0)
                return 'O';
        if (r == -ETIMEDOUT && seen->n_open == 0 && seen->n_tunnel > 0)
                return 'T';
        return r == -ETIMEDOUT && seen->n_open > 0 && seen->n_tunnel == 0 ? 'L' : '?';
}

static void check_answered(
        SplitLab *s, const char *what, ServerKind kind, int family, char expected) {
        int r = ask_from_internet(s, family, type_of(kind), PORT);
        WaysSeen seen;

        /* Connections of the case before end when they like. */
        s->ways.protocol = kind == SERVER_TCP ? IPPROTO_TCP : IPPROTO_UDP;
        seen = ways_look(&s->ways);

        if (letter_of(r, &seen) != expected)
                g_error("%s, %s, IPv%c: %s; %d packets open, %d in the tunnel, %d forged", what,
                        kind_name(kind), family == AF_INET ? '4' : '6', g_strerror(-r), seen.n_open,
                        seen.n_tunnel, seen.n_forged);
}

/* Tests. */

static void exclude(SplitLab *s, const Server *server, const char *options) {
        g_autoptr(GVariant) result = split_exclude(s->client, server->pid, options);

        g_assert_cmpuint(split_number(result, "excluded"), ==, 1);
}

/*
 * By when the server began to listen. With nftables a datagram from a socket
 * without an address is masqueraded like any new flow: its answer to somebody
 * is not known as one. Sockets that are kept are not marked, see AddProcess.
 */
static const struct {
        const char *when;
        bool before;
        const char *options;
        char expected[3][SPLIT_N_MECHANISMS]; /* of a ServerKind: by bpf, by nftables */
} rows[] = {
        { "listening since its exclusion", false, "",
                { { 'O', 'O' }, { 'O', 'L' }, { 'O', 'O' } } },
        { "listening before, sockets kept", true, "'sockets': <'keep'>",
                { { 'O', 'O' }, { 'T', 'T' }, { 'T', 'O' } } },
        { "listening before, sockets migrated", true, "'sockets': <'migrate'>",
                { { 'O', 'O' }, { 'O', 'O' }, { 'O', 'O' } } },
};

static void check_row(SplitLab *s, size_t row, ServerKind kind, int family) {
        Server server;

        server_start(&server);
        if (rows[row].before)
                server_open(&server, kind, family);
        exclude(s, &server, rows[row].options);
        if (!rows[row].before)
                server_open(&server, kind, family);
        check_answered(s, rows[row].when, kind, family, rows[row].expected[kind][s->mechanism]);
        server_stop(&server);
}

static void test_excluded(Machine *machine) {
        SplitLab s;

        fixture_open(&s, machine);
        for (size_t row = 0; row < G_N_ELEMENTS(rows); row++)
                for (ServerKind kind = SERVER_TCP; kind <= SERVER_UDP_BOUND; kind++)
                        for (int i = 0; i < 2; i++)
                                check_row(&s, row, kind, families[i]);
        fixture_close(&s);
}

static void test_not_excluded(Machine *machine) {
        SplitLab s;
        Server server;

        fixture_open(&s, machine);
        server_start(&server);
        for (ServerKind kind = SERVER_TCP; kind <= SERVER_UDP; kind++)
                for (int i = 0; i < 2; i++) {
                        server_open(&server, kind, families[i]);
                        CHECK_OK(ask_from(&s, LAB_RELAY, families[i], type_of(kind), NULL,
                                i == 0 ? LAB_TUNNEL_CLIENT_V4 : LAB_TUNNEL_CLIENT_V6, PORT));
                        (void)ways_look(&s.ways);
                }
        /* A connection from outside is answered there; of a datagram nothing is known any more. */
        for (int i = 0; i < 2; i++) {
                server_open(&server, SERVER_TCP, families[i]);
                check_answered(&s, "not excluded", SERVER_TCP, families[i], 'O');
                server_open(&server, SERVER_UDP, families[i]);
                check_answered(&s, "not excluded", SERVER_UDP, families[i], 'T');
        }
        server_stop(&server);
        fixture_close(&s);
}

static void test_nobody_listens(Machine *machine) {
        SplitLab s;

        fixture_open(&s, machine);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(ask_from_internet(&s, families[i], SOCK_STREAM, CLOSED_PORT), ==,
                        -ECONNREFUSED);
                g_assert_cmpint(ask_from_internet(&s, families[i], SOCK_DGRAM, CLOSED_PORT), ==,
                        -ECONNREFUSED);
                g_assert_cmpint(ways_look(&s.ways).n_tunnel, ==, 0);
        }
        fixture_close(&s);
}

/* CVE-2019-14899: a neighbour who guesses the tunnel's address learns nothing. */
static void test_tunnel_address(Machine *machine) {
        g_autofree char *route4 = NULL, *route6 = NULL;
        g_autofree char *v4 = own_address("wan0", AF_INET), *v6 = own_address("wan0", AF_INET6);
        SplitLab s;
        Server server;

        fixture_open(&s, machine);
        server_start(&server);
        exclude(&s, &server, "");
        route4 = g_strdup_printf("ip route add " LAB_TUNNEL_CLIENT_V4
                                 " via %s; ip route add " LAB_TUNNEL_CLIENT_V6 " via %s",
                v4, v6);
        g_free(lab_run_ok(s.lab, LAB_ISP0, "sh", "-euc", route4, NULL));
        for (ServerKind kind = SERVER_TCP; kind <= SERVER_UDP; kind++)
                for (int i = 0; i < 2; i++) {
                        server_open(&server, kind, families[i]);
                        g_assert_cmpint(
                                ask_from(&s, LAB_ISP0, families[i], type_of(kind), NULL,
                                        i == 0 ? LAB_TUNNEL_CLIENT_V4 : LAB_TUNNEL_CLIENT_V6, PORT),
                                ==, -ETIMEDOUT);
                }
        server_stop(&server);
        g_free(lab_run_ok(s.lab, LAB_ISP0, "sh", "-euc",
                "ip route del " LAB_TUNNEL_CLIENT_V4 "; ip route del " LAB_TUNNEL_CLIENT_V6, NULL));
        fixture_close(&s);
}

/* What is listed uses the tunnel or nothing: questions from elsewhere stay without an answer. */
static void test_included(Machine *machine) {
        SplitLab s;
        Server server;

        fixture_open(&s, machine);
        split_do(s.client, "SetMode", "('include', @a{sv} {})");
        server_start(&server);
        exclude(&s, &server, "");
        for (ServerKind kind = SERVER_TCP; kind <= SERVER_UDP_BOUND; kind++)
                for (int i = 0; i < 2; i++) {
                        int r;

                        server_open(&server, kind, families[i]);
                        (void)ways_look(&s.ways);
                        r = ask_from_internet(&s, families[i], type_of(kind), PORT);
                        g_assert_cmpint(r, ==, -ETIMEDOUT);
                        g_assert_cmpint(ways_look(&s.ways).n_open, ==, 0);
                        if (kind == SERVER_UDP_BOUND ||
                                (kind == SERVER_UDP && s.mechanism == SPLIT_NFTABLES))
                                continue; /* not bound in the tunnel; masqueraded, see rows */
                        CHECK_OK(ask_from(&s, LAB_RELAY, families[i], type_of(kind), NULL,
                                i == 0 ? LAB_TUNNEL_CLIENT_V4 : LAB_TUNNEL_CLIENT_V6, PORT));
                }
        server_stop(&server);
        fixture_close(&s);
}

static const CheckCase cases[] = {
        { "/inbound/excluded-server-answers-where-the-question-came-from", test_excluded },
        { "/inbound/included-server-answers-in-the-tunnel-alone", test_included },
        { "/inbound/server-that-is-not-answers-tunnel-and-link", test_not_excluded },
        { "/inbound/refusals-go-where-the-question-came-from", test_nobody_listens },
        { "/inbound/tunnel-s-address-is-not-known-outside", test_tunnel_address },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
