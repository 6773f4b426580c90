// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * org.talpid.Routing as clients meet it: whole program, private bus, real
 * polkitd, a network namespace.
 */

#include <unistd.h>

#include "tests/bus/service-fixture.h"

#define ADD_10_8 "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"
#define ADD_10_8_CLIENT                                                                            \
        "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}], {'lifetime': <'client'>})"
#define REMOVE_10_8 "([{'destination': <'10.8.0.0/16'>}], @a{sv} {})"

/* Changes */

static void test_adds_lists_removes(void) {
        g_autofree char *listed = NULL, *empty = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        service_do(s.alice, "AddRoutes", ADD_10_8);
        g_assert_true(kernel_has_route("10.8.0.0/16 dev v0"));
        service_do(s.alice, "AddRoutes", ADD_10_8); /* the same again is no error */

        listed = service_print(s.alice, "ListRoutes", "(@a{sv} {},)");
        service_assert_holds(listed, "'destination': <'10.8.0.0/16'>");
        service_assert_holds(listed, "'device': <'v0'>");
        service_assert_holds(listed, "'family': <'ipv4'>");
        service_assert_holds(listed, "'state': <'installed'>");
        service_assert_holds(listed, "'owner-uid': <uint32 64001>");
        service_assert_holds(listed, "'lifetime': <'boot'>");

        service_do(s.alice, "RemoveRoutes", REMOVE_10_8);
        g_assert_false(kernel_has_route("10.8.0.0/16"));
        service_call_fails(s.alice, "RemoveRoutes", REMOVE_10_8, "org.talpid.Error.NoSuchRoute",
                "10.8.0.0/16");
        empty = service_print(s.alice, "ListRoutes", "(@a{sv} {},)");
        g_assert_cmpstr(empty, ==, "([],)");
        service_tear_down(&s);
}

static void test_adds_all_or_nothing(void) {
        g_autofree char *before = NULL, *after = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        before = kernel_state();
        service_call_fails(s.alice, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>},"
                "  {'destination': <'10.9.0.0/16'>, 'gateway': <'203.0.113.1'>,"
                "   'device': <'v0'>},"
                "  {'destination': <'10.10.0.0/16'>, 'device': <'v0'>}], @a{sv} {})",
                INVALID_ARGS, "invalid gateway"); /* the kernel's words */
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        service_tear_down(&s);
}

static void test_tunnel_comes_and_goes_without_a_trace(void) {
        g_autofree char *before = NULL, *after = NULL, *tunnel = NULL;
        g_autoptr(GVariant) value = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        before = kernel_state();
        service_do(s.alice, "SetTunnel", "('wg0', {'bypass': <['192.0.2.77', '192.0.2.77']>})");
        g_assert_true(kernel_has_route("default dev wg0 table 1985"));

        value = service_get(s.alice, "Tunnel");
        tunnel = g_variant_print(value, FALSE);
        service_assert_holds(tunnel, "'device': <'wg0'>");
        service_assert_holds(tunnel, "'ipv4': <'carried'>");
        service_assert_holds(tunnel, "'fail-closed': <true>");
        service_assert_holds(tunnel, "'bypass': <['192.0.2.77/32']>");
        service_assert_holds(tunnel, "'state': <'active'>");

        service_call_fails(s.root, "SetTunnel", "('wg1', @a{sv} {})",
                "org.talpid.Error.TunnelExists", "replace");
        service_do(s.alice, "UnsetTunnel", "(@a{sv} {},)");
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        service_call_fails(
                s.alice, "UnsetTunnel", "(@a{sv} {},)", "org.talpid.Error.NoTunnel", NULL);
        service_tear_down(&s);
}

/* Junk */

typedef struct Junk {
        const char *member;
        const char *arguments;
        const char *says; /* part of the message: who is to blame */
} Junk;

