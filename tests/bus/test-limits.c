// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Nothing that a client can make grow grows for ever.
 */

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bus/service-fixture.h"

#define N_ROUTES_MAX 65536
#define N_BYPASS_MAX 1024
#define N_SUBSCRIBERS_MAX 64
#define N_LEASES_TRIED 40
#define N_LEASES_MAX 1024

/* Routes to 10.x.y.0/24 and on, in a table of their own. */
static GVariant *many_routes(unsigned n) {
        g_autoptr(GVariantBuilder) routes = g_variant_builder_new(G_VARIANT_TYPE("aa{sv}"));
        g_autoptr(GVariantBuilder) options = g_variant_builder_new(G_VARIANT_TYPE("a{sv}"));

        for (unsigned i = 0; i < n; i++) {
                g_autofree char *destination = g_strdup_printf(
                        "10.%u.%u.%u/32", (i >> 16) & 0xff, (i >> 8) & 0xff, i & 0xff);

                g_variant_builder_open(routes, G_VARIANT_TYPE("a{sv}"));
                g_variant_builder_add(
                        routes, "{sv}", "destination", g_variant_new_string(destination));
                g_variant_builder_add(routes, "{sv}", "type", g_variant_new_string("blackhole"));
                g_variant_builder_add(routes, "{sv}", "table", g_variant_new_uint32(77));
                g_variant_builder_close(routes);
        }
        return g_variant_new("(aa{sv}a{sv})", routes, options);
}

static BusCall *submit(BusClient *client, const char *member, GVariant *arguments) {
        return bus_client_submit(client, NAME, PATH, NAME, member, arguments, BUS_CALL_PLAIN);
}

static void test_routes_in_one_request(void) {
        g_autofree char *before = NULL, *after = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        before = kernel_state();
        service_finish(
                submit(s.alice, "AddRoutes", many_routes(N_ROUTES_MAX + 1)), LIMITS_EXCEEDED);
        service_finish(
                submit(s.alice, "RemoveRoutes", many_routes(N_ROUTES_MAX + 1)), LIMITS_EXCEEDED);
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        service_tear_down(&s);
}

static void test_routes_of_one_user(void) {
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        service_finish(submit(s.alice, "AddRoutes", many_routes(N_ROUTES_MAX)), "");
        g_variant_unref(service_call(s.alice, "ListRoutes", "(@a{sv} {},)"));
        service_call_fails(s.alice, "AddRoutes",
                "([{'destination': <'172.16.0.0/12'>, 'type': <'blackhole'>}], @a{sv} {})",
                LIMITS_EXCEEDED, "64001");
        g_variant_unref(service_call(s.root, "AddRoutes",
                "([{'destination': <'172.16.0.0/12'>, 'type': <'blackhole'>}], @a{sv} {})"));
        g_variant_unref(service_call(s.alice, "ClearRoutes", "(@a{sv} {},)"));
        g_assert_false(kernel_has_route("table 77"));
        service_tear_down(&s);
}

static void test_bypass_entries(void) {
        g_autoptr(GVariantBuilder) bypass = g_variant_builder_new(G_VARIANT_TYPE("as"));
        g_autoptr(GVariantBuilder) options = g_variant_builder_new(G_VARIANT_TYPE("a{sv}"));
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        for (unsigned i = 0; i <= N_BYPASS_MAX; i++) {
                g_autofree char *address = g_strdup_printf("10.0.%u.%u", i >> 8, i & 0xff);

                g_variant_builder_add(bypass, "s", address);
        }
        g_variant_builder_add(options, "{sv}", "bypass", g_variant_builder_end(bypass));
        service_finish(submit(s.alice, "SetTunnel", g_variant_new("(sa{sv})", "wg0", options)),
                LIMITS_EXCEEDED);
        service_tear_down(&s);
}

static void test_subscribers(void) {
        GDBusConnection *connections[N_SUBSCRIBERS_MAX + 1];
        g_autoptr(GError) error = NULL;
        g_autofree char *name = NULL;
        unsigned n_granted = 0;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(connections); i++) {
                g_autoptr(GVariant) reply = NULL;

                connections[i] =
                        g_dbus_connection_new_for_address_sync(bus_fixture_get_address(s.bus),
                                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                NULL, NULL, NULL);
                g_assert_nonnull(connections[i]);
                g_clear_error(&error);
                reply = g_dbus_connection_call_sync(connections[i], NAME, PATH, NAME, "Subscribe",
                        g_variant_new_parsed("(['default'],)"), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                        NULL, &error);
                n_granted += reply != NULL;
        }
        g_assert_cmpuint(n_granted, ==, N_SUBSCRIBERS_MAX);
        name = g_dbus_error_get_remote_error(error);
        g_assert_cmpstr(name, ==, LIMITS_EXCEEDED);
        g_variant_unref(service_call(s.alice, "Subscribe", "(['default'],)")); /* her own count */

        for (size_t i = 0; i < G_N_ELEMENTS(connections); i++) {
                (void)g_dbus_connection_close_sync(connections[i], NULL, NULL);
                g_object_unref(connections[i]);
        }
        service_tear_down(&s);
}

