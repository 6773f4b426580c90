// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The programs in client-examples/, one language a run, which the last argument
 * names. Each is compiled and started by the lines of its own head, and prints
 * what is written there, where <word> stands for what is another each time.
 */

#include <signal.h>
#include <string.h>

#include "tests/machine/client-example.h"
#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/client.h"

#define NO_OPTIONS "(" CLIENT_NO_OPTIONS ",)"
#define BOB "setpriv --reuid=bob --clear-groups "
#define REFUSED 125
#define USAGE 2

static const ExampleLanguage *language; /* as main() read it */

static void check_without_bus(const Example *example, const char *arguments, int status) {
        example_check_fails(
                example, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere ", arguments, status, ": ");
}

static void call(Client *client, const char *method, const char *arguments) {
        g_variant_unref(client_call_ok(client, method, arguments));
}

static void test_list(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        g_auto(Example) example = {};

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        call(client, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'node': <'default'>},"
                "  {'destination': <'10.9.0.0/16'>, 'gateway': <'" LAB_ISP0_LAN_V4
                "'>, 'device': <'wan0'>},"
                "  {'destination': <'192.0.2.0/24'>, 'device': <'wg0'>}], " CLIENT_NO_OPTIONS ")");
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        CHECK_PRINTS(machine, "waiting", "busctl", "call", CLIENT_NAME, CLIENT_PATH, CLIENT_NAME,
                "ListRoutes", "a{sv}", "0");

        example_open(&example, language, "list-routes");
        example_check_run(&example);
        check_without_bus(&example, "", 1);
        call(client, "ClearRoutes", NO_OPTIONS);
}

static void set_idle_timeout(const char *value) {
        g_autofree char *script =
                g_strdup_printf("sed -i /^TALPID_IDLE_TIMEOUT/d /etc/default/talpid; "
                                "[ -z '%s' ] || echo TALPID_IDLE_TIMEOUT=%s >>/etc/default/talpid; "
                                "systemctl stop talpid.service",
                        value, value);

        example_run_well_in("/", script);
}

static char *without_options(const char *run) {
        g_auto(GStrv) words = g_strsplit(run, " ", 2);

        return g_strdup(words[0]);
}

/* It sees what changed while the service was away, and does not keep it from leaving. */
static void test_watch(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autofree char *line = NULL;
        g_auto(Example) example = {};
        ExampleRunning running;

        example_open(&example, language, "watch-default-route");
        line = without_options(example.run);
        set_idle_timeout("500ms");
        example_running_start(&running, &example, line);
        example_running_wait(&running, machine, 2);
        g_assert_true(client_wait_for_service(client, false));

        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        CHECK_PRINTS(machine, "dev wan1", "ip", "-4", "route", "get", LAB_INTERNET_V4);
        CHECK_PRINTS(machine, "dev wan1", "ip", "-6", "route", "get", LAB_INTERNET_V6);
        g_assert_cmpint(client_service_pid(client), ==, 0);
        g_variant_unref(client_property(client, "Version"));
        example_running_wait(&running, machine, 4);
        g_assert_cmpint(example_running_end(&running, machine, SIGTERM), ==, 0);
        example_running_check_prints(&running);

        example_running_clear(&running);
        set_idle_timeout("");
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
}

static bool service_is_gone(void *user) {
        return client_service_pid(user) == 0;
}

/* … but stays with it when told to, through a crash, and is told of each change. */
static void test_keep_awake(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autofree char *program = NULL, *line = NULL;
        g_auto(Example) example = {};
        ExampleRunning running;
        pid_t old;

        example_open(&example, language, "watch-default-route");
        program = without_options(example.run);
        line = g_strconcat(program, " --keep-awake", NULL);
        if (!language->holds_connection) {
                g_assert_null(strstr(example.run, "--keep-awake"));
                return;
        }
        g_assert_nonnull(strstr(example.run, " [--keep-awake]"));
        set_idle_timeout("500ms");
        example_running_start(&running, &example, line);
        example_running_wait(&running, machine, 2);
        g_assert_false(machine_wait_until(machine, service_is_gone, client, 1000));
        old = client_kill_service(client);
        g_assert_true(client_wait_for_new_service(client, old));
        g_assert_false(machine_wait_until(machine, service_is_gone, client, 1000));

        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        example_running_wait(&running, machine, 4);
        g_assert_cmpint(example_running_end(&running, machine, SIGTERM), ==, 0);
        example_running_check_prints(&running);
        g_assert_true(client_wait_for_service(client, false));

        example_running_clear(&running);
        set_idle_timeout("");
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
}

