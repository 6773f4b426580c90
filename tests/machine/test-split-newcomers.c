// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Include mode and what starts anew: a listed unit has another group each time,
 * and sends before anybody could have seen it. Each packet is counted on every
 * way out.
 */

#include <signal.h>
#include <string.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define PORT 9003
#define N_STARTS 50
#define N_PACKETS 4 /* of a start, at the least */
#define LISTED "listed-again.service"
#define OTHER "other-again.service"
#define CGROUPS "/sys/fs/cgroup/"
#define PINS "/sys/fs/bpf/talpid"

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

static char *first_packets(void) {
        return g_strdup_printf(BUILD_DIR "/tests/machine/first-packets %d", PORT);
}

/* A unit that sends and ends, @n times: each has a group of its own. */
static void start_units(const char *unit, int n) {
        g_autofree char *program = first_packets();
        g_autofree char *script = g_strdup_printf(
                "for i in $(seq %d); do systemd-run -q --wait --collect --unit=%s %s; done", n,
                unit, program);

        run(script);
}

/* The same in a group made by hand, however deep. */
static void start_in_group(const char *path) {
        g_autofree char *program = first_packets();
        g_autofree char *script = g_strdup_printf(
                "mkdir -p " CGROUPS "%s; (echo 0 > " CGROUPS "%s/cgroup.procs; exec %s); "
                "cd " CGROUPS "; until rmdir -p %s 2>/dev/null || ! test -d %s; do :; done",
                path, path, program, path, path);

        run(script);
}

static void check(SplitLab *s, const char *what, int n_starts, char expected) {
        WaysSeen seen = ways_look(&s->ways);

        g_test_message("%s: %d packets open, %d in the tunnel", what, seen.n_open, seen.n_tunnel);
        if (ways_letter(&seen) != expected ||
                (expected != '-' && seen.n_open + seen.n_tunnel < n_starts * N_PACKETS))
                g_error("%s: %d packets open, %d in the tunnel, %d forged, not '%c'", what,
                        seen.n_open, seen.n_tunnel, seen.n_forged, expected);
}

/* Nothing of it was too much for the mechanism. */
static void lab_close(SplitLab *s) {
        g_autofree char *mechanism = split_mechanism(s->client);

        g_assert_cmpstr(mechanism, ==, split_mechanism_name(s->mechanism));
        split_lab_close(s);
}

static void lab_open(SplitLab *s, Machine *machine) {
        split_lab_open(s, machine);
        s->ways.port = PORT;
        split_do(s->client, "SetMode", "('include', " CLIENT_NO_OPTIONS ")");
}

static void list(SplitLab *s, const char *kind, const char *value) {
        split_do(s->client, "AddSelectors", "([('%s', '%s')], " CLIENT_NO_OPTIONS ")", kind, value);
}

/* It stays dead until it is called. */
static void kill_service(SplitLab *s) {
        run("systemctl kill --signal=KILL talpid.service; systemctl stop talpid.service");
        g_assert_true(client_wait_for_service(s->client, false));
}

static void start_service(SplitLab *s) {
        g_variant_unref(client_property(s->client, "Version"));
        g_assert_true(client_wait_for_service(s->client, true));
}

static void test_restarts(Machine *machine) {
        pid_t service;
        SplitLab s;

        lab_open(&s, machine);
        list(&s, "unit", LISTED);
        start_units(LISTED, N_STARTS);
        check(&s, "the service lives", N_STARTS, 'T');

        service = client_service_pid(s.client);
        CHECK_OK(kill(service, SIGSTOP));
        start_units(LISTED, N_STARTS);
        check(&s, "the service hangs", N_STARTS, 'T');
        CHECK_OK(kill(service, SIGCONT));

        kill_service(&s);
        start_units(LISTED, N_STARTS);
        check(&s, "the service was killed", N_STARTS, 'T');
        start_service(&s);
        start_units(LISTED, 1);
        check(&s, "the next one is there", 1, 'T');
        lab_close(&s);
}

static void test_tunnel(Machine *machine) {
        SplitLab s;

        lab_open(&s, machine);
        list(&s, "unit", LISTED);
        run("ip link set wg0 down");
        start_units(LISTED, 5);
        check(&s, "the tunnel is down", 5, '-');
        ways_watch(&s.ways, NULL);
        CHECK_OK(lab_tunnel_down(s.lab, "wg0"));
        start_units(LISTED, 5);
        check(&s, "the tunnel is gone", 5, '-');
        kill_service(&s);
        start_units(LISTED, 5);
        check(&s, "the service, too", 5, '-');
        start_service(&s);
        lab_close(&s);
}