#define ROUTE(keys) "([{" keys "}], @a{sv} {})"
#define SECOND(keys) "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}, {" keys "}], @a{sv} {})"
#define TEN "'destination': <'10.8.0.0/16'>, "
#define LONG_TEXT                                                                                  \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const Junk junk[] = {
        { "AddRoutes", ROUTE("'device': <'v0'>"), "destination is missing" },
        { "AddRoutes", ROUTE(TEN "'devise': <'v0'>"), "unknown key \"devise\"" },
        { "AddRoutes", SECOND(TEN "'devise': <'v0'>"), "routes[1]" },
        { "AddRoutes", ROUTE(TEN "'device': <uint32 3>"), "device must be a string" },
        { "AddRoutes", ROUTE(TEN "'device': <['v0']>"), "device must be a string" },
        { "AddRoutes", ROUTE(TEN "'device': <{'a': <'b'>}>"), "device must be a string" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'metric': <'1'>"), "metric must be" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'metric': <1>"), "metric must be" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'table': <true>"), "table must be" },
        { "AddRoutes", ROUTE("'destination': <'10.8.0.1/16'>, 'device': <'v0'>"), "10.8.0.1/16" },
        { "AddRoutes", ROUTE("'destination': <'10.8.0.0/33'>, 'device': <'v0'>"), "10.8.0.0/33" },
        { "AddRoutes", ROUTE("'destination': <'fd00::1/8'>, 'device': <'v0'>"), "fd00::1/8" },
        { "AddRoutes", ROUTE("'destination': <''>, 'device': <'v0'>"), "destination" },
        { "AddRoutes", ROUTE("'destination': <'" LONG_TEXT "'>, 'device': <'v0'>"), "aaaa" },
        { "AddRoutes", ROUTE("'destination': <'fe80::%v0/64'>, 'device': <'v0'>"), "fe80::%v0" },
        { "AddRoutes", ROUTE(TEN "'device': <''>"), "device" },
        { "AddRoutes", ROUTE(TEN "'device': <'a/b'>"), "\"a/b\"" },
        { "AddRoutes", ROUTE(TEN "'device': <'..'>"), "\"..\"" },
        { "AddRoutes", ROUTE(TEN "'device': <'with blank'>"), "with blank" },
        { "AddRoutes", ROUTE(TEN "'device': <'sixteen-letters!'>"), "sixteen-letters!" },
        { "AddRoutes", ROUTE(TEN "'device': <'line\\nbreak'>"), "cannot be the name" },
        { "AddRoutes", ROUTE(TEN "'gateway': <'fd00::1'>"), "family" },
        { "AddRoutes", ROUTE(TEN "'gateway': <'0.0.0.0'>"), "next hop" },
        { "AddRoutes", ROUTE(TEN "'gateway': <'224.0.0.1'>"), "next hop" },
        { "AddRoutes", ROUTE(TEN "'gateway': <'192.0.2.1/32'>"), "192.0.2.1/32" },
        { "AddRoutes", ROUTE("'destination': <'fd00::/8'>, 'gateway': <'fe80::1'>"),
                "needs a device" },
        { "AddRoutes", ROUTE(TEN "'node': <'default'>, 'device': <'v0'>"), "neither" },
        { "AddRoutes", ROUTE(TEN "'node': <'default'>, 'gateway': <'192.0.2.1'>"), "neither" },
        { "AddRoutes", ROUTE(TEN "'node': <'elsewhere'>"), "elsewhere" },
        { "AddRoutes", ROUTE("'destination': <'10.8.0.0/16'>"), "missing" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'type': <'blackhole'>"), "blackhole" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'type': <'local'>"), "\"local\"" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'table': <'local'>"), "\"local\"" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'table': <uint32 0>"), "table 0" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'table': <uint32 255>"), "table 255" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'mtu': <uint32 67>"), "mtu 67" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'mtu': <uint32 65521>"), "mtu 65521" },
        { "AddRoutes", ROUTE("'destination': <'fd00::/8'>, 'device': <'v0'>, 'mtu': <uint32 1279>"),
                "mtu 1279" },
        { "AddRoutes", ROUTE(TEN "'device': <'v0'>, 'metric': <uint32 4294967295>"), "metric" },
        { "AddRoutes", ROUTE("'destination': <'0.0.0.0/0'>, 'device': <'v0'>, 'table': <'tunnel'>"),
                "SetTunnel" },
        { "AddRoutes", ROUTE("'destination': <'::/0'>, 'node': <'default'>, 'table': <'tunnel'>"),
                "SetTunnel" },
        { "AddRoutes", ROUTE("'destination': <'::/0'>, 'type': <'throw'>, 'table': <uint32 1985>"),
                "SetTunnel" },
        { "AddRoutes", SECOND(TEN "'device': <'v0'>"), "routes[1] has destination" },
        { "AddRoutes", SECOND(TEN "'device': <'w0'>"), "routes[0]" },
        { "AddRoutes", "(@aa{sv} [], {'lifetime': <'forever'>})", "forever" },
        { "AddRoutes", "(@aa{sv} [], {'lifetime': <'permanent'>})", "permanent" },
        { "AddRoutes", "(@aa{sv} [], {'all': <true>})", "unknown key \"all\"" },
        { "RemoveRoutes", ROUTE("'device': <'v0'>"), "destination is missing" },
        { "RemoveRoutes", ROUTE("'destination': <'10.8.0.1/16'>"), "10.8.0.1/16" },
        { "RemoveRoutes",
                "([{'destination': <'10.8.0.0/16'>}, {'destination': <'10.8.0.0/16'>}],"
                " @a{sv} {})",
                "routes[1]" },
        { "RemoveRoutes", "(@aa{sv} [], {'all': <'yes'>})", "all must be a boolean" },
        { "ClearRoutes", "({'everything': <true>},)", "everything" },
        { "SetTunnel", "('', @a{sv} {})", "device" },
        { "SetTunnel", "('a/b', @a{sv} {})", "a/b" },
        { "SetTunnel", "('wg0', {'failclosed': <true>})", "failclosed" },
        { "SetTunnel", "('wg0', {'fail-closed': <'no'>})", "fail-closed must be" },
        { "SetTunnel", "('wg0', {'ipv4': <false>, 'ipv6': <false>})", "carries nothing" },
        { "SetTunnel", "('wg0', {'mtu': <uint32 10>})", "mtu 10" },
        { "SetTunnel", "('wg0', {'bypass': <['192.0.2.1', 'relay']>})", "bypass[1]" },
        { "SetTunnel", "('wg0', {'bypass': <['10.0.0.1/8']>})", "10.0.0.1/8" },
        { "UnsetTunnel", "({'force': <true>},)", "force" },
        { "ListRoutes", "({'family': <'ipx'>},)", "ipx" },
        { "ListRoutes", "({'state': <'lost'>},)", "lost" },
        { "ListRoutes", "({'colour': <'red'>},)", "colour" },
        { "GetRoute", "('10.0.0.0/8', @a{sv} {})", "10.0.0.0/8" },
        { "GetRoute", "('example.org', @a{sv} {})", "example.org" },
        { "GetRoute", "('192.0.2.9', {'pid': <uint32 0>})", "pid" },
        { "GetRoute", "('192.0.2.9', {'pid': <uint32 1>, 'uid': <uint32 0>})", "pid" },
        { "GetRoute", "('192.0.2.9', {'uid': <uint32 4294967295>})", "uid" },
        { "GetMtu", "('192.0.2.9', {'mark': <'1'>})", "mark must be" },
        { "Subscribe", "(['everything'],)", "everything" },
        { "Subscribe", "(@as [],)", "nothing" },
        /* Wrong signatures: sd-bus answers, before any handler. */
        { "AddRoutes", "('10.8.0.0/16',)", NULL },
        { "SetTunnel", "(uint32 3, @a{sv} {})", NULL },
        { "Refresh", "(true,)", NULL },
        { "GetRoute", "('192.0.2.9',)", NULL },
};

