// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * A link of NetworkManager's goes and comes back with another address or by
 * another gateway, while a tunnel is set, a program is excluded and routes go
 * by the default route. Floods go on all the time, with eyes on every way.
 * Every test leaves both links online and the profile as it was.
 */

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/flood.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split.h"
#include "tests/machine/lib/told.h"

#define EXCLUDED_PORT 4242
#define SETTLE_ROUNDS 300 /* packets that are looked at after each step */

/* A way out to the internet. */
typedef struct Way {
        const char *device;
        LabSpace isp;
        const char *v4, *gateway_v4, *v6, *gateway_v6; /* NULL: given by the ISP, not looked at */
        const char *public_v4, *public_v6;
} Way;

#define WAN0(v4_, gateway_v4_, v6_, gateway_v6_)                                                   \
        {                                                                                          \
                .device = "wan0", .isp = LAB_ISP0, .v4 = v4_, .gateway_v4 = gateway_v4_,           \
                .v6 = v6_, .gateway_v6 = gateway_v6_, .public_v4 = LAB_ISP0_V4,                    \
                .public_v6 = LAB_ISP0_V6,                                                          \
        }

#define OTHER_GATEWAY_V4 "192.168.10.2"
#define OTHER_GATEWAY_V6 "2001:db8:10::2"

static const Way at_first =
        WAN0("192.168.10.70", LAB_ISP0_LAN_V4, "2001:db8:10::70", LAB_ISP0_LAN_V6);
static const Way other_address =
        WAN0("192.168.10.77", LAB_ISP0_LAN_V4, "2001:db8:10::77", LAB_ISP0_LAN_V6);
static const Way other_gateway =
        WAN0("192.168.10.77", OTHER_GATEWAY_V4, "2001:db8:10::77", OTHER_GATEWAY_V6);
static const Way other_line = {
        .device = "wan1",
        .isp = LAB_ISP1,
        .gateway_v4 = LAB_ISP1_LAN_V4,
        .public_v4 = LAB_ISP1_V4,
        .public_v6 = LAB_ISP1_V6,
};

typedef struct Returns {
        Machine *machine;
        Lab *lab;
        Client *client;
        Told told;
        Capture *captures[2]; /* of the ISPs' lines */
        Flood flood;          /* of the tunnel's programs */
        Program *excluded;
} Returns;

