// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The best default route as clients see it, under NetworkManager, DHCP and
 * router advertisements. Every test leaves both links online.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

static void check_entry(Client *client, const char *property, const char *key, const char *value) {
        if (!client_wait_for_entry(client, property, key, value)) {
                g_autofree char *now = client_property_entry(client, property, key);

                g_error("%s %s is '%s', not '%s'", property, key, now, value);
        }
}

static void test_properties(Machine *machine) {
        g_autofree char *mac = machine_run_ok("sh", "-c",
                "ping -c1 -W2 " LAB_ISP0_LAN_V4 " >/dev/null; ip neigh show " LAB_ISP0_LAN_V4
                " dev wan0 | sed 's/.*lladdr \\([0-9a-f:]*\\).*/\\1/'",
                NULL);
        g_autofree char *address = machine_run_ok(
                "sh", "-c", "ip -4 -o addr show wan0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'", NULL);
        Client *client = client_new(machine);

        check_entry(client, "DefaultRoute4", "device", "wan0");
        check_entry(client, "DefaultRoute4", "gateway", LAB_ISP0_LAN_V4);
        check_entry(client, "DefaultRoute4", "gateway-mac", g_strstrip(mac));
        check_entry(client, "DefaultRoute4", "metric", "100");
        check_entry(client, "DefaultRoute4", "mtu", "1500");
        check_entry(client, "DefaultRoute4", "source", g_strstrip(address));
        check_entry(client, "DefaultRoute6", "device", "wan0");
        check_entry(client, "DefaultRoute6", "metric", "100");
        check_entry(client, "DefaultRoute6", "gateway-mac", mac);
        (void)client_free(client);
}

/* A client that has heard nothing of what the case before left under way. */
static Client *new_settled_client(Machine *machine) {
        Client *client = client_new(machine);

        g_assert_true(machine_wait_online(machine));
        check_entry(client, "DefaultRoute4", "device", "wan0");
        check_entry(client, "DefaultRoute6", "device", "wan0");
        client_sync(client);
        client_forget(client);
        return client;
}

/* The one signal since the last client_forget() tells of a change to @device. */
static void check_one_change(Client *client, const char *family, const char *device) {
        g_autoptr(GVariant) last = client_last(client, "DefaultRouteChanged");
        g_autoptr(GVariant) now = g_variant_get_child_value(last, 2);
        const char *told_device = "";

        g_assert_true(g_variant_lookup(now, "device", "&s", &told_device));
        g_assert_cmpstr(told_device, ==, device);
}

/* Nothing of @signal was heard; shows what was. */
static void check_none(Client *client, const char *signal) {
        g_autoptr(GVariant) last = client_last(client, signal);

        if (last) {
                g_autofree char *text = g_variant_print(last, FALSE);

                g_error("heard %s %s", signal, text);
        }
}

static unsigned count_of_family(Client *client) {
        return client_count(client, "DefaultRouteChanged") +
               client_count(client, "DefaultRouteAdded") +
               client_count(client, "DefaultRouteRemoved");
}

static void test_pulled_cable(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Client *client = new_settled_client(machine);

        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        g_assert_true(client_wait_for_signals(client, "DefaultRouteChanged", 2));
        /* Until NetworkManager is done with it as well. */
        CHECK_PRINTS(machine, "wan0:unavailable", "nmcli", "-g", "DEVICE,STATE", "device");
        client_sync(client);
        g_assert_cmpuint(count_of_family(client), ==, 2);
        check_one_change(client, "ipv4", "wan1");
        check_entry(client, "DefaultRoute4", "device", "wan1");

        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        check_entry(client, "DefaultRoute4", "device", "wan0");
        check_entry(client, "DefaultRoute6", "device", "wan0");
        client_sync(client);
        g_assert_cmpuint(count_of_family(client), ==, 4);
        check_one_change(client, "ipv4", "wan0");
        (void)client_free(client);
}

static void test_both_cables(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Client *client = new_settled_client(machine);

        CHECK_OK(lab_cable_pull(lab, LAB_ISP1));
        CHECK_PRINTS(machine, "wan1:unavailable", "nmcli", "-g", "DEVICE,STATE", "device");
        client_sync(client);
        client_forget(client);
        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        g_assert_true(client_wait_for_signals(client, "DefaultRouteRemoved", 2));
        check_entry(client, "DefaultRoute4", "device", "");
        check_entry(client, "DefaultRoute6", "device", "");
        check_none(client, "DefaultRouteChanged");

        client_forget(client);
        CHECK_OK(lab_cable_plug(lab, LAB_ISP1));
        check_entry(client, "DefaultRoute4", "device", "wan1");
        check_entry(client, "DefaultRoute6", "device", "wan1");
        g_assert_true(client_wait_for_signals(client, "DefaultRouteAdded", 2));
        client_sync(client);
        g_assert_cmpuint(client_count(client, "DefaultRouteAdded"), ==, 2);
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        check_entry(client, "DefaultRoute4", "device", "wan0");
        (void)client_free(client);
}

