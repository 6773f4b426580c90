// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * SetTunnel with real WireGuard, NetworkManager, DHCP and packet captures on
 * both ISPs' lines. Every test leaves both links online and no tunnel set.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define ROUTING_ERROR "org.talpid.Error."

/* A tunnel that is up and set, with eyes on both ISPs' lines. */
typedef struct Fixture {
        Machine *machine;
        Lab *lab;
        Client *client;
        Capture *captures[2];
        uint32_t mark;
} Fixture;

static void fixture_open(Fixture *f, Machine *machine) {
        g_autoptr(GVariant) mark = NULL;

        *f = (Fixture){ .machine = machine, .lab = machine_get_lab(machine) };
        f->client = client_new(machine);
        mark = client_property(f->client, "Mark");
        f->mark = g_variant_get_uint32(mark);
        CHECK_OK(lab_tunnel_up(f->lab, "wg0", f->mark));
        CHECK_OK(capture_start(f->lab, LAB_ISP0, "lan", &f->captures[0]));
        CHECK_OK(capture_start(f->lab, LAB_ISP1, "lan", &f->captures[1]));
}

static void set_tunnel(Fixture *f, const char *options) {
        g_autofree char *arguments = g_strdup_printf("('wg0', %s)", options);

        g_variant_unref(client_call_ok(f->client, "SetTunnel", arguments));
}