static void run(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void run(const char *format, ...) {
        g_autofree char *script = NULL;
        va_list list;

        va_start(list, format);
        script = g_strdup_vprintf(format, list);
        va_end(list);
        g_free(machine_run_ok("sh", "-ec", script, NULL));
}

/* What the profile says from its next activation on. */
static void set_profile(const Way *way) {
        run("nmcli connection modify wan0 ipv4.method manual ipv4.addresses %s/24 ipv4.gateway %s "
            "ipv6.method manual ipv6.addresses %s/64 ipv6.gateway %s",
                way->v4, way->gateway_v4, way->v6, way->gateway_v6);
}

/* The ISP's second router. */
static void add_gateway(Returns *f) {
        g_free(lab_run_ok(f->lab, LAB_ISP0, "sh", "-ec",
                "ip address replace " OTHER_GATEWAY_V4 "/24 dev lan; "
                "ip address replace " OTHER_GATEWAY_V6 "/64 dev lan",
                NULL));
}

/* --- signals --- */

static const char *lookup(GVariant *dictionary, const char *key) {
        const char *value = "-";

        (void)g_variant_lookup(dictionary, key, "&s", &value);
        return value;
}

/* Routers tell of themselves by addresses that nobody chose. */
static char *describe(GVariant *route) {
        const char *gateway = lookup(route, "gateway");

        return g_strdup_printf("%s via %s", lookup(route, "device"),
                g_str_has_prefix(gateway, "fe80:") ? "its router" : gateway);
}

static void tell_routes(GPtrArray *lines, GVariant *arguments) {
        g_autoptr(GVariant) changed = NULL, gone = NULL;
        const char *reason;
        GVariant *route;
        GVariantIter iter;

        g_variant_get(arguments, "(@aa{sv}@aa{sv}&st)", &changed, &gone, &reason, NULL);
        g_assert_cmpuint(g_variant_n_children(gone), ==, 0);
        g_variant_iter_init(&iter, changed);
        while ((route = g_variant_iter_next_value(&iter))) {
                g_ptr_array_add(lines,
                        g_strdup_printf("RoutesChanged: %s %s (%s)", lookup(route, "destination"),
                                lookup(route, "state"), reason));
                g_variant_unref(route);
        }
}

static void tell(GPtrArray *lines, const char *signal, GVariant *arguments) {
        g_autoptr(GVariant) first = NULL, second = NULL;
        g_autofree char *now = NULL;
        const char *family, *reason;

        if (strcmp(signal, "PropertiesChanged") == 0)
                return;
        if (strcmp(signal, "RoutesChanged") == 0) {
                tell_routes(lines, arguments);
        } else if (strcmp(signal, "DefaultRouteChanged") == 0) {
                g_variant_get(
                        arguments, "(&s@a{sv}@a{sv}&st)", &family, &first, &second, &reason, NULL);
                now = describe(second);
                g_ptr_array_add(lines, g_strdup_printf("%s %s: %s, was %s (%s)", signal, family,
                                               now, lookup(first, "device"), reason));
        } else if (g_str_has_prefix(signal, "DefaultRoute")) {
                g_variant_get(arguments, "(&s@a{sv}t)", &family, &first, NULL);
                now = describe(first);
                g_ptr_array_add(lines, g_strdup_printf("%s %s: %s", signal, family, now));
        } else {
                g_ptr_array_add(lines, g_strdup(signal));
        }
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In the order of the alphabet: families have none among each other. */
static char *story(Client *client) {
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
        GVariant *arguments;
        const char *signal;

        client_sync(client);
        for (unsigned i = 0; (signal = client_heard(client, i, &arguments)); i++)
                tell(lines, signal, arguments);
        g_ptr_array_sort(lines, compare);
        g_ptr_array_add(lines, NULL);
        return g_strjoinv("\n", (char **)lines->pdata);
}

typedef struct Heard {
        Client *client;
        const char *expected;
} Heard;

static bool is_heard(void *user) {
        Heard *heard = user;
        g_autofree char *now = story(heard->client);

        return strcmp(now, heard->expected) == 0;
}

static void check_heard(Returns *f, const char *step, const char *expected) {
        Heard heard = { f->client, expected };

        if (!machine_wait_until(f->machine, is_heard, &heard, MACHINE_WAIT_MSEC)) {
                g_autofree char *now = story(f->client);

                g_error("%s: heard\n%s\n--- not\n%s", step, now, expected);
        }
}

/* --- packets --- */

static bool is_of_tunnel(const Packet *packet, void *user) {
        return packet->protocol == IPPROTO_UDP && packet->destination_port == FLOOD_PORT;
}

static bool is_of_excluded(const Packet *packet, void *user) {
        return packet->destination_port == EXCLUDED_PORT;
}

/*
 * Since the last look: nothing of the tunnel's programs is on the ISPs' lines,
 * nothing of the excluded one in the tunnel. What address the kernel gives it
 * while the link has none that is fit yet is no promise.
 */
static void look(Returns *f, const char *step) {
        for (int i = 0; i < 2; i++) {
                int n = capture_count(f->captures[i], is_of_tunnel, NULL);

                g_assert_cmpint(n, >=, 0);
                if (n > 0)
                        g_error("%s: %d packets beside the tunnel", step, n);
                CHECK_OK(capture_clear(f->captures[i]));
        }
        CHECK_PRINTS(f->machine, "packets 0 ", "nft", "list", "chain", "inet", "eyes", "out");
}

typedef struct Wanted {
        int family;
        const char *address;
        bool is_from;
} Wanted;

static bool is_wanted(const Packet *packet, void *user) {
        Wanted *wanted = user;

        return is_of_excluded(packet, NULL) && packet->family == wanted->family &&
               (!wanted->address || packet_is_from(packet, wanted->address) == wanted->is_from);
}

static void check_source(Capture *capture, int family, const char *address) {
        Wanted right = { family, address, true }, wrong = { family, address, false };

        g_assert_cmpint(capture_count(capture, is_wanted, &right), >, 0);
        if (address)
                g_assert_cmpint(capture_count(capture, is_wanted, &wrong), ==, 0);
}

/* --- steps --- */

/* Symbolic routes, the bypass, and the table for what is excluded. A NULL gateway is any. */
static void check_routes(Returns *f, const char *family, const char *gateway, const char *device) {
        static const char *const questions[] = {
                "-4 route get 10.97.0.1",
                "-4 route get " LAB_RELAY_V4,
                "-4 route show default table talpid-excluded",
                "-6 route get 2001:db8:97::1",
                "-6 route show default table talpid-excluded",
        };
        g_autofree char *way = gateway ? g_strdup_printf(" via %s dev %s ", gateway, device)
                                       : g_strdup_printf(" dev %s ", device);

        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
                g_autofree char *command = g_strconcat("ip ", questions[i], NULL);

                if (g_str_has_prefix(questions[i], family))
                        CHECK_PRINTS(f->machine, way, "sh", "-c", command);
        }
}

static void check_excluded(const char *url, const char *expected) {
        g_autofree char *seen =
                machine_run_ok("talpid-exclude", "curl", "-sg", "--max-time", "10", url, NULL);

        g_assert_cmpstr(g_strstrip(seen), ==, expected);
}

static void check_entry(Returns *f, const char *property, const char *key, const char *value) {
        if (value && !client_wait_for_entry(f->client, property, key, value)) {
                g_autofree char *now = client_property_entry(f->client, property, key);

                g_error("%s %s is '%s', not '%s'", property, key, now, value);
        }
}

/* wireguard-go stays on the link that its last answer came by until a route changes. */
static void wait_for_answer(int family) {
        gint64 deadline = g_get_monotonic_time() + MACHINE_WAIT_MSEC * G_TIME_SPAN_MILLISECOND;
        g_autofree char *answer = NULL;

        while (lab_ask(family, LAB_UDP, &answer) < 0) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                run("ip route add 203.0.113.250 dev lo; ip route del 203.0.113.250 dev lo");
        }
}

