// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The service under the real systemd: activation, idle exit, SIGKILL, restart,
 * stop, hang. Every test leaves no tunnel and no route behind.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "polkit/authority.h"
#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define DESCRIPTORS_A_MESSAGE 16 /* max_message_unix_fds of the system bus: dbus-daemon(1) */

#define OURS                                                                                       \
        "for f in -4 -6; do ip $f rule | grep 4984:; ip $f route show table all proto talpid; "    \
        "done; true"

static char *dump_ours(void) {
        return machine_run_ok("sh", "-c", OURS, NULL);
}

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

static void set_tunnel(Machine *machine, Client *client, const char *options) {
        g_autofree char *arguments = g_strdup_printf("('wg0', %s)", options);
        g_autoptr(GVariant) mark = client_property(client, "Mark");

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(client_call_ok(client, "SetTunnel", arguments));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
}

static void unset_tunnel(Machine *machine, Client *client) {
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static void add_route(Client *client, const char *destination, const char *lifetime) {
        g_autofree char *arguments = g_strdup_printf(
                "([{'destination': <'%s'>, 'type': <'unreachable'>}], {'lifetime': <'%s'>})",
                destination, lifetime);

        g_variant_unref(client_call_ok(client, "AddRoutes", arguments));
}

static bool has_route(const char *destination) {
        g_autofree char *ours = dump_ours();

        return strstr(ours, destination);
}

static bool route_is_gone(void *user) {
        return !has_route(user);
}

static void test_activation(Machine *machine) {
        Client *client = client_new(machine);
        g_autofree char *status = NULL;

        run("systemctl stop talpid.service");
        g_assert_true(client_wait_for_service(client, false));
        run("busctl call " CLIENT_NAME " " CLIENT_PATH " " CLIENT_NAME " ListRoutes 'a{sv}' 0");
        g_assert_true(client_wait_for_service(client, true));
        CHECK_PRINTS(machine, "active", "systemctl", "is-active", "talpid.service");
        (void)client_free(client);
}

static void test_privileges(Machine *machine) {
        g_autofree char *status = NULL, *score = NULL;
        Client *client = client_new(machine);
        g_autoptr(GVariant) version = client_property(client, "Version");
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)client_service_pid(client));

        status = machine_run_ok("cat", path, NULL);
        /* CAP_DAC_OVERRIDE, NET_ADMIN, SYS_PTRACE, PERFMON, BPF: see data/talpid.service.in */
        g_assert_nonnull(strstr(status, "CapBnd:\t000000c000081002"));
        g_assert_nonnull(strstr(status, "CapEff:\t000000c000081002"));
        g_assert_nonnull(strstr(status, "NoNewPrivs:\t1"));
        g_assert_nonnull(strstr(status, "Seccomp:\t2"));
        g_assert_null(strstr(status, "Uid:\t0"));
        score = machine_run_ok(
                "systemd-analyze", "security", "--threshold=25", "talpid.service", NULL);
        (void)client_free(client);
}

/* More than several users can fill with what they pass and leave unanswered. */
static void test_descriptors(Machine *machine) {
        Client *client = client_new(machine);
        g_autoptr(GVariant) version = client_property(client, "Version");
        g_autofree char *path = g_strdup_printf("/proc/%d/limits", (int)client_service_pid(client));
        g_autofree char *limits = machine_run_ok("cat", path, NULL);
        const char *line = strstr(limits, "Max open files");
        unsigned limit = 0;

        g_assert_nonnull(line);
        g_assert_cmpint(sscanf(line, "Max open files %u", &limit), ==, 1);
        g_assert_cmpuint(limit, >=, 8 * AUTHORITY_PENDING_PER_UID_MAX * DESCRIPTORS_A_MESSAGE);
        (void)client_free(client);
}

