// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The life of a flow of an excluded program beyond its first packet: how it is
 * closed, survives its program, and changes hands.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define UNIT "listed.service"
#define UNIT_GROUP "/sys/fs/cgroup/system.slice/" UNIT
#define SLOW_PORT 7002
#define OWN_PORT 7003

static const int families[2] = { AF_INET, AF_INET6 };

static void exclude(SplitLab *s, Program *program) {
        g_autoptr(GVariant) result = split_exclude(s->client, program_pid(program), "");

        g_assert_cmpuint(split_number(result, "excluded"), ==, 1);
}

static void check_way(SplitLab *s, const char *what, int family, char expected) {
        WaysSeen seen = ways_look(&s->ways);

        if (ways_letter(&seen) != expected)
                g_error("%s, IPv%c: %d packets open, %d in the tunnel, %d forged, not '%c'", what,
                        family == AF_INET ? '4' : '6', seen.n_open, seen.n_tunnel, seen.n_forged,
                        expected);
}

static void talk(Program *program, int slot, int family) {
        CHECK_OK(program_socket(program, slot, family, SOCK_STREAM, 0));
        CHECK_OK(program_connect(program, slot, INTERNET_TALK_PORT, /* mapped= */ false));
        CHECK_OK(program_ask(program, slot, 0, /* mapped= */ false, NULL));
}

static socklen_t set_address(
        int family, const char *v4, const char *v6, uint16_t port, struct sockaddr_storage *ret) {
        struct sockaddr_in *to4 = (struct sockaddr_in *)ret;
        struct sockaddr_in6 *to6 = (struct sockaddr_in6 *)ret;

        memset(ret, 0, sizeof(*ret));
        if (family == AF_INET) {
                *to4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
                g_assert_cmpint(inet_pton(AF_INET, v4, &to4->sin_addr), ==, 1);
                return sizeof(*to4);
        }
        *to6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
        g_assert_cmpint(inet_pton(AF_INET6, v6, &to6->sin6_addr), ==, 1);
        return sizeof(*to6);
}

static void test_close(Machine *machine) {
        g_autoptr(Program) program = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        s.ways.port = INTERNET_TALK_PORT;
        program = program_start(BUILD_DIR, NULL);
        exclude(&s, program);
        for (int i = 0; i < 2; i++) {
                talk(program, 0, families[i]);
                talk(program, 1, families[i]);
                check_way(&s, "a connection", families[i], 'O');
                CHECK_OK(program_close(program, 0, /* abort= */ false));
                check_way(&s, "its FIN", families[i], 'O');
                CHECK_OK(program_close(program, 1, /* abort= */ true));
                check_way(&s, "its RST", families[i], 'O');
        }
        program = program_stop(program);
        split_lab_close(&s);
}

static int slow_server(SplitLab *s, int family) {
        _cleanup_fd_ int fd = lab_socket(s->lab, LAB_INTERNET, family, SOCK_STREAM, 0);
        struct sockaddr_storage own;
        socklen_t n = set_address(family, LAB_INTERNET_V4, LAB_INTERNET_V6, SLOW_PORT, &own);
        int on = 1;

        g_assert_cmpint(fd, >=, 0);
        CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
        CHECK_OK(bind(fd, (struct sockaddr *)&own, n));
        CHECK_OK(listen(fd, 1));
        return TAKE_FD(fd);
}

static uint8_t state_of(int fd) {
        struct tcp_info info = {};
        socklen_t n = sizeof(info);

        CHECK_OK(getsockopt(fd, SOL_TCP, TCP_INFO, &info, &n));
        return info.tcpi_state;
}

/* A server that goes on sending when its client has ended long since, and then closes. */
static void check_late_end(SplitLab *s, int family, const Command *user) {
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
        g_autoptr(Program) program = program_start(BUILD_DIR, user);
        _cleanup_fd_ int listener = slow_server(s, family), served = -1;
        char byte;

        if (!user)
                exclude(s, program);
        CHECK_OK(program_socket(program, 0, family, SOCK_STREAM, 0));
        CHECK_OK(program_connect(program, 0, SLOW_PORT, /* mapped= */ false));
        served = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        g_assert_cmpint(served, >=, 0);
        program = program_stop(program);
        g_assert_cmpint(recv(served, &byte, 1, 0), ==, 0);
        check_way(s, "the FIN of a program that ended", family, 'O');

        CHECK_OK(shutdown(served, SHUT_WR));
        while (state_of(served) != TCP_CLOSE)
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        check_way(s, "what follows its end", family, 'O');
}

