// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The resolver of excluded programs is that of the link they leave by, and
 * follows it, as resolved says.
 */

#include <string.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

/* All ask the relay's resolver, inside of the tunnel. */
#define FIX_RESOLVER                                                                               \
        "echo nameserver " LAB_TUNNEL_RELAY_V4 " >/run/fixed-resolv.conf; "                        \
        "mount --bind /run/fixed-resolv.conf /etc/resolv.conf"
#define WHO "getent -s dns ahostsv4 who.test | head -n1 | cut -d' ' -f1"

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void check_asks(SplitLab *s, const char *resolver) {
        g_assert_true(client_wait_for_entry(s->client, "DefaultRoute4", "device",
                strcmp(resolver, LAB_ISP0_LAN_V4) == 0 ? "wan0" : "wan1"));
        CHECK_PRINTS(s->machine, resolver, "sh", "-c", "talpid-exclude " WHO);
}

static void test_follows(Machine *machine) {
        SplitLab s;

        split_lab_open(&s, machine);
        run(FIX_RESOLVER);
        CHECK_PRINTS(machine, LAB_TUNNEL_RELAY_V4, "sh", "-c", WHO);
        check_asks(&s, LAB_ISP0_LAN_V4);
        CHECK_OK(lab_cable_pull(s.lab, LAB_ISP0));
        check_asks(&s, LAB_ISP1_LAN_V4);
        CHECK_OK(lab_cable_plug(s.lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        check_asks(&s, LAB_ISP0_LAN_V4);
        run("umount /etc/resolv.conf");
        split_lab_close(&s);
}

static const CheckCase cases[] = {
        { "/split-dns/resolver-of-excluded-programs-follows-the-link", test_follows },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare,
                .flags = MACHINE_RESOLVED);
}
