// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The machine with NetworkManager and systemd-resolved, today's usual desktop.
 */

#include "tests/machine/lib/check.h"

static void test_dns_manager(Machine *machine) {
        CHECK_PRINTS(machine, "systemd-resolved", "busctl", "get-property",
                "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager/DnsManager",
                "org.freedesktop.NetworkManager.DnsManager", "Mode");
}

static void test_resolver(Machine *machine) {
        CHECK_PRINTS(machine, LAB_ISP0_LAN_V4, "resolvectl", "dns", "wan0");
        CHECK_PRINTS(machine, LAB_ISP0_LAN_V4, "resolvectl", "query", "--cache=no", "-i", "wan0",
                "who.test");
        CHECK_PRINTS(machine, LAB_ISP1_LAN_V4, "resolvectl", "query", "--cache=no", "-i", "wan1",
                "who.test");
}

static const CheckCase cases[] = {
        { "/machine/network-manager-hands-resolvers-to-resolved", test_dns_manager },
        { "/machine/resolved-answers-with-the-links-resolver", test_resolver },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .flags = MACHINE_RESOLVED);
}
