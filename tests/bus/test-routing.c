// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * org.talpid.Routing as clients meet it: whole program, private bus, real
 * polkitd, a network namespace.
 */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/bus/service-fixture.h"

#define ADD_10_8 "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"
#define ADD_10_8_CLIENT                                                                            \
        "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}], {'lifetime': <'client'>})"
#define REMOVE_10_8 "([{'destination': <'10.8.0.0/16'>}], @a{sv} {})"

static void call(BusClient *client, const char *member, const char *arguments) {
        g_variant_unref(service_call(client, member, arguments));
}

static char *print_reply(BusClient *client, const char *member, const char *arguments) {
        g_autoptr(GVariant) reply = service_call(client, member, arguments);

        return g_variant_print(reply, FALSE);
}

static void assert_holds(const char *text, const char *part) {
        if (!strstr(text, part))
                g_error("\"%s\" does not hold \"%s\"", text, part);
}

static void assert_lacks(const char *text, const char *part) {
        if (strstr(text, part))
                g_error("\"%s\" holds \"%s\"", text, part);
}

/* Changes */

static void test_adds_lists_removes(void) {
        g_autofree char *listed = NULL, *empty = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        call(s.alice, "AddRoutes", ADD_10_8);
        g_assert_true(kernel_has_route("10.8.0.0/16 dev v0"));
        call(s.alice, "AddRoutes", ADD_10_8); /* the same again is no error */

        listed = print_reply(s.alice, "ListRoutes", "(@a{sv} {},)");
        assert_holds(listed, "'destination': <'10.8.0.0/16'>");
        assert_holds(listed, "'device': <'v0'>");
        assert_holds(listed, "'family': <'ipv4'>");
        assert_holds(listed, "'state': <'installed'>");
        assert_holds(listed, "'owner-uid': <uint32 64001>");
        assert_holds(listed, "'lifetime': <'boot'>");

        call(s.alice, "RemoveRoutes", REMOVE_10_8);
        g_assert_false(kernel_has_route("10.8.0.0/16"));
        service_call_fails(s.alice, "RemoveRoutes", REMOVE_10_8, "org.talpid.Error.NoSuchRoute",
                "10.8.0.0/16");
        empty = print_reply(s.alice, "ListRoutes", "(@a{sv} {},)");
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
        call(s.alice, "SetTunnel", "('wg0', {'bypass': <['192.0.2.77', '192.0.2.77']>})");
        g_assert_true(kernel_has_route("default dev wg0 table 1985"));

        value = service_get(s.alice, "Tunnel");
        tunnel = g_variant_print(value, FALSE);
        assert_holds(tunnel, "'device': <'wg0'>");
        assert_holds(tunnel, "'ipv4': <'carried'>");
        assert_holds(tunnel, "'fail-closed': <true>");
        assert_holds(tunnel, "'bypass': <['192.0.2.77/32']>");
        assert_holds(tunnel, "'state': <'active'>");

        service_call_fails(s.root, "SetTunnel", "('wg1', @a{sv} {})",
                "org.talpid.Error.TunnelExists", "replace");
        call(s.alice, "UnsetTunnel", "(@a{sv} {},)");
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
        call(s.alice, "Refresh", NULL);
        service_tear_down(&s);
}

/* Permissions */

/* What answers to everybody. Whatever else the XML names has to be denied. */
static const char *const open_methods[] = { "ListRoutes", "GetRoute", "GetMtu", "Refresh",
        "Subscribe", "Unsubscribe", "GetPermissions", "Describe", "Explain", "Diagnose", NULL };

/* Arguments that would be granted to root, so that only the permission is missing. */
static const struct {
        const char *member;
        const char *arguments;
} granted[] = {
        { "AddRoutes", "([{'destination': <'10.77.0.0/16'>, 'device': <'v0'>}], @a{sv} {})" },
        { "RemoveRoutes", "([{'destination': <'10.8.0.0/16'>}], {'all': <true>})" },
        { "ClearRoutes", "({'all': <true>},)" },
        { "SetTunnel", "('wg1', {'replace': <true>})" },
        { "UnsetTunnel", "({'all': <true>},)" },
};

static const char *arguments_of(const char *member) {
        for (size_t i = 0; i < G_N_ELEMENTS(granted); i++)
                if (g_str_equal(granted[i].member, member))
                        return granted[i].arguments;
        g_error("%s changes something, or so it seems: add it to the table here", member);
}