static void test_late_end(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        s.ways.port = SLOW_PORT;
        for (int i = 0; i < 2; i++)
                check_late_end(&s, families[i], NULL);
        split_lab_close(&s);
}

/* No mark tells of the user: what follows the end of the socket has that of the question alone. */
static void test_late_end_of_user(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        s.ways.port = SLOW_PORT;
        split_do(s.client, "AddSelectors", "([('user', 'bob')], " CLIENT_NO_OPTIONS ")");
        for (int i = 0; i < 2; i++)
                check_late_end(&s, families[i], &(Command){ .uid = MACHINE_BOB });
        split_lab_close(&s);
}

/*
 * Sockets go where their maker goes: it is the socket that is marked, not the packet's sender. A
 * class is that of who has it in hand: the kernel writes it anew.
 */
static const struct {
        const char *name;
        int type, port;
        char from_inside[SPLIT_N_MECHANISMS], from_outside[SPLIT_N_MECHANISMS];
} passed[] = {
        /*                                  bpf  nftables  net_cls */
        { "UDP", SOCK_DGRAM, INTERNET_PORT, { 'O', 'O', 'T' }, { 'T', 'T', 'O' } },
        { "TCP", SOCK_STREAM, INTERNET_TALK_PORT, { 'O', 'O', 'T' }, { 'T', 'T', 'O' } },
};

static void check_passed(SplitLab *s, Program *maker, Program *user, size_t i, int family,
        const char *what, char expected) {
        CHECK_OK(program_socket(maker, 0, family, passed[i].type, 0));
        CHECK_OK(program_pass(maker, 0, user, 0));
        CHECK_OK(program_connect(user, 0, passed[i].port, /* mapped= */ false));
        CHECK_OK(program_ask(user, 0, 0, /* mapped= */ false, NULL));
        s->ways.protocol = passed[i].type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
        s->ways.port = (uint16_t)passed[i].port;
        check_way(s, what, family, expected);
        CHECK_OK(program_close(user, 0, /* abort= */ true));
        CHECK_OK(program_close(maker, 0, /* abort= */ true));
        (void)ways_look(&s->ways);
}

static void test_passed(Machine *machine) {
        g_autoptr(Program) inside = NULL, outside = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        inside = program_start(BUILD_DIR, NULL);
        outside = program_start(BUILD_DIR, NULL);
        exclude(&s, inside);
        for (size_t i = 0; i < 2 * G_N_ELEMENTS(passed); i++) {
                size_t row = i / 2;
                int family = families[i % 2];

                g_test_message("%s, IPv%c", passed[row].name, family == AF_INET ? '4' : '6');
                check_passed(&s, inside, outside, row, family, "made inside, used outside",
                        passed[row].from_inside[s.mechanism]);
                check_passed(&s, outside, inside, row, family, "made outside, used inside",
                        passed[row].from_outside[s.mechanism]);
        }
        inside = program_stop(inside);
        outside = program_stop(outside);
        split_lab_close(&s);
}

/* Return: what sending gave. */
static int send_by_port(Program *program, int family) {
        int r;

        CHECK_OK(program_socket(program, 0, family, SOCK_DGRAM, 0));
        CHECK_OK(program_listen(program, 0, OWN_PORT)); /* binds it */
        r = program_send(program, 0, INTERNET_TALK_PORT, /* mapped= */ false);
        CHECK_OK(program_close(program, 0, /* abort= */ false));
        return r;
}

/*
 * The firewall knows a flow by its ports: who has the same one is refused, not led out by it; but
 * for net_cls, which does not know who had it.
 */