static void test_add(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        g_auto(Example) example = {};

        example_open(&example, language, "add-symbolic-route");
        example_check_run(&example);
        CHECK_PRINTS(machine, "10.8.0.0/16 via " LAB_ISP0_LAN_V4, "ip", "route", "show", "proto",
                "talpid");
        example_check_fails(&example, "", "10.8.0.1/16", 1, "has bits set");
        example_check_fails(&example, "", "", USAGE, "Usage: ");
        example_check_fails(&example, BOB, "10.8.0.0/16", 1, language->denied);
        check_without_bus(&example, "10.8.0.0/16", 1);
        call(client, "ClearRoutes", NO_OPTIONS);
}

static void test_exclude(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");
        g_auto(Example) example = {};

        CHECK_OK(lab_tunnel_up(lab, "wg0", g_variant_get_uint32(mark)));
        call(client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")");
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);

        example_open(&example, language, "exclude-program");
        example_check_run(&example);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        example_check_fails(&example, "", "sh -c 'exit 42'", 42, "");
        example_check_fails(&example, "", "no-such-program", 127, "no-such-program");
        example_check_fails(&example, "", "", REFUSED, "Usage: ");
        example_check_fails(&example, BOB, "echo ran", REFUSED, language->denied);
        check_without_bus(&example, "echo ran", REFUSED);

        call(client, "UnsetTunnel", NO_OPTIONS);
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

/* A client that has set its tunnel, with eyes on both ISPs' lines. */
typedef struct Vpn {
        Machine *machine;
        Lab *lab;
        Client *client;
        Example example;
        ExampleRunning running;
        Capture *captures[2];
        unsigned n_wanted;
} Vpn;

static void vpn_open(Vpn *vpn, Machine *machine) {
        g_autofree char *config = lab_tunnel_config(0), *path = NULL;

        *vpn = (Vpn){ .machine = machine, .lab = machine_get_lab(machine) };
        vpn->client = client_new(machine);
        example_open(&vpn->example, language, "vpn-client");
        path = g_build_filename(vpn->example.directory, "wg0.conf", NULL);
        g_assert_true(g_file_set_contents(path, config, -1, NULL));
        CHECK_OK(capture_start(vpn->lab, LAB_ISP0, "lan", &vpn->captures[0]));
        CHECK_OK(capture_start(vpn->lab, LAB_ISP1, "lan", &vpn->captures[1]));

        example_running_start(&vpn->running, &vpn->example, vpn->example.run);
        example_running_wait(&vpn->running, machine, 1);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
}

