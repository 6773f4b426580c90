// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The machine and the lab themselves, with NetworkManager: what other tests
 * build on holds. Every test leaves both links online.
 */

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"

static void test_boots_to_running(Machine *machine) {
        g_autofree char *state = machine_run_ok("systemctl", "is-system-running", NULL);

        (void)machine;
        g_assert_cmpstr(g_strstrip(state), ==, "running");
}

static void test_bus(Machine *machine) {
        static const char *const names[] = { "org.freedesktop.NetworkManager",
                "org.freedesktop.PolicyKit1", "org.freedesktop.login1",
                "org.freedesktop.systemd1" };
        GDBusConnection *bus = machine_get_bus(machine);

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(GVariant) reply =
                        g_dbus_connection_call_sync(bus, names[i], "/", "org.freedesktop.DBus.Peer",
                                "Ping", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, 10000, NULL, &error);

                g_assert_no_error(error);
        }
}

static void test_links(Machine *machine) {
        CHECK_PRINTS(machine, "default via 192.168.10.1 proto dhcp", "ip", "route", "show", "dev",
                "wan0");
        CHECK_PRINTS(machine, "metric 100", "ip", "route", "show", "default", "dev", "wan0");
        CHECK_PRINTS(machine, "default via 192.168.20.1 proto dhcp", "ip", "route", "show", "dev",
                "wan1");
        CHECK_PRINTS(machine, "metric 101", "ip", "route", "show", "default", "dev", "wan1");
        CHECK_PRINTS(machine, "proto ra metric 100", "ip", "-6", "route", "show", "default", "dev",
                "wan0");
        CHECK_PRINTS(machine, "proto ra metric 101", "ip", "-6", "route", "show", "default", "dev",
                "wan1");
        CHECK_PRINTS(machine, "2001:db8:10:", "ip", "-6", "address", "show", "dev", "wan0");
        CHECK_PRINTS(machine, "wan1:connected", "nmcli", "-g", "DEVICE,STATE", "device");
}

static void test_internet(Machine *machine) {
        (void)machine;
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        check_answers_through("wan1", LAB_ISP1_V4, LAB_ISP1_V6);
}

static void test_resolver(Machine *machine) {
        CHECK_PRINTS(machine, "nameserver " LAB_ISP0_LAN_V4, "cat", "/etc/resolv.conf");
        CHECK_PRINTS(machine, LAB_ISP0_LAN_V4, "getent", "ahostsv4", "who.test");
        CHECK_PRINTS(machine, LAB_ISP0_LAN_V6, "getent", "ahostsv6", "who.test");
}

static void test_tunnel(Machine *machine) {
        Lab *lab = machine_get_lab(machine);

        CHECK_OK(lab_tunnel_up(lab, "wg0", 0x51));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        g_free(machine_run_ok("ip", "route", "add", LAB_INTERNET_V4, "dev", "wg0", NULL));
        g_free(machine_run_ok("ip", "route", "add", LAB_INTERNET_V6, "dev", "wg0", NULL));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
}

static void test_tunnel_fwmark(Machine *machine) {
        Lab *lab = machine_get_lab(machine);

        /* All unmarked traffic has to take the tunnel; only its own packets may not. */
        CHECK_OK(lab_tunnel_up(lab, "wg0", 0x51));
        for (int i = 0; i < 2; i++) {
                const char *family = i ? "-6" : "-4";

                g_free(machine_run_ok("ip", family, "route", "add", "default", "dev", "wg0",
                        "table", "51", NULL));
                g_free(machine_run_ok("ip", family, "rule", "add", "not", "fwmark", "0x51",
                        "lookup", "51", NULL));
        }
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        check_answer(&(LabQuestion){ .family = AF_INET, .mark = 0x51 }, LAB_ISP0_V4);
        g_free(machine_run_ok("ip", "-4", "rule", "del", "lookup", "51", NULL));
        g_free(machine_run_ok("ip", "-6", "rule", "del", "lookup", "51", NULL));
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
}

