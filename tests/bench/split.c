// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * States of the machine take turns, a twentieth of a second each and there and
 * back again: no rules at all (twice, by two processes: how far apart they come
 * out is what chance does), ours with and without turning DNS, a policy rule alone, an empty chain
 * of the firewall, and the classic rules, marks by the firewall and masquerading. The "tunnel" is a
 * link like the other, so that only the rules make a difference.
 */

#include "tests/bench/split.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "tests/bench/figures.h"
#include "tests/bench/traffic.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/split.h"

#define N_ROUNDS 40
#define N_SELECTOR_ROUNDS 3
#define N_SELECTORS 1000
#define N_CALLS 300
#define N_IN_FLIGHT 16
#define GROUPS "/sys/fs/cgroup/bench"

typedef struct Bench {
        Client *client;
        sd_bus *bus;
        Worker *plain, *again, *excluded, *classic;
} Bench;

/* Who measures in which state. */
typedef enum Way {
        WAY_NO_RULES,
        WAY_NO_RULES_AGAIN,
        WAY_ROUTED,
        WAY_EMPTY_CHAIN,
        WAY_EXCLUDED,
        WAY_OTHER,
        WAY_EXCLUDED_NOT_DNS,
        WAY_OTHER_NOT_DNS,
        WAY_CLASSIC_EXCLUDED,
        WAY_CLASSIC_OTHER,
        N_WAYS,
} Way;

static const char *const way_names[N_WAYS] = {
        [WAY_NO_RULES] = "no rules at all",
        [WAY_NO_RULES_AGAIN] = "no rules at all, once more: chance",
        [WAY_ROUTED] = "a policy rule and its table alone",
        [WAY_EMPTY_CHAIN] = "the same and an empty chain at postrouting",
        [WAY_EXCLUDED] = "an excluded process",
        [WAY_OTHER] = "another process",
        [WAY_EXCLUDED_NOT_DNS] = "an excluded process, Dns = tunnel",
        [WAY_OTHER_NOT_DNS] = "another process, Dns = tunnel",
        [WAY_CLASSIC_EXCLUDED] = "classic rules: an excluded process",
        [WAY_CLASSIC_OTHER] = "classic rules: another process",
};

static const char links_script[] =
        "for i in 1 2; do\n"
        "  ip netns add s$i\n"
        "  ip link add up$i type veth peer name p$i netns s$i\n"
        "  until nmcli device set up$i managed no 2>&-; do :; done\n" /* it takes addresses away */
        "  ip address add 10.77.$i.2/24 dev up$i\n"
        "  ip link set up$i up\n"
        "  ip -n s$i link set lo up\n"
        "  ip -n s$i link set p$i up\n"
        "  ip -n s$i address add 10.77.$i.1/24 dev p$i\n"
        "  ip -n s$i address add " TRAFFIC_ADDRESS "/32 dev lo\n"
        "done\n"
        "nmcli -w 20 device disconnect wan0\n"
        "nmcli -w 20 device disconnect wan1\n"
        "nmcli connection add type ethernet ifname up1 con-name isp ipv4.method manual "
        "ipv4.addresses 10.77.1.2/24 ipv4.gateway 10.77.1.1 ipv4.route-metric 1 "
        "ipv4.dns 10.77.1.1 ipv6.method disabled\n"
        "nmcli device set up1 managed yes\n"
        "nmcli -w 20 connection up isp\n"
        "mkdir " GROUPS " " GROUPS "/classic\n";

/* As ours, but nothing else: what any VPN that routes by policy costs. */
static const char routed_script[] = "ip route add default via 10.77.2.1 dev up2 table 100\n"
                                    "ip rule add pref 101 not fwmark 0x51 lookup 100\n"
                                    "ip -6 rule add pref 101 not fwmark 0x51 lookup 100\n";

static const char not_routed_script[] = "ip rule del pref 101; ip -6 rule del pref 101\n"
                                        "ip route flush table 100\n";

/* What any firewall costs that looks at what leaves, before its first rule. */
static const char empty_script[] = "nft 'add table inet empty; add chain inet empty leaves "
                                   "{ type filter hook postrouting priority filter; }'\n";

static const char no_empty_script[] = "nft delete table inet empty\n";

static const char classic_script[] =
        "nft -f - <<'END'\n"
        "table ip classic {\n"
        "  chain marks { type route hook output priority mangle;\n"
        "    socket cgroupv2 level 2 \"bench/classic\" meta mark set 0x51;}\n"
        "  chain leaves { type nat hook postrouting priority srcnat;\n"
        "    oifname up1 meta mark 0x51 masquerade;}\n"
        "}\n"
        "END\n";