static void test_tunnels(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Client *client = new_settled_client(machine);

        CHECK_OK(lab_tunnel_up(lab, "wg5", 0));
        g_free(machine_run_ok("ip", "route", "add", "default", "dev", "wg5", "metric", "1", NULL));
        g_free(machine_run_ok(
                "ip", "-6", "route", "add", "default", "dev", "wg5", "metric", "1", NULL));
        client_sync(client);
        check_entry(client, "DefaultRoute4", "device", "wan0");
        check_entry(client, "DefaultRoute6", "device", "wan0");
        g_assert_cmpuint(count_of_family(client), ==, 0);
        CHECK_OK(lab_tunnel_down(lab, "wg5"));
        (void)client_free(client);
}

static void test_replaced(Machine *machine) {
        Client *client = new_settled_client(machine);
        g_autoptr(GVariant) last = NULL;
        const char *reason;

        g_free(machine_run_ok("ip", "route", "add", "default", "via", LAB_ISP1_LAN_V4, "dev",
                "wan1", "metric", "7", NULL));
        g_assert_true(client_wait_for_signals(client, "DefaultRouteChanged", 1));
        check_one_change(client, "ipv4", "wan1");
        client_forget(client);
        g_free(machine_run_ok("ip", "route", "replace", "default", "via", LAB_ISP0_LAN_V4, "dev",
                "wan0", "metric", "7", NULL));
        g_assert_true(client_wait_for_signals(client, "DefaultRouteChanged", 1));
        check_one_change(client, "ipv4", "wan0");
        last = client_last(client, "DefaultRouteChanged");
        g_variant_get_child(last, 3, "&s", &reason);
        g_assert_cmpstr(reason, ==, "link");
        g_free(machine_run_ok("ip", "route", "del", "default", "metric", "7", NULL));
        check_entry(client, "DefaultRoute4", "metric", "100");
        (void)client_free(client);
}

static void test_serial(Machine *machine) {
        Client *client = new_settled_client(machine);
        guint64 before = 0, after = 0;

        for (int i = 0; i < 3; i++) {
                g_autoptr(GVariant) last = NULL;

                client_forget(client);
                g_free(machine_run_ok("ip", "route", "add", "default", "via", LAB_ISP1_LAN_V4,
                        "dev", "wan1", "metric", "7", NULL));
                g_assert_true(client_wait_for_signals(client, "DefaultRouteChanged", 1));
                g_free(machine_run_ok("ip", "route", "del", "default", "metric", "7", NULL));
                g_assert_true(client_wait_for_signals(client, "DefaultRouteChanged", 2));
                last = client_last(client, "DefaultRouteChanged");
                g_variant_get_child(last, 4, "t", &after);
                g_assert_true(i == 0 || after == before + 2);
                before = after;
        }
        (void)client_free(client);
}

/* NetworkManager is frozen: it cannot tell of the new link, which its name alone leads to. */
static void test_made_again(Machine *machine) {
        Client *client = new_settled_client(machine);

        g_free(machine_run_ok("nmcli", "connection", "add", "type", "veth", "con-name",
                "Spare line", "ifname", "d0", "peer", "d1", "ipv4.method", "manual",
                "ipv4.addresses", "203.0.113.9/24", "ipv4.gateway", "203.0.113.1",
                "ipv4.route-metric", "5", "ipv6.method", "disabled", NULL));
        check_entry(client, "DefaultRoute4", "device", "d0");
        check_entry(client, "DefaultRoute4", "connection", "Spare line");

        g_free(machine_run_ok("systemctl", "kill", "-s", "STOP", "NetworkManager.service", NULL));
        g_free(machine_run_ok("ip", "link", "del", "d0", NULL));
        check_entry(client, "DefaultRoute4", "device", "wan0");
        g_free(machine_run_ok("sh", "-c",
                "ip link add d0 type veth peer name d1 && ip link set d1 up && "
                "ip addr add 203.0.113.9/24 dev d0 && ip link set d0 up && ip route add default "
                "via 203.0.113.1 dev d0 metric 5",
                NULL));
        check_entry(client, "DefaultRoute4", "device", "d0");
        check_entry(client, "DefaultRoute4", "connection", "Spare line");

        g_free(machine_run_ok("systemctl", "kill", "-s", "CONT", "NetworkManager.service", NULL));
        g_free(machine_run_ok("nmcli", "connection", "delete", "Spare line", NULL));
        g_free(machine_run_ok("sh", "-c", "ip link del d0 2>/dev/null || :", NULL));
        check_entry(client, "DefaultRoute4", "device", "wan0");
        g_assert_true(machine_wait_online(machine));
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/default-route/properties-tell-device-gateway-mac-metric-mtu-and-source",
                test_properties },
        { "/default-route/pulled-and-plugged-cable-is-one-signal-a-family-each",
                test_pulled_cable },
        { "/default-route/last-one-gone-is-removed-and-first-one-back-is-added", test_both_cables },
        { "/default-route/tunnels-of-others-do-not-count", test_tunnels },
        { "/default-route/added-replaced-and-deleted-by-hand-is-told", test_replaced },
        { "/default-route/serial-counts-without-gaps", test_serial },
        { "/default-route/link-made-again-keeps-the-name-of-its-connection", test_made_again },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
