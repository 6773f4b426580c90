// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Programs and containers around the tunnel. The internet has second addresses
 * here: what is excluded asks those, all else the first ones, so that packets
 * on a line tell whose they are.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/demo/parts.h"
#include "tests/machine/demo/script.h"
#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/split.h"

#define CURL4 "curl -s --max-time 4 http://" LAB_INTERNET_V4 "/"
#define CURL6 "curl -s -g --max-time 4 'http://[" LAB_INTERNET_V6 "]/'"
#define CURL_SECOND "curl -s --max-time 4 http://" SECOND_V4 "/"
#define SECOND_V4 "198.51.100.2"
#define SECOND_V6 "2001:db8:ffff::2"

/* As an engine for containers sets one up: forwarded, and masqueraded. */
static const char container_script[] =
        "ip netns add box\n"
        "ip link add br0 type bridge\n"
        "ip link add box0 type veth peer name eth0 netns box\n"
        "ip address add 172.30.0.1/24 dev br0\n"
        "ip address add fd30::1/64 dev br0 nodad\n"
        "ip link set box0 master br0 up\n"
        "ip link set br0 up\n"
        "ip -n box address add 172.30.0.2/24 dev eth0\n"
        "ip -n box address add fd30::2/64 dev eth0 nodad\n"
        "ip -n box link set eth0 up\n"
        "ip -n box route add default via 172.30.0.1\n"
        "ip -n box route add default via fd30::1\n"
        "echo 1 >/proc/sys/net/ipv4/ip_forward\n"
        "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding\n"
        "nft add table inet engine\n"
        "nft add chain inet engine out '{ type nat hook postrouting priority srcnat; }'\n"
        "nft add rule inet engine out ip saddr 172.30.0.0/24 oifname != br0 masquerade\n"
        "nft add rule inet engine out ip6 saddr fd30::/64 oifname != br0 masquerade\n";

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void show_mechanism(Demo *demo) {
        g_autofree char *mechanism = split_mechanism(demo->client);

        demo->by_bpf = strcmp(mechanism, "bpf") == 0;
        show(demo, strcmp(mechanism, "none") != 0, "programs can be told apart", "Mechanism: %s",
                mechanism);
}

static void show_launcher(Demo *demo) {
        show_heading("talpid-exclude curl");
        show_seen(demo, "curl goes through the relay (IPv4)", CURL4, LAB_RELAY_V4);
        show_seen(demo, "curl goes through the relay (IPv6)", CURL6, LAB_RELAY_V6);
        show_seen(demo, "talpid-exclude curl goes out by the ISP (IPv4)", "talpid-exclude " CURL4,
                LAB_ISP0_V4);
        show_seen(demo, "talpid-exclude curl goes out by the ISP (IPv6)", "talpid-exclude " CURL6,
                LAB_ISP0_V6);
}

/* --- a running program --- */

typedef struct Choice {
        const char *sockets;
        const char *tcp, *udp; /* claims */
        bool cuts_tcp, moves_udp;
        unsigned counts[4]; /* of the answer: marked, connected again, cut, left */
} Choice;

/* With "keep" nothing is looked at, so nothing is counted. */
static const Choice choices[] = {
        { "keep", "its TCP connections stay in the tunnel", "so do its UDP sockets", false, false,
                { 0, 0, 0, 0 } },
        { "migrate", "its TCP connections cannot move, and stay", "its UDP sockets move", false,
                true, { 2, 2, 0, 2 } },
        { "reset", "its TCP connections are cut, it makes new ones", "its UDP sockets move", true,
                true, { 2, 2, 2, 0 } },
};

/* The four sockets of program.py: two of each kind. */
static void show_sockets(
        Demo *demo, Script *script, const char *claim, const char *kind, bool same, bool around) {
        static const char *const seen[2][2] = { { LAB_RELAY_V4, LAB_RELAY_V6 },
                { LAB_ISP0_V4, LAB_ISP0_V6 } };
        const char *how = same ? "same" : "new";
        g_autofree char *v4 = g_strdup_printf("%s %s %s", kind, how, seen[around][0]);
        g_autofree char *v6 = g_strdup_printf("%s %s %s", kind, how, seen[around][1]);
        bool holds = script_said(script, v4) && script_said(script, v6);

        if (holds)
                show(demo, true, claim, "%s %s, the internet saw %s, %s", how, kind,
                        seen[around][0], seen[around][1]);
        else
                show(demo, false, claim, "%s", script_words(script));
}

/* The answer of AddProcess, in the order of the interface's text. */
static void show_counts(Demo *demo, GVariant *answer, const Choice *choice) {
        unsigned counts[] = { split_number(answer, "sockets-marked"),
                split_number(answer, "sockets-reconnected"), split_number(answer, "sockets-reset"),
                split_number(answer, "sockets-left") };

        show(demo, memcmp(counts, choice->counts, sizeof(counts)) == 0, "the answer tells as much",
                "%u marked, %u connected again, %u cut, %u left", counts[0], counts[1], counts[2],
                counts[3]);
}

static void show_choice(Demo *demo, const Choice *choice) {
        g_autoptr(Script) script = script_start(
                PROGRAM " connections " PROGRAM_TALK_PORT " " LAB_INTERNET_V4 " " LAB_INTERNET_V6);
        g_autofree char *heading = g_strdup_printf(
                "AddProcess of a running Python program, sockets: %s", choice->sockets);
        g_autofree char *options = g_strdup_printf("'sockets': <'%s'>", choice->sockets);
        g_autoptr(GVariant) answer = NULL;

        show_heading(heading);
        script_ask(script);
        show_sockets(demo, script, "before, it is in the tunnel", "tcp", true, false);
        answer = split_exclude(demo->client, script_pid(script), options);
        script_ask(script);
        show_sockets(demo, script, choice->tcp, "tcp", !choice->cuts_tcp, choice->cuts_tcp);
        show_sockets(demo, script, choice->udp, "udp", true, choice->moves_udp);
        show_counts(demo, answer, choice);
        g_variant_unref(split_include(demo->client, script_pid(script), "'sockets': <'reset'>"));
        script_ask(script);
        show_sockets(demo, script, "RemoveProcess: back in the tunnel",
                choice->cuts_tcp ? "tcp" : "udp", !choice->cuts_tcp, false);
}

