// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Include mode: what is listed uses the tunnel or nothing, everybody else the
 * open network. Two programs flood all the while from sockets of every age,
 * one is listed, and each of their packets is counted on every way out.
 */

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define LISTED_PORT 9001
#define OTHER_PORT 9002
#define SETTLE_PACKETS 200
#define N_SWITCHES 10

typedef struct Flooder {
        Program *program;
        Ways ways;
        int n_sockets;
        int port;
} Flooder;

typedef struct Include {
        SplitLab lab;
        Flooder listed, other;
} Include;

/* Four more: of each family one that is connected and one that is not. */
static void open_more(Flooder *f) {
        static const int families[2] = { AF_INET, AF_INET6 };

        for (int i = 0; i < 2; i++)
                for (int connects = 0; connects < 2; connects++) {
                        int slot = f->n_sockets++;

                        CHECK_OK(program_socket(f->program, slot, families[i], SOCK_DGRAM, 0));
                        if (connects)
                                (void)program_connect(
                                        f->program, slot, f->port, /* mapped= */ false);
                }
}

static void flooder_start(Flooder *f, Lab *lab, int port) {
        *f = (Flooder){ .program = program_start(BUILD_DIR, NULL), .port = port };
        ways_open(&f->ways, lab);
        ways_watch(&f->ways, "wg0");
        f->ways.protocol = IPPROTO_UDP;
        f->ways.port = (uint16_t)port;
}

static void flooder_stop(Flooder *f) {
        f->program = program_stop(f->program);
        ways_close(&f->ways);
}

static void set_mode(Include *t, const char *mode) {
        split_do(t->lab.client, "SetMode", "('%s', " CLIENT_NO_OPTIONS ")", mode);
}

static void include_open(Include *t, Machine *machine) {
        split_lab_open(&t->lab, machine);
        flooder_start(&t->listed, t->lab.lab, LISTED_PORT);
        flooder_start(&t->other, t->lab.lab, OTHER_PORT);
        open_more(&t->listed);
        open_more(&t->other);
        g_variant_unref(split_exclude(
                t->lab.client, program_pid(t->listed.program), "'sockets': <'migrate'>"));
        open_more(&t->listed);
        CHECK_OK(program_flood(t->listed.program, LISTED_PORT));
        CHECK_OK(program_flood(t->other.program, OTHER_PORT));
}

static void include_close(Include *t) {
        flooder_stop(&t->listed);
        flooder_stop(&t->other);
        split_lab_close(&t->lab);
}

/*
 * From now on, for some hundred packets: neither program uses a way that is not
 * its own, and the other one is there.
 */
static void check(Include *t, const char *what, char listed_way, char other_way) {
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
        WaysSeen listed, other;
        int n = 0, n_listed = 0;

        (void)ways_look(&t->listed.ways);
        (void)ways_look(&t->other.ways);
        while (n < SETTLE_PACKETS || (listed_way == 'T' && n_listed == 0)) {
                listed = ways_look(&t->listed.ways);
                other = ways_look(&t->other.ways);
                n += other_way == 'O' ? other.n_open : other.n_tunnel;
                n_listed += listed_way == 'O' ? listed.n_open : listed.n_tunnel;
                /* Connected to an address that went with the tunnel: then it cannot be told. */
                if (listed_way == '-')
                        other.n_forged = 0;
                if ((listed_way == 'O' ? listed.n_tunnel : listed.n_open) > 0 ||
                        (other_way == 'O' ? other.n_tunnel : other.n_open) > 0 ||
                        listed.n_forged + other.n_forged > 0)
                        g_error("%s: of the listed %d open, %d tunnel, %d forged; of the other %d "
                                "open, %d tunnel, %d forged",
                                what, listed.n_open, listed.n_tunnel, listed.n_forged, other.n_open,
                                other.n_tunnel, other.n_forged);
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        }
        g_test_message("%s: %d of the listed, %d of the other", what, n_listed, n);
        /* '-': closed, nothing of it may go anywhere. */
        if (listed_way == '-')
                g_assert_cmpint(n_listed, ==, 0);
}

static void test_switching(Machine *machine) {
        Include t;

        include_open(&t, machine);
        check(&t, "exclude mode", 'O', 'T');
        for (int i = 0; i < N_SWITCHES; i++) {
                set_mode(&t, "include");
                check(&t, "include mode", 'T', 'O');
                set_mode(&t, "exclude");
                check(&t, "exclude mode", 'O', 'T');
        }
        include_close(&t);
}

static void watch_tunnel(Include *t) {
        ways_watch(&t->listed.ways, "wg0");
        ways_watch(&t->other.ways, "wg0");
}

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

static void include_on(Include *t, Machine *machine) {
        include_open(t, machine);
        set_mode(t, "include");
        check(t, "include mode", 'T', 'O');
}