static void assert_all_are_denied(Service *s, const char *error_name) {
        g_autoptr(GDBusNodeInfo) node = NULL;
        g_autofree char *xml = NULL;
        g_autoptr(GError) error = NULL;
        GDBusInterfaceInfo *interface;
        unsigned n_denied = 0;

        (void)g_file_get_contents(ROUTING_XML, &xml, NULL, &error);
        g_assert_no_error(error);
        node = g_dbus_node_info_new_for_xml(xml, &error);
        g_assert_no_error(error);
        interface = g_dbus_node_info_lookup_interface(node, NAME);
        g_assert_nonnull(interface);

        for (size_t i = 0; interface->methods[i]; i++) {
                const char *member = interface->methods[i]->name;

                if (g_strv_contains(open_methods, member))
                        continue;
                service_call_fails(s->alice, member, arguments_of(member), error_name, NULL);
                n_denied++;
        }
        g_assert_cmpuint(n_denied, >=, G_N_ELEMENTS(granted));
}

static void check_denied(const char *rules, const char *error_name) {
        g_autofree char *before = NULL, *after = NULL, *routes = NULL, *routes_after = NULL;
        Service s;

        if (!service_set_up(&s, rules, NULL))
                return;
        call(s.root, "AddRoutes", ADD_10_8);
        call(s.root, "SetTunnel", "('wg0', @a{sv} {})");
        before = kernel_state();
        routes = print_reply(s.root, "ListRoutes", "(@a{sv} {},)");

        assert_all_are_denied(&s, error_name);

        after = kernel_state();
        routes_after = print_reply(s.root, "ListRoutes", "(@a{sv} {},)");
        g_assert_cmpstr(after, ==, before);
        g_assert_cmpstr(routes_after, ==, routes);
        call(s.root, "UnsetTunnel", "(@a{sv} {},)");
        service_tear_down(&s);
}

static void test_denied_changes_nothing(void) {
        check_denied(ALL_NO, ACCESS_DENIED);
}

static void test_without_polkit_changes_nothing(void) {
        check_denied(NULL, ACCESS_DENIED);
}

static void test_without_password_changes_nothing(void) {
        check_denied(ALL_PASSWORD, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired");
}

static void finish(BusCall *pending, const char *error_name) {
        BUS_WAIT_UNTIL(pending->done);
        g_assert_cmpstr(bus_call_get_error_name(pending), ==, error_name);
        bus_call_free(pending);
}

static BusCall *submit(Service *s, const char *member, const char *arguments) {
        GVariant *value = g_variant_parse(NULL, arguments, NULL, NULL, NULL);

        g_assert_nonnull(value);
        return bus_client_submit(s->alice, NAME, PATH, NAME, member, value, BUS_CALL_INTERACTIVE);
}

static void test_asks_no_password_in_vain(void) {
        BusAgent *agent;
        Service s;

        if (!service_set_up(&s, ALL_PASSWORD, NULL))
                return;
        agent = bus_agent_new(s.bus, s.alice, BUS_AGENT_GRANTS);
        call(s.root, "AddRoutes", ADD_10_8);

        finish(submit(&s, "AddRoutes", ROUTE(TEN "'devise': <'v0'>")), INVALID_ARGS);
        finish(submit(&s, "AddRoutes", ROUTE(TEN "'device': <'w0'>")),
                "org.talpid.Error.RouteExists");
        finish(submit(&s, "RemoveRoutes", REMOVE_10_8), "org.talpid.Error.NoSuchRoute");
        finish(submit(&s, "UnsetTunnel", "(@a{sv} {},)"), "org.talpid.Error.NoTunnel");
        g_assert_cmpuint(agent->n_begun, ==, 0);

        finish(submit(&s, "AddRoutes",
                       "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"),
                "");
        g_assert_cmpuint(agent->n_begun, ==, 1);
        assert_holds(agent->message, "10.9.0.0/16");
        bus_agent_free(agent);
        service_tear_down(&s);
}

static void test_tells_polkit_the_details(void) {
        static const char rules[] =
                "polkit.addRule(function(a, s) {"
                "  return a.lookup('destination') == '10.8.0.0/16 and 1 more' &&"
                "    a.lookup('device') == 'v0' && a.lookup('gateway') == '' &&"
                "    a.lookup('table') == 'main' && a.lookup('uid') == '64001' &&"
                "    a.lookup('lifetime') == 'client' && a.lookup('method') == 'AddRoutes'"
                "    ? polkit.Result.YES : polkit.Result.NO; });";
        Service s;

        if (!service_set_up(&s, rules, NULL))
                return;
        call(s.alice, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>},"
                "  {'destination': <'10.9.0.0/16'>, 'device': <'v0'>}],"
                " {'lifetime': <'client'>})");
        service_call_fails(s.alice, "AddRoutes", ADD_10_8, ACCESS_DENIED, NULL);
        service_tear_down(&s);
}