static void test_refuses_junk(void) {
        g_autofree char *before = NULL, *after = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        before = kernel_state();
        for (int pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < G_N_ELEMENTS(junk); i++)
                        service_call_fails(s.alice, junk[i].member, junk[i].arguments, INVALID_ARGS,
                                junk[i].says);
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        service_tear_down(&s);
}

static void test_refuses_words_cut_in_a_character(void) {
        g_autofree char *arguments = NULL;
        g_autoptr(GString) name = g_string_new("x");
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        for (int i = 0; i < 200; i++)
                g_string_append(name, "\u00e4");
        arguments = g_strdup_printf("([{'destination': <'%s'>}], @a{sv} {})", name->str);

        /* dbus-daemon would throw the service off the bus for half a character. */
        service_call_fails(s.alice, "AddRoutes", arguments, INVALID_ARGS, "\u00e4");
        service_do(s.alice, "Refresh", NULL);
        service_tear_down(&s);
}

/* Symbolic node */

static void test_symbolic_follows_waits_returns(void) {
        g_autofree char *waiting = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        service_do(s.alice, "AddRoutes",
                "([{'destination': <'203.0.113.9/32'>, 'node': <'default'>}], @a{sv} {})");
        kernel_wait_for_route("203.0.113.9 via 192.0.2.1 dev v0", true);

        g_free(run("ip route add default via 198.51.100.1 dev w0 metric 50"));
        kernel_wait_for_route("203.0.113.9 via 198.51.100.1 dev w0", true);
        g_free(run("ip route del default via 198.51.100.1 dev w0 metric 50"));
        kernel_wait_for_route("203.0.113.9 via 192.0.2.1 dev v0", true);

        g_free(run("ip route del default"));
        kernel_wait_for_route("203.0.113.9", false);
        waiting = service_print(s.alice, "ListRoutes", "({'state': <'waiting'>},)");
        service_assert_holds(waiting, "203.0.113.9/32");
        service_assert_holds(waiting, "'reason'");

        g_free(run("ip route add default via 192.0.2.1 dev v0 metric 100"));
        kernel_wait_for_route("203.0.113.9 via 192.0.2.1 dev v0", true);
        service_tear_down(&s);
}