static void show_moves(Demo *demo) {
        for (size_t i = 0; i < G_N_ELEMENTS(choices); i++)
                show_choice(demo, &choices[i]);
}

/* --- a container --- */

static void show_container(Demo *demo) {
        show_heading("AddSelectors interface br0: a container's bridge");
        show_seen(
                demo, "before: through the relay (IPv4)", "ip netns exec box " CURL4, LAB_RELAY_V4);
        show_seen(
                demo, "before: through the relay (IPv6)", "ip netns exec box " CURL6, LAB_RELAY_V6);
        split_do(demo->client, "AddSelectors", "([('interface', 'br0')], @a{sv} {})");
        show_seen(demo, "then by the ISP (IPv4)", "ip netns exec box " CURL4, LAB_ISP0_V4);
        show_seen(demo, "then by the ISP (IPv6)", "ip netns exec box " CURL6, LAB_ISP0_V6);
        show_seen(demo, "all else still through the relay", CURL4, LAB_RELAY_V4);
        split_do(demo->client, "RemoveSelectors", "([('interface', 'br0')], @a{sv} {})");
}

/* --- the service is killed --- */

enum { AT_ISP0, AT_ISP1, AT_RELAY, N_LINES };

static int count_to(Capture *capture, const char *v4, const char *v6) {
        int n4 = capture_count_to(capture, v4), n6 = capture_count_to(capture, v6);

        return n4 < 0 || n6 < 0 ? -1 : n4 + n6;
}

static void show_ways(Demo *demo, Capture *captures[N_LINES]) {
        int around = count_to(captures[AT_ISP0], SECOND_V4, SECOND_V6);
        int around_astray = count_to(captures[AT_RELAY], SECOND_V4, SECOND_V6);
        int through = count_to(captures[AT_RELAY], LAB_INTERNET_V4, LAB_INTERNET_V6);
        int through_astray = count_to(captures[AT_ISP0], LAB_INTERNET_V4, LAB_INTERNET_V6) +
                             count_to(captures[AT_ISP1], LAB_INTERNET_V4, LAB_INTERNET_V6);

        show(demo, around > 0 && around_astray == 0,
                "no packet of the excluded program went astray",
                "%d on the ISP's line, %d on the relay's", around, around_astray);
        show(demo, through > 0 && through_astray == 0, "no packet of the other one did",
                "%d on the relay's line, %d on the two ISPs'", through, through_astray);
}

static void show_killed_service(Demo *demo) {
        static const LabSpace spaces[] = { LAB_ISP0, LAB_ISP1, LAB_RELAY };
        Capture *captures[N_LINES] = { NULL };
        g_autoptr(Script) around = NULL, through = NULL;
        pid_t pid;

        show_heading("The service is killed while an excluded program and another one send");
        for (int i = 0; i < N_LINES; i++)
                CHECK_OK(capture_start(demo->lab, spaces[i], "world", &captures[i]));
        around = script_start("talpid-exclude " PROGRAM " traffic " SECOND_V4 " " SECOND_V6);
        through = script_start(PROGRAM " traffic " LAB_INTERNET_V4 " " LAB_INTERNET_V6);
        script_wait(around);
        script_wait(through);
        pid = client_kill_service(demo->client);
        show(demo, pid > 0, "SIGKILL", "to process %d", (int)pid);
        show_answer(demo, "new connections of others take the relay", AF_INET, LAB_RELAY_V4);
        show(demo, client_wait_for_entry(demo->client, "Tunnel", "device", "wg0"),
                "back at the next call, and knows its tunnel", "Tunnel: wg0");
        show_seen(demo, "and takes programs out again", "talpid-exclude " CURL_SECOND, LAB_ISP0_V4);
        around = script_free(around);
        through = script_free(through);
        show_ways(demo, captures);
        for (int i = 0; i < N_LINES; i++)
                captures[i] = capture_stop(captures[i]);
}

void show_split(Demo *demo) {
        g_autofree char *before = NULL;

        g_free(lab_run_ok(demo->lab, LAB_INTERNET, "sh", "-euc",
                "ip address add " SECOND_V4 "/32 dev lo; ip address add " SECOND_V6 "/128 dev lo",
                NULL));
        run(container_script);
        before = show_snapshot();

        show_heading("Split tunnelling, beside SetTunnel wg0 with allow-lan");
        g_variant_unref(
                client_call_ok(demo->client, "SetTunnel", "('wg0', {'allow-lan': <true>})"));
        run("resolvectl dns wg0 " LAB_TUNNEL_RELAY_V4 " " LAB_TUNNEL_RELAY_V6
            "; resolvectl domain wg0 '~.'");
        show_mechanism(demo);
        show_launcher(demo);
        show_moves(demo);
        show_container(demo);
        show_names(demo);
        show_killed_service(demo);

        show_heading("UnsetTunnel");
        g_variant_unref(client_call_ok(demo->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        show_unchanged(demo, before);
        show_seen(demo, "curl goes out by the ISP (IPv4)", CURL4, LAB_ISP0_V4);
        show_seen(demo, "curl goes out by the ISP (IPv6)", CURL6, LAB_ISP0_V6);
}
