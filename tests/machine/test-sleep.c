// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The machine sleeps and wakes, perhaps on another network: by the real logind
 * and systemd-sleep, that write to a file in the kernel's place. While it
 * sleeps, a hook of systemd-sleep waits for the test. Every test leaves both
 * links online and no tunnel behind.
 */

#include <sys/socket.h>

#include "tests/machine/healing.h"
#include "tests/machine/lib/sleep.h"

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static unsigned n_told(Client *client) {
        return client_count(client, "DefaultRouteAdded") +
               client_count(client, "DefaultRouteChanged") +
               client_count(client, "DefaultRouteRemoved");
}

static void check_change(Client *client, const char *from, const char *to) {
        g_autoptr(GVariant) last = client_last(client, "DefaultRouteChanged");
        g_autoptr(GVariant) old = g_variant_get_child_value(last, 1);
        g_autoptr(GVariant) now = g_variant_get_child_value(last, 2);
        const char *old_device = "", *now_device = "";

        (void)g_variant_lookup(old, "device", "&s", &old_device);
        (void)g_variant_lookup(now, "device", "&s", &now_device);
        g_assert_cmpstr(old_device, ==, from);
        g_assert_cmpstr(now_device, ==, to);
}

static void check_entry(Client *client, const char *property, const char *key, const char *value) {
        if (!client_wait_for_entry(client, property, key, value)) {
                g_autofree char *now = client_property_entry(client, property, key);

                g_error("%s %s is '%s', not '%s'", property, key, now, value);
        }
}

static void wait_for_network_manager(Machine *machine, const char *wan0) {
        CHECK_PRINTS(machine, wan0, "nmcli", "-g", "DEVICE,STATE", "device");
        CHECK_PRINTS(machine, "wan1:connected", "nmcli", "-g", "DEVICE,STATE", "device");
}

static bool answers(void *user) {
        g_autofree char *told = NULL;

        return lab_ask(AF_INET, LAB_UDP, &told) == 0;
}

static void test_other_network(Machine *machine) {
        Healing f;

        healing_open(&f, machine);
        fall_asleep(machine);
        CHECK_OK(lab_cable_pull(f.lab, LAB_ISP0));
        CHECK_PRINTS(machine, "wan0:un", "nmcli", "-g", "DEVICE,STATE", "device");
        run("ip -4 rule del priority 4984");
        g_assert_true(client_wait_for_signals(f.client, "Healed", 1));
        client_sync(f.client);
        g_assert_cmpuint(n_told(f.client), ==, 0);
        check_entry(f.client, "DefaultRoute4", "device", "wan0");

        wake_up();
        g_assert_true(client_wait_for_signals(f.client, "DefaultRouteChanged", 2));
        check_change(f.client, "wan0", "wan1");
        wait_for_network_manager(machine, "wan0:unavailable");
        check_entry(f.client, "DefaultRoute4", "gateway", LAB_ISP1_LAN_V4);
        check_entry(f.client, "DefaultRoute4", "connection", "wan1");
        check_entry(f.client, "DefaultRoute6", "device", "wan1");
        client_sync(f.client);
        g_assert_cmpuint(n_told(f.client), ==, 2);
        /* wireguard-go has to learn that its last source address is gone. */
        g_assert_true(machine_wait_until(machine, answers, NULL, MACHINE_WAIT_MSEC));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);

        CHECK_OK(lab_cable_plug(f.lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        check_entry(f.client, "DefaultRoute4", "device", "wan0");
        check_entry(f.client, "DefaultRoute6", "device", "wan0");
        healing_check(&f);
        healing_close(&f);
}

static void test_same_network(Machine *machine) {
        Healing f;

        healing_open(&f, machine);
        fall_asleep(machine);
        wake_up();
        g_assert_true(machine_wait_online(machine));
        wait_for_network_manager(machine, "wan0:connected");
        healing_check(&f);
        check_entry(f.client, "DefaultRoute4", "connection", "wan0");
        client_sync(f.client);
        g_assert_cmpuint(n_told(f.client), ==, 0);
        healing_close(&f);
}

/* logind goes and never says that the machine woke. */
static void test_logind_gone(Machine *machine) {
        Client *client = client_new(machine);

        check_entry(client, "DefaultRoute4", "device", "wan0");
        fall_asleep(machine);
        run("ip link set wan1 up; ip addr add 192.168.20.77/24 dev wan1; "
            "ip route add default via " LAB_ISP1_LAN_V4 " dev wan1 metric 1");
        client_sync(client);
        g_assert_cmpuint(client_count(client, "DefaultRouteChanged"), ==, 0);
        run("systemctl stop systemd-logind");
        g_assert_true(client_wait_for_signals(client, "DefaultRouteChanged", 1));
        check_entry(client, "DefaultRoute4", "metric", "1");

        run("ip route del default metric 1; ip addr del 192.168.20.77/24 dev wan1; echo "
            ">/run/awake; systemctl start systemd-logind; "
            "systemctl restart NetworkManager");
        g_assert_true(machine_wait_online(machine));
        check_entry(client, "DefaultRoute4", "device", "wan0");
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/sleep/resume-on-another-network-is-one-change", test_other_network },
        { "/sleep/resume-on-the-same-network-is-no-change", test_same_network },
        { "/sleep/logind-that-goes-mutes-nobody", test_logind_gone },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
