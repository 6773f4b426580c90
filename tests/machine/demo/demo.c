// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The main job, shown in a machine of its own: claims on the left, the proof
 * beside each. Ends with an error if one does not hold.
 */

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

static int n_wrong;

static void heading(const char *text) {
        (void)printf("\n== %s\n", text);
}

/* One claim and its proof. */
static void show(bool holds, const char *claim, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void show(bool holds, const char *claim, const char *format, ...) {
        va_list args;

        (void)printf("   %-52s %s ", claim, holds ? " " : "WRONG:");
        va_start(args, format);
        (void)vprintf(format, args);
        va_end(args);
        (void)printf("\n");
        (void)fflush(stdout);
        n_wrong += !holds;
}

static void show_answer(const char *claim, int family, const char *expected) {
        g_autofree char *answer = NULL;
        int r = lab_ask(family, LAB_HTTP, &answer);

        show(r == 0 && strcmp(answer, expected) == 0, claim, "the internet saw %s",
                r == 0 ? answer : g_strerror(-r));
}

/* What may leave by an ISP while the tunnel is set: its own packets, and what stays on the link. */
static bool is_leak(const Packet *packet, void *user) {
        return (packet_is_to(packet, LAB_INTERNET_V4) || packet_is_to(packet, LAB_INTERNET_V6));
}

static void show_no_leak(Capture *captures[2]) {
        int n = 0;

        for (int i = 0; i < 2; i++) {
                int found = capture_count(captures[i], is_leak, NULL);

                n += found < 0 ? 1 : found;
        }
        show(n == 0, "no packet left outside the tunnel",
                "%d packets to the internet on the two ISPs' lines", n);
}

static char *snapshot(void) {
        g_autofree char *all = machine_run_ok("sh", "-c",
                "for what in '-4 route show table all' '-6 route show table all' '-4 rule' '-6 "
                "rule'; do ip $what | sort; done; nft list ruleset",
                NULL); /* sorted: a link that comes back is listed last */

        return g_steal_pointer(&all);
}

static void show_defaults(Client *client) {
        static const char *const properties[] = { "DefaultRoute4", "DefaultRoute6" };

        for (int i = 0; i < 2; i++) {
                g_autofree char *device = client_property_entry(client, properties[i], "device");
                g_autofree char *gateway = client_property_entry(client, properties[i], "gateway");
                g_autofree char *mac = NULL;

                (void)client_wait_for_entry(client, properties[i], "device", device);
                mac = client_property_entry(client, properties[i], "gateway-mac");
                show(device[0] != '\0', properties[i], "%s via %s (%s)", device, gateway,
                        mac[0] ? mac : "address not asked yet");
        }
}

static void show_one_change(Client *client, const char *to) {
        g_autoptr(GVariant) last = NULL;
        g_autoptr(GVariant) now = NULL;
        const char *device = "nothing";
        unsigned n;

        (void)client_wait_for_signals(client, "DefaultRouteChanged", 2);
        client_sync(client);
        n = client_count(client, "DefaultRouteChanged");
        last = client_last(client, "DefaultRouteChanged");
        if (last) {
                now = g_variant_get_child_value(last, 2);
                (void)g_variant_lookup(now, "device", "&s", &device);
        }
        show(n == 2 && strcmp(device, to) == 0, "one DefaultRouteChanged a family",
                "%u signals, now %s", n, device);
}

static bool answers(void *user) {
        g_autofree char *answer = NULL;

        return lab_ask(AF_INET, LAB_UDP, &answer) == 0;
}

static int demo(Machine *machine, int argc, char **argv, void *user) {
        Lab *lab = machine_get_lab(machine);
        Client *client = client_new(machine);
        Capture *captures[2] = { NULL, NULL };
        g_autofree char *before = NULL;
        g_autofree char *after = NULL;
        g_autoptr(GVariant) mark = NULL;
        pid_t pid;

        heading("A desktop with two ISPs; NetworkManager has configured both");
        show_answer("traffic goes out by the first ISP (IPv4)", AF_INET, LAB_ISP0_V4);
        show_answer("traffic goes out by the first ISP (IPv6)", AF_INET6, LAB_ISP0_V6);
        show_defaults(client);

        heading("SetTunnel wg0");
        mark = client_property(client, "Mark");
        if (lab_tunnel_up(lab, "wg0", g_variant_get_uint32(mark)) < 0)
                return EXIT_FAILURE;
        before = snapshot();
        g_variant_unref(client_call_ok(client, "SetTunnel",
                "('wg0', {'bypass': <['" LAB_RELAY_V4 "', '" LAB_RELAY_V6 "']>})"));
        show_answer("all traffic goes through the relay (IPv4)", AF_INET, LAB_RELAY_V4);
        show_answer("all traffic goes through the relay (IPv6)", AF_INET6, LAB_RELAY_V6);

        for (int i = 0; i < 2; i++)
                if (capture_start(lab, i == 0 ? LAB_ISP0 : LAB_ISP1, "world", &captures[i]) < 0)
                        return EXIT_FAILURE;

        heading("The first ISP's cable is pulled");
        client_forget(client);
        (void)lab_cable_pull(lab, LAB_ISP0);
        show_one_change(client, "wan1");
        (void)machine_wait_until(machine, answers, NULL, MACHINE_WAIT_MSEC);
        show_answer("traffic still goes through the relay (IPv4)", AF_INET, LAB_RELAY_V4);
        show_answer("traffic still goes through the relay (IPv6)", AF_INET6, LAB_RELAY_V6);
        show(capture_count_to(captures[1], LAB_RELAY_V4) > 0, "the endpoint moved to the other ISP",
                "%d packets to the relay there", capture_count_to(captures[1], LAB_RELAY_V4));
        show_no_leak(captures);

        heading("The service is killed");
        pid = client_kill_service(client);
        show(pid > 0, "SIGKILL", "to process %d", (int)pid);
        show_answer("the tunnel stays (IPv4)", AF_INET, LAB_RELAY_V4);
        show_answer("the tunnel stays (IPv6)", AF_INET6, LAB_RELAY_V6);
        show_no_leak(captures);
        show(client_wait_for_entry(client, "Tunnel", "device", "wg0"),
                "back at the next call, and knows its tunnel", "Tunnel: wg0");

        heading("UnsetTunnel");
        (void)lab_cable_plug(lab, LAB_ISP0);
        show(machine_wait_online(machine), "the first ISP is back", "both links online");
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        after = snapshot();
        show(strcmp(before, after) == 0, "routes, rules and nftables as before", "%zu bytes, %s",
                strlen(after), strcmp(before, after) == 0 ? "all the same" : "they differ");
        if (strcmp(before, after) != 0)
                (void)fprintf(stderr, "--- before\n%s--- after\n%s", before, after);
        show_answer("traffic goes out by the first ISP (IPv4)", AF_INET, LAB_ISP0_V4);
        show_answer("traffic goes out by the first ISP (IPv6)", AF_INET6, LAB_ISP0_V6);

        for (int i = 0; i < 2; i++)
                (void)capture_stop(captures[i]);
        (void)client_free(client);
        (void)printf("\n%s\n", n_wrong ? "Something did not hold." : "All of it held.");
        return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        (void)printf("Booting a machine of its own; your network is left alone.\n");
        (void)fflush(stdout);
        return machine_main(argc, argv,
                &(MachineOptions){ .install_from = g_getenv("TALPID_BUILD_DIR") ?: BUILD_DIR,
                        .prepare = client_prepare },
                demo, NULL);
}
