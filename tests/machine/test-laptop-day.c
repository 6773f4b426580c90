// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * One day of a laptop, with the real programs. A flood to the internet goes on
 * all day, with eyes on both ISPs' lines; a client listens as a tray applet
 * would. After each step no packet went a wrong way, what the client heard is
 * what stands here, no word more, none less, and the properties that it was
 * told are those that are there. At the end all is as it was.
 */

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/flood.h"
#include "tests/machine/lib/sleep.h"
#include "tests/machine/lib/told.h"

#define WG_QUICK                                                                                   \
        "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go "                                          \
        "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 wg-quick"
#define SETTLE_ROUNDS 300 /* packets that are looked at after each step */

typedef struct Day {
        Machine *machine;
        Lab *lab;
        Client *client;
        Told told;
        Capture *captures[2];
        Flood flood;
        bool is_closed;              /* a tunnel is set: nothing may go by the ISPs' lines */
        const char *isp_v4, *isp_v6; /* what the internet sees of who goes around the tunnel */
} Day;

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-ec", script, NULL));
}

/* All that may be left over, of whomever; routes have no order among each other. */
static char *look_around(void) {
        return machine_run_ok("sh", "-c",
                "ip rule; ip -6 rule; ip -4 route show table all | sort; "
                "ip -6 route show table all | sed 's/ expires [0-9]*sec//' | sort; "
                "nft list ruleset; "
                "sysctl -a 2>/dev/null | grep -E 'fwmark|valid_mark|rp_filter|route_localnet' | "
                "grep -v wg; find /sys/fs/cgroup -name 'talpid*excluded*'",
                NULL);
}

static const char *lookup(GVariant *dictionary, const char *key) {
        const char *value = "-";

        (void)g_variant_lookup(dictionary, key, "&s", &value);
        return value;
}

