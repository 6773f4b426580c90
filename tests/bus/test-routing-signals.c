// SPDX-License-Identifier: GPL-3.0-or-later

/* What org.talpid.Routing tells without being asked. */

#include "tests/bus/service-fixture.h"

#define ADD_10_8 "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"

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
        service_do(s.root, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>},"
                "  {'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})");
        BUS_WAIT_UNTIL(heard.n_properties > 0);
        g_variant_unref(service_get(s.alice, "Version")); /* whatever was sent is here */
        g_assert_cmpuint(heard.n_properties, ==, 1);
        g_assert_cmpuint(heard.n_routes, ==, 1);

        service_do(s.root, "ClearRoutes", "(@a{sv} {},)");
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
        service_do(s.alice, "AddRoutes", ADD_10_8);
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
        service_assert_holds(text, "'device': <'w0'>");
        service_assert_holds(text, "'gateway': <'198.51.100.1'>");
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
        service_do(s.alice, "Subscribe", "(['default', 'routes'],)");
        service_do(bob, "Subscribe", "(['default'],)");
        g_free(run("ip route add 10.200.0.0/16 dev v0"));
        BUS_WAIT_UNTIL(alice.n_kernel == 1);
        g_variant_unref(service_get(bob, "Version"));
        g_assert_cmpuint(bob_heard.n_kernel, ==, 0);

        service_do(s.alice, "Unsubscribe", NULL);
        g_free(run("ip route add 10.201.0.0/16 dev v0"));
        g_variant_unref(service_get(s.alice, "Version"));
        g_assert_cmpuint(alice.n_kernel, ==, 1);
        bus_client_free(bob);
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        service_fixture_enter();

        g_test_add_func("/routing-signals/one-properties-changed-a-change",
                test_one_properties_changed_a_change);
        g_test_add_func(
                "/routing-signals/serial-grows-over-restarts", test_serial_grows_over_restarts);
        g_test_add_func(
                "/routing-signals/tells-of-the-default-route", test_tells_of_the_default_route);
        g_test_add_func("/routing-signals/kernel-routes-go-to-subscribers",
                test_kernel_routes_go_to_subscribers);
        return g_test_run();
}