/* Lifetimes */

static void test_client_lifetime_ends_with_client(void) {
        BusClient *bob;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        bob = bus_client_new(s.bus, BUS_UID_BOB);
        service_do(bob, "AddRoutes", ADD_10_8_CLIENT);
        service_do(s.alice, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})");
        g_assert_true(kernel_has_route("10.8.0.0/16"));

        bus_client_free(bob);
        kernel_wait_for_route("10.8.0.0/16", false);
        g_assert_true(kernel_has_route("10.9.0.0/16"));
        service_tear_down(&s);
}

static void test_crash_loses_nothing(void) {
        g_autofree char *before = NULL, *while_gone = NULL, *after = NULL;
        BusClient *bob, *carol;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        bob = bus_client_new(s.bus, BUS_UID_BOB);
        carol = bus_client_new(s.bus, BUS_UID_BOB);
        service_do(s.alice, "AddRoutes", ADD_10_8);
        service_do(bob, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], {'lifetime': <'client'>})");
        service_do(carol, "AddRoutes",
                "([{'destination': <'10.10.0.0/16'>, 'device': <'v0'>}],"
                " {'lifetime': <'client'>})");
        service_do(s.alice, "SetTunnel", "('wg0', @a{sv} {})");
        before = kernel_state();

        service_crash(&s);
        while_gone = kernel_state();
        g_assert_cmpstr(while_gone, ==, before);

        bus_client_free(carol); /* nobody sees her leave */
        service_start(&s, NULL);
        kernel_wait_for_route("10.10.0.0/16", false);
        g_assert_true(kernel_has_route("10.8.0.0/16"));
        g_assert_true(kernel_has_route("10.9.0.0/16"));
        g_assert_true(kernel_has_route("default dev wg0 table 1985"));

        bus_client_free(bob); /* watched again */
        kernel_wait_for_route("10.9.0.0/16", false);
        service_do(s.alice, "UnsetTunnel", "(@a{sv} {},)");
        service_tear_down(&s);
}

/* Questions */

static void test_list_filters(void) {
        static const struct {
                const char *filter;
                const char *holds, *lacks;
        } cases[] = {
                { "({'family': <'ipv6'>},)", "fd77::/64", "10.8" },
                { "({'family': <'ipv4'>},)", "10.8.0.0/16", "fd77" },
                { "({'table': <uint32 77>},)", "10.9.0.0/16", "10.8" },
                { "({'table': <'main'>},)", "10.8.0.0/16", "10.9" },
                { "({'device': <'w0'>},)", "10.9.0.0/16", "10.8" },
                { "({'all': <false>},)", "10.9.0.0/16", "10.8" },
                { "({'all': <true>},)", "10.8.0.0/16", "nothing" },
                { "({'state': <'installed'>, 'family': <'ipv6'>},)", "fd77::/64", "10." },
                { "({'state': <'conflict'>},)", "[]", "10." },
        };
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        service_do(s.root, "AddRoutes", ADD_10_8);
        service_do(s.alice, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'w0'>, 'table': <uint32 77>},"
                "  {'destination': <'fd77::/64'>, 'device': <'v0'>}], @a{sv} {})");
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *listed = service_print(s.alice, "ListRoutes", cases[i].filter);

                service_assert_holds(listed, cases[i].holds);
                service_assert_lacks(listed, cases[i].lacks);
        }
        service_tear_down(&s);
}

