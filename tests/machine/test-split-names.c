// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Whose resolver is asked by programs that know resolved's stub alone. Every
 * resolver of the lab answers for who.test with an address of its own.
 */

#include <string.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define ASK "getent ahostsv4 who.test | head -n1 | cut -d' ' -f1"

/* resolved stays with the server that answered last. */
#define ANY_ISP " | sed s/" LAB_ISP1_LAN_V4 "/" LAB_ISP0_LAN_V4 "/"

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-ec", script, NULL));
}

typedef struct Wanted {
        const char *command, *answer;
} Wanted;

static bool is_answered(void *user) {
        Wanted *wanted = user;
        g_autofree char *said = machine_run_ok("sh", "-c", wanted->command, NULL);

        return strcmp(g_strstrip(said), wanted->answer) == 0;
}

/* Now or soon: resolved and NetworkManager tell of a link's servers after the link. */
static void check_asks(Machine *machine, const char *command, const char *answer) {
        Wanted wanted = { command, answer };

        if (!machine_wait_until(machine, is_answered, &wanted, MACHINE_WAIT_MSEC)) {
                g_autofree char *said = machine_run_ok("sh", "-c", command, NULL);

                g_error("%s: %s, not %s", command, said, answer);
        }
}

static void names_open(SplitLab *s, Machine *machine) {
        split_lab_open(s, machine);
        /* Where NetworkManager has just seen the device it takes its servers away once. */
        check_asks(s->machine,
                "resolvectl dns wg0 " LAB_TUNNEL_RELAY_V4 "; resolvectl domain wg0 '~.'; " ASK,
                LAB_TUNNEL_RELAY_V4);
        CHECK_PRINTS(s->machine, "wg0:connected", "nmcli", "-g", "DEVICE,STATE", "device");
        run("resolvectl dns wg0 " LAB_TUNNEL_RELAY_V4 "; resolvectl domain wg0 '~.'");
}

