// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Nothing leaves outside of the tunnel while it changes: a flood of both
 * families, from sockets older than the tunnel, goes on through every
 * transition, with eyes on both ISPs' lines. Every test leaves both links
 * online and no tunnel set.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/flood.h"

#define SETTLE_ROUNDS 300 /* what is looked at after each transition */
#define N_KILLS 50

typedef struct Leaks {
        Machine *machine;
        Lab *lab;
        Client *client;
        Capture *captures[2];
        uint32_t mark;
        Flood flood;
} Leaks;

static int count_leaks(Leaks *f, int family) {
        int n = 0;

        for (int i = 0; i < 2; i++) {
                int found = capture_count_to(
                        f->captures[i], family == AF_INET ? LAB_INTERNET_V4 : LAB_INTERNET_V6);

                g_assert_cmpint(found, >=, 0);
                n += found;
        }
        return n;
}

/* Nothing was seen since the last look, nor is for a while now. */
static void check(Leaks *f, const char *what) {
        int n4, n6;

        flood_wait(&f->flood, SETTLE_ROUNDS);
        n4 = count_leaks(f, AF_INET);
        n6 = count_leaks(f, AF_INET6);
        g_test_message("%s: %d and %d packets leaked", what, n4, n6);
        if (n4 + n6 > 0) {
                g_autofree char *now = machine_run_ok("sh", "-c",
                        "ip -4 rule; ip -6 rule; ip -4 route show table all proto talpid; ip -6 "
                        "route show table all proto talpid",
                        NULL);

                g_error("%s: %d IPv4 and %d IPv6 packets leaked\n%s", what, n4, n6, now);
        }
}

static void set_tunnel(Leaks *f, const char *device, const char *options) {
        g_autofree char *arguments = g_strdup_printf(
                "('%s', {'replace': <true>%s%s})", device, *options ? ", " : "", options);

        g_variant_unref(client_call_ok(f->client, "SetTunnel", arguments));
}

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

/* The flood is there, the tunnel is set after it, and nothing leaks any more. */
static void leaks_open(Leaks *f, Machine *machine) {
        g_autoptr(GVariant) mark = NULL;

        *f = (Leaks){ .machine = machine, .lab = machine_get_lab(machine) };
        f->client = client_new(machine);
        mark = client_property(f->client, "Mark");
        f->mark = g_variant_get_uint32(mark);
        CHECK_OK(lab_tunnel_up(f->lab, "wg0", f->mark));
        for (int i = 0; i < 2; i++) {
                CHECK_OK(capture_start(
                        f->lab, i == 0 ? LAB_ISP0 : LAB_ISP1, "lan", &f->captures[i]));
                CHECK_OK(capture_narrow(f->captures[i], LAB_INTERNET_V4, LAB_INTERNET_V6));
        }
        flood_start(&f->flood);
        flood_wait(&f->flood, 50);
        g_assert_cmpint(count_leaks(f, AF_INET), >, 0);
        g_assert_cmpint(count_leaks(f, AF_INET6), >, 0);

        set_tunnel(f, "wg0", "");
        for (int i = 0; i < 2; i++)
                CHECK_OK(capture_clear(f->captures[i]));
        check(f, "SetTunnel has answered");
}

/* Neighbours are found again after a cable; the relay follows the device that spoke last. */
static bool is_answer(void *expected) {
        g_autofree char *answer = NULL;

        return lab_ask(AF_INET, LAB_UDP, &answer) == 0 && strcmp(answer, expected) == 0;
}