static const char no_classic_script[] = "nft delete table ip classic\n";

static void heading(const char *text) {
        (void)printf("\n%s\n", text);
        (void)fflush(stdout);
}

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void enter_ours(Bench *bench) {
        split_do(bench->client, "SetEnabled", "(true, @a{sv} {})");
        g_variant_unref(
                client_call_ok(bench->client, "SetTunnel", "('up2', " CLIENT_NO_OPTIONS ")"));
}

static void leave_ours(Bench *bench) {
        g_variant_unref(client_call_ok(bench->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        split_do(bench->client, "SetEnabled", "(false, @a{sv} {})");
}

static void move_to(pid_t pid, const char *group) {
        g_autofree char *path = g_build_filename(group, "cgroup.procs", NULL);
        g_autofree char *text = g_strdup_printf("%d", (int)pid);
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                g_error("%s: %s", path, g_strerror(errno));
        (void)close(fd);
}

/* Nothing may be left of us in the state that all is compared with. */
static void check_no_rules(void) {
        g_autofree char *rules =
                machine_run_ok("sh", "-c", "ip rule | wc -l; nft list ruleset", NULL);

        g_assert_cmpstr(rules, ==, "3\n");
}

static void bench_open(Bench *bench, Machine *machine) {
        *bench = (Bench){ .client = client_new(machine) };
        run(links_script);
        traffic_serve("s1");
        traffic_serve("s2");
        bench->plain = worker_start();
        bench->again = worker_start();
        bench->excluded = worker_start();
        bench->classic = worker_start();
        move_to(worker_pid(bench->classic), GROUPS "/classic");
        g_variant_unref(split_exclude(bench->client, worker_pid(bench->excluded), ""));
        split_do(bench->client, "SetEnabled", "(false, @a{sv} {})");
        check_no_rules();
}

static void bench_close(Bench *bench) {
        bench->plain = worker_stop(bench->plain);
        bench->again = worker_stop(bench->again);
        bench->excluded = worker_stop(bench->excluded);
        bench->classic = worker_stop(bench->classic);
        bench->client = client_free(bench->client);
}

/* Medians, and the median of the ratios of each round. */
static void print_rate(
        const char *name, Figures *rates, Figures *floors, const char *floor, TrafficKind kind) {
        Figures ratios = { 0 }, sorted = { 0 };
        double median;

        for (size_t i = 0; i < rates->n; i++) {
                figures_add(&ratios, rates->samples[i] / floors->samples[i]);
                figures_add(&sorted, rates->samples[i]);
        }
        median = figures_percentile(&sorted, 50); /* which puts them in order */
        if (kind == TRAFFIC_BYTES)
                (void)printf("   %-46s %9.2f Gbit/s", name, median * 8 / 1e9);
        else
                (void)printf("   %-46s %9.0f /s    ", name, median);
        if (rates != floors)
                (void)printf("  %.2f of %s (half of the rounds: %.2f to %.2f)",
                        figures_percentile(&ratios, 50), floor, figures_percentile(&ratios, 25),
                        figures_percentile(&ratios, 75));
        (void)printf("\n");
        (void)fflush(stdout);
        figures_clear(&ratios);
        figures_clear(&sorted);
}

static const char *const kind_headings[TRAFFIC_N_KINDS] = {
        [TRAFFIC_PACKETS] = "Packets, small datagrams (aim, with bpf: ≥ 0.97 of no rules)",
        [TRAFFIC_CONNECTIONS] = "TCP connections made and closed (aim as above)",
        [TRAFFIC_BYTES] = "Bytes over one TCP connection (aim as above)",
};

static void measure_all(Worker *worker, Figures rates[TRAFFIC_N_KINDS]) {
        for (TrafficKind kind = 0; kind < TRAFFIC_N_KINDS; kind++)
                figures_add(&rates[kind], worker_measure(worker, kind));
}

typedef Figures Rates[N_WAYS][TRAFFIC_N_KINDS];

static void in_no_rules(Bench *bench, Rates rates) {
        measure_all(bench->plain, rates[WAY_NO_RULES]);
}

static void in_no_rules_again(Bench *bench, Rates rates) {
        measure_all(bench->again, rates[WAY_NO_RULES_AGAIN]);
}

static void in_ours(Bench *bench, Rates rates) {
        enter_ours(bench);
        measure_all(bench->excluded, rates[WAY_EXCLUDED]);
        measure_all(bench->plain, rates[WAY_OTHER]);
        split_do(bench->client, "SetDns", "('tunnel', @a{sv} {})");
        measure_all(bench->excluded, rates[WAY_EXCLUDED_NOT_DNS]);
        measure_all(bench->plain, rates[WAY_OTHER_NOT_DNS]);
        split_do(bench->client, "SetDns", "('system', @a{sv} {})");
        leave_ours(bench);
}

static void in_routed(Bench *bench, Rates rates) {
        run(routed_script);
        measure_all(bench->plain, rates[WAY_ROUTED]);
        run(empty_script);
        measure_all(bench->plain, rates[WAY_EMPTY_CHAIN]);
        run(no_empty_script);
        run(not_routed_script);
}

static void in_classic(Bench *bench, Rates rates) {
        run(routed_script);
        run(classic_script);
        measure_all(bench->classic, rates[WAY_CLASSIC_EXCLUDED]);
        measure_all(bench->plain, rates[WAY_CLASSIC_OTHER]);
        run(no_classic_script);
        run(not_routed_script);
}

static void (*const states[])(Bench *bench, Rates rates) = {
        in_no_rules,
        in_ours,
        in_no_rules_again,
        in_routed,
        in_classic,
};

static void bench_traffic(Bench *bench) {
        const size_t n = G_N_ELEMENTS(states);
        Rates rates = { 0 };

        for (unsigned round = 0; round < N_ROUNDS; round++)
                for (size_t i = 0; i < n; i++)
                        states[round % 2 ? n - 1 - i : i](bench, rates);
        check_no_rules();
        for (TrafficKind kind = 0; kind < TRAFFIC_N_KINDS; kind++) {
                heading(kind_headings[kind]);
                for (Way way = 0; way < N_WAYS; way++) {
                        print_rate(way_names[way], &rates[way][kind], &rates[WAY_NO_RULES][kind],
                                "no rules", kind);
                }
        }
        for (Way way = 0; way < N_WAYS; way++)
                for (TrafficKind kind = 0; kind < TRAFFIC_N_KINDS; kind++)
                        figures_clear(&rates[way][kind]);
}

/* --- selectors --- */

static void set_selectors(Bench *bench, unsigned n) {
        g_autoptr(GString) arguments = g_string_new("([");

        for (unsigned i = 0; i < n; i++)
                g_string_append_printf(arguments, "%s('cgroup', 'bench/%u')", i ? ", " : "", i);
        g_string_append(arguments, "], @a{sv} {})");
        split_do(bench->client, "SetSelectors", "%s", arguments->str);
}

static void bench_selectors(Bench *bench) {
        static const char *const names[2][TRAFFIC_N_KINDS] = {
                { "an excluded process: packets", "an excluded process: connections",
                        "an excluded process: bytes" },
                { "another process: packets", "another process: connections",
                        "another process: bytes" },
        };
        Figures rates[2][2][TRAFFIC_N_KINDS] = { 0 }, setting[2] = { 0 };
        g_autofree char *script =
                g_strdup_printf("seq 0 %d | sed 's|^|" GROUPS "/|' | xargs mkdir", N_SELECTORS - 1);

        run(script);
        move_to(worker_pid(bench->excluded), GROUPS "/0");
        enter_ours(bench);
        for (unsigned i = 0; i < N_SELECTOR_ROUNDS * 2; i++) {
                bool many = i % 2;
                int64_t start = bench_now_usec();

                set_selectors(bench, many ? N_SELECTORS : 1);
                figures_add(&setting[many], (double)(bench_now_usec() - start) / 1000);
                for (unsigned k = 0; k < 4; k++) {
                        measure_all(bench->excluded, rates[many][0]);
                        measure_all(bench->plain, rates[many][1]);
                }
        }
        heading("1,000 selectors of kind cgroup against 1");
        for (unsigned who = 0; who < 2; who++)
                for (TrafficKind kind = 0; kind < TRAFFIC_N_KINDS; kind++)
                        print_rate(names[who][kind], &rates[1][who][kind], &rates[0][who][kind],
                                "that with 1", kind);
        figures_print("SetSelectors from 1 to 1,000", &setting[1], "ms", NULL);
        figures_print("SetSelectors from 1,000 to 1", &setting[0], "ms", NULL);
        split_forget_all(bench->client);
        leave_ours(bench);
        for (unsigned many = 0; many < 2; many++) {
                figures_clear(&setting[many]);
                for (TrafficKind kind = 0; kind < TRAFFIC_N_KINDS; kind++) {
                        figures_clear(&rates[many][0][kind]);
                        figures_clear(&rates[many][1][kind]);
                }
        }
}

/* --- calls --- */

static pid_t start_idle(void) {
        pid_t pid = fork();

        g_assert_cmpint(pid, >=, 0);
        if (pid == 0)
                for (;;)
                        (void)pause();
        return pid;
}

static void end_idle(const pid_t *pids, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                (void)kill(pids[i], SIGKILL);
                (void)waitpid(pids[i], NULL, 0);
        }
}

static int64_t time_add_process(Bench *bench, pid_t pid) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int64_t start = bench_now_usec();

        if (sd_bus_call_method(bench->bus, SPLIT_NAME, SPLIT_PATH, SPLIT_NAME, "AddProcess", &error,
                    NULL, "ua{sv}", (uint32_t)pid, 0) < 0)
                g_error("AddProcess: %s", error.message);
        return bench_now_usec() - start;
}

