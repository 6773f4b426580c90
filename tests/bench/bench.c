// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Figures of the installed service, on a machine of its own. Each stands
 * beside the kernel's own floor or a peer, measured in the same run: compare
 * ratios, not times of different machines.
 */

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "tests/bench/figures.h"
#include "tests/bench/kernel.h"
#include "tests/bench/split.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define N_CHANGES 200
#define N_HEALS 100
#define N_STARTS 10
#define N_SYMBOLIC 10000
#define N_FOREIGN 1000000
#define OURS 84 /* protocol number, see /etc/iproute2/rt_protos.d/talpid.conf */

static void heading(const char *text) {
        (void)printf("\n%s\n", text);
        (void)fflush(stdout);
}

/* One number of a /proc file, after a word. */
static double read_after(const char *path, const char *word) {
        g_autofree char *text = NULL;
        const char *at;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return 0;
        at = strstr(text, word);
        return at ? g_ascii_strtod(at + strlen(word), NULL) : 0;
}

static double rss_kib(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);

        return read_after(path, "VmRSS:");
}

/* Private and shared pages, those divided by who shares them. */
static double pss_kib(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup", (int)pid);

        return read_after(path, "\nPss:");
}

static double cpu_seconds(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid), *text = NULL;
        unsigned long user = 0, system = 0;

        if (g_file_get_contents(path, &text, NULL, NULL))
                (void)sscanf(strrchr(text, ')') + 2,
                        "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
        return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

/* The folding window has to pass, so that each change is the first of a burst. */
static void let_window_pass(void) {
        struct itimerspec time = { .it_value = { .tv_nsec = 130 * 1000 * 1000 } };
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        uint64_t n;

        (void)timerfd_settime(fd, 0, &time, NULL);
        (void)read(fd, &n, sizeof(n));
        (void)close(fd);
}

static int on_changed(sd_bus_message *message, void *user, sd_bus_error *error) {
        *(int64_t *)user = bench_now_usec();
        return 0;
}

/* Two gateways on two links, no NetworkManager: nothing but the kernel and the service. */
static void configure_links(void) {
        run("ip addr add 192.168.10.5/24 dev wan0; ip addr add 192.168.20.5/24 dev wan1;"
            "ip link set wan0 up; ip link set wan1 up;"
            "ip route replace default via 192.168.10.1 dev wan0 metric 50");
}

static void replace_default(unsigned i, int64_t *ret_sent) {
        static const char *const gateways[] = { "192.168.20.1", "192.168.10.1" };
        static const char *const links[] = { "wan1", "wan0" };

        *ret_sent = kernel_replace_default(
                inet_addr(gateways[i % 2]), if_nametoindex(links[i % 2]), 50);
}

static void bench_signal(void) {
        static const Wanted change = { RTM_NEWROUTE, 0, -1 };
        Listener *listener = kernel_listener_new();
        Figures floor = { 0 }, figures = { 0 }, behind = { 0 };
        int64_t sent, heard;
        sd_bus *bus = NULL;

        heading("Default route changed → signal at a client (floor: a bare netlink listener)");
        if (sd_bus_open_system(&bus) < 0 ||
                sd_bus_match_signal(bus, NULL, CLIENT_NAME, CLIENT_PATH, CLIENT_NAME,
                        "DefaultRouteChanged", on_changed, &heard) < 0)
                g_error("no bus");

        for (unsigned i = 0; i < N_CHANGES; i++) {
                int64_t listened;

                let_window_pass();
                kernel_listener_drain(listener);
                heard = 0;
                replace_default(i, &sent);
                while (heard == 0) {
                        if (sd_bus_process(bus, NULL) == 0)
                                (void)sd_bus_wait(bus, 5 * 1000 * 1000);
                }
                listened = kernel_listener_wait(listener, &change, 1, 1000);
                (void)listened; /* read late, since one thread reads both: see below */
                figures_add(&figures, (double)(heard - sent));
        }
        /* The listener alone, so that it wakes as soon as it can. */
        for (unsigned i = 0; i < N_CHANGES; i++) {
                let_window_pass();
                kernel_listener_drain(listener);
                replace_default(i, &sent);
                figures_add(
                        &floor, (double)(kernel_listener_wait(listener, &change, 1, 1000) - sent));
        }
        for (size_t i = 0; i < figures.n; i++)
                figures_add(&behind, figures.samples[i] - figures_percentile(&floor, 50));

        figures_print("netlink listener", &floor, "µs", NULL);
        figures_print("DefaultRouteChanged", &figures, "µs", &floor);
        figures_print("  behind the floor's median (aim: p50 ≤ 1000)", &behind, "µs", NULL);
        figures_clear(&floor);
        figures_clear(&figures);
        figures_clear(&behind);
        (void)sd_bus_flush_close_unref(bus);
        (void)kernel_listener_free(listener);
}

static void add_symbolic(Client *client) {
        GVariantBuilder routes;
        g_autofree char *text = NULL;
        g_autoptr(GVariant) arguments = NULL;

        g_variant_builder_init(&routes, G_VARIANT_TYPE("aa{sv}"));
        for (unsigned i = 0; i < N_SYMBOLIC; i++) {
                g_autofree char *destination =
                        g_strdup_printf("10.%u.%u.%u/32", 128 + (i >> 16), (i >> 8) & 255, i & 255);

                g_variant_builder_open(&routes, G_VARIANT_TYPE("a{sv}"));
                g_variant_builder_add(
                        &routes, "{sv}", "destination", g_variant_new_string(destination));
                g_variant_builder_add(&routes, "{sv}", "node", g_variant_new_string("default"));
                g_variant_builder_close(&routes);
        }
        arguments = g_variant_ref_sink(
                g_variant_new("(aa{sv}@a{sv})", &routes, g_variant_new_parsed("@a{sv} {}")));
        text = g_variant_print(arguments, TRUE);
        g_variant_unref(client_call_ok(client, "AddRoutes", text));
}

static void bench_move(Client *client) {
        static const Wanted moved = { RTM_NEWROUTE, 32, OURS };
        Listener *listener = kernel_listener_new();
        Figures floor = { 0 }, figures = { 0 };
        int64_t sent;

        heading("10,000 symbolic routes moved to the new default (floor: the same in bare "
                "batches)");
        for (unsigned i = 0; i < 10; i++) {
                bool other = i % 2;

                figures_add(&floor, (double)kernel_replace_routes(N_SYMBOLIC, 7777,
                                            inet_addr(other ? "192.168.20.1" : "192.168.10.1"),
                                            if_nametoindex(other ? "wan1" : "wan0")) /
                                            1000);
                kernel_listener_drain(listener);
                let_window_pass();
                replace_default(i, &sent);
                figures_add(&figures,
                        (double)(kernel_listener_wait(listener, &moved, N_SYMBOLIC, 5000) - sent) /
                                1000);
        }
        figures_print("bare batches of 60 kB", &floor, "ms", NULL);
        figures_print("default changed → last route moved", &figures, "ms", &floor);
        figures_clear(&floor);
        figures_clear(&figures);
        (void)kernel_listener_free(listener);
}

static void bench_heal(Client *client) {
        static const Wanted gone = { RTM_DELRULE, -1, -1 }, back = { RTM_NEWRULE, -1, -1 };
        Listener *listener = kernel_listener_new();
        Figures figures = { 0 };

        heading("Policy rule deleted → back (promise: within 100 ms)");
        run("ip link add tun9 type veth peer tun8; ip addr add 10.9.0.1/24 dev tun9; ip link set "
            "tun8 up; ip link set tun9 up");
        g_variant_unref(client_call_ok(client, "SetTunnel", "('tun9', " CLIENT_NO_OPTIONS ")"));
        for (unsigned i = 0; i < N_HEALS; i++) {
                int64_t lost;

                kernel_listener_drain(listener);
                kernel_delete_rule(4984);
                lost = kernel_listener_wait(listener, &gone, 1, 1000);
                figures_add(
                        &figures, (double)(kernel_listener_wait(listener, &back, 1, 1000) - lost));
                let_window_pass();
                let_window_pass(); /* slower than what would count as a fight */
        }
        figures_print("rule back", &figures, "µs", NULL);
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        run("ip link del tun9");
        figures_clear(&figures);
        (void)kernel_listener_free(listener);
}

static void get_property(sd_bus *bus, const char *name, const char *path, const char *property) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;

        if (sd_bus_call_method(bus, name, path, "org.freedesktop.DBus.Properties", "Get", &error,
                    &reply, "ss", name, property) < 0)
                g_error("%s: %s", name, error.message);
        sd_bus_message_unref(reply);
}