static void check_symbolic(Returns *f, const char *state) {
        g_autofree char *filter = g_strdup_printf("({'state': <'%s'>},)", state);
        g_autoptr(GVariant) reply = client_call_ok(f->client, "ListRoutes", filter);
        g_autoptr(GVariant) routes = g_variant_get_child_value(reply, 0);

        g_assert_cmpuint(g_variant_n_children(routes), ==, 2);
}

/* All goes by @way now; NULL: there is none. */
static void check_way(Returns *f, const char *step, const Way *way) {
        check_entry(f, "DefaultRoute4", "device", way ? way->device : "");
        check_entry(f, "DefaultRoute6", "device", way ? way->device : "");
        check_symbolic(f, way ? "installed" : "waiting");
        if (!way)
                return;

        check_entry(f, "DefaultRoute4", "gateway", way->gateway_v4);
        check_entry(f, "DefaultRoute6", "gateway", way->gateway_v6);
        check_entry(f, "DefaultRoute4", "source", way->v4);
        check_entry(f, "DefaultRoute6", "source", way->v6);
        check_routes(f, "-4", way->gateway_v4, way->device);
        check_routes(f, "-6", way->gateway_v6, way->device);
        wait_for_answer(AF_INET);
        wait_for_answer(AF_INET6);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        check_excluded("http://" LAB_INTERNET_V4 "/", way->public_v4);
        check_excluded("http://[" LAB_INTERNET_V6 "]/", way->public_v6);

        look(f, step);
        flood_wait(&f->flood, SETTLE_ROUNDS);
        check_source(f->captures[way->isp - LAB_ISP0], AF_INET, way->v4);
        check_source(f->captures[way->isp - LAB_ISP0], AF_INET6, way->v6);
}

/*
 * NULL expects no signals in particular: whether the kernel drops the route with
 * the old address before there is the new one is NetworkManager's to choose.
 */
static void check_step(Returns *f, const char *step, const char *expected, const Way *way) {
        if (expected)
                check_heard(f, step, expected);
        check_way(f, step, way);
        flood_wait(&f->flood, SETTLE_ROUNDS);
        look(f, step);
        told_check(&f->told, step);
        if (expected)
                check_heard(f, step, expected);
        client_forget(f->client);
        g_test_message("%s: as expected", step);
}