static void test_route_and_mtu(void) {
        g_autofree char *own = NULL, *others = NULL, *route = NULL, *mtu = NULL, *gone = NULL;
        Service s;

        if (!service_set_up(&s, ALL_NO, NULL))
                return;
        service_do(s.root, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'gateway': <'192.0.2.1'>,"
                "   'mtu': <uint32 1400>}, {'destination': <'10.9.0.0/16'>,"
                "   'type': <'unreachable'>}], @a{sv} {})");

        route = service_print(s.alice, "GetRoute", "('10.8.0.1', @a{sv} {})");
        service_assert_holds(route, "'gateway': <'192.0.2.1'>");
        service_assert_holds(route, "'device': <'v0'>");
        service_assert_holds(route, "'source': <'192.0.2.2'>");
        mtu = service_print(s.alice, "GetMtu", "('10.8.0.1', @a{sv} {})");
        g_assert_cmpstr(mtu, ==, "(1400,)");

        service_call_fails(s.alice, "GetRoute", "('10.9.0.1', @a{sv} {})",
                "org.talpid.Error.NoSuchRoute", "10.9.0.1");
        service_call_fails(s.alice, "GetRoute", "('192.0.2.9', {'device': <'nodev0'>})",
                "org.talpid.Error.NoSuchLink", "nodev0");

        own = g_strdup_printf(
                "('10.8.0.1', {'pid': <uint32 %d>})", (int)bus_client_get_pid(s.alice));
        service_do(s.alice, "GetRoute", own);
        others = g_strdup_printf("('10.8.0.1', {'pid': <uint32 %d>})", (int)getpid());
        service_call_fails(s.alice, "GetRoute", others, ACCESS_DENIED, "inspect");
        service_do(s.root, "GetRoute", others);
        service_call_fails(s.root, "GetRoute", "('10.8.0.1', {'pid': <uint32 2147483647>})",
                "org.talpid.Error.ProcessGone", "2147483647");
        service_tear_down(&s);
}

static void test_describes_itself(void) {
        g_autofree char *json = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        service_do(s.alice, "AddRoutes", ADD_10_8);
        json = service_print(s.alice, "Describe", NULL);
        service_assert_holds(json, "\"state\":\"active\"");
        service_assert_holds(json, "10.8.0.0/16");
        service_tear_down(&s);
}

/* Log */

static void set_log_level(BusClient *client, const char *level, const char *error_name) {
        BusCall *setting = bus_client_submit(client, NAME, "/org/freedesktop/LogControl1",
                "org.freedesktop.DBus.Properties", "Set",
                g_variant_new("(ssv)", "org.freedesktop.LogControl1", "LogLevel",
                        g_variant_new_string(level)),
                BUS_CALL_PLAIN);

        service_finish(setting, error_name);
}

static void test_log_level_is_roots(void) {
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        set_log_level(s.alice, "debug", ACCESS_DENIED);
        set_log_level(s.root, "noisy", INVALID_ARGS);
        set_log_level(s.root, "warning", "");
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        service_fixture_enter();

        g_test_add_func("/routing/adds-lists-removes", test_adds_lists_removes);
        g_test_add_func("/routing/adds-all-or-nothing", test_adds_all_or_nothing);
        g_test_add_func("/routing/tunnel-comes-and-goes-without-a-trace",
                test_tunnel_comes_and_goes_without_a_trace);
        g_test_add_func("/routing/refuses-junk-and-names-it", test_refuses_junk);
        g_test_add_func("/routing/survives-words-cut-in-a-character",
                test_refuses_words_cut_in_a_character);
        g_test_add_func(
                "/routing/symbolic-follows-waits-returns", test_symbolic_follows_waits_returns);
        g_test_add_func(
                "/routing/client-lifetime-ends-with-client", test_client_lifetime_ends_with_client);
        g_test_add_func("/routing/crash-loses-nothing", test_crash_loses_nothing);
        g_test_add_func("/routing/list-filters", test_list_filters);
        g_test_add_func("/routing/tells-route-and-mtu", test_route_and_mtu);
        g_test_add_func("/routing/describes-itself", test_describes_itself);
        g_test_add_func("/routing/log-level-is-roots", test_log_level_is_roots);
        return g_test_run();
}
