// SPDX-License-Identifier: GPL-3.0-or-later

/* A tunnel that stays closed, whatever happens around it. */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/demo/parts.h"
#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"

/* What may leave by an ISP while the tunnel is set: its own packets, and what stays on the link. */
static bool is_leak(const Packet *packet, void *user) {
        return packet_is_to(packet, LAB_INTERNET_V4) || packet_is_to(packet, LAB_INTERNET_V6);
}

static void show_no_leak(Demo *demo, Capture *captures[2]) {
        int n = 0;

        for (int i = 0; i < 2; i++) {
                int found = capture_count(captures[i], is_leak, NULL);

                n += found < 0 ? 1 : found;
        }
        show(demo, n == 0, "no packet left outside the tunnel",
                "%d packets to the internet on the two ISPs' lines", n);
}

static void show_defaults(Demo *demo) {
        static const char *const properties[] = { "DefaultRoute4", "DefaultRoute6" };
        Client *client = demo->client;

        for (int i = 0; i < 2; i++) {
                g_autofree char *device = client_property_entry(client, properties[i], "device");
                g_autofree char *gateway = client_property_entry(client, properties[i], "gateway");
                g_autofree char *mac = client_property_entry(client, properties[i], "gateway-mac");

                show(demo, device[0] != '\0', properties[i], "%s via %s (%s)", device, gateway,
                        mac[0] ? mac : "address not asked yet");
        }
}

static void show_one_change(Demo *demo, const char *to) {
        g_autoptr(GVariant) last = NULL;
        g_autoptr(GVariant) now = NULL;
        const char *device = "nothing";
        unsigned n;

        (void)client_wait_for_signals(demo->client, "DefaultRouteChanged", 2);
        client_sync(demo->client);
        n = client_count(demo->client, "DefaultRouteChanged");
        last = client_last(demo->client, "DefaultRouteChanged");
        if (last) {
                now = g_variant_get_child_value(last, 2);
                (void)g_variant_lookup(now, "device", "&s", &device);
        }
        show(demo, n == 2 && strcmp(device, to) == 0, "one DefaultRouteChanged a family",
                "%u signals, now %s", n, device);
}

static bool answers(void *user) {
        g_autofree char *answer = NULL;

        return lab_ask(AF_INET, LAB_UDP, &answer) == 0;
}

static void show_pulled_cable(Demo *demo, Capture *captures[2]) {
        int n;

        show_heading("The first ISP's cable is pulled");
        client_forget(demo->client);
        CHECK_OK(lab_cable_pull(demo->lab, LAB_ISP0));
        show_one_change(demo, "wan1");
        (void)machine_wait_until(demo->machine, answers, NULL, MACHINE_WAIT_MSEC);
        show_answer(demo, "traffic still goes through the relay (IPv4)", AF_INET, LAB_RELAY_V4);
        show_answer(demo, "traffic still goes through the relay (IPv6)", AF_INET6, LAB_RELAY_V6);
        n = capture_count_to(captures[1], LAB_RELAY_V4);
        show(demo, n > 0, "the endpoint moved to the other ISP", "%d packets to the relay there",
                n);
        show_no_leak(demo, captures);
}

static void show_killed_service(Demo *demo, Capture *captures[2]) {
        pid_t pid;

        show_heading("The service is killed");
        pid = client_kill_service(demo->client);
        show(demo, pid > 0, "SIGKILL", "to process %d", (int)pid);
        show_answer(demo, "the tunnel stays (IPv4)", AF_INET, LAB_RELAY_V4);
        show_answer(demo, "the tunnel stays (IPv6)", AF_INET6, LAB_RELAY_V6);
        show_no_leak(demo, captures);
        show(demo, client_wait_for_entry(demo->client, "Tunnel", "device", "wg0"),
                "back at the next call, and knows its tunnel", "Tunnel: wg0");
}

void show_routing(Demo *demo) {
        static const LabSpace isps[] = { LAB_ISP0, LAB_ISP1 };
        Capture *captures[2] = { NULL, NULL };
        g_autofree char *before = NULL;
        g_autoptr(GVariant) mark = NULL;

        show_heading("A desktop with two ISPs; NetworkManager has configured both");
        show_answer(demo, "traffic goes out by the first ISP (IPv4)", AF_INET, LAB_ISP0_V4);
        show_answer(demo, "traffic goes out by the first ISP (IPv6)", AF_INET6, LAB_ISP0_V6);
        show_defaults(demo);

        show_heading("SetTunnel wg0");
        mark = client_property(demo->client, "Mark");
        CHECK_OK(lab_tunnel_up(demo->lab, "wg0", g_variant_get_uint32(mark)));
        before = show_snapshot();
        g_variant_unref(client_call_ok(demo->client, "SetTunnel",
                "('wg0', {'bypass': <['" LAB_RELAY_V4 "', '" LAB_RELAY_V6 "']>})"));
        show_answer(demo, "all traffic goes through the relay (IPv4)", AF_INET, LAB_RELAY_V4);
        show_answer(demo, "all traffic goes through the relay (IPv6)", AF_INET6, LAB_RELAY_V6);

        for (int i = 0; i < 2; i++)
                CHECK_OK(capture_start(demo->lab, isps[i], "world", &captures[i]));
        show_pulled_cable(demo, captures);
        show_killed_service(demo, captures);

        show_heading("UnsetTunnel");
        CHECK_OK(lab_cable_plug(demo->lab, LAB_ISP0));
        show(demo, machine_wait_online(demo->machine), "the first ISP is back",
                "both links online");
        g_variant_unref(client_call_ok(demo->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        show_unchanged(demo, before);
        show_answer(demo, "traffic goes out by the first ISP (IPv4)", AF_INET, LAB_ISP0_V4);
        show_answer(demo, "traffic goes out by the first ISP (IPv6)", AF_INET6, LAB_ISP0_V6);
        for (int i = 0; i < 2; i++)
                captures[i] = capture_stop(captures[i]);
}