/* A short idle time, by the file that an administrator would use. */
static void test_idle(Machine *machine) {
        Client *client = client_new(machine);

        run("echo TALPID_IDLE_TIMEOUT=300ms >>/etc/default/talpid; systemctl restart "
            "talpid.service");
        g_assert_true(client_wait_for_service(client, false));
        CHECK_PRINTS(machine, "inactive", "systemctl", "is-active", "talpid.service");

        /* Each of many calls, over many exits, is answered. */
        for (int i = 0; i < 200; i++)
                g_variant_unref(client_property(client, "Version"));
        add_route(client, "10.91.0.0/16", "boot");
        g_assert_true(has_route("10.91.0.0/16"));
        g_variant_unref(client_call_ok(client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        g_assert_true(client_wait_for_service(client, false));
        run("sed -i /TALPID_IDLE_TIMEOUT/d /etc/default/talpid");
        (void)client_free(client);
}

static void test_idle_with_intent(Machine *machine) {
        Client *client = client_new(machine);
        pid_t pid;

        run("echo TALPID_IDLE_TIMEOUT=100ms >>/etc/default/talpid; systemctl restart "
            "talpid.service");
        add_route(client, "10.91.0.0/16", "boot");
        pid = client_service_pid(client);
        g_assert_cmpint(pid, >, 0);
        g_assert_false(machine_wait_until(machine, route_is_gone, (void *)"10.91.0.0/16", 500));
        g_assert_cmpint(client_service_pid(client), ==, pid);
        g_variant_unref(client_call_ok(client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        g_variant_unref(client_call_ok(client, "Subscribe", "(['default'],)"));
        pid = client_service_pid(client);
        g_assert_false(machine_wait_until(machine, route_is_gone, (void *)"", 500));
        g_assert_cmpint(client_service_pid(client), ==, pid);
        (void)client_free(client);
        run("sed -i /TALPID_IDLE_TIMEOUT/d /etc/default/talpid");
}

static void kill_service(Client *client) {
        pid_t old = client_kill_service(client);

        g_assert_cmpint(old, >, 0);
        g_assert_true(client_wait_for_new_service(client, old));
}

static bool is_to_internet(const Packet *packet, void *user) {
        return packet_is_to(packet, LAB_INTERNET_V4) || packet_is_to(packet, LAB_INTERNET_V6);
}

static void test_sigkill(Machine *machine) {
        g_autofree char *before = NULL, *after = NULL;
        Lab *lab = machine_get_lab(machine);
        Capture *captures[2];
        Client *client = client_new(machine);

        set_tunnel(machine, client, "{'bypass': <['" LAB_RELAY_V4 "']>}");
        add_route(client, "10.91.0.0/16", "boot");
        CHECK_OK(capture_start(lab, LAB_ISP0, "lan", &captures[0]));
        CHECK_OK(capture_start(lab, LAB_ISP1, "lan", &captures[1]));
        before = dump_ours();
        g_assert_cmpint(client_kill_service(client), >, 0);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_true(client_wait_for_entry(client, "Tunnel", "device", "wg0"));
        after = dump_ours();
        g_assert_cmpstr(before, ==, after);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        for (int i = 0; i < 2; i++)
                g_assert_cmpint(capture_count(captures[i], is_to_internet, NULL), ==, 0);
        for (int i = 0; i < 2; i++)
                (void)capture_stop(captures[i]);
        g_variant_unref(client_call_ok(client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        unset_tunnel(machine, client);
        (void)client_free(client);
}

/* While nobody watches, the rule and a route are taken away and a stranger is put in. */
static void test_damage_while_dead(Machine *machine) {
        g_autofree char *before = NULL, *after = NULL;
        Client *client = client_new(machine);

        set_tunnel(machine, client, CLIENT_NO_OPTIONS);
        add_route(client, "10.91.0.0/16", "boot");
        before = dump_ours();
        run("systemctl kill --signal=STOP talpid.service");
        run("ip -4 rule del priority 4984; ip -6 route flush table talpid-tunnel; "
            "ip route del unreachable 10.91.0.0/16; "
            "ip route add unreachable 10.92.0.0/16 proto talpid");
        kill_service(client);
        g_assert_true(client_wait_for_entry(client, "Tunnel", "device", "wg0"));
        after = dump_ours();
        g_assert_cmpstr(before, ==, after);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        g_variant_unref(client_call_ok(client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        unset_tunnel(machine, client);
        (void)client_free(client);
}

static void test_lost_state(Machine *machine) {
        g_autofree char *before = NULL, *after = NULL;
        Client *client = client_new(machine);

        set_tunnel(machine, client, "{'bypass': <['" LAB_RELAY_V4 "']>}");
        before = dump_ours();
        run("systemctl kill --signal=STOP talpid.service; rm /run/talpid/state");
        kill_service(client);
        g_assert_true(client_wait_for_entry(client, "Tunnel", "device", "wg0"));
        after = dump_ours();
        g_assert_cmpstr(before, ==, after);
        unset_tunnel(machine, client);
        (void)client_free(client);
}

static void test_client_lifetime(Machine *machine) {
        Client *owner = client_new(machine), *client = client_new(machine);

        add_route(owner, "10.91.0.0/16", "client");
        add_route(owner, "10.92.0.0/16", "boot");
        kill_service(client);
        g_assert_true(has_route("10.91.0.0/16"));
        run("systemctl restart talpid.service");
        g_assert_true(client_wait_for_service(client, true));
        g_assert_true(has_route("10.91.0.0/16"));
        owner = client_free(owner);
        g_assert_true(machine_wait_until(
                machine, route_is_gone, (void *)"10.91.0.0/16", MACHINE_WAIT_MSEC));
        g_assert_true(has_route("10.92.0.0/16"));
        g_variant_unref(client_call_ok(client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        (void)client_free(client);
}

/* The client goes while the service is dead: the next one finds out. */
static void test_client_gone_while_dead(Machine *machine) {
        Client *owner = client_new(machine), *client = client_new(machine);

        add_route(owner, "10.91.0.0/16", "client");
        run("systemctl kill --signal=STOP talpid.service");
        owner = client_free(owner);
        kill_service(client);
        g_assert_true(machine_wait_until(
                machine, route_is_gone, (void *)"10.91.0.0/16", MACHINE_WAIT_MSEC));
        (void)client_free(client);
}

static void test_stop(Machine *machine) {
        g_autofree char *ours = NULL;
        Client *client = client_new(machine);

        set_tunnel(machine, client, "{'fail-closed': <false>, 'lifetime': <'client'>}");
        add_route(client, "10.91.0.0/16", "client");
        run("systemctl stop talpid.service");
        ours = dump_ours();
        g_assert_cmpstr(ours, ==, "");
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));

        add_route(client, "10.92.0.0/16", "boot");
        run("systemctl stop talpid.service");
        g_assert_true(has_route("10.92.0.0/16"));
        g_variant_unref(client_call_ok(client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        g_assert_false(has_route("10.92.0.0/16"));
        (void)client_free(client);
}

/* As after a boot: /run is empty, nobody called, and the unit that looks for them is started. */
static void test_permanent(Machine *machine) {
        static const char call[] = "busctl call " CLIENT_NAME " /org/talpid/SplitTunnel "
                                   "org.talpid.SplitTunnel ";
        g_autofree char *add = g_strconcat(call,
                "AddSelectors 'a(ss)a{sv}' 1 network 192.0.2.0/24 1 lifetime s permanent", NULL);
        g_autofree char *remove =
                g_strconcat(call, "RemoveSelectors 'a(ss)a{sv}' 1 network 192.0.2.0/24 0", NULL);
        Client *client = client_new(machine);

        run(add);
        run("systemctl stop talpid; rm -r /run/talpid/*; systemctl restart talpid-permanent");
        g_assert_cmpint(client_service_pid(client), >, 0);
        CHECK_PRINTS(machine, "192.0.2.0/24", "busctl", "call", CLIENT_NAME,
                "/org/talpid/SplitTunnel", "org.talpid.SplitTunnel", "ListSelectors");

        g_test_message("without anything permanent nobody wakes it");
        run(remove);
        run("systemctl stop talpid; systemctl restart talpid-permanent");
        g_assert_cmpint(client_service_pid(client), ==, 0);
        (void)client_free(client);
}

static void test_clean_up(Machine *machine) {
        g_autofree char *ours = NULL;
        Client *client = client_new(machine);

        set_tunnel(machine, client, CLIENT_NO_OPTIONS);
        add_route(client, "10.92.0.0/16", "boot");
        run("systemctl stop talpid.service");
        run("ip route add unreachable 10.93.0.0/16 proto static");
        run("/usr/libexec/talpid/talpidd --clean-up");
        ours = dump_ours();
        g_assert_cmpstr(ours, ==, "");
        run("ip route del unreachable 10.93.0.0/16");
        g_assert_true(client_wait_for_entry(client, "Tunnel", "device", ""));
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        (void)client_free(client);
}

static void test_hang(Machine *machine) {
        Client *client = client_new(machine);
        pid_t old;

        run("mkdir -p /run/systemd/system/talpid.service.d; printf '[Service]\\nWatchdogSec=2s\\n' "
            ">/run/systemd/system/talpid.service.d/test.conf; systemctl daemon-reload; systemctl "
            "restart talpid.service");
        set_tunnel(machine, client, CLIENT_NO_OPTIONS);
        old = client_service_pid(client);
        CHECK_OK(kill(old, SIGSTOP));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        g_assert_true(client_wait_for_new_service(client, old));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        unset_tunnel(machine, client);
        run("rm -r /run/systemd/system/talpid.service.d; systemctl daemon-reload");
        (void)client_free(client);
}

static void test_log_level(Machine *machine) {
        Client *client = client_new(machine);
        g_autoptr(GVariant) version = client_property(client, "Version");

        run("systemctl service-log-level talpid.service debug");
        CHECK_PRINTS(machine, "debug", "systemctl", "service-log-level", "talpid.service");
        run("systemctl service-log-level talpid.service info");
        (void)client_free(client);
}

/* The unit fails where an administrator looks, and does not spin. */
static void test_bad_setting(Machine *machine) {
        Client *client = client_new(machine);

        run("systemctl stop talpid && echo TALPID_MARK=blue >> /etc/default/talpid");
        run("! systemctl start talpid");
        CHECK_PRINTS(machine, "Result=exit-code\nNRestarts=0\nActiveState=failed", "systemctl",
                "show", "-p", "Result,NRestarts,ActiveState", "talpid");
        CHECK_PRINTS(machine, "TALPID_MARK=blue is not a number", "journalctl", "--no-pager", "-t",
                "talpidd");

        run("sed -i /blue/d /etc/default/talpid");
        g_variant_unref(client_call_ok(client, "Refresh", NULL));
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/lifecycle/first-call-starts-the-service", test_activation },
        { "/lifecycle/runs-as-its-user-with-few-capabilities-in-a-sandbox", test_privileges },
        { "/lifecycle/has-room-for-the-descriptors-of-waiting-callers", test_descriptors },
        { "/lifecycle/idle-service-leaves-and-no-call-is-lost", test_idle },
        { "/lifecycle/service-stays-while-something-is-wanted-or-subscribed",
                test_idle_with_intent },
        { "/lifecycle/sigkill-leaks-nothing-and-the-next-start-adopts", test_sigkill },
        { "/lifecycle/damage-done-while-dead-is-put-right-at-start", test_damage_while_dead },
        { "/lifecycle/lost-state-file-keeps-the-tunnel-closed", test_lost_state },
        { "/lifecycle/client-lifetime-survives-a-restart-and-ends-with-its-client",
                test_client_lifetime },
        { "/lifecycle/client-that-went-while-the-service-was-dead-is-cleaned-up",
                test_client_gone_while_dead },
        { "/lifecycle/stop-leaves-only-what-was-asked-to-stay", test_stop },
        { "/lifecycle/permanent-settings-come-with-the-machine", test_permanent },
        { "/lifecycle/clean-up-removes-all-of-ours-and-nothing-else", test_clean_up },
        { "/lifecycle/hung-service-is-restarted-and-the-tunnel-stays-closed", test_hang },
        { "/lifecycle/bad-setting-fails-the-unit-until-it-is-mended", test_bad_setting },
        { "/lifecycle/log-level-changes-through-systemctl", test_log_level },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
