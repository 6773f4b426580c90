// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Split tunnelling under tunnels that are not ours: no SetTunnel is ever
 * called. What the internet saw tells the way; real programs ask.
 */

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"
#include "tests/machine/other-tunnels.h"

#define CURL4 "curl -s --max-time 4 http://" LAB_INTERNET_V4 "/"
#define CURL6 "curl -s -g --max-time 4 'http://[" LAB_INTERNET_V6 "]/'"
#define WHO "getent ahostsv4 who.test | head -n1 | cut -d' ' -f1"

static void check_says(const char *command, const char *expected) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "sh", "-c", command, NULL));
        if (strcmp(g_strstrip(result.out), expected) != 0)
                g_error("%s says '%s', not '%s'; %s", command, result.out, expected, result.err);
}

static void set_up(SplitLab *s, const OtherTunnel *other) {
        other_tunnel_up(s->machine, other);
        ways_watch(&s->ways, "wg0");
        s->ways.protocol = IPPROTO_UDP; /* connections end late */
}

static void check_ways(SplitLab *s, const char *what, char expected) {
        WaysSeen seen = ways_look(&s->ways);

        if (ways_letter(&seen) != expected)
                g_error("%s: %d packets open, %d in the tunnel, %d forged", what, seen.n_open,
                        seen.n_tunnel, seen.n_forged);
}

static void check_programs(SplitLab *s) {
        check_says("talpid-exclude " CURL4, LAB_ISP0_V4);
        check_says("talpid-exclude " CURL6, LAB_ISP0_V6);
        check_says(CURL4, LAB_RELAY_V4);
        check_says(CURL6, LAB_RELAY_V6);
        check_says("talpid-exclude " WHO, LAB_ISP0_LAN_V4);
        check_says(WHO, LAB_TUNNEL_RELAY_V4);
        /* What is attached to a link is reached by that link. */
        check_says("talpid-exclude ping -qc1 -W2 " LAB_ISP1_LAN_V4 " | grep -o '1 received'",
                "1 received");
}

/* Out with all it has open, and back. */
static void check_running(SplitLab *s) {
        static const int families[2] = { AF_INET, AF_INET6 };
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);

        (void)ways_look(&s->ways);
        for (int i = 0; i < 2; i++) {
                CHECK_OK(program_socket(program, i, families[i], SOCK_DGRAM, 0));
                CHECK_OK(program_connect(program, i, INTERNET_PORT, /* mapped= */ false));
                CHECK_OK(program_ask(program, i, 0, /* mapped= */ false, NULL));
        }
        check_ways(s, "a program", 'T');
        g_variant_unref(split_exclude(s->client, program_pid(program), "'sockets': <'migrate'>"));
        for (int i = 0; i < 2; i++)
                CHECK_OK(program_ask(program, i, 0, /* mapped= */ false, NULL));
        check_ways(s, "a program that was moved", 'O');
        g_variant_unref(split_include(s->client, program_pid(program), "'sockets': <'migrate'>"));
        for (int i = 0; i < 2; i++)
                CHECK_OK(program_ask(program, i, 0, /* mapped= */ false, NULL));
        check_ways(s, "a program that was brought back", 'T');
}

/* It cannot change its source: it stays where it is, or is cut. */
static void check_connection(SplitLab *s) {
        static const int families[2] = { AF_INET, AF_INET6 };
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        g_autoptr(GVariant) migrated = NULL, reset = NULL;

        s->ways.protocol = IPPROTO_TCP;
        for (int i = 0; i < 2; i++) {
                CHECK_OK(program_socket(program, i, families[i], SOCK_STREAM, 0));
                CHECK_OK(program_connect(program, i, INTERNET_TALK_PORT, /* mapped= */ false));
                CHECK_OK(program_ask(program, i, 0, /* mapped= */ false, NULL));
        }
        check_ways(s, "a program's connections", 'T');
        migrated = split_exclude(s->client, program_pid(program), "'sockets': <'migrate'>");
        g_assert_cmpuint(split_number(migrated, "sockets-left"), ==, 2);
        for (int i = 0; i < 2; i++)
                CHECK_OK(program_ask(program, i, 0, /* mapped= */ false, NULL));
        check_ways(s, "its connections when it was moved", 'T');
        reset = split_exclude(s->client, program_pid(program), "'sockets': <'reset'>");
        g_assert_cmpuint(split_number(reset, "sockets-reset"), ==, 2);
        /* Or rules that wg-quick adds meanwhile would stand before ours. */
        g_variant_unref(split_include(s->client, program_pid(program), ""));
        (void)ways_look(&s->ways);
        s->ways.protocol = IPPROTO_UDP;
}

static void check_selectors(SplitLab *s) {
        split_do(s->client, "AddSelectors", "([('user', 'bob')], " CLIENT_NO_OPTIONS ")");
        check_says("setpriv --reuid=bob --clear-groups " CURL4, LAB_ISP0_V4);
        check_says("setpriv --reuid=bob --clear-groups " CURL6, LAB_ISP0_V6);
        split_do(s->client, "SetSelectors",
                "([('network', '" LAB_INTERNET_V4 "/32')], " CLIENT_NO_OPTIONS ")");
        check_says(CURL4, LAB_ISP0_V4);
        check_says(CURL6, LAB_RELAY_V6);
        split_do(s->client, "SetSelectors", "(@a(ss) [], " CLIENT_NO_OPTIONS ")");
}

static void check_other(Machine *machine, const OtherTunnel *other) {
        SplitLab s;

        split_lab_open_bare(&s, machine);
        set_up(&s, other);
        check_programs(&s);
        check_running(&s);
        check_connection(&s);
        check_selectors(&s);
        ways_watch(&s.ways, NULL);
        other_tunnel_down(machine, other);
        split_lab_close_bare(&s);
}

static void test_nm_wireguard(Machine *machine) {
        check_other(machine, &other_nm_wireguard);
}

static void test_nm_vpn(Machine *machine) {
        check_other(machine, &other_nm_vpn);
}

static void test_wg_quick(Machine *machine) {
        check_other(machine, &other_wg_quick);
}

static void test_halves(Machine *machine) {
        check_other(machine, &other_halves);
}

static const CheckCase cases[] = {
        { "/split-others/networkmanager-s-wireguard-is-gone-around", test_nm_wireguard },
        { "/split-others/networkmanager-s-vpn-is-gone-around", test_nm_vpn },
        { "/split-others/wg-quick-s-tunnel-is-gone-around", test_wg_quick },
        { "/split-others/openvpn-s-halves-are-gone-around", test_halves },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
