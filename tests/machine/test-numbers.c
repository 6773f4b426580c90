// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Mark bits, tables and rule priorities that others have already: ours move
 * before start and stay moved as long as anything of ours is there. Every test
 * leaves the service stopped and nothing of others behind.
 */

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

/* Bits and priority by rules, a table by a route alone. */
#define TAKE                                                                                       \
        "for f in -4 -6; do ip $f rule add pref 100 fwmark 0x20000000/0x20000000 table 77; "       \
        "ip $f rule add pref 4984 table 78; done; "                                                \
        "ip route add 10.1.0.0/16 dev lo table 1984; "
#define GIVE                                                                                       \
        "for f in -4 -6; do ip $f rule del pref 100; ip $f rule del pref 4984; done; "             \
        "ip route del 10.1.0.0/16 dev lo table 1984; "

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void check_number(Client *client, const char *property, uint32_t expected) {
        g_autoptr(GVariant) value = client_property(client, property);

        g_test_message("%s", property);
        g_assert_cmphex(g_variant_get_uint32(value), ==, expected);
}

static void check_moved(Client *client) {
        check_number(client, "Mark", 0x10000000);
        check_number(client, "MarkMask", 0x90000000);
        check_number(client, "TunnelTable", 1987);
        check_number(client, "ExcludedTable", 1986);
}

static void check_default(Client *client) {
        check_number(client, "Mark", 0x10000000);
        check_number(client, "MarkMask", 0x30000000);
        check_number(client, "TunnelTable", 1985);
        check_number(client, "ExcludedTable", 1984);
}

static unsigned n_conflicts(Client *client) {
        g_autoptr(GVariant) conflicts = client_property(client, "Conflicts");

        return (unsigned)g_variant_n_children(conflicts);
}

static void stop(Client *client) {
        run("systemctl stop talpid.service");
        g_assert_true(client_wait_for_service(client, false));
}

static void check_relayed(Machine *machine) {
        CHECK_PRINTS(machine, "dev wg0 table 1987", "ip", "route", "get", LAB_INTERNET_V4);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
}

static void test_moved(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Client *client = client_new(machine);

        stop(client);
        run(TAKE);
        check_moved(client);
        g_assert_cmpuint(n_conflicts(client), ==, 0);
        CHECK_OK(lab_tunnel_up(lab, "wg0", 0x10000000));
        g_variant_unref(
                client_call_ok(client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        check_relayed(machine);
        CHECK_PRINTS(machine, "0x10000000/0x90000000", "ip", "rule", "show", "priority", "4964");

        /* Others go: as long as the tunnel is set, it keeps what it has … */
        run(GIVE);
        stop(client);
        check_moved(client);
        check_relayed(machine);

        /* … even where that is told by the kernel alone. */
        g_assert_cmpint(client_kill_service(client), >, 0);
        run("rm -f /run/talpid/state");
        check_moved(client);
        check_relayed(machine);

        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
        stop(client);
        check_default(client);
        stop(client);
        (void)client_free(client);
}

static void test_set(Machine *machine) {
        Client *client = client_new(machine);

        stop(client);
        run("cp /etc/default/talpid /run/talpid.default; "
            "printf 'TALPID_MARK=0x10000000\\nTALPID_TUNNEL_TABLE=1985\\n"
            "TALPID_RULE_PRIORITY=4984\\n' >>/etc/default/talpid; " TAKE);
        check_default(client);
        g_assert_cmpuint(n_conflicts(client), >, 0);
        stop(client);
        run(GIVE "cp /run/talpid.default /etc/default/talpid");
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/numbers/move-when-taken-and-stay-while-in-use", test_moved },
        { "/numbers/that-are-set-stay-and-are-told-as-conflicts", test_set },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