/* Unconnected: the kernel chooses an address for each packet. */
static void start_excluded(Returns *f) {
        static const int families[2] = { AF_INET, AF_INET6 };

        f->excluded = program_start(BUILD_DIR, NULL);
        g_variant_unref(split_exclude(f->client, program_pid(f->excluded), ""));
        for (int i = 0; i < 2; i++)
                CHECK_OK(program_socket(f->excluded, i, families[i], SOCK_DGRAM, 0));
        CHECK_OK(program_flood(f->excluded, EXCLUDED_PORT));
}

static void returns_open(Returns *f, Machine *machine) {
        g_autoptr(GVariant) mark = NULL;

        *f = (Returns){ .machine = machine, .lab = machine_get_lab(machine) };
        set_profile(&at_first);
        run("nmcli connection up wan0");
        f->client = client_new(machine);
        check_entry(f, "DefaultRoute4", "source", at_first.v4);
        check_entry(f, "DefaultRoute6", "source", at_first.v6);
        flood_start(&f->flood);
        mark = client_property(f->client, "Mark");
        CHECK_OK(lab_tunnel_up(f->lab, "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(client_call_ok(
                f->client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        g_variant_unref(client_call_ok(f->client, "AddRoutes",
                "([{'destination': <'10.97.0.0/16'>, 'node': <'default'>},"
                "  {'destination': <'2001:db8:97::/48'>, 'node': <'default'>}], " CLIENT_NO_OPTIONS
                ")"));
        start_excluded(f);
        run("nft 'add table inet eyes; "
            "add chain inet eyes out { type filter hook postrouting priority 300; }; "
            "add rule inet eyes out oifname wg0 udp dport " G_STRINGIFY(EXCLUDED_PORT) " counter'");
        for (int i = 0; i < 2; i++) {
                CHECK_OK(capture_start(
                        f->lab, i == 0 ? LAB_ISP0 : LAB_ISP1, "lan", &f->captures[i]));
                CHECK_OK(capture_narrow(f->captures[i], LAB_INTERNET_V4, LAB_INTERNET_V6));
                CHECK_OK(capture_clear(f->captures[i]));
        }
        check_way(f, "at first", &at_first);
        client_sync(f->client);
        client_forget(f->client);
        told_open(&f->told, machine, f->client);
}

static void returns_close(Returns *f) {
        told_close(&f->told);
        for (int i = 0; i < 2; i++)
                (void)capture_stop(f->captures[i]);
        f->excluded = program_stop(f->excluded);
        flood_stop(&f->flood);
        run("nft delete table inet eyes");
        g_variant_unref(client_call_ok(f->client, "ClearRoutes", "(" CLIENT_NO_OPTIONS ",)"));
        g_variant_unref(client_call_ok(f->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(f->lab, "wg0"));
        f->client = client_free(f->client);
        run("nmcli connection modify wan0 ipv4.method auto ipv4.addresses '' ipv4.gateway '' "
            "ipv6.method auto ipv6.addresses '' ipv6.gateway ''; nmcli connection up wan0");
        g_assert_true(machine_wait_online(f->machine));
        check_answers_soon(f->machine, LAB_ISP0_V4, LAB_ISP0_V6);
}

/* NetworkManager gives a link without carrier some seconds until it takes its addresses away. */
static void pull(Returns *f) {
        CHECK_OK(lab_cable_pull(f->lab, LAB_ISP0));
        CHECK_PRINTS(f->machine, "wan0:unavailable", "nmcli", "-g", "DEVICE,STATE", "device");
}

static void plug(Returns *f, const Way *way) {
        set_profile(way);
        CHECK_OK(lab_cable_plug(f->lab, LAB_ISP0));
        add_gateway(f);
}

#define GONE                                                                                       \
        "DefaultRouteRemoved ipv4: wan0 via %s\n"                                                  \
        "DefaultRouteRemoved ipv6: wan0 via %s\n"                                                  \
        "RoutesChanged: 10.97.0.0/16 waiting (default-route)\n"                                    \
        "RoutesChanged: 2001:db8:97::/48 waiting (default-route)"
#define BACK                                                                                       \
        "DefaultRouteAdded ipv4: wan0 via %s\n"                                                    \
        "DefaultRouteAdded ipv6: wan0 via %s\n"                                                    \
        "RoutesChanged: 10.97.0.0/16 installed (default-route)\n"                                  \
        "RoutesChanged: 2001:db8:97::/48 installed (default-route)"

static void test_alone(Machine *machine) {
        static const Way *const others[] = { &other_address, &other_gateway };
        const Way *now = &at_first;
        Returns f;

        run("nmcli connection down wan1");
        returns_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                g_autofree char *gone = g_strdup_printf(GONE, now->gateway_v4, now->gateway_v6);
                g_autofree char *back =
                        g_strdup_printf(BACK, others[i]->gateway_v4, others[i]->gateway_v6);

                pull(&f);
                check_step(&f, "the only link is gone", gone, NULL);
                plug(&f, others[i]);
                check_step(&f, "it is back", back, others[i]);
                now = others[i];
        }
        run("nmcli connection up wan1");
        returns_close(&f);
}

static void test_beside(Machine *machine) {
        static const Way *const others[] = { &other_address, &other_gateway };
        Returns f;

        returns_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
                g_autofree char *back =
                        g_strdup_printf("DefaultRouteChanged ipv4: wan0 via %s, was wan1 (link)\n"
                                        "DefaultRouteChanged ipv6: wan0 via %s, was wan1 (link)",
                                others[i]->gateway_v4, others[i]->gateway_v6);

                pull(&f);
                check_step(&f, "the other link takes over",
                        "DefaultRouteChanged ipv4: wan1 via " LAB_ISP1_LAN_V4 ", was wan0 (link)\n"
                        "DefaultRouteChanged ipv6: wan1 via its router, was wan0 (link)",
                        &other_line);
                plug(&f, others[i]);
                check_step(&f, "the better link is back", back, others[i]);
        }
        returns_close(&f);
}

static void test_up(Machine *machine) {
        Returns f;

        run("nmcli connection down wan1");
        returns_open(&f, machine);
        add_gateway(&f);
        set_profile(&other_address);
        run("nmcli connection up wan0");
        check_step(&f, "another address", NULL, &other_address);
        set_profile(&other_gateway);
        run("nmcli connection up wan0");
        check_step(&f, "another gateway",
                "DefaultRouteChanged ipv4: wan0 via " OTHER_GATEWAY_V4 ", was wan0 (gateway)\n"
                "DefaultRouteChanged ipv6: wan0 via " OTHER_GATEWAY_V6 ", was wan0 (gateway)",
                &other_gateway);
        run("nmcli connection up wan1");
        returns_close(&f);
}

/*
 * The kernel sends on by the route of a link without carrier until somebody takes
 * it away; NetworkManager does after some seconds, or never, when it hangs.
 */
static void test_dead(Machine *machine) {
        Returns f;

        returns_open(&f, machine);
        run("kill -STOP $(pidof NetworkManager)");
        CHECK_OK(lab_cable_pull(f.lab, LAB_ISP0));
        check_entry(&f, "DefaultRoute4", "device", "wan1");
        check_entry(&f, "DefaultRoute6", "device", "wan1");
        CHECK_PRINTS(machine, "dev wan0", "ip", "-4", "route", "show", "default");
        CHECK_PRINTS(machine, "dev wan0", "ip", "-6", "route", "show", "default");
        check_routes(&f, "-4", other_line.gateway_v4, other_line.device);
        check_routes(&f, "-6", NULL, other_line.device);
        look(&f, "a dead default stays");
        CHECK_OK(lab_cable_plug(f.lab, LAB_ISP0));
        run("kill -CONT $(pidof NetworkManager)");
        check_way(&f, "it lives again", &at_first);
        returns_close(&f);
}

static const CheckCase cases[] = {
        { "/link-returns/the-only-link-comes-back-with-another-address-or-gateway", test_alone },
        { "/link-returns/the-better-link-comes-back-with-another-address-or-gateway", test_beside },
        { "/link-returns/activated-again-with-another-address-or-gateway", test_up },
        { "/link-returns/a-dead-default-that-stays-leads-nobody", test_dead },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