/* "DefaultRouteChanged ipv4 wan0 wan1"; NULL for what is no news by itself. */
static char *tell(const char *signal, GVariant *arguments) {
        g_autoptr(GVariant) first = NULL, second = NULL;
        const char *family, *kind, *culprit;

        if (strcmp(signal, "PropertiesChanged") == 0)
                return NULL;
        if (strcmp(signal, "DefaultRouteChanged") == 0) {
                g_variant_get(
                        arguments, "(&s@a{sv}@a{sv}&st)", &family, &first, &second, &kind, NULL);
                return g_strdup_printf("%s %s: %s, was %s (%s)", signal, family,
                        lookup(second, "device"), lookup(first, "device"), kind);
        }
        if (g_str_has_prefix(signal, "DefaultRoute")) {
                g_variant_get(arguments, "(&s@a{sv}t)", &family, &first, NULL);
                return g_strdup_printf("%s %s: %s", signal, family, lookup(first, "device"));
        }
        if (strcmp(signal, "Healed") == 0) {
                g_variant_get(arguments, "(&s@a{sv}&st)", &kind, &first, &culprit, NULL);
                return g_strdup_printf("%s %s: %s", signal, kind, culprit);
        }
        if (strcmp(signal, "ConflictDetected") == 0) {
                g_variant_get(arguments, "(@a{sv}t)", &first, NULL);
                return g_strdup_printf(
                        "%s %s: %s", signal, lookup(first, "kind"), lookup(first, "culprit"));
        }
        return g_variant_print(arguments, FALSE);
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
        for (unsigned i = 0; (signal = client_heard(client, i, &arguments)); i++) {
                char *line = tell(signal, arguments);

                if (line)
                        g_ptr_array_add(lines, line);
        }
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

/* Excluded programs ask by TCP, and their last segments come when they are gone. */
static bool is_of_flood(const Packet *packet, void *user) {
        return packet->protocol == IPPROTO_UDP;
}

static int count_on_lines(Day *day) {
        int n = 0;

        for (int i = 0; i < 2; i++) {
                int found = capture_count(day->captures[i], is_of_flood, NULL);

                g_assert_cmpint(found, >=, 0);
                n += found;
                CHECK_OK(capture_clear(day->captures[i]));
        }
        return n;
}

/* By a program that goes around the tunnel. */
static void check_excluded(const Day *day, const char *url, const char *expected) {
        g_autofree char *seen =
                machine_run_ok("talpid-exclude", "curl", "-sg", "--max-time", "10", url, NULL);

        g_assert_cmpstr(g_strstrip(seen), ==, expected);
}

static void check_tunnel(const Day *day, const char *step) {
        g_autofree char *device = client_property_entry(day->client, "Tunnel", "device");
        g_autofree char *state = client_property_entry(day->client, "Tunnel", "state");

        if (strcmp(device, day->is_closed ? "wg0" : "") != 0 ||
                strcmp(state, day->is_closed ? "active" : "") != 0)
                g_error("%s: the tunnel is '%s', '%s'", step, device, state);
}

/*
 * The step is over: this is what it told, this the way that packets take now;
 * NULL while the world changes unseen.
 */
static void check_step(Day *day, const char *step, const char *expected, const char *answer_v4,
        const char *answer_v6) {
        Heard heard = { day->client, expected };

        if (!machine_wait_until(day->machine, is_heard, &heard, MACHINE_WAIT_MSEC)) {
                g_autofree char *now = story(day->client);

                g_error("%s: heard\n%s\n--- not\n%s", step, now, expected);
        }
        if (answer_v4)
                check_answers_soon(day->machine, answer_v4, answer_v6);
        flood_wait(&day->flood, SETTLE_ROUNDS);
        if (day->is_closed)
                g_assert_cmpint(count_on_lines(day), ==, 0);
        if (day->is_closed && answer_v4) {
                check_excluded(day, "http://" LAB_INTERNET_V4 "/", day->isp_v4);
                check_excluded(day, "http://[" LAB_INTERNET_V6 "]/", day->isp_v6);
        }
        if (answer_v4)
                told_check(&day->told, step);
        check_tunnel(day, step);
        if (!is_heard(&heard)) {
                g_autofree char *now = story(day->client);

                g_error("%s: heard later\n%s\n--- not\n%s", step, now, expected);
        }
        client_forget(day->client);
        g_test_message("%s: as expected", step);
}

static void day_begin(Day *day, Machine *machine) {
        *day = (Day){ .machine = machine, .lab = machine_get_lab(machine) };
        run("nmcli connection modify wan1 ipv4.route-metric 50 ipv6.route-metric 50; "
            "nmcli connection down wan1");
        day->client = client_new(machine);
        g_assert_true(client_wait_for_entry(day->client, "DefaultRoute4", "connection", "wan0"));
        g_assert_true(client_wait_for_entry(day->client, "DefaultRoute6", "connection", "wan0"));
        for (int i = 0; i < 2; i++) {
                CHECK_OK(capture_start(
                        day->lab, i == 0 ? LAB_ISP0 : LAB_ISP1, "lan", &day->captures[i]));
                CHECK_OK(capture_narrow(day->captures[i], LAB_INTERNET_V4, LAB_INTERNET_V6));
        }
        flood_start(&day->flood);
        client_sync(day->client);
        client_forget(day->client);
        told_open(&day->told, machine, day->client);
}

#define TO_WAN1                                                                                    \
        "DefaultRouteChanged ipv4: wan1, was wan0 (link)\n"                                        \
        "DefaultRouteChanged ipv6: wan1, was wan0 (link)"
#define TO_WAN0                                                                                    \
        "DefaultRouteChanged ipv4: wan0, was wan1 (link)\n"                                        \
        "DefaultRouteChanged ipv6: wan0, was wan1 (link)"

static void test_day(Machine *machine) {
        g_autoptr(GVariant) mark = NULL;
        g_autofree char *before = NULL, *after = NULL;
        Day day;

        day_begin(&day, machine);
        before = look_around();
        check_step(&day, "boot, wired", "", LAB_ISP0_V4, LAB_ISP0_V6);

        run("nmcli connection up wan1");
        check_step(&day, "a better link takes over", TO_WAN1, LAB_ISP1_V4, LAB_ISP1_V6);

        CHECK_OK(lab_cable_pull(day.lab, LAB_ISP1));
        check_step(&day, "its cable is pulled", TO_WAN0, LAB_ISP0_V4, LAB_ISP0_V6);
        day.isp_v4 = LAB_ISP0_V4;
        day.isp_v6 = LAB_ISP0_V6;

        mark = client_property(day.client, "Mark");
        CHECK_OK(lab_tunnel_up(day.lab, "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(client_call_ok(
                day.client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        (void)count_on_lines(&day);
        day.is_closed = true;
        check_step(&day, "the tunnel is set", "", LAB_RELAY_V4, LAB_RELAY_V6);

        CHECK_OK(lab_cable_plug(day.lab, LAB_ISP1));
        day.isp_v4 = LAB_ISP1_V4;
        day.isp_v6 = LAB_ISP1_V6;
        check_step(&day, "roams to the better link", TO_WAN1, LAB_RELAY_V4, LAB_RELAY_V6);
        fall_asleep(machine);
        CHECK_OK(lab_cable_pull(day.lab, LAB_ISP1));
        CHECK_PRINTS(machine, "wan1:un", "nmcli", "-g", "DEVICE,STATE", "device");
        check_step(&day, "asleep, on the way to another network", "", NULL, NULL);
        wake_up();
        day.isp_v4 = LAB_ISP0_V4;
        day.isp_v6 = LAB_ISP0_V6;
        check_step(&day, "awake there", TO_WAN0, LAB_RELAY_V4, LAB_RELAY_V6);

        run("systemctl restart systemd-networkd");
        check_step(&day, "networkd is restarted", "", LAB_RELAY_V4, LAB_RELAY_V6);
        run("systemctl stop systemd-networkd systemd-networkd.socket");

        run("umask 077; mkdir -p /etc/wireguard; printf '[Interface]\\nPrivateKey = %s\\n"
            "Address = 10.66.0.2/32, fd66::2/128\\n[Peer]\\nPublicKey = %s\\n"
            "AllowedIPs = 0.0.0.0/0, ::/0\\nEndpoint = 203.0.113.77:51820\\n' "
            "\"$(wg genkey)\" \"$(wg genkey | wg pubkey)\" >/etc/wireguard/other.conf; " WG_QUICK
            " up other");
        /* Its rules come before ours: what would go by its device is dropped. */
        flood_wait(&day.flood, SETTLE_ROUNDS);
        g_assert_cmpint(count_on_lines(&day), ==, 0);
        run(WG_QUICK " down other");
        check_step(&day, "and takes down", "ConflictDetected overruled: wg-quick", LAB_RELAY_V4,
                LAB_RELAY_V6);

        run("systemctl restart NetworkManager");
        g_assert_true(client_wait_for_entry(day.client, "DefaultRoute4", "connection", "wan0"));
        check_step(&day, "NetworkManager is restarted", "", LAB_RELAY_V4, LAB_RELAY_V6);

        g_assert_cmpint(client_kill_service(day.client), >, 0);
        g_assert_true(client_wait_for_entry(day.client, "Tunnel", "device", "wg0"));
        told_read(&day.told);
        check_step(&day, "the service is killed, and back", "", LAB_RELAY_V4, LAB_RELAY_V6);

        day.is_closed = false;
        g_variant_unref(client_call_ok(day.client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(day.lab, "wg0"));
        check_step(&day, "the tunnel is unset", "", LAB_ISP0_V4, LAB_ISP0_V6);

        CHECK_OK(lab_cable_plug(day.lab, LAB_ISP1));
        check_step(&day, "the better link is back", TO_WAN1, LAB_ISP1_V4, LAB_ISP1_V6);
        run("nmcli connection down wan1");
        check_step(&day, "and is let go, as before", TO_WAN0, LAB_ISP0_V4, LAB_ISP0_V6);
        after = look_around();
        g_assert_cmpstr(after, ==, before);
        flood_stop(&day.flood);
        for (int i = 0; i < 2; i++)
                (void)capture_stop(day.captures[i]);
        told_close(&day.told);
        (void)client_free(day.client);
}

static const CheckCase cases[] = {
        { "/laptop/a-day-with-every-change-told-once-and-no-packet-astray", test_day },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
