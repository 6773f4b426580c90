// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The script for NetworkManager's dispatcher and the examples for it, run by
 * the real nm-dispatcher. Every test leaves both links online.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define SCRIPT "/usr/lib/NetworkManager/dispatcher.d/90-talpid"
#define LOCAL "/etc/NetworkManager/dispatcher.d/"
#define EXAMPLES SOURCE_DIR "/client-examples/dispatcher/"
#define OFFICE_ADDRESS "10.20.0.1"

static void run(const char *script) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "sh", "-ec", script, NULL));
        if (result.status != 0)
                g_error("%s: %s%s", script, result.out, result.err);
}

static bool succeeds(void *user) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "sh", "-c", (const char *)user, NULL));
        return result.status == 0;
}

static void wait_for(Machine *machine, const char *script) {
        if (!machine_wait_until(machine, succeeds, (void *)script, MACHINE_WAIT_MSEC))
                g_error("in vain: %s", script);
}

/* Installs an example as its head says, @changes (sed) being what the reader writes into it. */
static void install_example(const char *name, const char *changes) {
        g_autofree char *script =
                g_strdup_printf("sed '%s' '" EXAMPLES "%s' >/tmp/%s; install -m 755 /tmp/%s " LOCAL,
                        changes, name, name, name);

        run(script);
}

/*
 * No script may be calling it meanwhile: of a service that is stopped while it starts, dbus-daemon
 * 1.14 goes on to wait for that start.
 */
static void stop_service(Client *client) {
        run("ln -s /dev/null " LOCAL
            "90-talpid; while pgrep -f [l]ib/NetworkManager/dispatcher.d/9 >/dev/null; do :; done");
        g_variant_unref(client_property(client, "Version"));
        run("systemctl stop talpid; rm " LOCAL "90-talpid");
        g_assert_cmpint(client_service_pid(client), ==, 0);
}

static void test_wakes(Machine *machine) {
        Client *client = client_new(machine);

        stop_service(client);
        run("nmcli connection up wan0");
        g_assert_true(client_wait_for_service(client, true));
        g_assert_true(machine_wait_online(machine));
        (void)client_free(client);
}

static void test_heals(Machine *machine) {
        Client *client = client_new(machine);

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        g_variant_unref(client_call_ok(client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        stop_service(client);
        run("ip -6 rule del priority 4984; nmcli device reapply wan0");
        wait_for(machine, "ip -6 rule | grep -q ^4984:");
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        g_assert_true(machine_wait_online(machine));
        (void)client_free(client);
}

/*
 * The service hangs. A script that waited for its answer would hold up others, from no-wait.d as
 * well (nm-dispatcher 1.42), for the 25 seconds that busctl waits.
 */
static void test_holds_up_nobody(Machine *machine) {
        Client *client = client_new(machine);
        g_autoptr(GVariant) version = client_property(client, "Version");
        pid_t pid = client_service_pid(client);

        CHECK_OK(kill(pid, SIGSTOP));
        run("timeout 10 " SCRIPT " wan0 up");
        CHECK_OK(kill(pid, SIGCONT));
        run("[ /usr/lib/NetworkManager/dispatcher.d/90-talpid -ef "
            "/usr/lib/NetworkManager/dispatcher.d/no-wait.d/90-talpid ]");
        (void)client_free(client);
}

static void test_harmless(Machine *machine) {
        Client *client = client_new(machine);

        stop_service(client);
        run("systemctl mask --runtime --quiet talpid");
        run(SCRIPT " wan0 up");
        run("DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere " SCRIPT " wan0 up");
        run("nmcli connection up wan0");
        g_assert_true(machine_wait_online(machine));
        run("systemctl unmask --runtime --quiet talpid");
        run("! journalctl --no-pager -u NetworkManager-dispatcher | grep -i talpid");
        (void)client_free(client);
}

static void check_no_call_for(Client *client, const char *action) {
        g_autofree char *script = g_strdup_printf(SCRIPT " wan0 %s", action);

        run(script);
        g_assert_cmpint(client_service_pid(client), ==, 0);
}

static void test_ignores(Machine *machine) {
        Client *client = client_new(machine);

        g_assert_true(machine_wait_online(machine));
        run("systemctl mask --runtime --quiet NetworkManager-dispatcher; "
            "systemctl stop NetworkManager-dispatcher");
        stop_service(client);
        check_no_call_for(client, "hostname");
        check_no_call_for(client, "connectivity-change");
        check_no_call_for(client, "pre-up");
        check_no_call_for(client, "");
        run("systemctl unmask --runtime --quiet NetworkManager-dispatcher");
        (void)client_free(client);
}

static void test_untrusted(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Client *client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");

        CHECK_OK(lab_tunnel_up(lab, "wg0", g_variant_get_uint32(mark)));
        install_example("60-tunnel-on-untrusted-networks", "s/^trusted=.*/trusted='\\''wan1/");
        run("mkdir -p " LOCAL "pre-up.d; ln -s ../60-tunnel-on-untrusted-networks " LOCAL
            "pre-up.d/");

        g_test_message("the trusted one alone");
        run("nmcli connection down wan0");
        check_answers_soon(machine, LAB_ISP1_V4, LAB_ISP1_V6);

        g_test_message("another one comes: it is done when nmcli says that it is up");
        run("nmcli connection up wan0");
        g_assert_true(client_wait_for_entry(client, "Tunnel", "device", "wg0"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);

        g_test_message("no network at all: the tunnel stays");
        run("nmcli connection down wan1; nmcli connection down wan0");
        g_assert_true(client_wait_for_entry(client, "Tunnel", "device", "wg0"));

        g_test_message("the trusted one again");
        run("nmcli connection up wan1");
        check_answers_soon(machine, LAB_ISP1_V4, LAB_ISP1_V6);

        run("rm " LOCAL "60-* " LOCAL "pre-up.d/60-*; nmcli connection up wan0");
        g_assert_true(machine_wait_online(machine));
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
        (void)client_free(client);
}

static bool reaches_office(void *user) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "ping", "-c1", "-W1", OFFICE_ADDRESS, NULL));
        return capture_count_to(user, OFFICE_ADDRESS) > 0;
}

