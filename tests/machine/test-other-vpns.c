// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Other VPNs beside us, by their real programs where the machine has them: each
 * is recognised and named, and goes without a trace. Every test leaves no
 * tunnel behind.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/healing.h"

#define WG_QUICK                                                                                   \
        "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go "                                          \
        "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 wg-quick"

typedef struct Other {
        const char *owner;
        const char *up, *down; /* shell */
        const char *kind;      /* while our tunnel is set, that was there first */
} Other;

static const Other others[] = {
        { "wg-quick",
                "umask 077; mkdir -p /etc/wireguard; printf '[Interface]\\nPrivateKey = %s\\n"
                "Address = 10.66.0.2/32, fd66::2/128\\n[Peer]\\nPublicKey = %s\\n"
                "AllowedIPs = 0.0.0.0/0, ::/0\\nEndpoint = 203.0.113.77:51820\\n' "
                "\"$(wg genkey)\" \"$(wg genkey | wg pubkey)\" "
                ">/etc/wireguard/other.conf; " WG_QUICK " up other",
                WG_QUICK " down other; sysctl -qw net.ipv4.conf.all.src_valid_mark=0",
                "overruled" },
        /* The rules of ip4-auto-default-route; the device is of a kind that needs no module. */
        { "NetworkManager's WireGuard",
                "nmcli -t connection add type tun ifname nm7 con-name other autoconnect no "
                "tun.mode tun ipv4.method manual ipv4.addresses 10.67.0.2/32 "
                "ipv4.routes '0.0.0.0/0 table=51823' ipv6.method manual ipv6.addresses fd67::2/128 "
                "ipv6.routes '::/0 table=51823' "
                "ipv4.routing-rules 'priority 31000 from 0.0.0.0/0 suppress_prefixlength 0 table "
                "254, priority 31001 not from 0.0.0.0/0 fwmark 0xca6f table 51823' "
                "ipv6.routing-rules 'priority 31000 from ::/0 suppress_prefixlength 0 table 254, "
                "priority 31001 not from ::/0 fwmark 0xca6f table 51823'; "
                "nmcli connection up other",
                "nmcli connection down other; nmcli connection delete other", "other-vpn" },
        { "OpenVPN or alike (tun7)",
                "ip tuntap add tun7 mode tun; ip addr add 10.68.0.2/24 dev tun7; "
                "ip link set tun7 up; ip route add 0.0.0.0/1 via 10.68.0.1 dev tun7; "
                "ip route add 128.0.0.0/1 via 10.68.0.1 dev tun7",
                "ip link del tun7", "other-vpn" },
        /* As its router_linux.go makes them. */
        { "Tailscale",
                "for f in -4 -6; do ip $f rule add pref 5210 fwmark 0x80000/0xff0000 table main; "
                "ip $f rule add pref 5230 fwmark 0x80000/0xff0000 table default; "
                "ip $f rule add pref 5250 fwmark 0x80000/0xff0000 type unreachable; "
                "ip $f rule add pref 5270 table 52; done",
                "for f in -4 -6; do for p in 5210 5230 5250 5270; do ip $f rule del pref $p; done; "
                "done",
                "other-vpn" },
        /* As its talpid-routing and firewall make them: no priorities, marks by net_cls. */
        { "Mullvad VPN",
                "for f in -4 -6; do ip $f rule add not fwmark 0x6d6f6c65 table 1836018789; "
                "ip $f rule add table main suppress_prefixlength 0; done; nft add table inet "
                "mullvad; nft 'add chain inet mullvad mangle { type route hook output priority "
                "-150; }'; nft add rule inet mullvad mangle meta cgroup 5087041 ct mark set 0xf41 "
                "meta mark set 0x6d6f6c65",
                "for f in -4 -6; do ip $f rule del not fwmark 0x6d6f6c65 table 1836018789; "
                "ip $f rule del table main suppress_prefixlength 0; done; "
                "nft delete table inet mullvad",
                "overruled" },
        { "strongSwan", "for f in -4 -6; do ip $f rule add pref 220 table 220; done",
                "for f in -4 -6; do ip $f rule del pref 220; done", "overruled" },
};

