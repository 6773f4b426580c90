// SPDX-License-Identifier: GPL-3.0-or-later

/* Who may what on org.talpid.Routing, and what polkit is told of it. */

#include "tests/bus/service-fixture.h"

#define ADD_10_8 "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"
#define REMOVE_10_8 "([{'destination': <'10.8.0.0/16'>}], @a{sv} {})"

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
        service_do(s.root, "AddRoutes", ADD_10_8);
        service_do(s.root, "SetTunnel", "('wg0', @a{sv} {})");
        before = kernel_state();
        routes = service_print(s.root, "ListRoutes", "(@a{sv} {},)");

        assert_all_are_denied(&s, error_name);

        after = kernel_state();
        routes_after = service_print(s.root, "ListRoutes", "(@a{sv} {},)");
        g_assert_cmpstr(after, ==, before);
        g_assert_cmpstr(routes_after, ==, routes);
        service_do(s.root, "UnsetTunnel", "(@a{sv} {},)");
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
        service_do(s.root, "AddRoutes", ADD_10_8);

        service_finish(submit(&s, "AddRoutes",
                               "([{'destination': <'10.8.0.0/16'>, 'devise': <'v0'>}], @a{sv} {})"),
                INVALID_ARGS);
        service_finish(submit(&s, "AddRoutes",
                               "([{'destination': <'10.8.0.0/16'>, 'device': <'w0'>}], @a{sv} {})"),
                "org.talpid.Error.RouteExists");
        service_finish(submit(&s, "RemoveRoutes", REMOVE_10_8), "org.talpid.Error.NoSuchRoute");
        service_finish(submit(&s, "UnsetTunnel", "(@a{sv} {},)"), "org.talpid.Error.NoTunnel");
        g_assert_cmpuint(agent->n_begun, ==, 0);

        service_finish(submit(&s, "AddRoutes",
                               "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"),
                "");
        g_assert_cmpuint(agent->n_begun, ==, 1);
        service_assert_holds(agent->message, "10.9.0.0/16");
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
        service_do(s.alice, "AddRoutes",
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
        service_do(s.alice, "SetTunnel", "('wg0', {'bypass': <['203.0.113.9']>})");
        service_tear_down(&s);
}

static void test_shows_permissions(void) {
        g_autofree char *roots = NULL, *alices = NULL;
        Service s;

        if (!service_set_up(&s, ALL_PASSWORD, NULL))
                return;
        roots = service_print(s.root, "GetPermissions", NULL);
        alices = service_print(s.alice, "GetPermissions", NULL);
        service_assert_holds(roots, "'org.talpid.Routing.manage-routes': 'yes'");
        service_assert_holds(alices, "'org.talpid.Routing.manage-routes': 'auth'");
        service_assert_holds(alices, "'org.talpid.Routing.set-default-route': 'auth'");
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        service_fixture_enter();

        g_test_add_func(
                "/routing-permissions/denied-call-changes-nothing", test_denied_changes_nothing);
        g_test_add_func("/routing-permissions/call-without-polkit-changes-nothing",
                test_without_polkit_changes_nothing);
        g_test_add_func("/routing-permissions/call-without-password-changes-nothing",
                test_without_password_changes_nothing);
        g_test_add_func(
                "/routing-permissions/asks-no-password-in-vain", test_asks_no_password_in_vain);
        g_test_add_func(
                "/routing-permissions/tells-polkit-the-details", test_tells_polkit_the_details);
        g_test_add_func("/routing-permissions/tells-polkit-what-opens-a-tunnel",
                test_tells_polkit_what_opens_a_tunnel);
        g_test_add_func("/routing-permissions/shows-permissions", test_shows_permissions);
        return g_test_run();
}
