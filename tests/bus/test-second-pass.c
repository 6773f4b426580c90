// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The world changes while a person types a password: what was asked for is
 * looked at again, and nothing happens that was not authorised.
 */

#include <string.h>

#include "tests/bus/service-fixture.h"

#define NO_SUCH_LINK "org.talpid.Error.NoSuchLink"
#define NO_SUCH_ROUTE "org.talpid.Error.NoSuchRoute"
#define ROUTE_EXISTS "org.talpid.Error.RouteExists"
#define TUNNEL_EXISTS "org.talpid.Error.TunnelExists"
#define NO_TUNNEL "org.talpid.Error.NoTunnel"

/* One call of alice, for which a password dialog is open. */
typedef struct Held {
        Service service;
        BusAgent *agent;
        BusCall *call;
        char *before; /* the kernel's state since held_begin() */
} Held;

static bool held_set_up(Held *h) {
        *h = (Held){ 0 };
        if (!service_set_up(&h->service, ALL_PASSWORD, NULL))
                return false;
        h->agent = bus_agent_new(h->service.bus, h->service.alice, BUS_AGENT_HANGS);
        return true;
}

static void held_tear_down(Held *h) {
        bus_agent_free(h->agent);
        g_free(h->before);
        service_tear_down(&h->service);
}

/* Alice calls; the dialog is open when it returns. */
static void held_begin(Held *h, const char *member, const char *arguments) {
        unsigned n = h->agent->n_begun;

        h->call = bus_client_submit(h->service.alice, NAME, PATH, NAME, member,
                g_variant_new_parsed(arguments), BUS_CALL_INTERACTIVE);
        BUS_WAIT_UNTIL(h->agent->n_begun == n + 1);
        g_assert_false(h->call->done);
}

/* The world is as it is to be when the password comes. */
static void held_world_changed(Held *h) {
        g_free(h->before);
        h->before = kernel_state();
}

/* The password comes; the call is refused with @error_name and changes nothing. */
static void held_refused(Held *h, const char *error_name, const char *says) {
        g_autofree char *after = NULL;

        bus_agent_grant_held(h->agent);
        BUS_WAIT_UNTIL(h->call->done);
        g_assert_cmpstr(bus_call_get_error_name(h->call), ==, error_name);
        if (!strstr(h->call->error->message, says))
                g_error("\"%s\" does not say \"%s\"", h->call->error->message, says);
        bus_call_free(g_steal_pointer(&h->call));
        after = kernel_state();
        g_assert_cmpstr(after, ==, h->before);
}

static void held_granted(Held *h) {
        bus_agent_grant_held(h->agent);
        BUS_WAIT_UNTIL(h->call->done);
        g_assert_cmpstr(bus_call_get_error_name(h->call), ==, "");
        bus_call_free(g_steal_pointer(&h->call));
}

static void test_granted_late(void) {
        Held h;

        if (!held_set_up(&h))
                return;
        held_begin(&h, "SetTunnel", "('wg0', @a{sv} {})");
        g_assert_false(kernel_has_route("dev wg0 table 1985"));
        held_granted(&h);
        g_assert_true(kernel_has_route("dev wg0 table 1985"));
        held_tear_down(&h);
}

/* What alice asks for, what happens while the dialog is open, and how it ends then. */
typedef struct Change {
        const char *path;
        const char *before; /* root sets that tunnel first; NULL: none */
        const char *member, *arguments;
        const char *command; /* in the kernel; NULL: by a call of root's */
        const char *root_member, *root_arguments;
        const char *error_name, *says;
} Change;

#define TWO_ROUTES                                                                                 \
        "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>},"                                    \
        "  {'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"