typedef struct Expected {
        Client *client;
        const char *kind, *owner; /* NULL: there are no conflicts */
} Expected;

static bool is_named(void *user) {
        const Expected *expected = user;
        g_autoptr(GVariant) conflicts = client_property(expected->client, "Conflicts");
        const char *kind = "", *culprit = "";
        g_autoptr(GVariant) first = NULL;

        if (!expected->owner || g_variant_n_children(conflicts) != 1)
                return !expected->owner && g_variant_n_children(conflicts) == 0;
        first = g_variant_get_child_value(conflicts, 0);
        (void)g_variant_lookup(first, "kind", "&s", &kind);
        (void)g_variant_lookup(first, "culprit", "&s", &culprit);
        return strcmp(kind, expected->kind) == 0 && strcmp(culprit, expected->owner) == 0;
}

static void check_named(Machine *machine, Client *client, const char *kind, const char *owner) {
        Expected expected = { client, kind, owner };

        if (!machine_wait_until(machine, is_named, &expected, MACHINE_WAIT_MSEC)) {
                g_autoptr(GVariant) conflicts = client_property(client, "Conflicts");
                g_autofree char *text = g_variant_print(conflicts, FALSE);

                g_error("%s %s: not named, but %s", kind, owner, text);
        }
}

static bool is_relayed(void *user) {
        g_autofree char *told = NULL;

        return lab_ask(AF_INET, LAB_UDP, &told) == 0 && strcmp(told, LAB_RELAY_V4) == 0;
}

/* WireGuard may have to shake hands once more first. */
static void check_relayed(Machine *machine) {
        g_assert_true(machine_wait_until(machine, is_relayed, NULL, MACHINE_WAIT_MSEC));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
}

static char *rules_of_others(void) {
        return machine_run_ok(
                "sh", "-c", "for f in -4 -6; do ip $f rule | grep -v proto.talpid; done", NULL);
}

/* Named once, and gone again; our own is as it was. */
static void test_beside_tunnel(Machine *machine) {
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                g_autofree char *before = rules_of_others(), *after = NULL;
                Healing f;

                g_test_message("%s", others[i].owner);
                healing_open(&f, machine);
                healing_disturb(others[i].up);
                check_named(machine, f.client, others[i].kind, others[i].owner);
                client_sync(f.client);
                g_assert_cmpuint(client_count(f.client, "ConflictDetected"), ==, 1);
                if (strcmp(others[i].kind, "other-vpn") == 0)
                        check_relayed(machine);
                healing_disturb(others[i].down);
                check_named(machine, f.client, NULL, NULL);
                g_assert_true(machine_wait_until(machine, is_relayed, NULL, MACHINE_WAIT_MSEC));
                healing_check(&f);
                healing_close(&f);
                after = rules_of_others();
                g_assert_cmpstr(after, ==, before);
        }
}

/* They were first: our tunnel comes before all that leave us room. */
static void test_before_tunnel(Machine *machine) {
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                Client *client = client_new(machine);
                Healing f;

                g_test_message("%s", others[i].owner);
                healing_disturb(others[i].up);
                check_named(machine, client, "other-vpn", others[i].owner);
                healing_open(&f, machine);
                check_named(machine, client, "other-vpn", others[i].owner);
                /* Its other end is nowhere: ours does not go inside. */
                healing_move_sockets();
                CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", LAB_INTERNET_V4);
                check_relayed(machine);
                healing_disturb(others[i].down);
                check_named(machine, client, NULL, NULL);
                check_relayed(machine);
                healing_close(&f);
                (void)client_free(client);
        }
}

static const CheckCase cases[] = {
        { "/other-vpns/that-come-later-are-named-and-leave-no-trace", test_beside_tunnel },
        { "/other-vpns/that-were-first-give-way-to-our-tunnel", test_before_tunnel },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