static void unset_tunnel(Fixture *f) {
        g_variant_unref(client_call_ok(f->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
}

/* Packets to the internet's own addresses never show on an ISP's line while the tunnel is set. */
static bool is_to_internet(const Packet *packet, void *user) {
        return packet_is_to(packet, LAB_INTERNET_V4) || packet_is_to(packet, LAB_INTERNET_V6);
}

static int count_leaks(Fixture *f) {
        int n = 0;

        for (int i = 0; i < 2; i++) {
                int found = capture_count(f->captures[i], is_to_internet, NULL);

                g_assert_cmpint(found, >=, 0);
                if (found > 0)
                        capture_print(f->captures[i]);
                n += found;
        }
        return n;
}

static void forget_packets(Fixture *f) {
        for (int i = 0; i < 2; i++)
                CHECK_OK(capture_clear(f->captures[i]));
}

static void fixture_close(Fixture *f) {
        for (int i = 0; i < 2; i++)
                f->captures[i] = capture_stop(f->captures[i]);
        (void)lab_tunnel_down(f->lab, "wg0"); /* some tests took it away */
        f->client = client_free(f->client);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static char *dump_routing(void) {
        return machine_run_ok("sh", "-c",
                "ip -4 route show table all; ip -6 route show table all; ip -4 rule; ip -6 rule; "
                "nft list ruleset",
                NULL);
}

static void test_carries(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, CLIENT_NO_OPTIONS);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_cmpint(count_leaks(&f), ==, 0);
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_main_untouched(Machine *machine) {
        Fixture f;
        g_autofree char *before = NULL, *during = NULL;

        fixture_open(&f, machine);
        before = machine_run_ok("ip", "route", "show", "table", "main", NULL);
        set_tunnel(&f, "{'allow-lan': <true>}");
        during = machine_run_ok("ip", "route", "show", "table", "main", NULL);
        g_assert_cmpstr(before, ==, during);
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_unset_restores(Machine *machine) {
        Fixture f;
        g_autofree char *before = NULL, *after = NULL;

        fixture_open(&f, machine);
        before = dump_routing();
        set_tunnel(&f,
                "{'allow-lan': <true>, 'bypass': <['" LAB_RELAY_V4 "']>, 'mtu': <uint32 1380>}");
        unset_tunnel(&f);
        after = dump_routing();
        g_assert_cmpstr(before, ==, after);
        fixture_close(&f);
}

static void test_bypass(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, "{'bypass': <['" LAB_INTERNET_V4 "/32', '" LAB_INTERNET_V6 "']>}");
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);

        /* It follows the default route and costs no route change for that. */
        CHECK_OK(lab_cable_pull(f.lab, LAB_ISP0));
        g_assert_true(client_wait_for_entry(f.client, "DefaultRoute4", "device", "wan1"));
        CHECK_PRINTS(machine, "dev wan1", "ip", "route", "get", LAB_INTERNET_V4);
        check_answers(LAB_ISP1_V4, LAB_ISP1_V6);
        CHECK_OK(lab_cable_plug(f.lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_marked(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, CLIENT_NO_OPTIONS);
        check_answer(&(LabQuestion){ .family = AF_INET, .mark = f.mark }, LAB_ISP0_V4);
        check_answer(&(LabQuestion){ .family = AF_INET6, .mark = f.mark | 1 }, LAB_ISP0_V6);
        check_answer(&(LabQuestion){ .family = AF_INET, .mark = 1 }, LAB_RELAY_V4);
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_mtu(Machine *machine) {
        g_autoptr(GVariant) reply = NULL;
        guint32 mtu;
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, "{'mtu': <uint32 1340>}");
        CHECK_PRINTS(machine, "mtu 1340", "ip", "route", "show", "table", "talpid-tunnel");
        reply = client_call_ok(
                f.client, "GetMtu", "('" LAB_INTERNET_V4 "', " CLIENT_NO_OPTIONS ")");
        g_variant_get(reply, "(u)", &mtu);
        g_assert_cmpuint(mtu, ==, 1340);
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_lan(Machine *machine) {
        LabQuestion lan = { .family = AF_INET, .address = LAB_ISP0_LAN_V4, .timeout_msec = 500 };
        g_auto(CommandResult) result = {};
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, CLIENT_NO_OPTIONS);
        CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", lan.address);
        set_tunnel(&f, "{'allow-lan': <true>}");
        CHECK_PRINTS(machine, "dev wan0", "ip", "route", "get", lan.address);
        CHECK_OK(machine_run(&result, "ping", "-c1", "-W2", lan.address, NULL));
        g_assert_cmpint(result.status, ==, 0);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        unset_tunnel(&f);
        fixture_close(&f);
}

static bool answers(void *user) {
        g_autofree char *answer = NULL;

        return lab_ask(AF_INET, LAB_UDP, &answer) == 0;
}

/* WireGuard needs a moment to find its way by another address. */
static void wait_for_answers(Machine *machine) {
        g_assert_true(machine_wait_until(machine, answers, NULL, MACHINE_WAIT_MSEC));
}

static void reconnect(const char *connection) {
        g_free(machine_run_ok("nmcli", "connection", "up", connection, NULL));
}

static void test_option_121(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, "{'allow-lan': <true>}");
        CHECK_OK(lab_set_dhcp_option(
                f.lab, LAB_ISP0, "121,0.0.0.0/1,192.168.10.66,198.51.100.0/24,192.168.10.66"));
        reconnect("wan0");
        CHECK_PRINTS(machine, "198.51.100.0/24 via 192.168.10.66", "ip", "route");
        forget_packets(&f);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_cmpint(count_leaks(&f), ==, 0);

        CHECK_OK(lab_set_dhcp_option(f.lab, LAB_ISP0, NULL));
        reconnect("wan0");
        g_assert_true(machine_wait_online(machine));
        unset_tunnel(&f);
        fixture_close(&f);
}

/* The ISP's server gives another address and another gateway. IPv6: test-link-returns. */
static void test_other_lease(Machine *machine) {
        g_autofree char *before = NULL, *now = NULL, *around = NULL, *seen = NULL;
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, "{'bypass': <['" LAB_RELAY_V4 "']>}");
        before = client_property_entry(f.client, "DefaultRoute4", "source");
        g_free(lab_run_ok(
                f.lab, LAB_ISP0, "ip", "address", "add", "192.168.10.2/24", "dev", "lan", NULL));
        CHECK_OK(lab_set_dhcp_option(f.lab, LAB_ISP0, "3,192.168.10.2"));
        g_free(machine_run_ok(
                "nmcli", "connection", "modify", "wan0", "ipv4.dhcp-client-id", "another", NULL));
        forget_packets(&f);
        reconnect("wan0");
        g_assert_true(client_wait_for_entry(f.client, "DefaultRoute4", "gateway", "192.168.10.2"));
        now = client_property_entry(f.client, "DefaultRoute4", "source");
        g_assert_cmpstr(now, !=, before);
        CHECK_PRINTS(machine, "via 192.168.10.2 dev wan0", "ip", "route", "get", LAB_RELAY_V4);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_cmpint(count_leaks(&f), ==, 0);

        around = g_strdup_printf("ip route get " LAB_INTERNET_V4 " mark %u", f.mark);
        CHECK_PRINTS(machine, now, "sh", "-c", around);
        seen = machine_run_ok("talpid-exclude", "curl", "-s", "--max-time", "10",
                "http://" LAB_INTERNET_V4 "/", NULL);
        g_assert_cmpstr(g_strstrip(seen), ==, LAB_ISP0_V4);

        CHECK_OK(lab_set_dhcp_option(f.lab, LAB_ISP0, NULL));
        g_free(machine_run_ok(
                "nmcli", "connection", "modify", "wan0", "ipv4.dhcp-client-id", "", NULL));
        reconnect("wan0");
        g_free(lab_run_ok(
                f.lab, LAB_ISP0, "ip", "address", "del", "192.168.10.2/24", "dev", "lan", NULL));
        g_assert_true(machine_wait_online(machine));
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_public_lan(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, "{'allow-lan': <true>}");
        CHECK_OK(lab_set_lan(f.lab, LAB_ISP0, "198.51.100"));
        reconnect("wan0");
        CHECK_PRINTS(machine, "198.51.100.0/24 dev wan0", "ip", "route", "show", "table", "main");
        CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", LAB_INTERNET_V4);
        forget_packets(&f);
        wait_for_answers(machine);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_cmpint(count_leaks(&f), ==, 0);

        CHECK_OK(lab_set_lan(f.lab, LAB_ISP0, NULL));
        reconnect("wan0");
        g_assert_true(machine_wait_online(machine));
        unset_tunnel(&f);
        fixture_close(&f);
}

static void check_no_answer(int family) {
        g_autofree char *answer = NULL;

        g_assert_cmpint(
                lab_ask_question(&(LabQuestion){ .family = family, .timeout_msec = 300 }, &answer),
                <, 0);
}

static void test_device_vanishes(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, CLIENT_NO_OPTIONS);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        forget_packets(&f);
        CHECK_OK(lab_tunnel_down(f.lab, "wg0"));
        check_no_answer(AF_INET);
        check_no_answer(AF_INET6);
        g_assert_true(client_wait_for_entry(f.client, "Tunnel", "state", "waiting"));
        check_no_answer(AF_INET);
        check_no_answer(AF_INET6);
        g_assert_cmpint(count_leaks(&f), ==, 0);

        /* The device comes back under its name, and the tunnel with it. */
        CHECK_OK(lab_tunnel_up(f.lab, "wg0", f.mark));
        g_assert_true(client_wait_for_entry(f.client, "Tunnel", "state", "active"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_cmpint(count_leaks(&f), ==, 0);
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_family_blocked(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, "{'ipv6': <false>}");
        check_answer(&(LabQuestion){ .family = AF_INET }, LAB_RELAY_V4);
        check_no_answer(AF_INET6);
        g_assert_cmpint(count_leaks(&f), ==, 0);
        set_tunnel(&f, "{'ipv6': <false>, 'fail-closed': <false>}");
        check_answer(&(LabQuestion){ .family = AF_INET6 }, LAB_ISP0_V6);
        unset_tunnel(&f);
        fixture_close(&f);
}

static void test_second_client(Machine *machine) {
        Client *other = NULL;
        Fixture f;

        fixture_open(&f, machine);
        other = client_new(machine);
        set_tunnel(&f, "{'lifetime': <'client'>}");
        client_call_fails(other, "SetTunnel", "('wg0', {'lifetime': <'client'>})",
                ROUTING_ERROR "TunnelExists", "wg0");
        client_call_fails(other, "SetTunnel", "('wg7', {'replace': <true>})",
                ROUTING_ERROR "NoSuchLink", "wg7");
        g_variant_unref(client_call_ok(
                other, "SetTunnel", "('wg0', {'lifetime': <'client'>, 'replace': <true>})"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        other = client_free(other);
        g_assert_true(client_wait_for_entry(f.client, "Tunnel", "device", ""));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        client_call_fails(f.client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)",
                ROUTING_ERROR "NoTunnel", "no tunnel");
        fixture_close(&f);
}

static void test_managed_routes_beside(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, CLIENT_NO_OPTIONS);
        g_variant_unref(client_call_ok(f.client, "AddRoutes",
                "([{'destination': <'" LAB_INTERNET_V4 "/32'>, 'node': <'default'>},"
                "  {'destination': <'" LAB_INTERNET_V6 "/128'>, 'device': <'wan1'>,"
                "   'gateway': <'" LAB_ISP1_LAN_V6 "'>}], " CLIENT_NO_OPTIONS ")"));
        check_answer(&(LabQuestion){ .family = AF_INET }, LAB_ISP0_V4);
        check_answer(&(LabQuestion){ .family = AF_INET6 }, LAB_ISP1_V6);
        CHECK_PRINTS(
                machine, "throw " LAB_INTERNET_V4, "ip", "route", "show", "table", "talpid-tunnel");
        g_variant_unref(client_call_ok(f.client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        unset_tunnel(&f);
        fixture_close(&f);
}

typedef struct Resolution {
        Lab *lab;
        const char *address;
        const char *state;
} Resolution;

static bool is_resolved(void *user) {
        Resolution *r = user;
        g_autofree char *now = lab_run_ok(
                r->lab, LAB_ISP0, "ip", "neighbour", "show", "to", r->address, "dev", "lan", NULL);

        return strstr(now, r->state);
}

static gboolean look_again(void *user) {
        return G_SOURCE_CONTINUE;
}

/* Somebody on the ISP's line asks by ARP who has an address. */
static void check_arp(Machine *machine, const char *address, const char *state) {
        Resolution r = { machine_get_lab(machine), address, state };
        guint clock = g_timeout_add(50, look_again, NULL);

        g_free(lab_run_ok(r.lab, LAB_ISP0, "ip", "neighbour", "replace", address, "dev", "lan",
                "nud", "none", "use", NULL));
        g_assert_true(machine_wait_until(machine, is_resolved, &r, MACHINE_WAIT_MSEC));
        g_free(lab_run_ok(r.lab, LAB_ISP0, "ip", "neighbour", "del", address, "dev", "lan", NULL));
        g_source_remove(clock);
}

/* Weak hosts answer for all of their addresses on every link. */
static void test_arp(Machine *machine) {
        g_autofree char *own = NULL;
        Fixture f;

        fixture_open(&f, machine);
        own = machine_run_ok("sh", "-c",
                "ip -j -4 address show dev wan0 | jq -rj '.[0].addr_info[0].local'", NULL);
        check_arp(machine, LAB_TUNNEL_CLIENT_V4, " lladdr ");
        set_tunnel(&f, CLIENT_NO_OPTIONS);
        check_arp(machine, LAB_TUNNEL_CLIENT_V4, "FAILED");
        check_arp(machine, own, " lladdr ");
        unset_tunnel(&f);
        check_arp(machine, LAB_TUNNEL_CLIENT_V4, " lladdr ");
        fixture_close(&f);
}

static void test_get_route(Machine *machine) {
        g_autoptr(GVariant) plain = NULL, marked = NULL;
        g_autoptr(GVariant) plain_route = NULL, marked_route = NULL;
        g_autofree char *arguments = NULL;
        const char *device;
        Fixture f;

        fixture_open(&f, machine);
        set_tunnel(&f, CLIENT_NO_OPTIONS);
        plain = client_call_ok(
                f.client, "GetRoute", "('" LAB_INTERNET_V4 "', " CLIENT_NO_OPTIONS ")");
        plain_route = g_variant_get_child_value(plain, 0);
        g_assert_true(g_variant_lookup(plain_route, "device", "&s", &device));
        g_assert_cmpstr(device, ==, "wg0");

        arguments = g_strdup_printf("('" LAB_INTERNET_V4 "', {'mark': <uint32 %u>})", f.mark);
        marked = client_call_ok(f.client, "GetRoute", arguments);
        marked_route = g_variant_get_child_value(marked, 0);
        g_assert_true(g_variant_lookup(marked_route, "device", "&s", &device));
        g_assert_cmpstr(device, ==, "wan0");
        unset_tunnel(&f);
        fixture_close(&f);
}

static const CheckCase cases[] = {
        { "/tunnel/carries-all-traffic-of-both-families", test_carries },
        { "/tunnel/leaves-the-main-table-untouched", test_main_untouched },
        { "/tunnel/unset-leaves-routes-rules-and-nftables-byte-for-byte", test_unset_restores },
        { "/tunnel/bypass-goes-around-and-follows-the-default-route", test_bypass },
        { "/tunnel/marked-packets-go-around-whatever-other-bits-they-carry", test_marked },
        { "/tunnel/mtu-is-that-of-the-route", test_mtu },
        { "/tunnel/lan-is-reachable-when-allowed-and-only-then", test_lan },
        { "/tunnel/dhcp-option-121-stays-in-the-tunnel", test_option_121 },
        { "/tunnel/another-lease-by-another-gateway-is-followed", test_other_lease },
        { "/tunnel/public-prefix-announced-as-local-stays-in-the-tunnel", test_public_lan },
        { "/tunnel/stays-closed-when-the-device-vanishes-and-opens-when-it-is-back",
                test_device_vanishes },
        { "/tunnel/family-that-is-not-carried-is-blocked", test_family_blocked },
        { "/tunnel/its-address-is-told-to-nobody-on-the-lan", test_arp },
        { "/tunnel/second-client-is-refused-by-name-of-the-holder-unless-it-replaces",
                test_second_client },
        { "/tunnel/managed-routes-go-beside-it", test_managed_routes_beside },
        { "/lookup/get-route-answers-for-a-mark", test_get_route },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