static const Change changes[] = {
        { .path = "/second-pass/tunnel-device-is-gone",
                .member = "SetTunnel",
                .arguments = "('wg0', @a{sv} {})",
                .command = "ip link del wg0",
                .error_name = NO_SUCH_LINK,
                .says = "wg0" },
        { .path = "/second-pass/device-of-one-route-is-gone",
                .member = "AddRoutes",
                .arguments = "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>},"
                             "  {'destination': <'10.8.0.0/16'>, 'device': <'w0'>}], @a{sv} {})",
                .command = "ip link del w0",
                .error_name = NO_SUCH_LINK,
                .says = "w0" },
        { .path = "/second-pass/route-was-taken-by-another-client",
                .member = "AddRoutes",
                .arguments = TWO_ROUTES,
                .root_member = "AddRoutes",
                .root_arguments =
                        "([{'destination': <'10.9.0.0/16'>, 'device': <'w0'>}], @a{sv} {})",
                .error_name = ROUTE_EXISTS,
                .says = "10.9.0.0/16" },
        { .path = "/second-pass/route-was-taken-by-a-stranger-in-the-kernel",
                .member = "AddRoutes",
                .arguments = TWO_ROUTES,
                .command = "ip route add 10.9.0.0/16 dev w0",
                .error_name = ROUTE_EXISTS,
                .says = "10.9.0.0/16" },
        { .path = "/second-pass/tunnel-was-set-by-another",
                .member = "SetTunnel",
                .arguments = "('wg1', @a{sv} {})",
                .root_member = "SetTunnel",
                .root_arguments = "('wg0', @a{sv} {})",
                .error_name = TUNNEL_EXISTS,
                .says = "wg0" },
        /* "Replace" was said of no tunnel at all, or of another one than there is now. */
        { .path = "/second-pass/tunnel-to-replace-is-another-one-now",
                .member = "SetTunnel",
                .arguments = "('wg1', {'replace': <true>})",
                .root_member = "SetTunnel",
                .root_arguments = "('wg0', @a{sv} {})",
                .error_name = ACCESS_DENIED,
                .says = "" },
        { .path = "/second-pass/tunnel-to-unset-is-another-one-now",
                .before = "('wg0', @a{sv} {})",
                .member = "UnsetTunnel",
                .arguments = "({'all': <true>},)",
                .root_member = "SetTunnel",
                .root_arguments = "('wg1', {'replace': <true>})",
                .error_name = ACCESS_DENIED,
                .says = "" },
};

static void test_change(gconstpointer userdata) {
        const Change *change = userdata;
        Held h;

        if (!held_set_up(&h))
                return;
        if (change->before)
                g_variant_unref(service_call(h.service.root, "SetTunnel", change->before));
        held_begin(&h, change->member, change->arguments);
        if (change->command)
                g_free(run("%s", change->command));
        else
                g_variant_unref(
                        service_call(h.service.root, change->root_member, change->root_arguments));
        held_world_changed(&h);
        held_refused(&h, change->error_name, change->says);
        held_tear_down(&h);
}

static void test_route_gone(void) {
        Held h;

        if (!held_set_up(&h))
                return;
        h.agent->answer = BUS_AGENT_GRANTS;
        held_begin(&h, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})");
        BUS_WAIT_UNTIL(h.call->done);
        bus_call_free(h.call);
        h.agent->answer = BUS_AGENT_HANGS;

        held_begin(&h, "RemoveRoutes", "([{'destination': <'10.9.0.0/16'>}], @a{sv} {})");
        g_variant_unref(service_call(h.service.root, "ClearRoutes", "({'all': <true>},)"));
        held_world_changed(&h);
        held_refused(&h, NO_SUCH_ROUTE, "10.9.0.0/16");
        held_tear_down(&h);
}

static void test_caller_leaves(void) {
        g_autofree char *after = NULL;
        Held h;

        if (!held_set_up(&h))
                return;
        held_begin(&h, "SetTunnel", "('wg0', @a{sv} {})");
        held_world_changed(&h);
        bus_call_free(g_steal_pointer(&h.call));
        bus_client_free(h.service.alice);
        BUS_WAIT_UNTIL(h.agent->n_cancelled >= 1); /* by us, and by polkitd on its own */
        g_variant_unref(service_get(h.service.root, "Tunnel"));
        after = kernel_state();
        g_assert_cmpstr(after, ==, h.before);
        h.service.alice = bus_client_new(h.service.bus, BUS_UID_ALICE);
        held_tear_down(&h);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        service_fixture_enter();

        g_test_add_func("/second-pass/a-late-password-is-a-password", test_granted_late);
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++)
                g_test_add_data_func(changes[i].path, &changes[i], test_change);
        g_test_add_func("/second-pass/route-to-remove-is-gone", test_route_gone);
        g_test_add_func("/second-pass/caller-leaves-the-dialog-behind", test_caller_leaves);
        return g_test_run();
}