static void test_port_changes_hands(Machine *machine) {
        g_autoptr(Program) inside = NULL, outside = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        s.ways.protocol = IPPROTO_UDP;
        s.ways.port = INTERNET_TALK_PORT;
        inside = program_start(BUILD_DIR, NULL);
        outside = program_start(BUILD_DIR, NULL);
        exclude(&s, inside);
        for (int i = 0; i < 2; i++) {
                static const char led[SPLIT_N_MECHANISMS] = { 'T', '-', 'O' };
                bool is_refused = s.mechanism == SPLIT_NFTABLES;

                CHECK_OK(send_by_port(inside, families[i]));
                check_way(&s, "who is excluded", families[i], 'O');
                g_assert_cmpint(send_by_port(outside, families[i]), ==, is_refused ? -EPERM : 0);
                check_way(&s, "who gets its port", families[i], led[s.mechanism]);
                CHECK_OK(send_by_port(inside, families[i]));
                check_way(&s, "who is excluded, again", families[i], 'O');
        }
        inside = program_stop(inside);
        outside = program_stop(outside);
        split_lab_close(&s);
}

/* A socket of before keeps its way where it can be told from those of after. */
static void check_taken_off(SplitLab *s, Program *program, int family) {
        bool is_refused = s->mechanism == SPLIT_NFTABLES;

        split_do(s->client, "AddSelectors", "([('unit', '" UNIT "')], " CLIENT_NO_OPTIONS ")");
        s->ways.protocol = IPPROTO_TCP;
        talk(program, 1, family);
        check_way(s, "a connection of the unit", family, 'O');
        s->ways.protocol = IPPROTO_UDP;
        CHECK_OK(send_by_port(program, family));
        check_way(s, "a datagram of the unit", family, 'O');

        split_do(s->client, "RemoveSelectors", "([('unit', '" UNIT "')], " CLIENT_NO_OPTIONS ")");
        g_assert_cmpint(send_by_port(program, family), ==, is_refused ? -EPERM : 0);
        check_way(s, "a new socket on the port of before", family, is_refused ? '-' : 'T');
        s->ways.protocol = IPPROTO_TCP;
        CHECK_OK(program_ask(program, 1, 0, /* mapped= */ false, NULL));
        check_way(s, "the connection of before", family, 'O');
        talk(program, 0, family);
        check_way(s, "a new connection", family, 'T');
        CHECK_OK(program_close(program, 0, /* abort= */ true));
        CHECK_OK(program_close(program, 1, /* abort= */ true));
        (void)ways_look(&s->ways);
}

/* net_cls cannot tell who is of a unit: nobody goes around for it. */
static void check_unit_waits(SplitLab *s, Program *program, int family) {
        g_autoptr(GVariant) listed = NULL;
        g_autofree char *text = NULL;

        split_do(s->client, "AddSelectors", "([('unit', '" UNIT "')], " CLIENT_NO_OPTIONS ")");
        listed = split_call_ok(s->client, "ListSelectors", "()");
        text = g_variant_print(listed, FALSE);
        g_assert_nonnull(strstr(text, "net_cls cannot match units"));
        talk(program, 0, family);
        check_way(s, "a unit that waits", family, 'T');
        CHECK_OK(program_close(program, 0, /* abort= */ true));
        (void)ways_look(&s->ways);
        split_do(s->client, "RemoveSelectors", "([('unit', '" UNIT "')], " CLIENT_NO_OPTIONS ")");
}

static void test_taken_off(Machine *machine) {
        g_autoptr(Program) program = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        s.ways.port = INTERNET_TALK_PORT;
        g_free(machine_run_ok(
                "systemd-run", "-q", "--collect", "--unit=" UNIT, "sleep", "infinity", NULL));
        program = program_start(BUILD_DIR, &(Command){ .cgroup = UNIT_GROUP });
        for (int i = 0; i < 2; i++)
                (s.mechanism == SPLIT_NET_CLS ? check_unit_waits : check_taken_off)(
                        &s, program, families[i]);
        program = program_stop(program);
        g_free(machine_run_ok("systemctl", "stop", UNIT, NULL));
        split_lab_close(&s);
}

static const CheckCase cases[] = {
        { "/split-flows/fin-and-rst-go-where-the-connection-went", test_close },
        { "/split-flows/connection-ends-well-after-its-program", test_late_end },
        { "/split-flows/connection-of-a-user-ends-well-after-its-program", test_late_end_of_user },
        { "/split-flows/sockets-that-are-passed-on-go-where-they-were-made", test_passed },
        { "/split-flows/port-that-changes-hands-leads-nobody-out", test_port_changes_hands },
        { "/split-flows/unit-taken-off-the-list-keeps-connections-alone", test_taken_off },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
