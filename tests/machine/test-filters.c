// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Beside firewalls and reverse-path filters as distributions ship them, and
 * the kernel's settings that this takes: set, kept and put back.
 */

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

static const int families[2] = { AF_INET, AF_INET6 };

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

/* sysctl's strict filter, and firewalld's for IPv6 (IPv6_rpfilter=strict). */
static void filters_on(void) {
        run("for link in all default wan0 wg0; do\n"
            "  echo 1 >/proc/sys/net/ipv4/conf/$link/rp_filter\n"
            "done\n"
            "nft add table inet strict\n"
            "nft add chain inet strict in '{ type filter hook prerouting priority -290; }'\n"
            "nft add rule inet strict in meta nfproto ipv6 icmpv6 type "
            "'{ nd-router-advert, nd-neighbor-solicit }' accept\n"
            "nft add rule inet strict in meta nfproto ipv6 fib saddr . mark . iif oif missing "
            "drop\n");
}

static void filters_off(void) {
        run("nft delete table inet strict\n"
            "for link in all default wan0; do echo 0 >/proc/sys/net/ipv4/conf/$link/rp_filter; "
            "done");
}

static void check_program(Program *program, const char *expected_v4, const char *expected_v6) {
        static const int types[] = { SOCK_DGRAM, SOCK_STREAM };

        for (size_t i = 0; i < 2 * G_N_ELEMENTS(types); i++) {
                g_autofree char *answer = NULL;
                int port = types[i / 2] == SOCK_DGRAM ? INTERNET_PORT : INTERNET_TALK_PORT;

                CHECK_OK(program_socket(program, 0, families[i % 2], types[i / 2], 0));
                CHECK_OK(program_connect(program, 0, port, /* mapped= */ false));
                CHECK_OK(program_ask(program, 0, 0, /* mapped= */ false, &answer));
                g_assert_cmpstr(answer, ==, i % 2 == 0 ? expected_v4 : expected_v6);
                CHECK_OK(program_close(program, 0, /* abort= */ true));
        }
}

static void test_excluded(Machine *machine) {
        g_autoptr(Program) program = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        filters_on();
        program = program_start(BUILD_DIR, NULL);
        check_program(program, LAB_RELAY_V4, LAB_RELAY_V6);
        g_variant_unref(split_exclude(s.client, program_pid(program), ""));
        check_program(program, LAB_ISP0_V4, LAB_ISP0_V6);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        program = program_stop(program);
        filters_off();
        split_lab_close(&s);
}

static void test_around(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        filters_on();
        split_do(s.client, "AddSelectors",
                "([('network', '%s/32'), ('network', '%s/128')], @a{sv} {})", LAB_INTERNET_V4,
                LAB_INTERNET_V6);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        split_forget_all(s.client);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        filters_off();
        split_lab_close(&s);
}

static void test_included(Machine *machine) {
        g_autoptr(Program) program = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        filters_on();
        split_do(s.client, "SetMode", "('include', @a{sv} {})");
        program = program_start(BUILD_DIR, NULL);
        check_program(program, LAB_ISP0_V4, LAB_ISP0_V6);
        g_variant_unref(split_exclude(s.client, program_pid(program), ""));
        check_program(program, LAB_RELAY_V4, LAB_RELAY_V6);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        program = program_stop(program);
        filters_off();
        split_lab_close(&s);
}

/* Settings. */

#define VALID "/proc/sys/net/ipv4/conf/all/src_valid_mark"

static const char *const settings[] = { "ipv4/conf/all/src_valid_mark", "ipv4/tcp_fwmark_accept",
        "ipv4/fwmark_reflect", "ipv6/fwmark_reflect" };

static void check_settings(const char *expected) {
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
                g_autofree char *path = g_strconcat("/proc/sys/net/", settings[i], NULL);
                g_autofree char *text = NULL;

                g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
                if (strcmp(g_strchomp(text), expected) != 0)
                        g_error("%s is %s, not %s", settings[i], text, expected);
        }
}

static void kill_service(SplitLab *s) {
        CHECK_OK(kill(client_service_pid(s->client), SIGKILL));
        g_assert_true(client_wait_for_service(s->client, false));
}

static void test_settings(Machine *machine) {
        SplitLab s;

        check_settings("0");
        split_lab_open(&s, machine);
        check_settings("1");
        split_lab_close(&s);
        check_settings("0");
}

static void test_settings_killed(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        kill_service(&s);
        check_settings("1");
        split_lab_close(&s); /* by the next one */
        check_settings("0");
}

