// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The machine with systemd-networkd and systemd-resolved.
 */

#include "tests/machine/lib/check.h"

static void test_links(Machine *machine) {
        CHECK_PRINTS(machine, "default via 192.168.10.1 proto dhcp", "ip", "route", "show", "dev",
                "wan0");
        CHECK_PRINTS(machine, "metric 100", "ip", "route", "show", "default", "dev", "wan0");
        CHECK_PRINTS(machine, "metric 101", "ip", "route", "show", "default", "dev", "wan1");
        CHECK_PRINTS(machine, "proto ra metric 100", "ip", "-6", "route", "show", "default", "dev",
                "wan0");
        CHECK_PRINTS(machine, "proto ra metric 101", "ip", "-6", "route", "show", "default", "dev",
                "wan1");
        CHECK_PRINTS(machine, "configured", "networkctl", "--no-pager", "list", "wan0");
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static void test_no_network_manager(Machine *machine) {
        g_auto(CommandResult) result = {};

        (void)machine;
        CHECK_OK(machine_run(&result, "systemctl", "is-active", "NetworkManager", NULL));
        g_assert_cmpstr(result.out, ==, "inactive\n");
}

static void test_resolver(Machine *machine) {
        CHECK_PRINTS(machine, LAB_ISP0_LAN_V4, "resolvectl", "dns", "wan0");
        CHECK_PRINTS(machine, LAB_ISP0_LAN_V4, "resolvectl", "query", "--cache=no", "-i", "wan0",
                "who.test");
        CHECK_PRINTS(machine, LAB_ISP1_LAN_V4, "resolvectl", "query", "--cache=no", "-i", "wan1",
                "who.test");
        CHECK_PRINTS(machine, LAB_INTERNET_V4, "getent", "ahostsv4", "internet.test");
        CHECK_PRINTS(machine, "nameserver 127.0.0.53", "cat", "/etc/resolv.conf");
}

static const CheckCase cases[] = {
        { "/machine/networkd-configures-both-links", test_links },
        { "/machine/networkd-runs-without-network-manager", test_no_network_manager },
        { "/machine/resolved-answers-with-the-links-resolver", test_resolver },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .flags = MACHINE_NETWORKD | MACHINE_RESOLVED);
}
