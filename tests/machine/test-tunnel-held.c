// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * SetTunnel on a device into which another VPN leads all traffic itself:
 * refused where the encrypted packets would come back to it, with the name of
 * the VPN and the remedy; taken where they have a way, and given back whole.
 */

#include <string.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/other-tunnels.h"

#define HELD "org.talpid.Error.DeviceHeld"

typedef struct Held {
        const OtherTunnel *other;
        const char *owner, *remedy; /* in the refusal */
} Held;

static const Held helds[] = {
        { &other_wg_quick, "wg-quick", "`Table = off`" },
        { &other_nm_wireguard, "NetworkManager's WireGuard", "wireguard.ip4-auto-default-route" },
        { &other_nm_vpn, "NetworkManager", "ipv4.never-default" },
        { &other_halves, "OpenVPN", "`pull-filter ignore redirect-gateway`" },
};

/* Rules of all, and what else is ours. */
static char *look_around(void) {
        return machine_run_ok("sh", "-c",
                "for f in -4 -6; do ip $f rule; ip $f route show table all proto talpid; done; "
                "nft list tables",
                NULL);
}

static bool is_as_before(void *user) {
        g_autofree char *now = look_around();

        return strcmp(now, user) == 0;
}

/* Groups of programs that ended go a moment later. */
static void check_as_before(Machine *machine, char *before) {
        if (!machine_wait_until(machine, is_as_before, before, MACHINE_WAIT_MSEC)) {
                g_autofree char *now = look_around();

                g_error("left over:\n%s--- before\n%s", now, before);
        }
}

/* Without a password: who may not even ask for one hears the same. */
static void check_refused(Client *client, const Held *held) {
        g_auto(CommandResult) result = {};

        client_call_fails(client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")", HELD, held->owner);
        client_call_fails(client, "SetTunnel", "('wg0', {'allow-lan': <true>, 'replace': <true>})",
                HELD, held->remedy);
        CHECK_OK(machine_spawn_as(MACHINE_BOB, &result, "busctl",
                "--allow-interactive-authorization=no", "call", CLIENT_NAME, CLIENT_PATH,
                CLIENT_NAME, "SetTunnel", "sa{sv}", "wg0", "0", NULL));
        if (!strstr(result.err, held->owner))
                g_error("bob hears '%s'", result.err);
}

static void check_curl(const char *prefix, const char *expected) {
        g_autofree char *command =
                g_strdup_printf("%scurl -s --max-time 10 http://" LAB_INTERNET_V4 "/", prefix);
        g_autofree char *seen = machine_run_ok("sh", "-c", command, NULL);

        g_assert_cmpstr(g_strstrip(seen), ==, expected);
}

/* The relay is named, so there is a way. */
static void check_taken(Client *client) {
        g_variant_unref(
                client_call_ok(client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        check_curl("talpid-exclude ", LAB_ISP0_V4);
        /* Who has it already may change it. */
        g_variant_unref(client_call_ok(client, "SetTunnel",
                "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>, 'allow-lan': <true>})"));
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
}

static void test_held(Machine *machine) {
        for (size_t i = 0; i < G_N_ELEMENTS(helds); i++) {
                g_autofree char *before = NULL;
                Client *client = client_new(machine);

                g_test_message("%s", helds[i].owner);
                other_tunnel_up(machine, helds[i].other);
                before = look_around();
                check_refused(client, &helds[i]);
                g_assert_true(is_as_before(before));
                check_taken(client);
                check_as_before(machine, before);
                check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
                other_tunnel_down(machine, helds[i].other);
                (void)client_free(client);
        }
}

static void test_uplink(Machine *machine) {
        Client *client = client_new(machine);

        client_call_fails(client, "SetTunnel", "('wan0', " CLIENT_NO_OPTIONS ")", HELD,
                "wan0 carries the default route outside of tunnels");
        (void)client_free(client);
}

/* What it encrypts carries our mark: nothing comes back. */
static void test_our_mark(Machine *machine) {
        OtherTunnel marked = other_wg_quick;
        Client *client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");
        g_autofree char *up = g_strdup_printf(
                "umask 077; mkdir -p /etc/wireguard; sed '/FwMark/d; /Interface/a FwMark = %u\\n"
                "Address = " LAB_TUNNEL_CLIENT_V4 "/32, " LAB_TUNNEL_CLIENT_V6
                "/128' /run/wg.conf >/etc/wireguard/wg0.conf; "
                "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 "
                "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go wg-quick up wg0",
                g_variant_get_uint32(mark));

        marked.up = up;
        marked.down = "wg-quick down wg0";
        other_tunnel_up(machine, &marked);
        g_variant_unref(client_call_ok(client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        check_curl("talpid-exclude ", LAB_ISP0_V4);
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        other_tunnel_down(machine, &marked);
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/tunnel-held/by-another-vpn-is-refused-with-its-name-and-remedy", test_held },
        { "/tunnel-held/an-uplink-is-no-tunnel", test_uplink },
        { "/tunnel-held/is-taken-where-the-encrypted-packets-have-our-mark", test_our_mark },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