static void bench_start(void) {
        Figures peer = { 0 }, figures = { 0 };
        sd_bus *bus = NULL;

        heading("Cold activation → first reply (peer: systemd-hostnamed)");
        if (sd_bus_open_system(&bus) < 0)
                g_error("no bus");
        for (unsigned i = 0; i < N_STARTS; i++) {
                int64_t start;

                run("systemctl stop systemd-hostnamed.service talpid.service");
                start = bench_now_usec();
                get_property(
                        bus, "org.freedesktop.hostname1", "/org/freedesktop/hostname1", "Hostname");
                figures_add(&peer, (double)(bench_now_usec() - start) / 1000);
                start = bench_now_usec();
                get_property(bus, CLIENT_NAME, CLIENT_PATH, "State");
                figures_add(&figures, (double)(bench_now_usec() - start) / 1000);
        }
        figures_print("systemd-hostnamed", &peer, "ms", NULL);
        figures_print("talpidd", &figures, "ms", &peer);
        figures_clear(&peer);
        figures_clear(&figures);
        (void)sd_bus_flush_close_unref(bus);
}

static void print_memory(const char *name, pid_t pid) {
        (void)printf("   %-46s RSS %6.0f KiB  PSS %6.0f KiB\n", name, rss_kib(pid), pss_kib(pid));
}