/* Nothing of the path is there when it is listed, nor when the service is killed. */
static void test_nested(Machine *machine) {
        static const char path[] = "newcomers.slice/inner/deep";
        SplitLab s;

        lab_open(&s, machine);
        list(&s, "cgroup", path);
        for (int i = 0; i < 5; i++)
                start_in_group(path);
        check(&s, "the service lives", 5, 'T');
        kill_service(&s);
        for (int i = 0; i < 5; i++)
                start_in_group(path);
        check(&s, "the service was killed", 5, 'T');
        start_service(&s);
        lab_close(&s);
}

/* One that has run for a moment sends in the open, from sockets of then and of its start. */
static void test_others(Machine *machine) {
        g_autofree char *program = first_packets();
        g_autofree char *script = g_strdup_printf("while :; do %s; sleep 0.05; done", program);
        SplitLab s;

        lab_open(&s, machine);
        list(&s, "unit", LISTED);
        for (int i = 0; i < 5; i++) {
                gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
                WaysSeen seen = {};

                g_free(machine_run_ok("systemd-run", "-q", "--collect", "--unit=" OTHER, "sh", "-c",
                        script, NULL));
                /* The first packets may have used the tunnel. */
                while (ways_letter(&seen) != 'O') {
                        seen = ways_look(&s.ways);
                        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                }
                run("systemctl stop " OTHER);
                (void)ways_look(&s.ways);
        }
        lab_close(&s);
}

/* What came while the service was dead is looked at by the next one. */
static void test_others_of_before(Machine *machine) {
        g_autofree char *program = first_packets();
        g_autofree char *script = g_strdup_printf("while :; do %s; sleep 0.05; done", program);
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * 1000;
        WaysSeen seen = {};
        SplitLab s;

        lab_open(&s, machine);
        list(&s, "unit", LISTED);
        kill_service(&s);
        g_free(machine_run_ok(
                "systemd-run", "-q", "--collect", "--unit=" OTHER, "sh", "-c", script, NULL));
        while (ways_letter(&seen) == '-') {
                seen = ways_look(&s.ways);
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        }
        g_assert_cmpint(ways_letter(&seen), ==, 'T');
        start_service(&s);
        while (ways_letter(&seen) != 'O') {
                seen = ways_look(&s.ways);
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        }
        run("systemctl stop " OTHER);
        lab_close(&s);
}

static bool is_nothing_pinned(void *user) {
        g_autofree char *pins = machine_run_ok(
                "sh", "-c", "ls " PINS " 2>/dev/null | grep -e new -e known || true", NULL);

        return strcmp(pins, "") == 0;
}

static void check_nothing_left(SplitLab *s) {
        g_autofree char *sets =
                machine_run_ok("sh", "-c", "nft list table inet talpid || true", NULL);

        g_assert_true(machine_wait_until(s->machine, is_nothing_pinned, NULL, MACHINE_WAIT_MSEC));
        g_assert_null(strstr(sets, "known-groups"));
}

/* With the last that is listed, and with the mode, all of it goes. */
static void test_end(Machine *machine) {
        SplitLab s;

        lab_open(&s, machine);
        list(&s, "unit", LISTED);
        if (s.mechanism == SPLIT_BPF)
                g_assert_false(is_nothing_pinned(NULL));
        split_do(s.client, "RemoveSelectors", "([('unit', '" LISTED "')], " CLIENT_NO_OPTIONS ")");
        check_nothing_left(&s);
        list(&s, "unit", LISTED);
        split_do(s.client, "SetMode", "('exclude', " CLIENT_NO_OPTIONS ")");
        check_nothing_left(&s);
        start_units(LISTED, 1);
        (void)ways_look(&s.ways);
        lab_close(&s);
}

static const CheckCase cases[] = {
        { "/split-newcomers/a-listed-unit-that-restarts-never-uses-the-open-network",
                test_restarts },
        { "/split-newcomers/nor-while-the-tunnel-is-down-or-gone", test_tunnel },
        { "/split-newcomers/nor-does-a-group-whose-path-comes-to-be", test_nested },
        { "/split-newcomers/others-that-start-anew-use-the-open-network", test_others },
        { "/split-newcomers/others-of-the-time-without-a-service-do-so-with-the-next",
                test_others_of_before },
        { "/split-newcomers/all-of-it-goes-with-the-last-that-is-listed", test_end },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