static void test_tunnel(Machine *machine) {
        Include t;

        include_on(&t, machine);
        run("ip link set wg0 down");
        check(&t, "the tunnel is down", '-', 'O');
        run("ip link set wg0 up; ip -6 address add " LAB_TUNNEL_CLIENT_V6 "/128 dev wg0 nodad");
        CHECK_PRINTS(machine, "{ " LAB_TUNNEL_CLIENT_V6 " }", "nft", "list", "set", "inet",
                "talpid", "tunnel-ipv6");
        check(&t, "the tunnel is up", 'T', 'O');
        CHECK_OK(lab_tunnel_down(t.lab.lab, "wg0"));
        check(&t, "the tunnel is gone", '-', 'O');
        CHECK_OK(lab_tunnel_up(t.lab.lab, "wg0", t.lab.mark));
        watch_tunnel(&t);
        check(&t, "the tunnel is back", 'T', 'O');
        g_variant_unref(client_call_ok(t.lab.client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        check(&t, "no tunnel is set", '-', 'O');
        g_variant_unref(
                client_call_ok(t.lab.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        check(&t, "it is set again", 'T', 'O');
        include_close(&t);
}

static void test_killed(Machine *machine) {
        Include t;

        include_on(&t, machine);
        CHECK_OK(kill(client_service_pid(t.lab.client), SIGKILL));
        check(&t, "the service was killed", 'T', 'O');
        g_assert_true(client_wait_for_service(t.lab.client, true));
        check(&t, "the next one is there", 'T', 'O');
        open_more(&t.listed);
        open_more(&t.other);
        check(&t, "new sockets", 'T', 'O');
        include_close(&t);
}

static void test_hung(Machine *machine) {
        pid_t service;
        Include t;

        include_on(&t, machine);
        service = client_service_pid(t.lab.client);
        CHECK_OK(kill(service, SIGSTOP));
        check(&t, "the service hangs", 'T', 'O');
        open_more(&t.listed);
        open_more(&t.other);
        check(&t, "new sockets", 'T', 'O');
        CHECK_OK(lab_tunnel_down(t.lab.lab, "wg0"));
        check(&t, "and the tunnel is gone", '-', 'O');
        run("ip -4 rule del priority 4984; ip -6 rule del priority 4984");
        check(&t, "and its rules", '-', 'O');
        CHECK_OK(kill(service, SIGCONT));
        CHECK_OK(lab_tunnel_up(t.lab.lab, "wg0", t.lab.mark));
        watch_tunnel(&t);
        check(&t, "all is back", 'T', 'O');
        include_close(&t);
}

/* Connections of the open network are cut, so that the program makes them anew. */
static void test_connections(Machine *machine) {
        g_autoptr(Program) program = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        program = program_start(BUILD_DIR, NULL);
        g_variant_unref(split_exclude(s.client, program_pid(program), ""));
        for (int i = 0; i < 2; i++) {
                CHECK_OK(program_socket(program, i, i ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
                CHECK_OK(program_connect(program, i, INTERNET_TALK_PORT, /* mapped= */ false));
                CHECK_OK(program_ask(program, i, 0, /* mapped= */ false, NULL));
        }
        split_do(s.client, "SetMode", "('include', " CLIENT_NO_OPTIONS ")");
        for (int i = 0; i < 2; i++) {
                g_autofree char *answer = NULL;

                g_assert_cmpint(
                        program_ask(program, i, 0, /* mapped= */ false, NULL), ==, -ECONNABORTED);
                CHECK_OK(program_close(program, i, /* abort= */ false));
                CHECK_OK(program_socket(program, i, i ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
                CHECK_OK(program_connect(program, i, INTERNET_TALK_PORT, /* mapped= */ false));
                CHECK_OK(program_ask(program, i, 0, /* mapped= */ false, &answer));
                g_assert_cmpstr(answer, ==, i ? LAB_RELAY_V6 : LAB_RELAY_V4);
        }
        program = program_stop(program);
        split_lab_close(&s);
}

/* What the internet sees of alice, or of root; "" when it hears nothing. */
static char *see(bool of_alice, const char *url) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_spawn_as(of_alice ? MACHINE_ALICE : 0, &result, "curl", "-sg",
                "--max-time", "2", url, NULL));
        return g_strdup(g_strstrip(result.out));
}

static void check_sees(bool of_alice, const char *expected_v4, const char *expected_v6) {
        g_autofree char *v4 = see(of_alice, "http://" LAB_INTERNET_V4 "/");
        g_autofree char *v6 = see(of_alice, "http://[" LAB_INTERNET_V6 "]/");

        g_assert_cmpstr(v4, ==, expected_v4);
        g_assert_cmpstr(v6, ==, expected_v6);
}

/* Nobody is there to put the rules right: the firewall alone stands. */
static void test_rules_gone(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        split_do(s.client, "SetMode", "('include', " CLIENT_NO_OPTIONS ")");
        for (int users = 0; users < 2; users++) {
                pid_t service = client_service_pid(s.client);

                split_do(s.client, "SetSelectors", "(%s, " CLIENT_NO_OPTIONS ")",
                        users ? "[('user', 'alice')]"
                              : "[('network', '" LAB_INTERNET_V4
                                "/32'), ('network', '" LAB_INTERNET_V6 "')]");
                check_sees(/* of_alice= */ true, LAB_RELAY_V4, LAB_RELAY_V6);
                CHECK_OK(kill(service, SIGSTOP));
                run("for f in -4 -6; do while ip $f rule del priority 4982 2>/dev/null; do :; "
                    "done; "
                    "done");
                check_sees(/* of_alice= */ true, "", "");
                if (users)
                        check_sees(/* of_alice= */ false, LAB_ISP0_V4, LAB_ISP0_V6);
                CHECK_OK(kill(service, SIGCONT));
                g_variant_unref(client_call_ok(s.client, "Refresh", NULL));
                check_sees(/* of_alice= */ true, LAB_RELAY_V4, LAB_RELAY_V6);
        }
        split_lab_close(&s);
}

static const CheckCase cases[] = {
        { "/split-include/switching-modes-leaves-no-moment-in-between", test_switching },
        { "/split-include/switching-cuts-connections-of-the-open-network", test_connections },
        { "/split-include/what-is-listed-stays-in-a-tunnel-that-is-down-gone-or-unset",
                test_tunnel },
        { "/split-include/users-and-networks-stay-in-when-their-rules-are-taken-away",
                test_rules_gone },
        { "/split-include/killed-service-changes-nothing", test_killed },
        { "/split-include/hung-service-changes-nothing", test_hung },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