static void leaks_close(Leaks *f) {
        flood_stop(&f->flood);
        g_variant_unref(client_call_ok(f->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        for (int i = 0; i < 2; i++)
                f->captures[i] = capture_stop(f->captures[i]);
        (void)lab_tunnel_down(f->lab, "wg0"); /* some tests took it away */
        g_assert_true(machine_wait_online(f->machine));
        f->client = client_free(f->client);
        g_assert_true(
                machine_wait_until(f->machine, is_answer, (void *)LAB_ISP0_V4, MACHINE_WAIT_MSEC));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static const char *const option_changes[] = {
        "'ipv6': <false>",
        "'ipv6': <true>",
        "'ipv4': <false>",
        "'allow-lan': <true>",
        "'allow-lan': <true>, 'ipv6': <false>",
        "'mtu': <uint32 1300>",
        "'bypass': <['" LAB_RELAY_V4 "', '" LAB_RELAY_V6 "']>",
        "'bypass': <['10.0.0.0/8', 'fd00::/8']>, 'allow-lan': <true>",
        "'lifetime': <'client'>",
        "",
};

static void test_options(Machine *machine) {
        Leaks f;

        leaks_open(&f, machine);
        for (int round = 0; round < 3; round++)
                for (size_t i = 0; i < G_N_ELEMENTS(option_changes); i++) {
                        set_tunnel(&f, "wg0", option_changes[i]);
                        check(&f, option_changes[i]);
                }
        leaks_close(&f);
}

static void test_replace(Machine *machine) {
        Leaks f;

        leaks_open(&f, machine);
        CHECK_OK(lab_tunnel_up(f.lab, "wg1", f.mark));
        for (int i = 0; i < 20; i++)
                set_tunnel(&f, i % 2 ? "wg0" : "wg1", i % 3 ? "" : "'ipv6': <false>");
        check(&f, "replaced twenty times");
        set_tunnel(&f, "wg1", "");
        CHECK_OK(lab_tunnel_down(f.lab, "wg0"));
        check(&f, "the first device is gone");
        CHECK_OK(lab_tunnel_down(f.lab, "wg1"));
        check(&f, "the second device is gone");
        leaks_close(&f);
}

static void test_device(Machine *machine) {
        static const char *const scripts[] = {
                "ip link set wg0 down",
                "ip link set wg0 up",
                "ip -4 address flush dev wg0",
                "ip -6 address flush dev wg0",
                "ip address add " LAB_TUNNEL_CLIENT_V4 "/32 dev wg0",
                "ip address add " LAB_TUNNEL_CLIENT_V6 "/128 dev wg0 nodad",
                "for i in $(seq 30); do ip link set wg0 down; ip link set wg0 up; done",
                "ip link set wg0 down; ip link set wg0 name wg9; ip link set wg9 up",
                "ip link set wg9 down; ip link set wg9 name wg0; ip link set wg0 up",
                "ip link delete wg0",
        };
        Leaks f;

        leaks_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(scripts); i++) {
                run(scripts[i]);
                check(&f, scripts[i]);
        }
        for (int i = 0; i < 5; i++) {
                CHECK_OK(lab_tunnel_up(f.lab, "wg0", f.mark));
                check(&f, "the device is made again");
                CHECK_OK(lab_tunnel_down(f.lab, "wg0"));
                check(&f, "the device is deleted");
        }
        leaks_close(&f);
}

static void test_default_moves(Machine *machine) {
        static const char *const scripts[] = {
                "ip route add default via " LAB_ISP1_LAN_V4 " dev wan1 metric 1; "
                "ip -6 route add default via " LAB_ISP1_LAN_V6 " dev wan1 metric 1",
                "ip route replace default via " LAB_ISP0_LAN_V4 " dev wan0 metric 1",
                "ip route del default metric 1; ip -6 route del default metric 1",
                "ip route add 0.0.0.0/1 via " LAB_ISP0_LAN_V4 "; "
                "ip route add 198.51.100.0/24 via " LAB_ISP0_LAN_V4 "; "
                "ip -6 route add 2001:db8:ffff::/48 via " LAB_ISP0_LAN_V6,
                "ip route del 0.0.0.0/1; ip route del 198.51.100.0/24; "
                "ip -6 route del 2001:db8:ffff::/48",
                "nmcli connection up wan1",
                "nmcli connection up wan0",
        };
        static const LabSpace isps[] = { LAB_ISP0, LAB_ISP1 };
        Leaks f;

        leaks_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(scripts); i++) {
                run(scripts[i]);
                check(&f, scripts[i]);
        }
        for (int i = 0; i < 2; i++) {
                CHECK_OK(lab_cable_pull(f.lab, isps[i]));
                check(&f, "a cable is pulled");
        }
        for (int i = 0; i < 2; i++) {
                CHECK_OK(lab_cable_plug(f.lab, isps[1 - i]));
                check(&f, "a cable is plugged");
        }
        g_assert_true(machine_wait_online(machine));
        check(&f, "both links are online again");
        leaks_close(&f);
}

/* The ISP gives out the VPN's own inner network, so as to be its resolver. */
static void test_forged_lan(Machine *machine) {
        Leaks f;

        leaks_open(&f, machine);
        run("ip address add " LAB_TUNNEL_CLIENT_V4 "/24 dev wg0");
        set_tunnel(&f, "wg0", "'allow-lan': <true>");
        CHECK_OK(lab_set_lan(f.lab, LAB_ISP0, "10.64.0"));
        run("nmcli connection up wan0");
        CHECK_PRINTS(machine, "10.64.0.0/24 dev wan0", "ip", "route", "show", "table", "main");
        CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", LAB_TUNNEL_RELAY_V4);
        check(&f, "the LAN is the tunnel's network");
        run("ip link set wg0 down");
        CHECK_PRINTS(machine, "unreachable 10.64.0.0/24", "ip", "route", "show", "table",
                "talpid-tunnel");
        check(&f, "the device is down");

        CHECK_OK(lab_set_lan(f.lab, LAB_ISP0, NULL));
        run("nmcli connection up wan0");
        g_assert_true(machine_wait_online(machine));
        leaks_close(&f);
}

/* Starts a killed service at once. */
static void restart_fast(bool fast) {
        run(fast ? "mkdir -p /run/systemd/system/talpid.service.d; printf "
                   "'[Service]\\nRestartSec=0\\n' "
                   ">/run/systemd/system/talpid.service.d/test.conf; systemctl daemon-reload"
                 : "rm -r /run/systemd/system/talpid.service.d; systemctl daemon-reload");
}

static void kill_service(Leaks *f) {
        pid_t old = client_kill_service(f->client);

        g_assert_cmpint(old, >, 0);
        g_assert_true(client_wait_for_new_service(f->client, old));
}

/* Sends a change and does not wait; SIGKILL comes @usec later. */
static void change_and_kill(Leaks *f, unsigned i, int usec) {
        const char *options = option_changes[i % G_N_ELEMENTS(option_changes)];
        g_autofree char *arguments = g_strdup_printf("('%s', {'replace': <true>%s%s})",
                g_test_rand_bit() ? "wg0" : "wg1", *options ? ", " : "", options);
        const struct timespec moment = { .tv_nsec = usec * 1000L };

        g_dbus_connection_call(client_get_bus(f->client), CLIENT_NAME, CLIENT_PATH, CLIENT_NAME,
                "SetTunnel", g_variant_new_parsed(arguments), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                NULL, NULL, NULL);
        CHECK_OK(g_dbus_connection_flush_sync(client_get_bus(f->client), NULL, NULL) ? 0 : -EIO);
        (void)ppoll(NULL, 0, &moment, NULL); /* the random moment */
        kill_service(f);
}

static void test_kills(Machine *machine) {
        g_autoptr(GVariant) tunnel = NULL;
        Leaks f;

        restart_fast(true);
        leaks_open(&f, machine);
        CHECK_OK(lab_tunnel_up(f.lab, "wg1", f.mark));
        for (unsigned i = 0; i < N_KILLS; i++) {
                int usec = g_test_rand_int_range(0, 6000);

                g_test_message("kill %u after %d us", i, usec);
                change_and_kill(&f, i, usec);
                if (i % 10 == 9)
                        check(&f, "ten kills more");
        }
        /* It is in order again, whatever the kills left. */
        set_tunnel(&f, "wg0", "");
        check(&f, "set once more");
        CHECK_OK(lab_tunnel_down(f.lab, "wg1"));
        g_assert_true(
                machine_wait_until(machine, is_answer, (void *)LAB_RELAY_V4, MACHINE_WAIT_MSEC));
        check(&f, "the other device is gone");
        leaks_close(&f);
        restart_fast(false);
}

/* Stops the service, does harm, and kills it. */
static void test_damaged_state(Machine *machine) {
        static const char *const damages[] = {
                ": >/run/talpid/state",
                "echo nonsense >/run/talpid/state",
                "head -c 20 /run/talpid/state >/run/talpid/x; cat /run/talpid/x >/run/talpid/state",
                "head -c 100000 /dev/urandom >/run/talpid/state",
                "rm /run/talpid/state",
                "rm /run/talpid/state; mkdir /run/talpid/state",
                "rmdir /run/talpid/state 2>/dev/null; rm -rf /run/talpid/bus",
        };
        Leaks f;

        restart_fast(true);
        leaks_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
                run("systemctl kill --signal=STOP talpid.service");
                run(damages[i]);
                kill_service(&f);
                g_assert_true(client_wait_for_entry(f.client, "Tunnel", "device", "wg0"));
                check(&f, damages[i]);
        }
        for (int i = 0; i < 5; i++) {
                run("systemctl restart talpid.service");
                check(&f, "restarted");
        }
        run("systemctl stop talpid.service");
        check(&f, "stopped");
        leaks_close(&f);
        restart_fast(false);
}

