// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Split tunnelling with real programs, beside a WireGuard tunnel that is set:
 * the internet's answer tells which way a program took. Every test leaves no
 * tunnel, selector or excluded process behind.
 */

#include <glib-unix.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define SPLIT_NAME "org.talpid.SplitTunnel"
#define SPLIT_PATH "/org/talpid/SplitTunnel"
#define SPLIT "busctl call " SPLIT_NAME " " SPLIT_PATH " " SPLIT_NAME " "
#define PROBE "/run/probe"
#define SEEN PROBE "/seen"
#define CURL4 "curl -s --max-time 4 http://" LAB_INTERNET_V4 "/"
#define CURL6 "curl -s -g --max-time 4 'http://[" LAB_INTERNET_V6 "]/'"

typedef struct Fixture {
        Machine *machine;
        Lab *lab;
        Client *client;
        int probe_fd; /* what probes write makes machine_wait_until() ask again */
        guint probe_source;
} Fixture;

static bool is_forced(const char *mechanism) {
        return g_strcmp0(g_getenv("TALPID_TEST_MECHANISM"), mechanism) == 0;
}

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

/* What the internet saw, asked by a shell command; "" when it saw nothing. Caller frees. */
static char *see(const char *command) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "sh", "-c", command, NULL));
        return g_strdup(g_strstrip(result.out));
}

static void check_sees(const char *command, const char *expected) {
        g_autofree char *seen = see(command);

        if (strcmp(seen, expected) != 0)
                g_error("%s: the internet saw '%s', not '%s'", command, seen, expected);
}

static gboolean on_probe(int fd, GIOCondition condition, void *user) {
        char buffer[4096];

        while (read(fd, buffer, sizeof(buffer)) > 0)
                ;
        return G_SOURCE_CONTINUE;
}

static void watch_probes(Fixture *f) {
        f->probe_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        g_assert_cmpint(f->probe_fd, >=, 0);
        g_assert_cmpint(g_mkdir_with_parents(PROBE, 0755), ==, 0);
        g_assert_cmpint(inotify_add_watch(f->probe_fd, PROBE, IN_MOVED_TO), >=, 0);
        f->probe_source = g_unix_fd_add(f->probe_fd, G_IO_IN, on_probe, NULL);
}