static void vpn_close(Vpn *vpn) {
        for (int i = 0; i < 2; i++)
                vpn->captures[i] = capture_stop(vpn->captures[i]);
        example_running_clear(&vpn->running);
        example_clear(&vpn->example);
        vpn->client = client_free(vpn->client);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static bool is_to_internet(const Packet *packet, void *user) {
        return packet_is_to(packet, LAB_INTERNET_V4) || packet_is_to(packet, LAB_INTERNET_V6);
}

/* Nothing went to the internet but inside of the tunnel, from all that was asked since the last
 * look. */
static void check_no_leak(Vpn *vpn) {
        for (int i = 0; i < 2; i++) {
                int n = capture_count(vpn->captures[i], is_to_internet, NULL);

                if (n != 0)
                        capture_print(vpn->captures[i]);
                g_assert_cmpint(n, ==, 0);
        }
}

/* Asks both families while it waits, so that there is something to leak. */
static bool asks_and_has_lines(void *user) {
        Vpn *vpn = user;

        for (int i = 0; i < 2; i++) {
                LabQuestion question = { .family = i ? AF_INET6 : AF_INET, .timeout_msec = 50 };
                g_autofree char *answer = NULL;

                if (lab_ask_question(&question, &answer) == 0)
                        g_assert_cmpstr(answer, ==, i ? LAB_RELAY_V6 : LAB_RELAY_V4);
        }
        return vpn->running.lines->len >= vpn->n_wanted;
}

/* Waits until it printed so many lines in all, the last of them @last; nothing leaks meanwhile. */
static void vpn_wait(Vpn *vpn, unsigned n_lines, const char *last) {
        vpn->n_wanted = n_lines;
        g_assert_true(machine_wait_until(vpn->machine, asks_and_has_lines, vpn, MACHINE_WAIT_MSEC));
        g_assert_cmpuint(vpn->running.lines->len, ==, n_lines);
        g_assert_nonnull(strstr(vpn->running.lines->pdata[n_lines - 1], last));
        check_answers_soon(vpn->machine, LAB_RELAY_V4, LAB_RELAY_V6);
        check_no_leak(vpn);
}

static void test_vpn_life(Machine *machine) {
        pid_t old;
        Vpn vpn;

        vpn_open(&vpn, machine);
        check_no_leak(&vpn);

        g_test_message("the uplink fails");
        CHECK_OK(capture_clear(vpn.captures[1]));
        CHECK_OK(lab_cable_pull(vpn.lab, LAB_ISP0));
        vpn_wait(&vpn, 3, " now leaves by wan1");
        g_assert_cmpint(capture_count_to(vpn.captures[1], LAB_RELAY_V4), >, 0);

        g_test_message("the service is killed");
        old = client_kill_service(vpn.client);
        vpn_wait(&vpn, 5, "all traffic goes through wg0");
        g_assert_true(client_wait_for_new_service(vpn.client, old));
        g_assert_true(client_wait_for_entry(vpn.client, "Tunnel", "state", "active"));

        g_test_message("the device is deleted");
        example_run_well_in("/", "ip link delete wg0");
        vpn_wait(&vpn, 7, "wg0 is back");

        g_test_message("it is to end");
        g_assert_cmpint(example_running_end(&vpn.running, machine, SIGTERM), ==, 0);
        example_running_check_prints(&vpn.running);
        g_assert_true(client_wait_for_entry(vpn.client, "Tunnel", "device", ""));
        example_run_well_in("/", "! [ -e /sys/class/net/wg0 ]");
        /* Back within NetworkManager's grace, the kernel takes a router that it lost for dead. */
        CHECK_PRINTS(machine, "wan0:unavailable", "nmcli", "-g", "DEVICE,STATE", "device");
        CHECK_OK(lab_cable_plug(vpn.lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        vpn_close(&vpn);
}

/* The lease ends with who holds it. One who cannot hold any leaves the tunnel closed. */
static void test_vpn_killed(Machine *machine) {
        Vpn vpn;

        vpn_open(&vpn, machine);
        check_no_leak(&vpn);
        (void)example_running_end(&vpn.running, machine, SIGKILL);
        if (language->holds_connection) {
                g_assert_true(client_wait_for_entry(vpn.client, "Tunnel", "device", ""));
        } else {
                check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
                check_no_leak(&vpn);
                call(vpn.client, "UnsetTunnel", NO_OPTIONS);
        }
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        CHECK_OK(lab_tunnel_down(vpn.lab, "wg0"));
        vpn_close(&vpn);
}

/* It takes nothing of others away. */
static void test_vpn_refused(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autofree char *holder = NULL;
        g_auto(Example) example = {};

        example_open(&example, language, "vpn-client");
        example_check_fails(&example, "", "wg0", USAGE, "Usage: ");
        example_check_fails(&example, "", "wg0 nowhere.conf 10.64.0.2/32", 1, "nowhere.conf");
        example_run_well_in("/", "! [ -e /sys/class/net/wg0 ]");

        CHECK_OK(lab_tunnel_up(lab, "wg0", 0));
        example_check_fails(
                &example, "", "wg0 wg0.conf 10.64.0.2/32", 1, "there is a device wg0 already");
        call(client, "SetTunnel", "('wg0', {'lifetime': <'client'>})");
        example_check_fails(&example, "", "wg1 wg0.conf 10.64.0.3/32", 1, "wg0");
        example_run_well_in("/", "! [ -e /sys/class/net/wg1 ]");
        holder = client_property_entry(client, "Tunnel", "device");
        g_assert_cmpstr(holder, ==, "wg0");
        call(client, "UnsetTunnel", NO_OPTIONS);
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
}

static const CheckCase cases[] = {
        { "/client-examples/list-routes-prints-what-its-head-says", test_list },
        { "/client-examples/watch-default-route-follows-and-lets-the-service-leave", test_watch },
        { "/client-examples/watch-default-route-keeps-the-service-when-told-to", test_keep_awake },
        { "/client-examples/add-symbolic-route-adds-it-and-tells-why-not", test_add },
        { "/client-examples/exclude-program-goes-around-or-does-not-run", test_exclude },
        { "/client-examples/vpn-client-holds-its-tunnel-through-all-that-happens", test_vpn_life },
        { "/client-examples/vpn-client-killed-leaves-what-its-head-says", test_vpn_killed },
        { "/client-examples/vpn-client-takes-nothing-of-others", test_vpn_refused },
};

int main(int argc, char **argv) {
        language = example_language(argv[argc - 1]);
        if (!language) {
                g_printerr("usage: test-client-examples --tap LANGUAGE\n");
                return EXIT_FAILURE;
        }
        /* wireguard-go leaves where the kernel could have its own module, and has not here. */
        g_setenv("WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD", "1", TRUE);
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = client_prepare);
}