/* What the firewall guard is for: nobody may open the tunnel by taking its routes away. */
static const char *const thefts[] = {
        "ip -4 rule del priority 4984",
        "ip -6 rule del priority 4984",
        "ip -4 route flush table talpid-tunnel",
        "ip -6 route flush table talpid-tunnel",
        "ip -4 rule flush; ip -4 rule add priority 32766 lookup main",
        "ip -6 rule add priority 1 lookup main; ip -6 rule del priority 1",
};

static void steal(Leaks *f) {
        for (int round = 0; round < 5; round++)
                for (size_t i = 0; i < G_N_ELEMENTS(thefts); i++) {
                        run(thefts[i]);
                        check(f, thefts[i]);
                }
}

static void test_thefts(Machine *machine) {
        Leaks f;

        leaks_open(&f, machine);
        steal(&f);
        leaks_close(&f);
}

static void test_thefts_while_dead(Machine *machine) {
        Leaks f;

        leaks_open(&f, machine);
        run("systemctl kill --signal=STOP talpid.service");
        run("ip -4 rule del priority 4984; ip -6 rule del priority 4984");
        check(&f, "no rules, and nobody to put them back");
        run("systemctl kill --signal=CONT talpid.service");
        leaks_close(&f);
}

static void test_bound_to_device(Machine *machine) {
        g_autofree char *answer = NULL;
        Leaks f;

        leaks_open(&f, machine);
        g_assert_cmpint(
                lab_ask_question(
                        &(LabQuestion){ .family = AF_INET, .device = "wan0", .timeout_msec = 500 },
                        &answer),
                <, 0);
        g_assert_cmpint(
                lab_ask_question(
                        &(LabQuestion){ .family = AF_INET6, .device = "wan0", .timeout_msec = 500 },
                        &answer),
                <, 0);
        check(&f, "sockets bound to the ISP's link");
        leaks_close(&f);
}

static const CheckCase cases[] = {
        { "/leaks/none-when-options-change", test_options },
        { "/leaks/none-when-the-tunnel-moves-to-another-device", test_replace },
        { "/leaks/none-when-the-device-goes-down-up-away-and-comes-back", test_device },
        { "/leaks/none-when-the-default-route-moves-and-cables-are-pulled", test_default_moves },
        { "/leaks/none-when-the-lan-claims-the-vpn-s-own-addresses", test_forged_lan },
        { "/leaks/none-when-the-service-is-killed-at-any-moment-of-a-change", test_kills },
        { "/leaks/none-when-the-saved-state-is-damaged", test_damaged_state },
        { "/leaks/none-when-rules-and-routes-are-taken-away", test_thefts },
        { "/leaks/none-when-they-are-taken-away-and-the-service-is-dead", test_thefts_while_dead },
        { "/leaks/none-from-sockets-that-are-bound-to-a-device", test_bound_to_device },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
