// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What is forwarded: a container behind a bridge, masqueraded as engines for
 * containers do, is listed by the interface that its packets come in by.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define FLOOD_PORT 9001
#define SETTLE_PACKETS 200
#define INTERFACE "([('interface', 'br0')]"

typedef enum Slot {
        SLOT_UDP, /* two each, IPv4 and IPv6 */
        SLOT_TCP = 2,
        SLOT_NEW = 4,
} Slot;

typedef struct Forward {
        SplitLab lab;
        Program *box;     /* in the container */
        Program *flooder; /* there, too */
        Ways flood;
        int box_fd;
} Forward;

static const int families[2] = { AF_INET, AF_INET6 };

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void box_open(void) {
        run("ip netns add box\n"
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
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n"
            "nft 'table inet engine {\nchain out {\n"
            "  type nat hook postrouting priority srcnat;\n"
            "  ip saddr 172.30.0.0/24 oifname != br0 masquerade\n"
            "  ip6 saddr fd30::/64 oifname != br0 masquerade\n"
            "}\n}'\n");
}

static void box_close(void) {
        run("nft delete table inet engine\n"
            "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0\n"
            "ip link del br0\n"
            "ip netns del box\n");
}

static void forward_open(Forward *f, Machine *machine) {
        *f = (Forward){};
        split_lab_open(&f->lab, machine);
        /* Without it there is no way back from the tunnel to the container. */
        g_variant_unref(
                client_call_ok(f->lab.client, "SetTunnel", "('wg0', {'allow-lan': <true>})"));
        box_open();
        f->box_fd = open("/run/netns/box", O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(f->box_fd, >, 0);
        f->box = program_start(BUILD_DIR, &(Command){ .netns_fd = f->box_fd });
}

static void forward_close(Forward *f) {
        f->box = program_stop(f->box);
        (void)fd_close(f->box_fd);
        split_lab_close(&f->lab);
        box_close();
}

static void list(Forward *f, const char *method) {
        split_do(f->lab.client, method, INTERFACE ", " CLIENT_NO_OPTIONS ")");
}

static void set_mode(Forward *f, const char *mode) {
        split_do(f->lab.client, "SetMode", "('%s', " CLIENT_NO_OPTIONS ")", mode);
}

static const char *address_of(char way, int family) {
        if (way == 'O')
                return family == AF_INET ? LAB_ISP0_V4 : LAB_ISP0_V6;
        return family == AF_INET ? LAB_RELAY_V4 : LAB_RELAY_V6;
}

static int open_in(Program *program, int slot, int family, int type) {
        CHECK_OK(program_socket(program, slot, family, type, 0));
        return program_connect(program, slot,
                type == SOCK_STREAM ? INTERNET_TALK_PORT : INTERNET_PORT, /* mapped= */ false);
}

/* What the container begins now goes by @way and is answered there; '-': nothing leaves. */
static void check_new(Forward *f, const char *what, char way) {
        static const int types[2] = { SOCK_DGRAM, SOCK_STREAM };

        for (int i = 0; i < 4; i++) {
                int family = families[i % 2];
                g_autofree char *answer = NULL;
                WaysSeen seen;
                int r;

                (void)ways_look(&f->lab.ways);
                r = open_in(f->box, SLOT_NEW, family, types[i / 2]);
                if (r == 0)
                        r = program_ask(f->box, SLOT_NEW, 0, /* mapped= */ false, &answer);
                seen = ways_look(&f->lab.ways);
                CHECK_OK(program_close(f->box, SLOT_NEW, /* abort= */ true));
                g_test_message("%s, IPv%c, %s: %d open, %d tunnel, %d forged, %s", what,
                        family == AF_INET ? '4' : '6', i / 2 ? "TCP" : "UDP", seen.n_open,
                        seen.n_tunnel, seen.n_forged, g_strerror(-r));
                g_assert_cmpint(ways_letter(&seen), ==, way);
                g_assert_cmpint(r == 0, ==, way != '-');
                if (way != '-')
                        g_assert_cmpstr(answer, ==, address_of(way, family));
        }
}

static void test_around(Machine *machine) {
        Forward f;

        forward_open(&f, machine);
        check_new(&f, "before", 'T');
        list(&f, "AddSelectors");
        check_new(&f, "listed", 'O');
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        list(&f, "RemoveSelectors");
        check_new(&f, "no longer listed", 'T');
        forward_close(&f);
}

static void open_flows(Forward *f) {
        for (int i = 0; i < 2; i++) {
                CHECK_OK(open_in(f->box, SLOT_UDP + i, families[i], SOCK_DGRAM));
                CHECK_OK(open_in(f->box, SLOT_TCP + i, families[i], SOCK_STREAM));
        }
        for (int slot = SLOT_UDP; slot < SLOT_NEW; slot++)
                CHECK_OK(program_ask(f->box, slot, 0, /* mapped= */ false, NULL));
}

static void close_flows(Forward *f) {
        for (int slot = SLOT_UDP; slot < SLOT_NEW; slot++)
                CHECK_OK(program_close(f->box, slot, /* abort= */ true));
}

/* The open ones go by @way and are answered there; with @cuts, connections are refused there. */
static void check_flows(Forward *f, const char *what, char way, bool cuts) {
        for (int slot = SLOT_UDP; slot < SLOT_NEW; slot++) {
                int expected = cuts && slot >= SLOT_TCP ? -ECONNRESET : 0;
                g_autofree char *answer = NULL;
                WaysSeen seen;
                int r;

                (void)ways_look(&f->lab.ways);
                r = program_ask(f->box, slot, 0, /* mapped= */ false, &answer);
                seen = ways_look(&f->lab.ways);
                g_test_message("%s, slot %d: %d open, %d tunnel, %d forged, %s", what, slot,
                        seen.n_open, seen.n_tunnel, seen.n_forged, g_strerror(-r));
                g_assert_cmpint(ways_letter(&seen), ==, way);
                g_assert_cmpint(r, ==, expected);
                if (r == 0)
                        g_assert_cmpstr(answer, ==, address_of(way, families[slot % 2]));
        }
}

static void test_flows_kept(Machine *machine) {
        Forward f;

        forward_open(&f, machine);
        open_flows(&f);
        list(&f, "AddSelectors");
        check_flows(&f, "begun in the tunnel, then listed", 'T', /* cuts= */ false);
        check_new(&f, "listed", 'O');
        close_flows(&f);
        open_flows(&f);
        list(&f, "RemoveSelectors");
        check_flows(&f, "begun around it, then not listed", 'O', /* cuts= */ false);
        check_new(&f, "not listed", 'T');
        close_flows(&f);
        forward_close(&f);
}

static void test_flows_included(Machine *machine) {
        Forward f;

        forward_open(&f, machine);
        set_mode(&f, "include");
        open_flows(&f);
        list(&f, "AddSelectors");
        check_flows(&f, "begun beside the tunnel, then listed", 'T', /* cuts= */ true);
        close_flows(&f);
        set_mode(&f, "exclude");
        open_flows(&f);
        set_mode(&f, "include");
        check_flows(&f, "begun in mode exclude", 'T', /* cuts= */ true);
        forward_close(&f);
}

static void test_included(Machine *machine) {
        Forward f;

        forward_open(&f, machine);
        list(&f, "AddSelectors");
        set_mode(&f, "include");
        check_new(&f, "include mode", 'T');
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        list(&f, "RemoveSelectors");
        check_new(&f, "not listed", 'O');
        list(&f, "AddSelectors");
        check_new(&f, "listed again", 'T');
        run("ip link set wg0 down");
        check_new(&f, "the tunnel is down", '-');
        CHECK_OK(lab_tunnel_down(f.lab.lab, "wg0"));
        check_new(&f, "the tunnel is gone", '-');
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        CHECK_OK(lab_tunnel_up(f.lab.lab, "wg0", f.lab.mark));
        ways_watch(&f.lab.ways, "wg0");
        check_new(&f, "the tunnel is back", 'T');
        forward_close(&f);
}

static void flood(Forward *f) {
        f->flooder = program_start(BUILD_DIR, &(Command){ .netns_fd = f->box_fd });
        for (int i = 0; i < 2; i++)
                CHECK_OK(program_socket(f->flooder, i, families[i], SOCK_DGRAM, 0));
        ways_open(&f->flood, f->lab.lab);
        ways_watch(&f->flood, "wg0");
        f->flood.port = FLOOD_PORT;
        CHECK_OK(program_flood(f->flooder, FLOOD_PORT));
}

static void flood_end(Forward *f) {
        f->flooder = program_stop(f->flooder);
        ways_close(&f->flood);
}

/* Some hundred packets since the last look, all by @way. */
static void check_flood(Forward *f, const char *what, char way) {
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
        int n = 0;

        while (n < SETTLE_PACKETS) {
                WaysSeen seen = ways_look(&f->flood);
                int n_astray = way == 'O' ? seen.n_tunnel : seen.n_open;

                n += way == 'O' ? seen.n_open : seen.n_tunnel;
                if (n_astray + seen.n_forged > 0)
                        g_error("%s: %d open, %d in the tunnel, %d forged, not all '%c'", what,
                                seen.n_open, seen.n_tunnel, seen.n_forged, way);
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        }
}

static void test_killed(Machine *machine) {
        static const char *const modes[2] = { "exclude", "include" };
        Forward f;

        forward_open(&f, machine);
        list(&f, "AddSelectors");
        for (int i = 0; i < 2; i++) {
                char way = i == 0 ? 'O' : 'T';

                set_mode(&f, modes[i]);
                flood(&f);
                check_flood(&f, modes[i], way);
                g_assert_cmpint(client_kill_service(f.lab.client), >, 0);
                check_flood(&f, "the service was killed", way);
                g_assert_true(client_wait_for_service(f.lab.client, true));
                check_flood(&f, "the next one is there", way);
                flood_end(&f);
                check_new(&f, "new flows", way);
        }
        forward_close(&f);
}

/* Nobody is there to say which link is the best now, and our rules lead nobody. */
static void test_next_link(Machine *machine) {
        Forward f;
        pid_t pid;

        forward_open(&f, machine);
        check_new(&f, "the tunnel is set", 'T');
        pid = client_service_pid(f.lab.client);
        CHECK_OK(kill(pid, SIGSTOP));
        run("ip -4 rule add priority 1 lookup main\n"
            "ip -6 rule add priority 1 lookup main\n");
        check_new(&f, "the service hangs, its rules come second", '-');
        run("nmcli device disconnect wan0");
        CHECK_PRINTS(machine, "dev wan1", "ip", "-4", "route", "get", LAB_INTERNET_V4);
        CHECK_PRINTS(machine, "dev wan1", "ip", "-6", "route", "get", LAB_INTERNET_V6);
        check_new(&f, "the next link takes over", '-');
        run("ip -4 rule del priority 1\n"
            "ip -6 rule del priority 1\n"
            "nmcli device connect wan0\n");
        CHECK_OK(kill(pid, SIGCONT));
        g_assert_true(machine_wait_online(machine));
        forward_close(&f);
}

static const CheckCase cases[] = {
        { "/split-forward/container-goes-around-by-its-bridge-and-is-answered", test_around },
        { "/split-forward/open-flows-keep-their-path", test_flows_kept },
        { "/split-forward/include-mode-brings-open-flows-into-the-tunnel-or-cuts-them",
                test_flows_included },
        { "/split-forward/included-container-uses-the-tunnel-or-nothing", test_included },
        { "/split-forward/killed-service-leads-nothing-astray", test_killed },
        { "/split-forward/nothing-leaves-by-the-next-link-when-the-rules-are-lost",
                test_next_link },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
