// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/ways.h"

#include <arpa/inet.h>
#include <string.h>

static const LabSpace isps[2] = { LAB_ISP0, LAB_ISP1 };

static bool is_counted(const Packet *packet, void *user) {
        const Ways *ways = user;

        return (packet_is_to(packet, LAB_INTERNET_V4) || packet_is_to(packet, LAB_INTERNET_V6)) &&
               (ways->protocol == 0 || packet->protocol == ways->protocol) &&
               (ways->port == 0 || packet->destination_port == ways->port);
}

/* Of the network that the ISP itself is in: a /24, a /64. */
static bool is_of_network(const Packet *packet, const char *v4, const char *v6) {
        uint8_t network[16];
        bool is_v4 = packet->family == AF_INET;

        g_assert_cmpint(inet_pton(is_v4 ? AF_INET : AF_INET6, is_v4 ? v4 : v6, network), ==, 1);
        return memcmp(packet->source, network, is_v4 ? 3 : 8) == 0;
}

static bool is_forged_at_isp0(const Packet *packet, void *user) {
        return is_counted(packet, user) && !is_of_network(packet, LAB_ISP0_LAN_V4, LAB_ISP0_LAN_V6);
}

static bool is_forged_at_isp1(const Packet *packet, void *user) {
        return is_counted(packet, user) && !is_of_network(packet, LAB_ISP1_LAN_V4, LAB_ISP1_LAN_V6);
}

static bool is_forged_in_tunnel(const Packet *packet, void *user) {
        return is_counted(packet, user) && !packet_is_from(packet, LAB_TUNNEL_CLIENT_V4) &&
               !packet_is_from(packet, LAB_TUNNEL_CLIENT_V6);
}

static void narrow(Capture *capture) {
        CHECK_OK(capture_narrow(capture, LAB_INTERNET_V4, LAB_INTERNET_V6));
        CHECK_OK(capture_clear(capture));
}

void ways_open(Ways *ways, Lab *lab) {
        *ways = (Ways){ .lab = lab };
        for (int i = 0; i < 2; i++) {
                CHECK_OK(capture_start(lab, isps[i], "lan", &ways->isps[i]));
                narrow(ways->isps[i]);
        }
}

void ways_watch(Ways *ways, const char *device) {
        ways->tunnel = capture_stop(ways->tunnel);
        if (!device)
                return;
        CHECK_OK(capture_start(ways->lab, LAB_MACHINE, device, &ways->tunnel));
        narrow(ways->tunnel);
}

void ways_close(Ways *ways) {
        for (int i = 0; i < 2; i++)
                ways->isps[i] = capture_stop(ways->isps[i]);
        ways->tunnel = capture_stop(ways->tunnel);
}

static int count(Ways *ways, Capture *capture, CapturePredicate is_forged, int *n_forged) {
        int n, forged;

        if (!capture)
                return 0;
        n = capture_count(capture, is_counted, ways);
        forged = capture_count(capture, is_forged, ways);
        g_assert_cmpint(n, >=, 0);
        g_assert_cmpint(forged, >=, 0);
        if (forged > 0)
                capture_print(capture);
        *n_forged += forged;
        CHECK_OK(capture_clear(capture));
        return n;
}

WaysSeen ways_look(Ways *ways) {
        WaysSeen seen = {};

        seen.n_open = count(ways, ways->isps[0], is_forged_at_isp0, &seen.n_forged);
        seen.n_open += count(ways, ways->isps[1], is_forged_at_isp1, &seen.n_forged);
        seen.n_tunnel = count(ways, ways->tunnel, is_forged_in_tunnel, &seen.n_forged);
        return seen;
}

char ways_letter(const WaysSeen *seen) {
        if (seen->n_forged > 0)
                return 'F';
        if (seen->n_open > 0)
                return seen->n_tunnel > 0 ? 'B' : 'O';
        return seen->n_tunnel > 0 ? 'T' : '-';
}
