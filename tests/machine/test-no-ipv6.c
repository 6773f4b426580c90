// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * A machine that has no IPv6, or none to the outside: IPv4 has all it was
 * promised, and IPv6 goes nowhere that it should not.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define DEFAULT_MARK 0x10000000 /* the service does not run yet that would tell it */

/* In place before the service looks at the machine for the first time. */
static void take_ipv6(Machine *machine, SplitLab *s, const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
        split_lab_open_bare(s, machine);
        s->ways.protocol = IPPROTO_UDP;
        ways_watch(&s->ways, "wg0");
}

static char *state_of_kernel(void) {
        return machine_run_ok("sh", "-euc",
                "ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; "
                "nft list ruleset",
                NULL);
}

static void check_active(SplitLab *s) {
        g_autoptr(GVariant) state = client_property(s->client, "State");

        g_assert_cmpstr(g_variant_get_string(state, NULL), ==, "active");
}

static bool is_idle(void *user) {
        g_autoptr(GVariant) state = client_property(user, "State");

        return g_str_equal(g_variant_get_string(state, NULL), "idle");
}

static void check_way(SplitLab *s, Program *program, int family, char expected) {
        WaysSeen seen;
        int r;

        (void)ways_look(&s->ways);
        CHECK_OK(program_socket(program, 0, family, SOCK_DGRAM, 0));
        r = program_ask(program, 0, INTERNET_PORT, /* mapped= */ false, NULL);
        CHECK_OK(program_close(program, 0, /* abort= */ false));
        seen = ways_look(&s->ways);
        g_assert_cmpint(ways_letter(&seen), ==, expected);
        g_assert_cmpint(r < 0, ==, expected == '-'); /* and it is told, not left to wait */
        g_assert_cmpint(r, !=, -ETIMEDOUT);
}

static void check_listed(SplitLab *s, guint index, const char *expected) {
        g_autoptr(GVariant) reply =
                client_call_ok(s->client, "ListRoutes", "(" CLIENT_NO_OPTIONS ",)");
        g_autoptr(GVariant) routes = g_variant_get_child_value(reply, 0), route = NULL;
        const char *state = NULL, *reason = "";

        g_assert_cmpuint(g_variant_n_children(routes), ==, 2);
        route = g_variant_get_child_value(routes, index);
        g_assert_true(g_variant_lookup(route, "state", "&s", &state));
        (void)g_variant_lookup(route, "reason", "&s", &reason);
        g_test_message("%u: %s %s", index, state, reason);
        g_assert_cmpstr(state, ==, expected);
        g_assert_cmpint(reason[0] == '\0', ==, g_str_equal(state, "installed"));
}

/* A route that follows the default waits for one of its family, and says so. */
static void check_routes(SplitLab *s) {
        g_variant_unref(client_call_ok(s->client, "AddRoutes",
                "([{'destination': <'10.90.0.0/16'>, 'node': <'default'>},"
                " {'destination': <'2001:db8:90::/48'>, 'node': <'default'>}], " CLIENT_NO_OPTIONS
                ")"));
        check_listed(s, 0, "installed");
        check_listed(s, 1, "waiting");
        g_variant_unref(client_call_ok(s->client, "RemoveRoutes",
                "([{'destination': <'10.90.0.0/16'>}, {'destination': "
                "<'2001:db8:90::/48'>}], " CLIENT_NO_OPTIONS ")"));
}

/* Nobody is there to put the rules right: the firewall alone stands. */
static void check_guard(SplitLab *s, Program *program) {
        g_free(machine_run_ok("sh", "-c",
                "systemctl kill --signal=KILL talpid.service; systemctl stop talpid.service; "
                "for f in -4 -6; do while ip $f rule del priority 4984 2>/dev/null; do :; done; "
                "done",
                NULL));
        g_assert_true(client_wait_for_service(s->client, false));
        check_way(s, program, AF_INET, '-');
        check_way(s, program, AF_INET6, '-');
        g_variant_unref(client_property(s->client, "Version"));
        g_assert_true(client_wait_for_entry(s->client, "Tunnel", "state", "active"));
        check_way(s, program, AF_INET, 'T');
}

/* @way6: of IPv6 in the tunnel. */
static void check_machine(SplitLab *s, char way6) {
        g_autoptr(Program) program = program_start(BUILD_DIR, NULL);
        g_autofree char *before = state_of_kernel(), *after = NULL;
        g_autofree char *ipv4 = NULL, *ipv6 = NULL;

        g_variant_unref(client_call_ok(s->client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        check_active(s);
        ipv4 = client_property_entry(s->client, "Tunnel", "ipv4");
        ipv6 = client_property_entry(s->client, "Tunnel", "ipv6");
        g_assert_cmpstr(ipv4, ==, "carried");
        g_assert_cmpstr(ipv6, ==, way6 == 'T' ? "carried" : "blocked");
        check_way(s, program, AF_INET, 'T');
        check_way(s, program, AF_INET6, way6);
        check_routes(s);
        check_guard(s, program);

        g_variant_unref(split_exclude(s->client, program_pid(program), "'sockets': <'reset'>"));
        check_way(s, program, AF_INET, 'O');
        check_way(s, program, AF_INET6, '-');
        check_active(s);
        g_variant_unref(split_include(s->client, program_pid(program), ""));
        check_way(s, program, AF_INET, 'T');

        client_sync(s->client);
        g_assert_cmpuint(client_count(s->client, "Healed"), ==, 0); /* of itself */
        g_variant_unref(client_call_ok(s->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        check_way(s, program, AF_INET, 'O');
        check_way(s, program, AF_INET6, '-');
        program = program_stop(program);
        g_assert_true(machine_wait_until(s->machine, is_idle, s->client, MACHINE_WAIT_MSEC));
        after = state_of_kernel();
        g_assert_cmpstr(after, ==, before);
}

static void close_lab(SplitLab *s) {
        ways_close(&s->ways);
        s->client = client_free(s->client);
}

/* The tunnel carries IPv6 over an uplink that has none. */
static void test_no_uplink(Machine *machine) {
        SplitLab s;

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", DEFAULT_MARK));
        take_ipv6(machine, &s,
                "for i in wan0 wan1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done");
        check_machine(&s, 'T');
        close_lab(&s);
}

static void test_none(Machine *machine) {
        SplitLab s;

        take_ipv6(machine, &s,
                "systemctl stop talpid; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; "
                "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
        check_machine(&s, '-');
        close_lab(&s);
}

/* In this order: nothing gives IPv6 back. */
static const CheckCase cases[] = {
        { "/no-ipv6/none-to-the-outside", test_no_uplink },
        { "/no-ipv6/none-at-all", test_none },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