static void test_office(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Client *client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");
        Capture *capture;

        CHECK_OK(lab_tunnel_up(lab, "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(
                client_call_ok(client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        install_example("70-office-routes", "s/^connection=.*/connection=wan1/");
        CHECK_OK(capture_start(lab, LAB_ISP1, "lan", &capture));

        for (int i = 0; i < 2; i++) { /* up once more is no error and changes nothing */
                run("nmcli connection up wan1");
                wait_for(machine, "ip route show proto talpid | grep -q "
                                  "'^10.20.0.0/16 via " LAB_ISP1_LAN_V4 " dev wan1'");
                wait_for(machine, "ip route show proto talpid | grep -q ^10.30.0.0/16");
        }
        g_assert_true(machine_wait_until(machine, reaches_office, capture, MACHINE_WAIT_MSEC));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);

        run("nmcli connection down wan1");
        wait_for(machine, "[ -z \"$(ip route show proto talpid)\" ]");
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        (void)capture_stop(capture);
        run("rm " LOCAL "70-*; nmcli connection up wan1");
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
        g_assert_true(machine_wait_online(machine));
        (void)client_free(client);
}

/* As man(1) shows it; called as the dispatcher does, but for what it is in. */
static void test_page(Machine *machine) {
        (void)machine;
        run("{ echo '#!/bin/sh'; LC_ALL=C.UTF-8 MANWIDTH=80 man -P cat 8 talpid-dispatcher | col "
            "-bx |"
            " sed -n '/in short:/,/^[A-Z]/s/^ \\{14\\}//p'; } >/tmp/office\n"
            "chmod +x /tmp/office\n"
            "export IP4_GATEWAY=" LAB_ISP0_LAN_V4 " DEVICE_IP_IFACE=wan0\n"
            "CONNECTION_ID=Home /tmp/office wan0 up\n"
            "CONNECTION_ID=Office /tmp/office wan0 down\n"
            "[ -z \"$(ip route show 10.20.0.0/16)\" ]\n"
            "CONNECTION_ID=Office /tmp/office wan0 up\n"
            "ip route show 10.20.0.0/16 | grep '^10.20.0.0/16 via " LAB_ISP0_LAN_V4 " dev wan0 '\n"
            "talpidctl route clear");
}

static const CheckCase cases[] = {
        { "/dispatcher/wakes-an-idle-service-when-the-network-changes", test_wakes },
        { "/dispatcher/has-a-stopped-service-heal-what-was-damaged", test_heals },
        { "/dispatcher/holds-up-no-other-script-when-the-service-hangs", test_holds_up_nobody },
        { "/dispatcher/is-silent-without-the-service", test_harmless },
        { "/dispatcher/wakes-nobody-for-what-changes-no-network", test_ignores },
        { "/dispatcher/example-has-the-tunnel-on-in-untrusted-networks-alone", test_untrusted },
        { "/dispatcher/example-keeps-office-routes-on-the-office-link", test_office },
        { "/dispatcher/script-of-the-manual-works-as-shown", test_page },
};

/* Off in other tests, in the way of an administrator. */
static int prepare(const char *root) {
        g_autofree char *mask = g_build_filename(root, CLIENT_DISPATCHER_MASK, NULL);
        int r = client_prepare(root);

        return r < 0 || unlink(mask) == 0 ? r : -errno;
}

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = prepare);
}