typedef struct Flight {
        Bench *bench;
        const pid_t *pids;
        unsigned n, n_sent, n_answered;
} Flight;

static int on_answer(sd_bus_message *message, void *user, sd_bus_error *error);

static void send_next(Flight *flight) {
        if (flight->n_sent == flight->n)
                return;
        g_assert_cmpint(sd_bus_call_method_async(flight->bench->bus, NULL, SPLIT_NAME, SPLIT_PATH,
                                SPLIT_NAME, "AddProcess", on_answer, flight, "ua{sv}",
                                (uint32_t)flight->pids[flight->n_sent++], 0),
                >=, 0);
}

static int on_answer(sd_bus_message *message, void *user, sd_bus_error *error) {
        Flight *flight = user;

        if (sd_bus_message_is_method_error(message, NULL))
                g_error("AddProcess: %s", sd_bus_message_get_error(message)->message);
        flight->n_answered++;
        send_next(flight);
        return 0;
}

/* Some are always on their way. Return: calls in a second. */
static double time_many(Bench *bench, const pid_t *pids, unsigned n) {
        Flight flight = { .bench = bench, .pids = pids, .n = n };
        int64_t start = bench_now_usec();

        for (unsigned i = 0; i < N_IN_FLIGHT; i++)
                send_next(&flight);
        while (flight.n_answered < n)
                if (sd_bus_process(bench->bus, NULL) == 0)
                        (void)sd_bus_wait(bench->bus, 20 * 1000 * 1000);
        return (double)n * 1e6 / (double)(bench_now_usec() - start);
}