static void fixture_open(Fixture *f, Machine *machine) {
        g_autoptr(GVariant) mark = NULL;

        *f = (Fixture){ .machine = machine, .lab = machine_get_lab(machine) };
        watch_probes(f);
        f->client = client_new(machine);
        mark = client_property(f->client, "Mark");
        CHECK_OK(lab_tunnel_up(f->lab, "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(client_call_ok(f->client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
}

static void fixture_close(Fixture *f) {
        run(SPLIT "SetMode 'sa{sv}' exclude 0; " SPLIT "SetSelectors 'a(ss)a{sv}' 0 0; " SPLIT
                  "ClearProcesses 'a{sv}' 0");
        g_variant_unref(client_call_ok(f->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(f->lab, "wg0"));
        f->client = client_free(f->client);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        g_source_remove(f->probe_source);
        (void)close(f->probe_fd);
}

static void test_launcher(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        check_sees("talpid-exclude " CURL4, LAB_ISP0_V4);
        check_sees("talpid-exclude " CURL6, LAB_ISP0_V6);
        check_sees(CURL4, LAB_RELAY_V4);
        check_sees(CURL6, LAB_RELAY_V6);
        fixture_close(&f);
}

static void test_source(Machine *machine) {
        g_autofree char *seen = NULL;
        Fixture f;

        fixture_open(&f, machine);
        seen = see("talpid-exclude curl -s -o /dev/null -w '%{local_ip}' --max-time 4 "
                   "http://" LAB_INTERNET_V4 "/");
        g_assert_true(g_str_has_prefix(seen, "192.168.10."));
        fixture_close(&f);
}

/* A service that asks the internet over and over. */
static void start_unit(const char *unit) {
        g_autofree char *script =
                g_strdup_printf("systemd-run -q --collect --unit=%s sh -c 'while :; do " CURL4
                                " >" PROBE "/new; mv " PROBE "/new " SEEN "; sleep 0.1; done'",
                        unit);

        run(script);
}

typedef struct Seen {
        const char *expected;
} Seen;

static bool unit_sees(void *user) {
        const Seen *wait = user;
        g_autofree char *seen = NULL;

        if (!g_file_get_contents(SEEN, &seen, NULL, NULL))
                return false;
        return strcmp(g_strstrip(seen), wait->expected) == 0;
}

static void wait_for_unit(Machine *machine, const char *expected) {
        Seen wait = { expected };

        g_assert_true(machine_wait_until(machine, unit_sees, &wait, MACHINE_WAIT_MSEC));
}

static void test_unit(Machine *machine) {
        g_autofree char *status = NULL;
        Fixture f;

        fixture_open(&f, machine);
        start_unit("probe.service");
        wait_for_unit(machine, LAB_RELAY_V4);
        run(SPLIT "AddSelectors 'a(ss)a{sv}' 1 unit probe.service 0");
        wait_for_unit(machine, LAB_ISP0_V4);
        status = machine_run_ok("systemctl", "show", "-P", "ControlGroup", "probe.service", NULL);
        g_assert_cmpstr(g_strstrip(status), ==, "/system.slice/probe.service");

        /* The selector follows the unit through its end and its next start. */
        run("systemctl stop probe.service; rm -f " SEEN);
        start_unit("probe.service");
        wait_for_unit(machine, LAB_ISP0_V4);
        run(SPLIT "RemoveSelectors 'a(ss)a{sv}' 1 unit probe.service 0");
        wait_for_unit(machine, LAB_RELAY_V4);
        run("systemctl stop probe.service");
        fixture_close(&f);
}

/* A service that does what tell() says, in one process, and says when it is done. */
static void start_worker(void) {
        static const char script[] =
                "while read -r line <" PROBE "/tell; do eval \"$line\"; echo >" PROBE "/told; done";

        g_assert_true(g_file_set_contents(PROBE "/worker", script, -1, NULL));
        run("mkfifo " PROBE "/tell " PROBE "/told");
        run("systemd-run -q --collect --unit=worker.service bash " PROBE "/worker");
}

static void tell(const char *line) {
        g_autofree char *script =
                g_strdup_printf("echo '%s' >" PROBE "/tell; cat " PROBE "/told", line);

        run(script);
}

static void stop_worker(void) {
        run("systemctl stop worker.service; rm -f " PROBE "/tell " PROBE "/told");
}

typedef struct Flow {
        int family;
        uint8_t protocol;
        uint16_t port;
} Flow;

static bool is_of_flow(const Packet *packet, void *user) {
        const Flow *flow = user;

        return packet->outgoing && packet->family == flow->family &&
               packet->protocol == flow->protocol && packet->destination_port == flow->port;
}

/*
 * The next flow of each kind leaves by @here from its first packet on: one
 * datagram, and a SYN with nothing before it elsewhere. Ports are new.
 */
static void check_first_packets(Fixture *f, const char *here, const char *elsewhere) {
        static const struct {
                const char *file, *address;
                Flow flow;
        } kinds[] = {
                { "udp", LAB_INTERNET_V4, { AF_INET, IPPROTO_UDP, 0 } },
                { "udp", LAB_INTERNET_V6, { AF_INET6, IPPROTO_UDP, 0 } },
                { "tcp", LAB_INTERNET_V4, { AF_INET, IPPROTO_TCP, 0 } },
                { "tcp", LAB_INTERNET_V6, { AF_INET6, IPPROTO_TCP, 0 } },
        };
        g_autoptr(Capture) right = NULL, wrong = NULL;
        static uint16_t port = 7000;

        CHECK_OK(capture_start(f->lab, LAB_MACHINE, here, &right));
        CHECK_OK(capture_start(f->lab, LAB_MACHINE, elsewhere, &wrong));
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                Flow flow = kinds[i].flow;
                g_autofree char *line = NULL;

                flow.port = port++;
                line = g_strdup_printf("(echo >/dev/%s/%s/%u) 2>/dev/null", kinds[i].file,
                        kinds[i].address, flow.port);
                tell(line);
                if (capture_count(right, is_of_flow, &flow) <= 0 ||
                        capture_count(wrong, is_of_flow, &flow) != 0)
                        g_error("the first packets of '%s' left by %s or not at all, not by %s",
                                line, elsewhere, here);
        }
        g_assert_cmpint(capture_count_from(right, LAB_TUNNEL_CLIENT_V4), ==,
                g_str_equal(here, "wg0") ? 2 : 0);
}

static void test_first_packet(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        start_worker();
        check_first_packets(&f, "wg0", "wan0");
        for (int i = 0; i < 8; i++) {
                run(SPLIT "AddSelectors 'a(ss)a{sv}' 1 unit worker.service 0");
                check_first_packets(&f, "wan0", "wg0");
                run(SPLIT "RemoveSelectors 'a(ss)a{sv}' 1 unit worker.service 0");
                check_first_packets(&f, "wg0", "wan0");
        }
        stop_worker();
        fixture_close(&f);
}

/* By its processes, which every mechanism can; AddProcess or RemoveProcess. Returns its pid. */
static char *change_processes(const char *method, const char *unit) {
        char *pid = machine_run_ok("systemctl", "show", "-P", "MainPID", unit, NULL);
        g_autofree char *call =
                g_strdup_printf(SPLIT "%s 'ua{sv}' %s 1 children b true", method, g_strstrip(pid));

        run(call);
        return pid;
}

/* By its name, where that is matched. */
static void list_unit(const char *method, const char *unit) {
        g_autofree char *call =
                g_strdup_printf(SPLIT "%sSelectors 'a(ss)a{sv}' 1 unit %s 0", method, unit);
        g_autofree char *process = g_strdup_printf("%sProcess", method);

        if (is_forced("net_cls"))
                g_free(change_processes(process, unit));
        else
                run(call);
}

static void test_running_process(Machine *machine) {
        g_autofree char *pid = NULL, *group = NULL;
        Fixture f;

        fixture_open(&f, machine);
        start_unit("probe.service");
        wait_for_unit(machine, LAB_RELAY_V4);
        pid = change_processes("AddProcess", "probe.service");
        wait_for_unit(machine, LAB_ISP0_V4);
        group = machine_run_ok("systemctl", "status", "--no-pager", "probe.service", NULL);
        g_assert_nonnull(strstr(group, pid)); /* it stays accounted to its unit */
        g_free(change_processes("RemoveProcess", "probe.service"));
        wait_for_unit(machine, LAB_RELAY_V4);
        run("systemctl stop probe.service");
        fixture_close(&f);
}

static void test_user(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        run(SPLIT "AddSelectors 'a(ss)a{sv}' 1 user bob 0");
        check_sees("setpriv --reuid=bob --clear-groups " CURL4, LAB_ISP0_V4);
        check_sees("setpriv --reuid=bob --clear-groups " CURL6, LAB_ISP0_V6);
        check_sees("setpriv --reuid=alice --clear-groups " CURL4, LAB_RELAY_V4);
        check_sees(CURL6, LAB_RELAY_V6);
        fixture_close(&f);
}

static void test_network(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        run(SPLIT "AddSelectors 'a(ss)a{sv}' 1 network " LAB_INTERNET_V4 "/32 0");
        check_sees(CURL4, LAB_ISP0_V4);
        check_sees(CURL6, LAB_RELAY_V6);
        fixture_close(&f);
}

static void test_follows_default(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        CHECK_OK(lab_cable_pull(f.lab, LAB_ISP0));
        g_assert_true(client_wait_for_entry(f.client, "DefaultRoute4", "device", "wan1"));
        g_assert_true(client_wait_for_entry(f.client, "DefaultRoute6", "device", "wan1"));
        check_sees("talpid-exclude " CURL4, LAB_ISP1_V4);
        check_sees("talpid-exclude " CURL6, LAB_ISP1_V6);
        CHECK_OK(lab_cable_plug(f.lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        fixture_close(&f);
}

static void test_killed(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        start_unit("probe.service");
        list_unit("Add", "probe.service");
        wait_for_unit(machine, LAB_ISP0_V4);
        g_assert_cmpint(client_kill_service(f.client), >, 0);
        check_sees(CURL4, LAB_RELAY_V4);
        g_assert_true(client_wait_for_entry(f.client, "Tunnel", "device", "wg0"));
        run("rm -f " SEEN);
        wait_for_unit(machine, LAB_ISP0_V4);
        check_sees(CURL4, LAB_RELAY_V4);
        list_unit("Remove", "probe.service");
        wait_for_unit(machine, LAB_RELAY_V4);
        run("systemctl stop probe.service");
        fixture_close(&f);
}

static void test_dns(Machine *machine) {
        g_autofree char *seen = NULL;
        Fixture f;

        fixture_open(&f, machine);
        /* Through the tunnel nobody answers at the ISP's private address. */
        seen = see("talpid-exclude getent ahostsv4 who.test | head -n1 | cut -d' ' -f1");
        g_assert_cmpstr(seen, ==, LAB_ISP0_LAN_V4);
        fixture_close(&f);
}

static void test_include(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        start_unit("probe.service");
        list_unit("Add", "probe.service");
        run(SPLIT "SetMode 'sa{sv}' include 0");
        wait_for_unit(machine, LAB_RELAY_V4);
        check_sees(CURL4, LAB_ISP0_V4);
        check_sees(CURL6, LAB_ISP0_V6);

        /* What is listed never uses the open network, tunnel or not. */
        CHECK_OK(lab_tunnel_down(f.lab, "wg0"));
        wait_for_unit(machine, "");
        check_sees(CURL4, LAB_ISP0_V4);
        run("systemctl stop probe.service");
        CHECK_OK(lab_tunnel_up(f.lab, "wg0", 0x10000000));
        fixture_close(&f);
}

static char *property(const char *name) {
        return g_strstrip(machine_run_ok(
                "busctl", "get-property", SPLIT_NAME, SPLIT_PATH, SPLIT_NAME, name, NULL));
}

static void check_property(const char *name, const char *expected) {
        g_autofree char *value = property(name);

        g_assert_cmpstr(value, ==, expected);
}

static void check_finds(const char *command, const char *text) {
        g_autofree char *out = see(command);

        if (!strstr(out, text))
                g_error("%s: '%s' does not say '%s'", command, out, text);
}

/* Units cannot be matched by class: said, not left open. */
static void test_units_wait(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        check_property("Mechanism", "s \"net_cls\"");
        check_property("Available", "b true");
        start_unit("probe.service");
        run(SPLIT "AddSelectors 'a(ss)a{sv}' 2 unit probe.service cgroup system.slice/x 0");
        check_finds(SPLIT "ListSelectors", "net_cls cannot match units");
        wait_for_unit(machine, LAB_RELAY_V4);

        /* In include mode it could be anybody: nobody goes by the open network. */
        run(SPLIT "SetMode 'sa{sv}' include 0");
        check_sees(CURL4, LAB_RELAY_V4);
        check_sees(CURL6, LAB_RELAY_V6);
        CHECK_OK(lab_tunnel_down(f.lab, "wg0"));
        check_sees(CURL4, "");
        check_sees(CURL6, "");
        CHECK_OK(lab_tunnel_up(f.lab, "wg0", 0x10000000));
        run("systemctl stop probe.service");
        fixture_close(&f);
}

/* Everything about members of the one class, through a kill and to the end. */
static void test_members(Machine *machine) {
        g_autofree char *pid = NULL, *listed = NULL;
        Fixture f;

        fixture_open(&f, machine);
        start_unit("probe.service");
        pid = change_processes("AddProcess", "probe.service");
        check_finds(SPLIT "ListProcesses 'a{sv}' 0", "net_cls:/talpid-excluded");
        check_finds(SPLIT "ListProcesses 'a{sv}' 0", pid);
        g_assert_cmpint(client_kill_service(f.client), >, 0);
        check_finds(SPLIT "ListProcesses 'a{sv}' 0", pid);
        run("rm -f " SEEN);
        wait_for_unit(machine, LAB_ISP0_V4);
        run(SPLIT "ClearProcesses 'a{sv}' 0");
        check_property("ProcessCount", "u 0");
        wait_for_unit(machine, LAB_RELAY_V4);

        /* An end that nobody tells of is noticed. */
        g_free(change_processes("AddProcess", "probe.service"));
        run("systemctl stop probe.service");
        CHECK_PRINTS(machine, "no-group", "sh", "-c",
                "grep -q net_cls /run/talpid/state || echo no-group");
        fixture_close(&f);
}

/* Whoever is out comes back, and nothing stays, when the service is taken away. */
static void test_clean_up(Machine *machine) {
        g_autofree char *group = NULL, *pid = NULL, *file = NULL;
        Fixture f;

        fixture_open(&f, machine);
        start_unit("probe.service");
        pid = change_processes("AddProcess", "probe.service");
        run("systemctl stop talpid.service");
        run("mkdir -p /run/v1; mount -t cgroup -o net_cls net_cls /run/v1");
        run("talpidd=$(systemctl show -P ExecStart talpid.service | sed 's/.*path=\\([^ "
            ";]*\\).*/\\1/'); "
            "$talpidd --clean-up");
        file = g_strdup_printf("grep net_cls /proc/%s/cgroup", pid);
        group = see(file);
        g_assert_true(g_str_has_suffix(group, ":/"));
        run("test ! -e /run/v1/talpid-excluded; umount /run/v1");
        run("systemctl stop probe.service");
        g_variant_unref(client_call_ok(f.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        fixture_close(&f);
}

/* What each mechanism cannot do, or does another way, has a case of its own. */
#define CGROUP2 "bpf nftables"
#define ALL "bpf nftables net_cls"

static const struct {
        CheckCase test;
        const char *mechanisms;
} cases[] = {
        { { "/split/killed-service-changes-nothing-and-the-next-one-knows", test_killed }, ALL },
        { { "/split/launcher-takes-a-command-around-the-tunnel", test_launcher }, ALL },
        { { "/split/unit-is-followed-through-its-restart-and-not-moved", test_unit }, CGROUP2 },
        { { "/split/first-packet-after-the-answer-goes-the-new-way", test_first_packet }, CGROUP2 },
        { { "/split/running-process-goes-around-and-comes-back", test_running_process }, ALL },
        { { "/split/user-goes-around-by-rules-alone", test_user }, ALL },
        { { "/split/network-goes-around", test_network }, ALL },
        { { "/split/excluded-traffic-follows-the-default-route", test_follows_default }, ALL },
        { { "/split/excluded-programs-ask-the-resolver-of-their-link", test_dns }, ALL },
        { { "/split/include-mode-tunnels-what-is-listed-alone-and-never-leaks-it", test_include },
                ALL },
        /* Marks by the firewall come too late for the source address, and are masqueraded. */
        { { "/split/excluded-sockets-have-the-right-source-address", test_source }, "bpf" },
        { { "/split/units-wait-with-the-reason-and-never-leak", test_units_wait }, "net_cls" },
        { { "/split/members-of-the-class-are-listed-and-brought-back", test_members }, "net_cls" },
        { { "/split/clean-up-brings-back-the-class-and-leaves-nothing", test_clean_up },
                "net_cls" },
};

int main(int argc, char **argv) {
        const char *mechanism = g_getenv("TALPID_TEST_MECHANISM");
        const MachineOptions options = { .install_from = BUILD_DIR, .prepare = client_prepare };
        CheckCase chosen[G_N_ELEMENTS(cases)];
        size_t n = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                if (strstr(cases[i].mechanisms, mechanism ? mechanism : "bpf"))
                        chosen[n++] = cases[i].test;
        return check_main(argc, argv, &options, chosen, n);
}
