// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/healing.h"

#include <string.h>

static char *dump_ours(void) {
        return machine_run_ok("sh", "-c",
                "for f in -4 -6; do ip $f rule show proto talpid 2>/dev/null || ip $f rule | grep "
                "4984:; ip $f route show table all proto talpid; done | sed 's/ *$//' | sort",
                NULL);
}

static bool is_whole(void *user) {
        Healing *healing = user;
        g_autofree char *now = dump_ours();

        return strcmp(now, healing->wanted) == 0;
}

void healing_check(Healing *healing) {
        if (!machine_wait_until(healing->machine, is_whole, healing, MACHINE_WAIT_MSEC)) {
                g_autofree char *now = dump_ours();

                g_error("not healed:\n%s--- wanted\n%s", now, healing->wanted);
        }
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
}

/* Nothing has been heard yet when it returns. */
void healing_open(Healing *healing, Machine *machine) {
        g_autoptr(GVariant) mark = NULL;

        *healing = (Healing){ .machine = machine, .lab = machine_get_lab(machine) };
        healing->client = client_new(machine);
        mark = client_property(healing->client, "Mark");
        CHECK_OK(lab_tunnel_up(healing->lab, "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(client_call_ok(
                healing->client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        g_variant_unref(client_call_ok(healing->client, "AddRoutes",
                "([{'destination': <'10.99.0.0/16'>, 'gateway': <'" LAB_ISP1_LAN_V4
                "'>, 'device': <'wan1'>},"
                "  {'destination': <'2001:db8:99::/48'>, 'gateway': <'" LAB_ISP1_LAN_V6
                "'>, 'device': <'wan1'>},"
                "  {'destination': <'10.98.0.0/16'>, 'type': <'unreachable'>},"
                "  {'destination': <'10.97.0.0/16'>, 'node': <'default'>}], " CLIENT_NO_OPTIONS
                ")"));
        healing->wanted = dump_ours();
        client_sync(healing->client);
        client_forget(healing->client);
}

void healing_close(Healing *healing) {
        g_variant_unref(client_call_ok(healing->client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        g_variant_unref(client_call_ok(healing->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        (void)lab_tunnel_down(healing->lab, "wg0");
        healing->client = client_free(healing->client);
        g_free(healing->wanted);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

void healing_move_sockets(void) {
        healing_disturb("ip route add 203.0.113.250 dev lo; ip route del 203.0.113.250 dev lo");
}

void healing_disturb(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}