static void test_refreshes(void) {
        g_autoptr(GError) error = NULL;
        unsigned n_refused = 0;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        for (int i = 0; i < 30; i++) {
                BusCall *call = submit(s.alice, "Refresh", NULL);

                BUS_WAIT_UNTIL(call->done);
                n_refused += g_str_equal(bus_call_get_error_name(call), LIMITS_EXCEEDED);
                bus_call_free(call);
                g_variant_unref(service_call(s.root, "Refresh", NULL));
        }
        g_assert_cmpuint(n_refused, >, 0);
        g_assert_cmpuint(n_refused, <, 30);
        service_tear_down(&s);
}

static void test_client_leases_come_and_go(void) {
        g_autofree char *before = NULL, *after = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        before = kernel_state();
        for (int i = 0; i < N_LEASES_TRIED; i++) {
                BusClient *bob = bus_client_new(s.bus, BUS_UID_BOB);

                g_variant_unref(service_call(bob, "AddRoutes",
                        "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}],"
                        " {'lifetime': <'client'>})"));
                bus_client_free(bob);
        }
        kernel_wait_for_route("10.8.0.0/16", false);
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        service_tear_down(&s);
}

/* A connection of root, without a process of its own: cheap enough for a thousand. */
static GDBusConnection *connect_as_root(Service *s) {
        g_autoptr(GError) error = NULL;
        GDBusConnection *connection =
                g_dbus_connection_new_for_address_sync(bus_fixture_get_address(s->bus),
                        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                        NULL, NULL, &error);

        g_assert_no_error(error);
        g_dbus_connection_set_exit_on_close(connection, FALSE);
        return connection;
}

/* Return: the D-Bus error's name, "" for none; caller frees. */
static char *lease(GDBusConnection *connection, unsigned i) {
        g_autofree char *arguments =
                g_strdup_printf("([{'destination': <'10.8.%u.%u/32'>, "
                                "'type': <'blackhole'>}], {'lifetime': <'client'>})",
                        i >> 8, i & 0xff);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = g_dbus_connection_call_sync(connection, NAME, PATH, NAME,
                "AddRoutes", g_variant_new_parsed(arguments), NULL, G_DBUS_CALL_FLAGS_NONE,
                BUS_DEADLINE_SECONDS * 1000, NULL, &error);

        return reply ? g_strdup("") : g_dbus_error_get_remote_error(error);
}

static void allow_many_files(void) {
        struct rlimit limit;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        limit.rlim_cur = limit.rlim_max;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
}

/* A thousand clients, one too many, and all of them gone at once. */
static void test_leases_of_one_user(void) {
        g_autofree GDBusConnection **clients = g_new0(GDBusConnection *, N_LEASES_MAX + 1);
        g_autofree char *before = NULL, *after = NULL;
        Service s;

        allow_many_files();
        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        before = kernel_state();
        for (unsigned i = 0; i <= N_LEASES_MAX; i++) {
                g_autofree char *error = NULL;

                clients[i] = connect_as_root(&s);
                error = lease(clients[i], i);
                g_assert_cmpstr(error, ==, i < N_LEASES_MAX ? "" : LIMITS_EXCEEDED);
        }
        g_variant_unref(service_call(s.alice, "AddRoutes", /* another user's count */
                "([{'destination': <'10.9.0.0/16'>, 'type': <'blackhole'>}],"
                " {'lifetime': <'client'>})"));

        for (unsigned i = 0; i <= N_LEASES_MAX; i++)
                g_dbus_connection_close(clients[i], NULL, NULL, NULL);
        kernel_wait_for_route("blackhole 10.8.", false);
        g_assert_true(kernel_has_route("blackhole 10.9.0.0/16"));
        g_variant_unref(service_call(s.alice, "ClearRoutes", "(@a{sv} {},)"));
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        for (unsigned i = 0; i <= N_LEASES_MAX; i++)
                g_object_unref(clients[i]);
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        service_fixture_enter();

        g_test_add_func("/limits/routes-in-one-request", test_routes_in_one_request);
        g_test_add_func("/limits/routes-of-one-user", test_routes_of_one_user);
        g_test_add_func("/limits/bypass-entries", test_bypass_entries);
        g_test_add_func("/limits/subscribers-of-one-user", test_subscribers);
        g_test_add_func("/limits/refreshes-of-one-user", test_refreshes);
        g_test_add_func(
                "/limits/client-leases-of-one-user-and-all-gone-at-once", test_leases_of_one_user);
        g_test_add_func("/limits/client-leases-come-and-go", test_client_leases_come_and_go);
        return g_test_run();
}
