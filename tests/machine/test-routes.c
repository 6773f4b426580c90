// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Managed routes on a machine with two ISPs. Every test leaves none behind and
 * both links online.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

static void add(Client *client, const char *routes) {
        g_autofree char *arguments = g_strdup_printf("(%s, " CLIENT_NO_OPTIONS ")", routes);

        g_variant_unref(client_call_ok(client, "AddRoutes", arguments));
}

static void clear(Client *client) {
        g_variant_unref(client_call_ok(client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
}

/* The first listed route's entry; "" where it has none. Caller frees. */
static char *listed(Client *client, const char *key) {
        g_autoptr(GVariant) reply =
                client_call_ok(client, "ListRoutes", "(" CLIENT_NO_OPTIONS ",)");
        g_autoptr(GVariant) routes = g_variant_get_child_value(reply, 0);
        g_autoptr(GVariant) route = NULL, value = NULL;

        g_assert_cmpuint(g_variant_n_children(routes), >=, 1);
        route = g_variant_get_child_value(routes, 0);
        value = g_variant_lookup_value(route, key, NULL);
        if (value && g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
                return g_variant_dup_string(value, NULL);
        return value ? g_variant_print(value, FALSE) : g_strdup("");
}

static void test_symbolic_follows(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Client *client = client_new(machine);

        g_assert_true(client_wait_for_entry(client, "DefaultRoute4", "device", "wan0"));
        add(client, "[{'destination': <'10.90.0.0/16'>, 'node': <'default'>},"
                    " {'destination': <'2001:db8:90::/48'>, 'node': <'default'>}]");
        CHECK_PRINTS(machine, "10.90.0.0/16 via " LAB_ISP0_LAN_V4 " dev wan0", "ip", "route",
                "show", "proto", "talpid");
        CHECK_PRINTS(machine, "dev wan0", "ip", "-6", "route", "show", "proto", "talpid");
        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        CHECK_PRINTS(machine, "10.90.0.0/16 via " LAB_ISP1_LAN_V4 " dev wan1", "ip", "route",
                "show", "proto", "talpid");
        CHECK_PRINTS(machine, "dev wan1", "ip", "-6", "route", "show", "proto", "talpid");
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        CHECK_PRINTS(machine, "10.90.0.0/16 via " LAB_ISP0_LAN_V4 " dev wan0", "ip", "route",
                "show", "proto", "talpid");
        clear(client);
        (void)client_free(client);
}

static void test_symbolic_waits(Machine *machine) {
        g_autofree char *state = NULL, *reason = NULL, *state_after = NULL;
        Lab *lab = machine_get_lab(machine);
        Client *client = client_new(machine);

        add(client, "[{'destination': <'10.90.0.0/16'>, 'node': <'default'>}]");
        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        CHECK_OK(lab_cable_pull(lab, LAB_ISP1));
        g_assert_true(client_wait_for_entry(client, "DefaultRoute4", "device", ""));
        state = listed(client, "state");
        reason = listed(client, "reason");
        g_assert_cmpstr(state, ==, "waiting");
        g_assert_nonnull(strstr(reason, "default route"));
        CHECK_OK(lab_cable_plug(lab, LAB_ISP1));
        CHECK_PRINTS(machine, "10.90.0.0/16 via " LAB_ISP1_LAN_V4, "ip", "route");
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        state_after = listed(client, "state");
        g_assert_cmpstr(state_after, ==, "installed");
        clear(client);
        (void)client_free(client);
}

/* What is asked for, and how iproute2 shows it. */
static const struct {
        const char *route, *shown, *command;
} kinds[] = {
        { "{'destination': <'10.80.0.0/16'>, 'gateway': <'" LAB_ISP0_LAN_V4 "'>}",
                "10.80.0.0/16 via " LAB_ISP0_LAN_V4 " dev wan0", "ip route show proto talpid" },
        { "{'destination': <'10.80.0.0/16'>, 'device': <'wan1'>, 'metric': <uint32 9>}",
                "10.80.0.0/16 dev wan1 scope link metric 9", "ip route show proto talpid" },
        { "{'destination': <'10.80.0.0/16'>, 'device': <'wan1'>, 'gateway': <'" LAB_ISP1_LAN_V4
          "'>, 'mtu': <uint32 1300>}",
                "via " LAB_ISP1_LAN_V4 " dev wan1 mtu 1300", "ip route show proto talpid" },
        { "{'destination': <'10.80.0.0/16'>, 'type': <'prohibit'>}", "prohibit 10.80.0.0/16",
                "ip route show proto talpid" },
        { "{'destination': <'2001:db8:80::/48'>, 'type': <'blackhole'>}",
                "blackhole 2001:db8:80::/48 dev lo metric 1024", "ip -6 route show proto talpid" },
        { "{'destination': <'10.80.0.0/16'>, 'type': <'throw'>, 'table': <uint32 777>}",
                "throw 10.80.0.0/16", "ip route show table 777" },
        { "{'destination': <'10.80.0.0/16'>, 'node': <'default'>, 'table': <'excluded'>}",
                "10.80.0.0/16 via " LAB_ISP0_LAN_V4, "ip route show table talpid-excluded" },
        { "{'destination': <'2001:db8:80::/48'>, 'gateway': <'" LAB_ISP0_LAN_V6
          "'>, 'device': <'wan0'>, 'metric': <uint32 5>}",
                "2001:db8:80::/48 via " LAB_ISP0_LAN_V6 " dev wan0 metric 5",
                "ip -6 route show proto talpid" },
};

static void test_kinds(Machine *machine) {
        Client *client = client_new(machine);

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *routes = g_strdup_printf("[%s]", kinds[i].route);
                g_autofree char *arguments =
                        g_strdup_printf("([%s], " CLIENT_NO_OPTIONS ")", kinds[i].route);
                g_autofree char *during = NULL, *after = NULL;

                add(client, routes);
                add(client, routes); /* twice is no error */
                during = machine_run_ok("sh", "-c", kinds[i].command, NULL);
                if (!strstr(during, kinds[i].shown))
                        g_error("%s: '%s' is not in '%s'", kinds[i].route, kinds[i].shown, during);
                g_variant_unref(client_call_ok(client, "RemoveRoutes", arguments));
                after = machine_run_ok("sh", "-c", kinds[i].command, NULL);
                g_assert_null(strstr(after, kinds[i].shown));
                client_call_fails(
                        client, "RemoveRoutes", arguments, "org.talpid.Error.NoSuchRoute", "80");
        }
        (void)client_free(client);
}

static void test_foreign(Machine *machine) {
        g_autofree char *ours = NULL;
        Client *client = client_new(machine);

        g_free(machine_run_ok("ip", "route", "add", "unreachable", "10.70.0.0/16", NULL));
        client_call_fails(client, "AddRoutes",
                "([{'destination': <'10.71.0.0/16'>, 'type': <'blackhole'>},"
                "  {'destination': <'10.70.0.0/16'>, 'type': <'blackhole'>}], " CLIENT_NO_OPTIONS
                ")",
                "org.talpid.Error.RouteExists", "10.70.0.0/16");
        CHECK_PRINTS(machine, "unreachable 10.70.0.0/16", "ip", "route");
        ours = machine_run_ok("ip", "route", "show", "proto", "talpid", NULL);
        g_assert_cmpstr(ours, ==, "");
        g_free(machine_run_ok("ip", "route", "del", "unreachable", "10.70.0.0/16", NULL));
        (void)client_free(client);
}

static void test_device_returns(Machine *machine) {
        g_autofree char *state = NULL;
        Client *client = client_new(machine);

        g_free(machine_run_ok("ip", "link", "add", "leg0", "type", "veth", "peer", "leg1", NULL));
        g_free(machine_run_ok("ip", "link", "set", "leg1", "up", NULL));
        g_free(machine_run_ok("ip", "link", "set", "leg0", "up", NULL));
        add(client, "[{'destination': <'10.60.0.0/16'>, 'device': <'leg0'>}]");
        CHECK_PRINTS(machine, "10.60.0.0/16 dev leg0", "ip", "route");
        g_free(machine_run_ok("ip", "link", "del", "leg0", NULL));
        state = listed(client, "state");
        g_assert_cmpstr(state, ==, "waiting");
        g_free(machine_run_ok("ip", "link", "add", "leg0", "type", "veth", "peer", "leg1", NULL));
        g_free(machine_run_ok("ip", "link", "set", "leg1", "up", NULL));
        g_free(machine_run_ok("ip", "link", "set", "leg0", "up", NULL));
        CHECK_PRINTS(machine, "10.60.0.0/16 dev leg0", "ip", "route");
        clear(client);
        g_free(machine_run_ok("ip", "link", "del", "leg0", NULL));
        (void)client_free(client);
}

static void test_signal(Machine *machine) {
        g_autoptr(GVariant) last = NULL, added = NULL;
        Client *client = client_new(machine);

        add(client, "[{'destination': <'10.50.0.0/16'>, 'type': <'throw'>}]");
        g_assert_true(client_wait_for_signals(client, "RoutesChanged", 1));
        last = client_last(client, "RoutesChanged");
        added = g_variant_get_child_value(last, 0);
        g_assert_cmpuint(g_variant_n_children(added), ==, 1);
        clear(client);
        g_assert_true(client_wait_for_signals(client, "RoutesChanged", 2));
        (void)client_free(client);
}

static void test_users(Machine *machine) {
        g_autofree char *ours = NULL;
        Client *client = client_new(machine);
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_spawn_as(MACHINE_BOB, &result, "busctl", "call", CLIENT_NAME, CLIENT_PATH,
                CLIENT_NAME, "AddRoutes", "aa{sv}a{sv}", "1", "2", "destination", "s",
                "10.40.0.0/16", "type", "s", "throw", "0", NULL));
        g_assert_cmpint(result.status, !=, 0);
        ours = machine_run_ok("ip", "route", "show", "proto", "talpid", NULL);
        g_assert_cmpstr(ours, ==, "");
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/routes/symbolic-route-follows-the-default-route", test_symbolic_follows },
        { "/routes/symbolic-route-waits-without-a-default-and-comes-back", test_symbolic_waits },
        { "/routes/each-kind-reaches-the-kernel-as-asked-and-goes-again", test_kinds },
        { "/routes/foreign-route-in-the-place-is-refused-and-left-alone", test_foreign },
        { "/routes/route-waits-for-its-device-and-comes-back-with-it", test_device_returns },
        { "/routes/changes-are-told-with-what-changed", test_signal },
        { "/routes/user-without-rights-changes-nothing", test_users },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