static void test_tells_polkit_what_opens_a_tunnel(void) {
        static const char rules[] =
                "polkit.addRule(function(a, s) {"
                "  return a.lookup('device') == 'wg0' && a.lookup('replaces') == '' &&"
                "    a.lookup('fail-closed') == 'true' && a.lookup('allow-lan') == 'false' &&"
                "    a.lookup('bypass') == '203.0.113.9/32'"
                "    ? polkit.Result.YES : polkit.Result.NO; });";
        Service s;

        if (!service_set_up(&s, rules, NULL))
                return;
        service_call_fails(
                s.alice, "SetTunnel", "('wg0', @a{sv} {})", ACCESS_DENIED, "set-default-route");
        service_call_fails(s.alice, "SetTunnel",
                "('wg0', {'bypass': <['203.0.113.9', '0.0.0.0/1']>})", ACCESS_DENIED, NULL);
        service_call_fails(s.alice, "SetTunnel",
                "('wg0', {'bypass': <['203.0.113.9']>, 'fail-closed': <false>})", ACCESS_DENIED,
                NULL);
        call(s.alice, "SetTunnel", "('wg0', {'bypass': <['203.0.113.9']>})");
        service_tear_down(&s);
}

static void test_shows_permissions(void) {
        g_autofree char *roots = NULL, *alices = NULL;
        Service s;

        if (!service_set_up(&s, ALL_PASSWORD, NULL))
                return;
        roots = print_reply(s.root, "GetPermissions", NULL);
        alices = print_reply(s.alice, "GetPermissions", NULL);
        assert_holds(roots, "'org.talpid.Routing.manage-routes': 'yes'");
        assert_holds(alices, "'org.talpid.Routing.manage-routes': 'auth'");
        assert_holds(alices, "'org.talpid.Routing.set-default-route': 'auth'");
        service_tear_down(&s);
}

/* Symbolic node */

static void test_symbolic_follows_waits_returns(void) {
        g_autofree char *waiting = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        call(s.alice, "AddRoutes",
                "([{'destination': <'203.0.113.9/32'>, 'node': <'default'>}], @a{sv} {})");
        kernel_wait_for_route("203.0.113.9 via 192.0.2.1 dev v0", true);

        g_free(run("ip route add default via 198.51.100.1 dev w0 metric 50"));
        kernel_wait_for_route("203.0.113.9 via 198.51.100.1 dev w0", true);
        g_free(run("ip route del default via 198.51.100.1 dev w0 metric 50"));
        kernel_wait_for_route("203.0.113.9 via 192.0.2.1 dev v0", true);

        g_free(run("ip route del default"));
        kernel_wait_for_route("203.0.113.9", false);
        waiting = print_reply(s.alice, "ListRoutes", "({'state': <'waiting'>},)");
        assert_holds(waiting, "203.0.113.9/32");
        assert_holds(waiting, "'reason'");

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
        call(bob, "AddRoutes", ADD_10_8_CLIENT);
        call(s.alice, "AddRoutes",
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
        call(s.alice, "AddRoutes", ADD_10_8);
        call(bob, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], {'lifetime': <'client'>})");
        call(carol, "AddRoutes",
                "([{'destination': <'10.10.0.0/16'>, 'device': <'v0'>}],"
                " {'lifetime': <'client'>})");
        call(s.alice, "SetTunnel", "('wg0', @a{sv} {})");
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
        call(s.alice, "UnsetTunnel", "(@a{sv} {},)");
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
        call(s.root, "AddRoutes", ADD_10_8);
        call(s.alice, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'w0'>, 'table': <uint32 77>},"
                "  {'destination': <'fd77::/64'>, 'device': <'v0'>}], @a{sv} {})");
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *listed = print_reply(s.alice, "ListRoutes", cases[i].filter);

                assert_holds(listed, cases[i].holds);
                assert_lacks(listed, cases[i].lacks);
        }
        service_tear_down(&s);
}