static void test_cable(Machine *machine) {
        Lab *lab = machine_get_lab(machine);

        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        CHECK_PRINTS(machine, "NO-CARRIER", "ip", "link", "show", "wan0");
        CHECK_PRINTS(machine, "wan0:unavailable", "nmcli", "-g", "DEVICE,STATE", "device");
        check_answers(LAB_ISP1_V4, LAB_ISP1_V6);
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static void reconnect(const char *connection) {
        g_free(machine_run_ok("nmcli", "connection", "up", connection, NULL));
}

static void test_option_121(Machine *machine) {
        Lab *lab = machine_get_lab(machine);

        CHECK_OK(lab_set_dhcp_option(lab, LAB_ISP0, "121,0.0.0.0/1,192.168.10.66"));
        reconnect("wan0");
        CHECK_PRINTS(machine, "0.0.0.0/1 via 192.168.10.66 dev wan0", "ip", "route", "show",
                "table", "main");
        CHECK_OK(lab_set_dhcp_option(lab, LAB_ISP0, NULL));
        reconnect("wan0");
        g_assert_true(machine_wait_online(machine));
}

static void test_public_lan(Machine *machine) {
        Lab *lab = machine_get_lab(machine);

        CHECK_OK(lab_set_lan(lab, LAB_ISP0, "198.51.100"));
        reconnect("wan0");
        CHECK_PRINTS(machine, "dev wan0 src 198.51.100.", "ip", "route", "get", LAB_INTERNET_V4);
        CHECK_OK(lab_set_lan(lab, LAB_ISP0, NULL));
        reconnect("wan0");
        CHECK_PRINTS(machine, "via 192.168.10.1 dev wan0", "ip", "route", "get", LAB_INTERNET_V4);
        g_assert_true(machine_wait_online(machine));
}

static void test_dhcp_stop(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_auto(CommandResult) result = {};

        CHECK_OK(lab_dhcp_stop(lab, LAB_ISP1));
        CHECK_OK(lab_run(lab, LAB_ISP1, &result, "ss", "-Hulpn", "sport = :67", NULL));
        g_assert_null(strstr(result.out, "lan"));
        g_assert_null(strstr(result.out, "dnsmasq"));
        CHECK_OK(lab_dhcp_start(lab, LAB_ISP1));
        reconnect("wan1");
        g_assert_true(machine_wait_online(machine));
}

static void test_capture(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Capture) wan0 = NULL;
        g_autoptr(Capture) wan1 = NULL;
        g_autoptr(Capture) world = NULL;

        CHECK_OK(capture_start(lab, LAB_MACHINE, "wan0", &wan0));
        CHECK_OK(capture_start(lab, LAB_MACHINE, "wan1", &wan1));
        CHECK_OK(capture_start(lab, LAB_ISP0, "world", &world));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        g_assert_cmpint(capture_count_to(wan0, LAB_INTERNET_V4), >, 2);
        g_assert_cmpint(capture_count_from(wan0, LAB_INTERNET_V6), >, 2);
        g_assert_cmpint(capture_count_to(wan1, LAB_INTERNET_V4), ==, 0);
        g_assert_cmpint(capture_count_to(wan1, LAB_INTERNET_V6), ==, 0);
        g_assert_cmpint(capture_count_from(world, LAB_ISP0_V4), >, 2);
        CHECK_OK(capture_clear(wan0));
        g_assert_cmpint(capture_count_to(wan0, LAB_INTERNET_V4), ==, 0);
}

static void test_capture_errors(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Capture) capture = NULL;

        g_assert_cmpint(capture_start(lab, LAB_MACHINE, "nowhere", &capture), ==, -ENODEV);
        CHECK_OK(capture_start(lab, LAB_MACHINE, "wan1", &capture));
        CHECK_OK(lab_cable_pull(lab, LAB_ISP1));
        CHECK_PRINTS(machine, "NO-CARRIER", "ip", "link", "show", "wan1");
        g_assert_cmpint(capture_count(capture, NULL, NULL), >=, 0);
        CHECK_OK(lab_cable_plug(lab, LAB_ISP1));
        g_assert_true(machine_wait_online(machine));
}

