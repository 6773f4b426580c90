// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The real OpenVPN beside us, with redirect-gateway def1 for both families: it
 * is named, what is excluded goes around it, and it comes and goes without a
 * trace. Its other end is in the internet. Every test leaves it stopped.
 */

#include <string.h>
#include <unistd.h>

#include "tests/machine/healing.h"

#define OWNER "OpenVPN or alike (tun0)"
#define SERVER "198.51.100.7"
#define CLIENT_V4 "10.88.0.2" /* what the internet sees through it */
#define CLIENT_V6 "fd88::2"
#define SECRET "/run/openvpn.key"

/* Both ends; without certificates, since `pull` is all that they would add. */
#define COMMON                                                                                     \
        "dev tun0\nproto udp4\nport 1194\ncipher AES-256-CBC\nauth SHA256\n"                       \
        "ping 1\nverb 1\n"

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void write_config(const char *path, const char *config) {
        g_autofree char *key = NULL, *text = NULL;

        g_assert_true(g_file_get_contents(SECRET, &key, NULL, NULL));
        text = g_strdup_printf(COMMON "%s<secret>\n%s</secret>\n", config, key);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Of the internet it needs the network alone. Goes on until the machine ends. */
static void start_server(Machine *machine) {
        g_autofree char *network = g_strdup_printf("--net=/proc/%d/fd/%d", (int)getpid(),
                lab_space_fd(machine_get_lab(machine), LAB_INTERNET));

        write_config("/run/server.conf", "local " SERVER "\nfloat\nifconfig 10.88.0.1 " CLIENT_V4
                                         "\nifconfig-ipv6 fd88::1/64 " CLIENT_V6 "\n");
        /* It brings its clients to the relay, too: our tunnel may go inside of theirs. */
        g_free(lab_run_ok(machine_get_lab(machine), LAB_INTERNET, "sh", "-euc",
                "ip addr add " SERVER "/32 dev lo; sysctl -qw net.ipv4.ip_forward=1; "
                "nft add table ip vpn; nft 'add chain ip vpn out { type nat hook postrouting "
                "priority 100; }'; nft add rule ip vpn out oifname relay masquerade",
                NULL));
        g_free(machine_run_ok(
                "nsenter", network, "openvpn", "--config", "/run/server.conf", "--daemon", NULL));
}

static void prepare(Machine *machine) {
        if (g_file_test(SECRET, G_FILE_TEST_EXISTS))
                return;
        run("umask 077; openvpn --genkey secret " SECRET);
        write_config("/run/client.conf",
                "remote " SERVER "\nifconfig " CLIENT_V4 " 10.88.0.1\n"
                "ifconfig-ipv6 " CLIENT_V6 "/64 fd88::1\nredirect-gateway def1 ipv6\n");
        start_server(machine);
}

static void openvpn_up(Machine *machine) {
        run("openvpn --config /run/client.conf --daemon --log /run/openvpn.log --writepid "
            "/run/openvpn.pid");
        CHECK_PRINTS(machine, "fc00::/7", "ip", "-6", "route", "show", "dev", "tun0");
        CHECK_PRINTS(machine, "Initialization Sequence Completed", "cat", "/run/openvpn.log");
}

static bool is_down(void *user) {
        g_autofree char *links = machine_run_ok("ip", "-br", "link", NULL);

        return !strstr(links, "tun0");
}

static void openvpn_down(Machine *machine) {
        run("kill $(cat /run/openvpn.pid)");
        g_assert_true(machine_wait_until(machine, is_down, NULL, MACHINE_WAIT_MSEC));
        g_assert_true(machine_wait_online(machine));
}

static bool is_named(void *user) {
        g_autoptr(GVariant) conflicts = client_property(user, "Conflicts");
        g_autofree char *text = g_variant_print(conflicts, FALSE);

        return strstr(text, OWNER) && strstr(text, "other-vpn");
}

static bool is_nobody_named(void *user) {
        g_autoptr(GVariant) conflicts = client_property(user, "Conflicts");

        return g_variant_n_children(conflicts) == 0;
}

/* No SetTunnel of ours. */
static void test_alone(Machine *machine) {
        Client *client = client_new(machine);

        prepare(machine);
        openvpn_up(machine);
        check_answers_soon(machine, CLIENT_V4, CLIENT_V6);
        g_assert_true(machine_wait_until(machine, is_named, client, MACHINE_WAIT_MSEC));
        g_assert_true(client_wait_for_entry(client, "DefaultRoute4", "device", "wan0"));
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        client_call_fails(client, "SetTunnel", "('tun0', " CLIENT_NO_OPTIONS ")",
                "org.talpid.Error.DeviceHeld", "pull-filter ignore redirect-gateway");

        /* With its server named it can be ours. */
        g_variant_unref(
                client_call_ok(client, "SetTunnel", "('tun0', {'bypass': <['" SERVER "']>})"));
        check_answers(CLIENT_V4, CLIENT_V6);
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));

        openvpn_down(machine);
        g_assert_true(machine_wait_until(machine, is_nobody_named, client, MACHINE_WAIT_MSEC));
        check_answers_soon(machine, LAB_ISP0_V4, LAB_ISP0_V6);
        (void)client_free(client);
}

/*
 * It comes, is restarted, and goes beside our tunnel. It asks the kernel for a
 * gateway and adds routes without a device: those of IPv4 lead into ours.
 */
static void test_beside_tunnel(Machine *machine) {
        Healing f;

        prepare(machine);
        healing_open(&f, machine);
        openvpn_up(machine);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_true(machine_wait_until(machine, is_named, f.client, MACHINE_WAIT_MSEC));
        CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", LAB_INTERNET_V4);
        CHECK_PRINTS(machine, "dev wg0", "ip", "-6", "route", "get", LAB_INTERNET_V6);
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        run("kill -HUP $(cat /run/openvpn.pid)");
        CHECK_PRINTS(machine, "fc00::/7", "ip", "-6", "route", "show", "dev", "tun0");
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        openvpn_down(machine);
        healing_check(&f);
        client_sync(f.client);
        g_assert_cmpuint(client_count(f.client, "Healed"), ==, 0);
        healing_close(&f);
}

/* Our tunnel is set while it is there, carries what it encrypts, and outlives it. */
static void test_before_tunnel(Machine *machine) {
        Healing f;

        prepare(machine);
        openvpn_up(machine);
        healing_open(&f, machine);
        g_assert_true(machine_wait_until(machine, is_named, f.client, MACHINE_WAIT_MSEC));
        healing_move_sockets();
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", LAB_INTERNET_V4);
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        openvpn_down(machine);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        healing_close(&f);
}

static const CheckCase cases[] = {
        { "/openvpn/alone-is-named-and-gone-around", test_alone },
        { "/openvpn/beside-our-tunnel-comes-and-goes-without-a-trace", test_beside_tunnel },
        { "/openvpn/that-was-first-gives-way-to-our-tunnel", test_before_tunnel },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .flags = MACHINE_OPENVPN, .install_from = BUILD_DIR,
                .prepare = client_prepare);
}