static void test_route_and_mtu(void) {
        g_autofree char *own = NULL, *others = NULL, *route = NULL, *mtu = NULL, *gone = NULL;
        Service s;

        if (!service_set_up(&s, ALL_NO, NULL))
                return;
        call(s.root, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'gateway': <'192.0.2.1'>,"
                "   'mtu': <uint32 1400>}, {'destination': <'10.9.0.0/16'>,"
                "   'type': <'unreachable'>}], @a{sv} {})");

        route = print_reply(s.alice, "GetRoute", "('10.8.0.1', @a{sv} {})");
        assert_holds(route, "'gateway': <'192.0.2.1'>");
        assert_holds(route, "'device': <'v0'>");
        assert_holds(route, "'source': <'192.0.2.2'>");
        mtu = print_reply(s.alice, "GetMtu", "('10.8.0.1', @a{sv} {})");
        g_assert_cmpstr(mtu, ==, "(1400,)");

        service_call_fails(s.alice, "GetRoute", "('10.9.0.1', @a{sv} {})",
                "org.talpid.Error.NoSuchRoute", "10.9.0.1");
        service_call_fails(s.alice, "GetRoute", "('192.0.2.9', {'device': <'nodev0'>})",
                "org.talpid.Error.NoSuchLink", "nodev0");

        own = g_strdup_printf(
                "('10.8.0.1', {'pid': <uint32 %d>})", (int)bus_client_get_pid(s.alice));
        call(s.alice, "GetRoute", own);
        others = g_strdup_printf("('10.8.0.1', {'pid': <uint32 %d>})", (int)getpid());
        service_call_fails(s.alice, "GetRoute", others, ACCESS_DENIED, "inspect");
        call(s.root, "GetRoute", others);
        service_call_fails(s.root, "GetRoute", "('10.8.0.1', {'pid': <uint32 2147483647>})",
                "org.talpid.Error.ProcessGone", "2147483647");
        service_tear_down(&s);
}

static void test_describes_itself(void) {
        g_autofree char *json = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        call(s.alice, "AddRoutes", ADD_10_8);
        json = print_reply(s.alice, "Describe", NULL);
        assert_holds(json, "\"state\":\"active\"");
        assert_holds(json, "10.8.0.0/16");
        service_tear_down(&s);
}

/* Signals */

typedef struct Heard {
        unsigned n_properties, n_routes, n_defaults, n_kernel, n_serial_jumps;
        guint64 serial;
} Heard;

static void on_signal(GDBusConnection *connection, const char *sender, const char *path,
        const char *interface, const char *member, GVariant *parameters, gpointer userdata) {
        Heard *heard = userdata;
        guint64 serial = 0;

        if (g_str_equal(member, "PropertiesChanged"))
                heard->n_properties++;
        if (g_str_equal(member, "RouteAdded"))
                heard->n_kernel++;
        if (g_str_equal(member, "RoutesChanged")) {
                heard->n_routes++;
                g_variant_get_child(parameters, 3, "t", &serial);
        }
        if (g_str_equal(member, "DefaultRouteChanged")) {
                heard->n_defaults++;
                g_variant_get_child(parameters, 4, "t", &serial);
        }
        if (serial) {
                heard->n_serial_jumps += heard->serial && serial != heard->serial + 1;
                heard->serial = serial;
        }
}

static void listen(BusClient *client, Heard *heard) {
        (void)g_dbus_connection_signal_subscribe(bus_client_get_connection(client), NAME, NULL,
                NULL, PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, heard, NULL);
        /* The rule stands once a later call was answered. */
        g_variant_unref(service_get(client, "Version"));
}

static void test_one_properties_changed_a_change(void) {
        g_autoptr(GVariant) serial = NULL;
        Heard heard = { 0 };
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        listen(s.alice, &heard);
        call(s.root, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>},"
                "  {'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})");
        BUS_WAIT_UNTIL(heard.n_properties > 0);
        g_variant_unref(service_get(s.alice, "Version")); /* whatever was sent is here */
        g_assert_cmpuint(heard.n_properties, ==, 1);
        g_assert_cmpuint(heard.n_routes, ==, 1);

        call(s.root, "ClearRoutes", "(@a{sv} {},)");
        BUS_WAIT_UNTIL(heard.n_properties > 1);
        g_assert_cmpuint(heard.n_properties, ==, 2);
        g_assert_cmpuint(heard.n_routes, ==, 2);
        g_assert_cmpuint(heard.n_serial_jumps, ==, 0);
        serial = service_get(s.alice, "Serial");
        g_assert_cmpuint(g_variant_get_uint64(serial), ==, heard.serial);
        service_tear_down(&s);
}