static void test_settings_cleaned_up(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        run("systemctl stop talpid.service");
        check_settings("1"); /* it is closed still */
        run("RUNTIME_DIRECTORY=/run/talpid /usr/libexec/talpid/talpidd --clean-up");
        check_settings("0");
        g_variant_unref(client_call_ok(s.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        split_lab_close(&s);
}

static void test_settings_healed(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        run("echo 0 >" VALID);
        g_variant_unref(client_call_ok(s.client, "Refresh", NULL));
        check_settings("1");
        g_assert_true(client_wait_for_signals(s.client, "Healed", 1));
        split_lab_close(&s);
        check_settings("0");
}

static void test_settings_of_others(Machine *machine) {
        g_autofree char *text = NULL;
        SplitLab s;

        split_lab_open(&s, machine);
        kill_service(&s);
        run("echo 7 >" VALID);
        split_lab_close(&s);
        g_assert_true(g_file_get_contents(VALID, &text, NULL, NULL));
        g_assert_cmpstr(g_strchomp(text), ==, "7");
        run("echo 0 >" VALID);
}

static void test_settings_read_only(Machine *machine) {
        SplitLab s;

        run("mkdir -p /run/systemd/system/talpid.service.d\n"
            "others=$(systemctl show -P ReadWritePaths talpid.service | sed 's,-/proc/sys/net,,')\n"
            "printf '[Service]\\nReadWritePaths=\\nReadWritePaths=%s\\n' \"$others\" "
            ">/run/systemd/system/talpid.service.d/closed.conf\n"
            "systemctl daemon-reload; systemctl stop talpid.service");
        split_lab_open(&s, machine);
        check_settings("0");
        split_lab_close(&s);
        run("rm /run/systemd/system/talpid.service.d/closed.conf; systemctl daemon-reload; "
            "systemctl stop talpid.service");
}

/* Counters. */

static void test_counters(Machine *machine) {
        g_autofree char *before = NULL, *after = NULL;
        SplitLab s;

        run("echo TALPID_FIREWALL_DEBUG=1 >>/etc/default/talpid; systemctl stop talpid.service");
        split_lab_open(&s, machine);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        after = machine_run_ok("nft", "list", "chain", "inet", "talpid", "guard-output", NULL);
        g_assert_nonnull(strstr(after, "oifname \"wg0\" counter packets "));
        g_assert_null(strstr(after, "oifname \"wg0\" counter packets 0 "));
        /* What counts is still what was written: nothing is put right. */
        g_variant_unref(client_call_ok(s.client, "Refresh", NULL));
        client_sync(s.client);
        g_assert_cmpuint(client_count(s.client, "Healed"), ==, 0);
        before = machine_run_ok("nft", "list", "chain", "inet", "talpid", "guard-output", NULL);
        g_assert_null(strstr(before, "oifname \"wg0\" counter packets 0 "));
        run("sed -i /TALPID_FIREWALL_DEBUG/d /etc/default/talpid");
        split_lab_close(&s);
        run("systemctl stop talpid.service");
}

/* A table of our name that is not ours. */

static bool is_degraded(void *user) {
        g_autoptr(GVariant) state = client_property(user, "State");

        return strcmp(g_variant_get_string(state, NULL), "degraded") == 0;
}

static bool is_firewall_told(void *user) {
        g_autoptr(GVariant) conflicts = client_property(user, "Conflicts");
        g_autofree char *text = g_variant_print(conflicts, FALSE);

        return strstr(text, "'firewall'") && strstr(text, "nft delete table inet talpid");
}

static bool is_peace(void *user) {
        g_autoptr(GVariant) conflicts = client_property(user, "Conflicts");

        return g_variant_n_children(conflicts) == 0;
}

static void test_foreign_table(Machine *machine) {
        g_autofree char *listed = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        SplitLab s;

        split_lab_open_bare(&s, machine);
        run("nft add table inet talpid '{ comment \"mine\"; }'");
        CHECK_OK(lab_tunnel_up(s.lab, "wg0", s.mark));
        reply = client_call(s.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")", &error);
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, "nft delete table inet talpid"));
        listed = machine_run_ok("nft", "list", "table", "inet", "talpid", NULL);
        g_assert_nonnull(strstr(listed, "mine"));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6); /* nothing half done */
        /* Routes need no table. */
        g_variant_unref(client_call_ok(s.client, "AddRoutes",
                "([{'destination': <'203.0.113.200/32'>, 'node': <'default'>}], " CLIENT_NO_OPTIONS
                ")"));
        g_variant_unref(client_call_ok(s.client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        run("nft delete table inet talpid");
        g_variant_unref(client_call_ok(s.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);

        /* In the place of ours: theirs stays, and the routes hold alone. */
        run("printf 'delete table inet talpid\nadd table inet talpid\n' | nft -f -");
        g_assert_true(machine_wait_until(machine, is_degraded, s.client, MACHINE_WAIT_MSEC));
        g_assert_true(machine_wait_until(machine, is_firewall_told, s.client, MACHINE_WAIT_MSEC));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        run("nft delete table inet talpid");
        g_variant_unref(client_call_ok(s.client, "Refresh", NULL));
        CHECK_PRINTS(machine, "would leave beside", "nft", "list", "table", "inet", "talpid");
        g_assert_true(machine_wait_until(machine, is_peace, s.client, MACHINE_WAIT_MSEC));
        g_variant_unref(client_call_ok(s.client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(s.lab, "wg0"));
        split_lab_close_bare(&s);
}

static const CheckCase cases[] = {
        { "/filters/excluded-programs-hear-their-answers", test_excluded },
        { "/filters/destinations-around-are-heard", test_around },
        { "/filters/included-programs-hear-their-answers", test_included },
        { "/settings/are-there-while-a-tunnel-is", test_settings },
        { "/settings/come-back-after-a-kill", test_settings_killed },
        { "/settings/come-back-by-clean-up", test_settings_cleaned_up },
        { "/settings/are-healed", test_settings_healed },
        { "/settings/of-others-stay", test_settings_of_others },
        { "/settings/that-cannot-be-written-stop-nothing", test_settings_read_only },
        { "/firewall/counts-on-request", test_counters },
        { "/firewall/table-of-somebody-else-is-left-alone-and-named", test_foreign_table },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
