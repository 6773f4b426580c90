// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Two VPN clients, a tray and a script at once: what each of them asked for is
 * kept apart, and goes with nobody else.
 */

#include <string.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/split.h"

#define OWN "{'lifetime': <'client'>}"
#define VIA_ISP1 "'gateway': <'" LAB_ISP1_LAN_V4 "'>, 'device': <'wan1'>"
#define EXISTS "org.talpid.Error.TunnelExists"

typedef struct Scene {
        Machine *machine;
        Client *first, *second, *tray;
} Scene;

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static void add_route(Client *client, const char *destination) {
        g_autofree char *arguments =
                g_strdup_printf("([{'destination': <'%s'>, " VIA_ISP1 "}], " OWN ")", destination);

        g_variant_unref(client_call_ok(client, "AddRoutes", arguments));
}

static bool is_clean(void *user) {
        g_autofree char *left = machine_run_ok("sh", "-c",
                "for f in -4 -6; do ip $f rule | grep talpid; ip $f route show table all proto "
                "talpid; done; true",
                NULL);

        return left[0] == '\0';
}

static void check_routes(Scene *s, const char *expected) {
        CHECK_PRINTS(s->machine, expected, "sh", "-c",
                "echo = $(ip route show proto talpid | cut -d' ' -f1) =");
}

/* The selectors of all are just this one; NULL: there are none. */
static void check_selectors(Client *client, const char *expected) {
        g_autoptr(GVariant) reply = split_call_ok(client, "ListSelectors", "()");
        g_autoptr(GVariant) selectors = g_variant_get_child_value(reply, 0);
        g_autofree char *text = g_variant_print(selectors, FALSE);

        if (g_variant_n_children(selectors) != (expected ? 1 : 0) ||
                (expected && !strstr(text, expected)))
                g_error("selectors are %s", text);
}

static void open_scene(Scene *s, Machine *machine) {
        *s = (Scene){ .machine = machine,
                .first = client_new(machine),
                .second = client_new(machine),
                .tray = client_new(machine) };
        g_variant_unref(client_call_ok(s->tray, "Subscribe", "(['default'],)"));
        run("for d in vpn0 vpn1; do ip tuntap add $d mode tun; ip link set $d up; done; "
            "ip addr add 10.71.0.2/24 dev vpn0; ip addr add 10.72.0.2/24 dev vpn1");
}

/* Each has a tunnel device, routes and a selector of its own; one route is of both. */
static void all_ask(Scene *s) {
        add_route(s->first, "10.91.0.0/16");
        add_route(s->first, "10.90.0.0/16");
        add_route(s->second, "10.90.0.0/16");
        add_route(s->second, "10.92.0.0/16");
        split_do(s->first, "AddSelectors", "([('user', 'alice')], " OWN ")");
        split_do(s->second, "AddSelectors", "([('user', 'bob')], " OWN ")");
        g_variant_unref(client_call_ok(s->first, "SetTunnel", "('vpn0', " OWN ")"));
        check_routes(s, "= 10.90.0.0/16 10.91.0.0/16 10.92.0.0/16 =");
}

static void check_refused(Scene *s) {
        const char *holder = g_dbus_connection_get_unique_name(client_get_bus(s->first));
        g_auto(CommandResult) result = {};

        client_call_fails(s->second, "SetTunnel", "('vpn1', " OWN ")", EXISTS, holder);
        client_call_fails(s->second, "SetTunnel", "('vpn0', " OWN ")", EXISTS, "test-two-client");
        CHECK_OK(machine_run(&result, "busctl", "call", CLIENT_NAME, CLIENT_PATH, CLIENT_NAME,
                "SetTunnel", "sa{sv}", "vpn1", "0", NULL));
        g_assert_nonnull(strstr(result.err, "say 'replace'"));
        g_assert_true(client_wait_for_entry(s->tray, "Tunnel", "device", "vpn0"));
}

static void test_story(Machine *machine) {
        g_autofree char *setter = NULL;
        Scene s;

        open_scene(&s, machine);
        all_ask(&s);
        check_refused(&s);

        /* The first leaves: its tunnel, its route, its selector. */
        s.first = client_free(s.first);
        g_assert_true(client_wait_for_entry(s.tray, "Tunnel", "device", ""));
        check_routes(&s, "= 10.90.0.0/16 10.92.0.0/16 =");
        check_selectors(s.tray, "'1001'");

        /* The second has its turn; a script takes over, since it says so. */
        g_variant_unref(client_call_ok(s.second, "SetTunnel", "('vpn1', " OWN ")"));
        run("busctl call " CLIENT_NAME " " CLIENT_PATH " " CLIENT_NAME
            " SetTunnel 'sa{sv}' vpn0 1 replace b true");
        g_assert_true(client_wait_for_entry(s.tray, "Tunnel", "device", "vpn0"));
        setter = client_property_entry(s.tray, "Tunnel", "setter");
        g_assert_true(g_str_has_prefix(setter, "busctl (pid ") || strstr(setter, "gone"));
        client_call_fails(s.second, "SetTunnel", "('vpn1', " OWN ")", EXISTS, "vpn0");

        /* Another script of the same user is another client. */
        client_call_fails(
                s.second, "SetTunnel", "('vpn1', {'lifetime': <'boot'>})", EXISTS, setter);

        s.second = client_free(s.second);
        check_routes(&s, "= =");
        check_selectors(s.tray, NULL);
        g_assert_true(client_wait_for_entry(s.tray, "Tunnel", "device", "vpn0"));

        run("busctl call " CLIENT_NAME " " CLIENT_PATH " " CLIENT_NAME " UnsetTunnel 'a{sv}' 0");
        g_assert_true(machine_wait_until(machine, is_clean, NULL, MACHINE_WAIT_MSEC));
        s.tray = client_free(s.tray);
        run("ip link del vpn0; ip link del vpn1");
}

static const CheckCase cases[] = {
        { "/two-clients/each-keeps-its-own-and-takes-it-away", test_story },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
