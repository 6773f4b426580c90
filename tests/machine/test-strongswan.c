// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The real strongSwan beside us, for all of both families, with an address of
 * its own: it is named, what is excluded goes around it, and our tunnel comes
 * before it. It encrypts in a program of its own (kernel-libipsec), since not
 * every kernel can; the policies that it gives one that can are held against
 * the kernel in a test of their own. Its other end is in the internet. Every
 * test leaves it stopped.
 */

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/healing.h"
#include "tests/machine/lib/ways.h"

#define SERVER "198.51.100.7"
#define CLIENT_V4 "10.89.0.2" /* what the internet sees through it */
#define CLIENT_V6 "fd89::2"

/* One file for the daemon, one for its connections; both ends run here. */
#define DAEMON(name, more)                                                                         \
        "charon-systemd {\n"                                                                       \
        "load = random nonce aes sha1 sha2 hmac kdf gmp kernel-libipsec kernel-netlink "           \
        "socket-default vici\n"                                                                    \
        "start-scripts { load = swanctl --load-all --uri unix:///run/" name                        \
        ".vici --file /run/" name ".swanctl }\n"                                                   \
        "plugins { vici { socket = unix:///run/" name ".vici }\n" more "} }\n"
/* What it encrypted does not come back to it. */
#define ITS_MARK "kernel-netlink { fwmark = !0x42 }\nsocket-default { fwmark = 0x42 }\n"
#define CONNECTION(addresses, me, other, traffic)                                                  \
        "connections { all { version = 2\n" addresses "\nlocal { auth = psk\nid = " me "\n}\n"     \
        "remote { auth = psk\nid = " other "\n}\n"                                                 \
        "children { all { esp_proposals = aes128-sha256\n" traffic " = 0.0.0.0/0, ::/0\n} } } }\n" \
        "secrets { ike { id = " other "\nsecret = of-this-test\n} }\n"