static void test_users(Machine *machine) {
        g_auto(CommandResult) result = {};

        (void)machine;
        CHECK_OK(machine_spawn_as(MACHINE_ALICE, &result, "id", NULL));
        g_assert_cmpstr(result.out, ==, "uid=1000(alice) gid=1000(alice) groups=1000(alice)\n");
        command_result_clear(&result);
        CHECK_OK(machine_spawn_as(MACHINE_BOB, &result, "sh", "-c", "echo no >&2; exit 7", NULL));
        g_assert_cmpint(result.status, ==, 7);
        g_assert_cmpstr(result.err, ==, "no\n");
}

/* Defaults: any no, inactive no, active yes. */
#define ACTIVE_ONLY "org.freedesktop.NetworkManager.enable-disable-network"

static int polkit_check(uid_t uid, const char *cgroup) {
        const char *const argv[] = { "sh", "-c",
                "exec pkcheck --action-id " ACTIVE_ONLY " --process $$", NULL };
        g_auto(CommandResult) result = {};

        CHECK_OK(command_run(&(Command){ .argv = argv, .uid = uid, .cgroup = cgroup }, &result));
        return result.status;
}

static void test_session(Machine *machine) {
        g_autofree char *cgroup = NULL;

        g_assert_cmpint(polkit_check(MACHINE_ALICE, NULL), !=, 0);
        CHECK_OK(machine_session_open(machine, "alice", &cgroup));
        CHECK_PRINTS(machine, "alice", "loginctl", "--no-legend", "list-sessions");
        g_assert_cmpint(polkit_check(MACHINE_ALICE, cgroup), ==, 0);
        g_assert_cmpint(polkit_check(MACHINE_ALICE, NULL), !=, 0);
        g_assert_cmpint(polkit_check(MACHINE_BOB, NULL), !=, 0);
        CHECK_OK(machine_session_close("alice"));
}

static bool is_never(void *user) {
        (*(int *)user)++;
        return false;
}

static void test_wait(Machine *machine) {
        int n_asked = 0;

        g_assert_false(machine_wait_until(machine, is_never, &n_asked, 200));
        g_assert_cmpint(n_asked, >=, 2);
        g_assert_cmpint(n_asked, <, 100);
}

static void test_isolation(Machine *machine) {
        g_auto(CommandResult) result = {};

        (void)machine;
        g_assert_cmpint(g_access("/proc/sys/kernel/hostname", F_OK), ==, 0);
        CHECK_OK(machine_run(&result, "sh", "-c", "echo 1 >/proc/sys/kernel/panic", NULL));
        g_assert_cmpint(result.status, !=, 0);
        g_free(machine_run_ok("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward", NULL));
        g_free(machine_run_ok("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward", NULL));
}

static const CheckCase cases[] = {
        { "/machine/boots-to-running", test_boots_to_running },
        { "/machine/real-services-answer-on-the-bus", test_bus },
        { "/machine/network-manager-configures-both-links-by-dhcp-and-ra", test_links },
        { "/machine/internet-tells-which-isp-asked", test_internet },
        { "/machine/names-resolve-with-the-first-links-resolver", test_resolver },
        { "/machine/tunnel-answers-with-the-relays-address", test_tunnel },
        { "/machine/tunnels-own-packets-carry-the-mark", test_tunnel_fwmark },
        { "/machine/pulled-cable-loses-carrier-and-the-other-link-takes-over", test_cable },
        { "/machine/dhcp-option-121-reaches-the-main-table", test_option_121 },
        { "/machine/public-lan-hides-the-internet", test_public_lan },
        { "/machine/stopped-dhcp-is-gone-and-comes-back", test_dhcp_stop },
        { "/machine/capture-sees-all-that-passes-and-nothing-else", test_capture },
        { "/machine/capture-survives-a-pulled-cable", test_capture_errors },
        { "/machine/programs-run-as-alice-and-bob", test_users },
        { "/machine/session-makes-alice-active-for-polkit", test_session },
        { "/machine/wait-ends-at-the-deadline", test_wait },
        { "/machine/outer-sysctls-are-out-of-reach", test_isolation },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases);
}