static void bench_calls(Bench *bench) {
        Figures bare = { 0 }, calls = { 0 };
        pid_t pids[N_CALLS], more[N_CALLS];
        double many;

        heading("AddProcess (floor: a bare write to cgroup.procs)");
        g_assert_cmpint(sd_bus_open_system(&bench->bus), >=, 0);
        enter_ours(bench);
        for (unsigned i = 0; i < N_CALLS; i++) {
                int64_t start;

                pids[i] = start_idle();
                more[i] = start_idle();
                start = bench_now_usec();
                move_to(more[i], GROUPS "/classic");
                figures_add(&bare, (double)(bench_now_usec() - start));
                figures_add(&calls, (double)time_add_process(bench, pids[i]));
        }
        figures_print("bare write", &bare, "µs", NULL);
        figures_print("AddProcess → answer", &calls, "µs", &bare);
        many = time_many(bench, more, N_CALLS);
        (void)printf("   %-46s %9.0f /s\n", "AddProcess, 16 calls on their way at once", many);
        end_idle(pids, N_CALLS);
        end_idle(more, N_CALLS);
        bench->bus = sd_bus_flush_close_unref(bench->bus);
        leave_ours(bench);
        figures_clear(&bare);
        figures_clear(&calls);
}

int bench_split(Machine *machine, int argc, char **argv, void *user) {
        g_autofree char *mechanism = NULL;
        Bench bench;

        bench_open(&bench, machine);
        mechanism = split_mechanism(bench.client);
        (void)printf(
                "\n== Split tunnelling by %s, rates in processor time of the sender\n", mechanism);
        bench_traffic(&bench);
        bench_calls(&bench);
        bench_selectors(&bench);
        bench_close(&bench);
        return EXIT_SUCCESS;
}