/* In a session of its own, which outlives the shell; $1 is its name. */
#define START                                                                                      \
        "STRONGSWAN_CONF=/run/$1.conf setsid charon-systemd </dev/null >/run/$1.log 2>&1 & "       \
        "echo $! >/run/$1.pid"

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void write_file(const char *path, const char *text) {
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Of the internet it needs the network alone. Goes on until the machine ends. */
static void start_server(Machine *machine) {
        g_autofree char *network = g_strdup_printf("--net=/proc/%d/fd/%d", (int)getpid(),
                lab_space_fd(machine_get_lab(machine), LAB_INTERNET));

        g_free(lab_run_ok(machine_get_lab(machine), LAB_INTERNET, "ip", "address", "add",
                SERVER "/32", "dev", "lo", NULL));
        g_free(machine_run_ok("nsenter", network, "sh", "-euc", START, "sh", "server", NULL));
}

static void prepare(Machine *machine) {
        if (g_file_test("/run/server.conf", G_FILE_TEST_EXISTS))
                return;
        write_file("/run/server.conf", DAEMON("server", ""));
        write_file("/run/server.swanctl",
                CONNECTION("local_addrs = " SERVER "\npools = v4, v6", "server", "client",
                        "local_ts") "pools { v4 { addrs = " CLIENT_V4 "/32 }\n"
                                    "v6 { addrs = " CLIENT_V6 "/128 } }\n");
        write_file("/run/client.conf", DAEMON("client", ITS_MARK));
        write_file("/run/client.swanctl",
                CONNECTION("remote_addrs = " SERVER "\nvips = 0.0.0.0, ::", "client", "server",
                        "remote_ts"));
        start_server(machine);
}

/* The daemon of one of the names reads its connections after it listens. */
static void wait_loaded(Machine *machine, const char *name) {
        g_autofree char *uri = g_strdup_printf("unix:///run/%s.vici", name);

        CHECK_PRINTS(machine, "all: IKEv2", "swanctl", "--list-conns", "--uri", uri);
}

static void strongswan_start(Machine *machine) {
        prepare(machine);
        g_free(machine_run_ok("sh", "-euc", START, "sh", "client", NULL));
        wait_loaded(machine, "server");
        wait_loaded(machine, "client");
}

static void strongswan_connect(void) {
        run("swanctl --initiate --child all --timeout 10 --uri unix:///run/client.vici");
}

static bool is_down(void *user) {
        g_autofree char *links = machine_run_ok("ip", "-br", "link", NULL);
        g_autofree char *rules = machine_run_ok("ip", "rule", NULL);

        return !strstr(links, "ipsec0") && !strstr(rules, "220:");
}

static void strongswan_stop(Machine *machine) {
        run("kill $(cat /run/client.pid)");
        g_assert_true(machine_wait_until(machine, is_down, NULL, MACHINE_WAIT_MSEC));
        g_assert_true(machine_wait_online(machine));
}

typedef struct Named {
        Client *client;
        const char *kind; /* NULL: nobody is named */
} Named;

static bool is_named(void *user) {
        const Named *named = user;
        g_autoptr(GVariant) conflicts = client_property(named->client, "Conflicts");
        g_autofree char *text = g_variant_print(conflicts, FALSE);

        if (!named->kind)
                return g_variant_n_children(conflicts) == 0;
        return g_variant_n_children(conflicts) == 1 && strstr(text, "strongSwan") &&
               strstr(text, named->kind);
}

static void check_named(Machine *machine, Client *client, const char *kind) {
        g_assert_true(
                machine_wait_until(machine, is_named, &(Named){ client, kind }, MACHINE_WAIT_MSEC));
}

/* The service is awake before it comes, as with a tray. No SetTunnel of ours. */
static void test_alone(Machine *machine) {
        Client *client = client_new(machine);

        check_named(machine, client, NULL);
        strongswan_start(machine);
        strongswan_connect();
        check_answers_soon(machine, CLIENT_V4, CLIENT_V6);
        check_named(machine, client, "other-vpn");
        g_assert_true(client_wait_for_entry(client, "DefaultRoute4", "device", "wan0"));
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        client_call_fails(client, "SetTunnel", "('ipsec0', " CLIENT_NO_OPTIONS ")",
                "org.talpid.Error.DeviceHeld", "charon.install_routes");

        /* With its server named it can be ours. */
        g_variant_unref(
                client_call_ok(client, "SetTunnel", "('ipsec0', {'bypass': <['" SERVER "']>})"));
        check_answers(CLIENT_V4, CLIENT_V6);
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        check_answers(CLIENT_V4, CLIENT_V6);

        strongswan_stop(machine);
        check_named(machine, client, NULL);
        check_answers_soon(machine, LAB_ISP0_V4, LAB_ISP0_V6);
        (void)client_free(client);
}

/* Our tunnel is set while it is there, goes around it, and leaves it as it was. */
static void test_before_tunnel(Machine *machine) {
        Ways ways;
        Healing f;

        strongswan_start(machine);
        strongswan_connect();
        check_answers_soon(machine, CLIENT_V4, CLIENT_V6);
        ways_open(&ways, machine_get_lab(machine));
        healing_open(&f, machine);
        check_named(machine, f.client, "other-vpn");
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", SERVER);
        g_assert_cmpint(ways_look(&ways).n_open, ==, 0);
        ways_close(&ways);
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);

        g_variant_unref(client_call_ok(f.client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        check_answers_soon(machine, CLIENT_V4, CLIENT_V6);
        g_variant_unref(client_call_ok(
                f.client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        strongswan_stop(machine);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        healing_close(&f);
}

static bool is_refused(void *user) {
        g_autofree char *told = NULL;

        return lab_ask(AF_INET, LAB_UDP, &told) < 0;
}

/* Its rule has one place, before ours: what it takes goes nowhere until it is down. */
static void test_beside_tunnel(Machine *machine) {
        Ways ways;
        Healing f;

        healing_open(&f, machine);
        ways_open(&ways, f.lab);
        strongswan_start(machine);
        check_named(machine, f.client, "overruled");
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        strongswan_connect();
        CHECK_PRINTS(machine, "dev ipsec0", "ip", "route", "get", LAB_INTERNET_V4);
        g_assert_true(is_refused(NULL));
        strongswan_stop(machine);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_cmpint(ways_look(&ways).n_open, ==, 0);
        ways_close(&ways);
        check_named(machine, f.client, NULL);
        healing_check(&f);
        healing_close(&f);
}

/*
 * What it gives a kernel that encrypts, all but the keys: what its policies
 * take is refused, so that an answer proves that they did not.
 */
#define POLICIES                                                                                   \
        "for f in -4 -6; do ip $f rule add pref 220 table 220; done; "                             \
        "ip address add " CLIENT_V4 "/32 dev wan0; "                                               \
        "ip address add " CLIENT_V6 "/128 dev wan0 nodad preferred_lft 0; "                        \
        "ip route add default via " LAB_ISP0_LAN_V4 " dev wan0 src " CLIENT_V4 " table 220; "      \
        "ip -6 route add default via $(ip -6 route show default dev wan0 | "                       \
        "sed 's/.*via \\([^ ]*\\).*/\\1/') dev wan0 src " CLIENT_V6 " table 220; "                 \
        "for d in '0.0.0.0/0 " CLIENT_V4 "/32' '::/0 " CLIENT_V6 "/128'; do set -- $d; "           \
        "ip xfrm policy add src $2 dst $1 dir out tmpl src 192.0.2.1 dst " SERVER                  \
        " proto esp reqid 1 mode tunnel; for dir in in fwd; do "                                   \
        "ip xfrm policy add src $1 dst $2 dir $dir tmpl src " SERVER                               \
        " dst 192.0.2.1 proto esp reqid 1 mode tunnel; done; done"
#define NO_POLICIES                                                                                \
        "ip xfrm policy flush; ip address del " CLIENT_V4 "/32 dev wan0; "                         \
        "ip address del " CLIENT_V6 "/128 dev wan0; "                                              \
        "for f in -4 -6; do ip $f route flush table 220 2>/dev/null || :; "                        \
        "ip $f rule del pref 220; done"

static void test_policies(Machine *machine) {
        Client *client = client_new(machine);
        Healing f;

        run(POLICIES);
        check_named(machine, client, "other-vpn");
        CHECK_PRINTS(machine, CLIENT_V4, "ip", "route", "get", LAB_INTERNET_V4);
        g_assert_true(is_refused(NULL));
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);

        healing_open(&f, machine);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
        check_excluded_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        run(NO_POLICIES);
        healing_close(&f);
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/strongswan/alone-is-named-and-gone-around", test_alone },
        { "/strongswan/that-was-first-gives-way-to-our-tunnel", test_before_tunnel },
        { "/strongswan/that-comes-later-takes-nothing-out-of-our-tunnel", test_beside_tunnel },
        { "/strongswan/policies-of-the-kernel-are-gone-around", test_policies },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .flags = MACHINE_STRONGSWAN, .install_from = BUILD_DIR,
                .prepare = client_prepare);
}