static int bench_quiet(Machine *machine, int argc, char **argv, void *user) {
        Client *client = client_new(machine);
        pid_t pid;

        configure_links();
        g_variant_unref(client_call_ok(client, "Subscribe", "(['default'],)"));
        bench_start();
        g_variant_unref(client_call_ok(client, "Subscribe", "(['default'],)"));
        bench_signal();
        bench_heal(client);

        heading("Memory (aim: RSS under 4096 KiB)");
        run("systemctl restart talpid.service");
        g_variant_unref(client_property(client, "State"));
        pid = client_service_pid(client);
        print_memory("no routes", pid);
        add_symbolic(client);
        print_memory("10,000 symbolic routes", client_service_pid(client));
        bench_move(client);
        print_memory("… after they moved ten times", client_service_pid(client));
        (void)client_free(client);
        return EXIT_SUCCESS;
}

static void print_load(const char *name, pid_t pid, double cpu_before, double rss_before) {
        if (rss_kib(pid) > 0)
                (void)printf("   %-46s CPU %7.2f s  RSS %8.0f KiB (before: %.0f)\n", name,
                        cpu_seconds(pid) - cpu_before, rss_kib(pid), rss_before);
        else
                (void)printf("   %-46s did not survive it\n", name);
        (void)fflush(stdout);
}

static int bench_foreign(Machine *machine, int argc, char **argv, void *user) {
        g_autofree char *nm = machine_run_ok("pidof", "NetworkManager", NULL);
        Command batch = { .timeout_msec = 300000,
                .argv = (const char *[]){ "ip", "-batch", "/root/routes", NULL } };
        g_auto(CommandResult) result = {};
        pid_t pids[2] = { 0, (pid_t)atoi(nm) };
        double cpu[2], rss[2];
        Client *client = client_new(machine);

        heading("1,000,000 foreign routes inserted and deleted beside it (peer: NetworkManager)");
        g_variant_unref(client_call_ok(client, "Subscribe", "(['default'],)"));
        pids[0] = client_service_pid(client);
        for (int i = 0; i < 2; i++) {
                cpu[i] = cpu_seconds(pids[i]);
                rss[i] = rss_kib(pids[i]);
        }
        for (int i = 0; i < 2; i++) {
                g_autofree char *script = g_strdup_printf(
                        "awk 'BEGIN { for (i = 0; i < %d; i++) printf \"route %s %%d.%%d.%%d.0/24 "
                        "via 192.168.10.1\\n\", 20 + int(i / 65536), int(i / 256) %% 256, i %% "
                        "256 }' >/root/routes",
                        N_FOREIGN, i == 0 ? "add" : "del");
                int64_t start;

                run(script);
                start = bench_now_usec();
                CHECK_OK(command_run(&batch, &result));
                (void)printf("   %s in %.1f s\n", i == 0 ? "inserted" : "deleted",
                        (double)(bench_now_usec() - start) / 1e6);
                g_variant_unref(client_property(client, "State"));
                print_load("talpidd", pids[0], cpu[0], rss[0]);
                print_load("NetworkManager", pids[1], cpu[1], rss[1]);
                command_result_clear(&result);
        }
        (void)client_free(client);
        return EXIT_SUCCESS;
}

static const MachineOptions offline = {
        .flags = MACHINE_OFFLINE, .install_from = BUILD_DIR, .prepare = client_prepare
};
static const MachineOptions online = { .install_from = BUILD_DIR, .prepare = client_prepare };

static int run_routing(int argc, char **argv) {
        int r = machine_main(argc, argv, &offline, bench_quiet, NULL);

        return r ? r : machine_main(argc, argv, &online, bench_foreign, NULL);
}

/* A machine for each mechanism. */
static int run_split(int argc, char **argv) {
        static const char *const mechanisms[] = { "bpf", "nftables" };
        int r = EXIT_SUCCESS;

        for (size_t i = 0; i < G_N_ELEMENTS(mechanisms) && r == EXIT_SUCCESS; i++) {
                (void)g_setenv("TALPID_TEST_MECHANISM", mechanisms[i], TRUE);
                r = machine_main(argc, argv, &online, bench_split, NULL);
        }
        return r;
}

int main(int argc, char **argv) {
        const char *what = argc > 1 ? argv[1] : "";
        int r = EXIT_SUCCESS;

        if (what[0] && strcmp(what, "routing") != 0 && strcmp(what, "split") != 0) {
                (void)fprintf(stderr, "usage: bench [routing|split]\n");
                return EXIT_FAILURE;
        }
        if (strcmp(what, "split") != 0)
                r = run_routing(argc, argv);
        if (r == EXIT_SUCCESS && strcmp(what, "routing") != 0)
                r = run_split(argc, argv);
        return r;
}