static void test_serial_grows_over_restarts(void) {
        g_autoptr(GVariant) before = NULL, after = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        call(s.alice, "AddRoutes", ADD_10_8);
        before = service_get(s.alice, "Serial");
        service_crash(&s);
        service_start(&s, NULL);
        after = service_get(s.alice, "Serial");
        g_assert_cmpuint(g_variant_get_uint64(after), >, g_variant_get_uint64(before));
        service_tear_down(&s);
}

static void test_tells_of_the_default_route(void) {
        g_autofree char *text = NULL;
        g_autoptr(GVariant) value = NULL;
        Heard heard = { 0 };
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        listen(s.alice, &heard);
        g_free(run("ip route add default via 198.51.100.1 dev w0 metric 50"));
        BUS_WAIT_UNTIL(heard.n_defaults == 1 && heard.n_properties == 1);
        value = service_get(s.alice, "DefaultRoute4");
        text = g_variant_print(value, FALSE);
        assert_holds(text, "'device': <'w0'>");
        assert_holds(text, "'gateway': <'198.51.100.1'>");
        service_tear_down(&s);
}

static void test_kernel_routes_go_to_subscribers(void) {
        Heard alice = { 0 }, bob_heard = { 0 };
        BusClient *bob;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        bob = bus_client_new(s.bus, BUS_UID_BOB);
        listen(s.alice, &alice);
        listen(bob, &bob_heard);
        call(s.alice, "Subscribe", "(['default', 'routes'],)");
        call(bob, "Subscribe", "(['default'],)");
        g_free(run("ip route add 10.200.0.0/16 dev v0"));
        BUS_WAIT_UNTIL(alice.n_kernel == 1);
        g_variant_unref(service_get(bob, "Version"));
        g_assert_cmpuint(bob_heard.n_kernel, ==, 0);

        call(s.alice, "Unsubscribe", NULL);
        g_free(run("ip route add 10.201.0.0/16 dev v0"));
        g_variant_unref(service_get(s.alice, "Version"));
        g_assert_cmpuint(alice.n_kernel, ==, 1);
        bus_client_free(bob);
        service_tear_down(&s);
}

/* Log */

static void set_log_level(BusClient *client, const char *level, const char *error_name) {
        BusCall *setting = bus_client_submit(client, NAME, "/org/freedesktop/LogControl1",
                "org.freedesktop.DBus.Properties", "Set",
                g_variant_new("(ssv)", "org.freedesktop.LogControl1", "LogLevel",
                        g_variant_new_string(level)),
                BUS_CALL_PLAIN);

        finish(setting, error_name);
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
        g_test_add_func("/routing/denied-call-changes-nothing", test_denied_changes_nothing);
        g_test_add_func("/routing/call-without-polkit-changes-nothing",
                test_without_polkit_changes_nothing);
        g_test_add_func("/routing/call-without-password-changes-nothing",
                test_without_password_changes_nothing);
        g_test_add_func("/routing/asks-no-password-in-vain", test_asks_no_password_in_vain);
        g_test_add_func("/routing/tells-polkit-the-details", test_tells_polkit_the_details);
        g_test_add_func(
                "/routing/tells-polkit-what-opens-a-tunnel", test_tells_polkit_what_opens_a_tunnel);
        g_test_add_func("/routing/shows-permissions", test_shows_permissions);
        g_test_add_func(
                "/routing/symbolic-follows-waits-returns", test_symbolic_follows_waits_returns);
        g_test_add_func(
                "/routing/client-lifetime-ends-with-client", test_client_lifetime_ends_with_client);
        g_test_add_func("/routing/crash-loses-nothing", test_crash_loses_nothing);
        g_test_add_func("/routing/list-filters", test_list_filters);
        g_test_add_func("/routing/tells-route-and-mtu", test_route_and_mtu);
        g_test_add_func("/routing/describes-itself", test_describes_itself);
        g_test_add_func(
                "/routing/one-properties-changed-a-change", test_one_properties_changed_a_change);
        g_test_add_func("/routing/serial-grows-over-restarts", test_serial_grows_over_restarts);
        g_test_add_func("/routing/tells-of-the-default-route", test_tells_of_the_default_route);
        g_test_add_func(
                "/routing/kernel-routes-go-to-subscribers", test_kernel_routes_go_to_subscribers);
        g_test_add_func("/routing/log-level-is-roots", test_log_level_is_roots);
        return g_test_run();
}
