// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What others undo is put right: by hand, by NetworkManager, by wg-quick, by a
 * link that comes and goes. Every test leaves no tunnel and no route behind.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/healing.h"

static void check_heard(Healing *f, const char *kind) {
        g_autoptr(GVariant) healed = NULL;
        const char *told_kind, *culprit;

        g_assert_true(client_wait_for_signals(f->client, "Healed", 1));
        healed = client_last(f->client, "Healed");
        g_variant_get_child(healed, 0, "&s", &told_kind);
        g_variant_get_child(healed, 2, "&s", &culprit);
        g_assert_cmpstr(told_kind, ==, kind);
        g_assert_cmpstr(culprit, !=, "");
        client_forget(f->client);
}

/* One disturbance a row; "" where a link change may heal without a word. */
static const struct {
        const char *script;
        const char *kind;
} disturbances[] = {
        { "ip -4 rule del priority 4984", "rule" },
        { "ip -6 rule del priority 4984", "rule" },
        { "ip -4 route flush table talpid-tunnel", "route" },
        { "ip -6 route flush table talpid-tunnel", "route" },
        { "ip -4 route del 10.99.0.0/16", "route" },
        { "ip -6 route del 2001:db8:99::/48", "route" },
        { "ip route del unreachable 10.98.0.0/16", "route" },
        { "ip route replace 10.99.0.0/16 via " LAB_ISP0_LAN_V4, "route" },
        { "ip route replace default dev wan0 metric 1 table talpid-tunnel", "route" },
        { "ip route change 10.99.0.0/16 via " LAB_ISP1_LAN_V4 " dev wan1 proto talpid mtu 1300",
                "route" },
};

static void test_by_hand(Machine *machine) {
        Healing f;

        healing_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(disturbances); i++) {
                g_test_message("%s", disturbances[i].script);
                healing_disturb(disturbances[i].script);
                healing_check(&f);
                check_heard(&f, disturbances[i].kind);
        }
        healing_close(&f);
}

static void test_network_manager(Machine *machine) {
        static const char *const scripts[] = {
                "nmcli device reapply wan0",
                "nmcli device reapply wan1",
                "nmcli connection up wan1",
                "nmcli connection up wan0",
        };
        Healing f;

        healing_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(scripts); i++) {
                g_test_message("%s", scripts[i]);
                healing_disturb(scripts[i]);
                g_assert_true(machine_wait_online(machine));
                healing_check(&f);
        }
        healing_close(&f);
}

static void test_wg_quick(Machine *machine) {
        Healing f;

        healing_open(&f, machine);
        healing_disturb(
                "umask 077; mkdir -p /etc/wireguard; printf '[Interface]\\nPrivateKey = "
                "%s\\nAddress = "
                "10.66.0.2/32, fd66::2/128\\n[Peer]\\nPublicKey = %s\\nAllowedIPs = 0.0.0.0/0, "
                "::/0\\nEndpoint = 203.0.113.77:51820\\n' \"$(wg genkey)\" \"$(wg genkey | wg "
                "pubkey)\" "
                ">/etc/wireguard/other.conf");
        healing_disturb("WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go "
                        "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 wg-quick up other");
        healing_disturb("wg-quick down other");
        healing_check(&f);
        healing_close(&f);
}

static void test_link_flap(Machine *machine) {
        Healing f;

        healing_open(&f, machine);
        /* The kernel drops IPv6 addresses with the link; a VPN client puts them back. */
        healing_disturb(
                "ip link set wg0 down; ip link set wg0 up; ip -6 addr add " LAB_TUNNEL_CLIENT_V6
                " dev wg0");
        g_assert_true(client_wait_for_entry(f.client, "Tunnel", "state", "active"));
        CHECK_OK(lab_cable_pull(f.lab, LAB_ISP1));
        CHECK_OK(lab_cable_plug(f.lab, LAB_ISP1));
        g_assert_true(machine_wait_online(machine));
        healing_check(&f);
        healing_disturb("ip link set wan1 down; ip link set wan1 up");
        g_assert_true(machine_wait_online(machine));
        healing_check(&f);
        healing_close(&f);
}

static bool is_degraded(void *user) {
        g_autoptr(GVariant) state = client_property(user, "State");

        return strcmp(g_variant_get_string(state, NULL), "degraded") == 0;
}

static bool is_active(void *user) {
        g_autoptr(GVariant) state = client_property(user, "State");

        return strcmp(g_variant_get_string(state, NULL), "active") == 0;
}

static void test_fight(Machine *machine) {
        g_autoptr(GVariant) conflict = NULL, conflicts = NULL;
        g_autofree char *printed = NULL;
        Healing f;

        healing_open(&f, machine);
        healing_disturb("for i in $(seq 60); do ip -4 rule del priority 4984 2>/dev/null; "
                        "ip -4 rule show priority 4984 >/dev/null; done");
        g_assert_true(machine_wait_until(machine, is_degraded, f.client, MACHINE_WAIT_MSEC));
        g_assert_true(client_wait_for_signals(f.client, "ConflictDetected", 1));
        conflict = client_last(f.client, "ConflictDetected");
        printed = g_variant_print(conflict, FALSE);
        g_assert_nonnull(strstr(printed, "fight"));
        conflicts = client_property(f.client, "Conflicts");
        g_assert_cmpuint(g_variant_n_children(conflicts), ==, 1);

        /* A person looked into it: peace. */
        g_variant_unref(client_call_ok(f.client, "Refresh", NULL));
        g_assert_true(machine_wait_until(machine, is_active, f.client, MACHINE_WAIT_MSEC));
        healing_check(&f);
        healing_close(&f);
}

static const CheckCase cases[] = {
        { "/healing/deleted-flushed-and-altered-by-hand-is-put-right", test_by_hand },
        { "/healing/reapply-and-reactivation-by-network-manager-is-put-right",
                test_network_manager },
        { "/healing/wg-quick-beside-us-leaves-our-rules-in-force", test_wg_quick },
        { "/healing/link-flap-is-put-right", test_link_flap },
        { "/healing/lost-fight-ends-degraded-with-its-reason", test_fight },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
