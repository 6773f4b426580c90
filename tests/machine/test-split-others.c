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

#define CURL4 "curl -s --max-time 4 http://" LAB_INTERNET_V4 "/"
#define CURL6 "curl -s -g --max-time 4 'http://[" LAB_INTERNET_V6 "]/'"
#define WHO "getent ahostsv4 who.test | head -n1 | cut -d' ' -f1"

#define USERSPACE "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 "

/* The encrypted packets' own way, where no mark gives them one. */
#define TO_RELAY "ip route add " LAB_RELAY_V4 " via " LAB_ISP0_LAN_V4 " dev wan0; "

#define DEVICE USERSPACE "wireguard-go wg0 2>/dev/null; wg setconf wg0 /run/wg.conf; "

/* As NetworkManager itself makes a device of its own. */
#define NM_ADD                                                                                     \
        DEVICE "nmcli -t connection add type tun ifname wg0 con-name vpn autoconnect no "          \
               "tun.pi yes tun.mode tun ipv4.method manual ipv4.addresses " LAB_TUNNEL_CLIENT_V4   \
               "/32 ipv6.method manual ipv6.addresses " LAB_TUNNEL_CLIENT_V6                       \
               "/128 ipv4.dns " LAB_TUNNEL_RELAY_V4 " ipv4.dns-priority -10 "
#define NM_UP "; nmcli -t connection up vpn ifname wg0"
#define NM_DOWN                                                                                    \
        "nmcli -t connection down vpn; nmcli -t connection delete vpn; ip link delete wg0 "        \
        "2>/dev/null || :"

#define RESOLVER                                                                                   \
        "cp /etc/resolv.conf /run/resolv.conf; echo nameserver " LAB_TUNNEL_RELAY_V4               \
        " >/etc/resolv.conf; "
#define RESOLVER_BACK "cp /run/resolv.conf /etc/resolv.conf; "

typedef struct Other {
        uint32_t fwmark; /* of the encrypted packets */
        const char *up, *down;
} Other;

/* Its WireGuard with a table and rules of its own, as ip4-auto-default-route makes them. */
static const Other nm_wireguard = {
        .fwmark = 0xca6d,
        .up = NM_ADD
        "ipv4.routes '0.0.0.0/0 table=51821' ipv6.routes '::/0 table=51821' "
        "ipv4.routing-rules 'priority 31000 not from 0.0.0.0/0 fwmark 0xca6d table 51821, "
        "priority 30999 from 0.0.0.0/0 suppress_prefixlength 0 table 254' "
        "ipv6.routing-rules 'priority 31000 not from ::/0 fwmark 0xca6d table 51821, "
        "priority 30999 from ::/0 suppress_prefixlength 0 table 254'" NM_UP,
        .down = NM_DOWN,
};

/* Its VPN plugins: a better default route in the main table. */
static const Other nm_vpn = {
        .up = NM_ADD "ipv4.routes 0.0.0.0/0 ipv6.routes ::/0 ipv4.route-metric 50 "
                     "ipv6.route-metric 50" NM_UP "; " TO_RELAY,
        .down = NM_DOWN "; ip route del " LAB_RELAY_V4,
};

static const Other wg_quick = {
        .fwmark = 0,
        .up = RESOLVER "umask 077; mkdir -p /etc/wireguard; sed '/FwMark/d; /Interface/a Address = "
                       "" LAB_TUNNEL_CLIENT_V4 "/32, " LAB_TUNNEL_CLIENT_V6
                       "/128' /run/wg.conf >/etc/wireguard/wg0.conf; " USERSPACE
                       "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go wg-quick up wg0",
        .down = "wg-quick down wg0; " RESOLVER_BACK,
};

static const Other halves = {
        .up = RESOLVER DEVICE "ip address add " LAB_TUNNEL_CLIENT_V4 "/32 dev wg0; "
                              "ip address add " LAB_TUNNEL_CLIENT_V6 "/128 dev wg0 nodad; "
                              "ip link set wg0 mtu 1420 up; " TO_RELAY
                              "ip route add 0.0.0.0/1 dev wg0; ip route add 128.0.0.0/1 dev wg0; "
                              "ip -6 route add ::/1 dev wg0; ip -6 route add 8000::/1 dev wg0",
        .down = "ip link delete wg0; ip route del " LAB_RELAY_V4 "; " RESOLVER_BACK,
};

static void run(const char *script) {
        g_autofree char *text = g_strdup_printf("set -e\n{ %s\n} >/dev/null", script);

        g_free(machine_run_ok("sh", "-c", text, NULL));
}

static void check_says(const char *command, const char *expected) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "sh", "-c", command, NULL));
        if (strcmp(g_strstrip(result.out), expected) != 0)
                g_error("%s says '%s', not '%s'; %s", command, result.out, expected, result.err);
}

typedef struct Expected {
        int family;
        const char *answer;
} Expected;

static bool is_answered(void *user) {
        const Expected *expected = user;
        g_autofree char *answer = NULL;

        return lab_ask(expected->family, LAB_UDP, &answer) == 0 &&
               strcmp(answer, expected->answer) == 0;
}

/* Others set their tunnels up step by step, and WireGuard shakes hands. */
static void wait_for_answers(Machine *machine, const char *v4, const char *v6) {
        Expected by_v4 = { AF_INET, v4 }, by_v6 = { AF_INET6, v6 };

        g_assert_true(machine_wait_until(machine, is_answered, &by_v4, MACHINE_WAIT_MSEC));
        g_assert_true(machine_wait_until(machine, is_answered, &by_v6, MACHINE_WAIT_MSEC));
        check_answers(v4, v6);
}

static void set_up(SplitLab *s, const Other *other) {
        g_autofree char *config = lab_tunnel_config(other->fwmark);

        g_assert_true(g_file_set_contents("/run/wg.conf", config, -1, NULL));
        run(other->up);
        wait_for_answers(s->machine, LAB_RELAY_V4, LAB_RELAY_V6);
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

static void check_other(Machine *machine, const Other *other) {
        SplitLab s;

        split_lab_open_bare(&s, machine);
        set_up(&s, other);
        check_programs(&s);
        check_running(&s);
        check_selectors(&s);
        ways_watch(&s.ways, NULL);
        run(other->down);
        g_assert_true(machine_wait_online(machine));
        wait_for_answers(machine, LAB_ISP0_V4, LAB_ISP0_V6);
        split_lab_close_bare(&s);
}

static void test_nm_wireguard(Machine *machine) {
        check_other(machine, &nm_wireguard);
}

static void test_nm_vpn(Machine *machine) {
        check_other(machine, &nm_vpn);
}

static void test_wg_quick(Machine *machine) {
        check_other(machine, &wg_quick);
}

static void test_halves(Machine *machine) {
        check_other(machine, &halves);
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