static void test_follows_link(Machine *machine) {
        SplitLab s;

        names_open(&s, machine);
        check_asks(machine, ASK, LAB_TUNNEL_RELAY_V4);
        check_asks(machine, "talpid-exclude sh -c \"" ASK "\"", LAB_ISP0_LAN_V4);
        CHECK_OK(lab_cable_pull(s.lab, LAB_ISP0));
        check_asks(machine, "talpid-exclude sh -c \"" ASK "\"", LAB_ISP1_LAN_V4);
        CHECK_OK(lab_cable_plug(s.lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        check_asks(machine, "talpid-exclude sh -c \"" ASK "\"", LAB_ISP0_LAN_V4);
        split_lab_close(&s);
}

/* Where questions for names are seen. */
typedef struct Links {
        Capture *open[2], *tunnel;
} Links;

static bool is_question(const Packet *packet, void *user) {
        return packet->outgoing && packet->destination_port == 53;
}

static void links_watch(Links *links, Lab *lab) {
        CHECK_OK(capture_start(lab, LAB_MACHINE, "wan0", &links->open[0]));
        CHECK_OK(capture_start(lab, LAB_MACHINE, "wan1", &links->open[1]));
        CHECK_OK(capture_start(lab, LAB_MACHINE, "wg0", &links->tunnel));
}

/* No name left by the open network since links_watch(). Return: how many by the tunnel. */
static int links_check(Links *links, bool has_tunnel) {
        int n = has_tunnel ? capture_count(links->tunnel, is_question, NULL) : 0;

        g_assert_cmpint(n, >=, 0);
        for (int i = 0; i < 2; i++) {
                g_assert_cmpint(capture_count(links->open[i], is_question, NULL), ==, 0);
                links->open[i] = capture_stop(links->open[i]);
        }
        links->tunnel = capture_stop(links->tunnel);
        return n;
}

#define LISTED(command) "talpid-exclude sh -c \"" command "\""

/* resolved would ask everybody's servers, by the open network. */
static void test_include(Machine *machine) {
        Links links;
        SplitLab s;

        names_open(&s, machine);
        split_do(s.client, "SetMode", "('include', " CLIENT_NO_OPTIONS ")");
        run("resolvectl domain wg0 ''; resolvectl default-route wg0 false");
        check_asks(machine, ASK ANY_ISP, LAB_ISP0_LAN_V4);
        links_watch(&links, s.lab);
        check_asks(machine, LISTED(ASK), LAB_TUNNEL_RELAY_V4);
        check_asks(machine, LISTED("RES_OPTIONS=use-vc " ASK), LAB_TUNNEL_RELAY_V4);
        g_assert_cmpint(links_check(&links, /* has_tunnel= */ true), >, 1);
        split_lab_close(&s);
}

static bool is_refusal_told(void *user) {
        g_autoptr(GVariant) conflicts = client_property(((SplitLab *)user)->client, "Conflicts");
        g_autofree char *text = g_variant_print(conflicts, FALSE);

        return strstr(text, "no-resolver");
}

static bool is_no_refusal_told(void *user) {
        return !is_refusal_told(user);
}

/* Refused rather than asked by who listens here; the firewall leaves TCP waiting. */
static void test_include_unknown(Machine *machine) {
        Links links;
        SplitLab s;

        names_open(&s, machine);
        split_do(s.client, "SetMode", "('include', " CLIENT_NO_OPTIONS ")");
        if (s.mechanism != SPLIT_NET_CLS) /* or all is taken for listed */
                split_do(s.client, "AddSelectors", "([('unit', 'other.service')], @a{sv} {})");
        check_asks(machine, LISTED(ASK), LAB_TUNNEL_RELAY_V4);
        g_assert_true(machine_wait_until(machine, is_no_refusal_told, &s, MACHINE_WAIT_MSEC));
        links_watch(&links, s.lab);
        run("resolvectl dns wg0 ''; resolvectl domain wg0 ''");
        g_assert_true(machine_wait_until(machine, is_refusal_told, &s, MACHINE_WAIT_MSEC));
        check_asks(machine, LISTED(ASK), "");
        check_asks(machine, LISTED("RES_OPTIONS=use-vc timeout 2 " ASK), "");
        (void)links_check(&links, /* has_tunnel= */ true);
        check_asks(machine, ASK ANY_ISP, LAB_ISP0_LAN_V4);

        run("resolvectl dns wg0 " LAB_TUNNEL_RELAY_V4);
        check_asks(machine, LISTED(ASK), LAB_TUNNEL_RELAY_V4);
        links_watch(&links, s.lab);
        CHECK_OK(lab_tunnel_down(s.lab, "wg0"));
        check_asks(machine, LISTED(ASK), "");
        (void)links_check(&links, /* has_tunnel= */ false);
        check_asks(machine, ASK ANY_ISP, LAB_ISP0_LAN_V4);
        CHECK_OK(lab_tunnel_up(s.lab, "wg0", s.mark));
        split_lab_close(&s);
}

#define OF_BOB(command) "setpriv --reuid=bob --regid=bob --clear-groups sh -c \"" command "\""
#define VC(ask) "RES_OPTIONS='use-vc timeout:1' timeout 2 " ask

/* A user has no group: the firewall tells their questions by who sends them. */
static void test_include_user(Machine *machine) {
        Links links;
        SplitLab s;

        names_open(&s, machine);
        split_do(s.client, "AddSelectors", "([('user', 'bob')], " CLIENT_NO_OPTIONS ")");
        split_do(s.client, "SetMode", "('include', " CLIENT_NO_OPTIONS ")");
        run("resolvectl domain wg0 ''; resolvectl default-route wg0 false");
        check_asks(machine, ASK ANY_ISP, LAB_ISP0_LAN_V4);
        links_watch(&links, s.lab);
        check_asks(machine, OF_BOB(ASK), LAB_TUNNEL_RELAY_V4);
        check_asks(machine, OF_BOB(VC(ASK)), LAB_TUNNEL_RELAY_V4);
        g_assert_cmpint(links_check(&links, /* has_tunnel= */ true), >, 1);

        run("resolvectl dns wg0 ''; resolvectl domain wg0 ''");
        g_assert_true(machine_wait_until(machine, is_refusal_told, &s, MACHINE_WAIT_MSEC));
        links_watch(&links, s.lab);
        check_asks(machine, OF_BOB(ASK), "");
        check_asks(machine, OF_BOB(VC(ASK)), "");
        (void)links_check(&links, /* has_tunnel= */ true);
        check_asks(machine, ASK ANY_ISP, LAB_ISP0_LAN_V4);
        split_lab_close(&s);
}

#define IN_BOX "ip netns exec box sh -c \"mount --bind /run/box.conf /etc/resolv.conf; " ASK "\""

/* A container asks the resolver of its engine, here resolved, by the bridge's address. */
static void test_include_forwarded(Machine *machine) {
        Links links;
        SplitLab s;

        run("ip netns add box; ip link add br0 type bridge; "
            "ip link add box0 type veth peer name eth0 netns box; ip link set box0 master br0 up; "
            "ip address add 172.30.0.1/24 dev br0; ip link set br0 up; "
            "ip -n box address add 172.30.0.2/24 dev eth0; ip -n box link set eth0 up; "
            "ip -n box route add default via 172.30.0.1; sysctl -qw net.ipv4.ip_forward=1; "
            "nft 'add table ip engine; add chain ip engine out "
            "{ type nat hook postrouting priority 100; }; "
            "add rule ip engine out ip saddr 172.30.0.0/24 oifname != br0 masquerade'; "
            "echo 'nameserver 172.30.0.1\noptions timeout:2 attempts:3' > /run/box.conf; "
            "mkdir -p /run/systemd/resolved.conf.d; "
            "echo '[Resolve]\nDNSStubListenerExtra=172.30.0.1' "
            "> /run/systemd/resolved.conf.d/box.conf; systemctl restart systemd-resolved");
        names_open(&s, machine);
        g_variant_unref(client_call_ok(s.client, "SetTunnel", "('wg0', {'allow-lan': <true>})"));
        split_do(s.client, "SetMode", "('include', " CLIENT_NO_OPTIONS ")");
        run("resolvectl domain wg0 ''; resolvectl default-route wg0 false");
        check_asks(machine, ASK ANY_ISP, LAB_ISP0_LAN_V4);
        check_asks(machine, IN_BOX ANY_ISP, LAB_ISP0_LAN_V4);
        split_do(s.client, "AddSelectors", "([('interface', 'br0')], " CLIENT_NO_OPTIONS ")");
        links_watch(&links, s.lab);
        check_asks(machine, IN_BOX, LAB_TUNNEL_RELAY_V4);
        g_assert_cmpint(links_check(&links, /* has_tunnel= */ true), >, 0);

        run("resolvectl dns wg0 ''; resolvectl domain wg0 ''");
        g_assert_true(machine_wait_until(machine, is_refusal_told, &s, MACHINE_WAIT_MSEC));
        links_watch(&links, s.lab);
        check_asks(machine, "timeout 2 " IN_BOX " || true", "");
        (void)links_check(&links, /* has_tunnel= */ true);
        split_lab_close(&s);
        run("rm /run/systemd/resolved.conf.d/box.conf; systemctl restart systemd-resolved; "
            "nft delete table ip engine; sysctl -qw net.ipv4.ip_forward=0; "
            "ip link del br0; ip netns del box");
}

static const CheckCase cases[] = {
        { "/split-names/excluded-program-asks-the-resolver-of-the-link-it-leaves-by",
                test_follows_link },
        { "/split-names/listed-program-asks-the-tunnel-s-resolver-in-include-mode", test_include },
        { "/split-names/listed-program-asks-nobody-where-the-tunnel-s-resolver-is-not-known",
                test_include_unknown },
        { "/split-names/listed-user-asks-the-tunnel-s-resolver-or-nobody", test_include_user },
        { "/split-names/listed-container-asks-the-tunnel-s-resolver-or-nobody",
                test_include_forwarded },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .flags = MACHINE_RESOLVED, .install_from = BUILD_DIR,
                .prepare = client_prepare);
}
