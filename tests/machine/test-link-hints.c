// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What the watchers say of links beside the real NetworkManager, networkd and
 * resolved, as told by the probe. The last argument names the machine: plain,
 * resolved, networkd.
 */

#include <net/if.h>
#include <signal.h>
#include <string.h>

#include "tests/machine/lib/check.h"

#define NM "NetworkManager.service"
#define RESOLVED "systemd-resolved.service"
#define NM_NAME "org.freedesktop.NetworkManager"
#define QUIET_MSEC 3000

#define ISP0_DNS "dns=" LAB_ISP0_LAN_V4 "," LAB_ISP0_LAN_V6
#define ISP1_DNS "dns=" LAB_ISP1_LAN_V4 "," LAB_ISP1_LAN_V6

typedef struct Probe {
        Machine *machine;
        GSubprocess *process;
        GDataInputStream *output;
        GHashTable *said; /* "nm 2" → the rest of its last line */
        GPtrArray *lines; /* all that was said */
        bool open;
} Probe;

static void read_line(Probe *probe);

static void on_line(GObject *source, GAsyncResult *result, gpointer user) {
        Probe *probe = user;
        char *line = g_data_input_stream_read_line_finish(
                G_DATA_INPUT_STREAM(source), result, NULL, NULL);
        g_auto(GStrv) words = NULL;

        if (!line) {
                probe->open = false;
                return;
        }
        g_ptr_array_add(probe->lines, line);
        words = g_strsplit(line, " ", 3);
        if (g_strv_length(words) == 3) {
                g_autofree char *key = g_strjoin(" ", words[0], words[1], NULL);
                const char *before = g_hash_table_lookup(probe->said, key);

                /* Only what changed is told. */
                g_assert_cmpstr(before, !=, words[2]);
                g_hash_table_insert(probe->said, g_steal_pointer(&key), g_strdup(words[2]));
        } else
                g_hash_table_insert(probe->said, g_strdup(words[0]), g_strdup(words[1] ?: ""));
        read_line(probe);
}

static void read_line(Probe *probe) {
        g_data_input_stream_read_line_async(
                probe->output, G_PRIORITY_DEFAULT, NULL, on_line, probe);
}

static Probe *probe_start_patient(Machine *machine, const char *timeout_msec) {
        g_autoptr(GError) error = NULL;
        Probe *probe = g_new0(Probe, 1);

        probe->machine = machine;
        probe->process =
                g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                        &error, BUILD_DIR "/tests/machine/link-hints-probe", timeout_msec, NULL);
        g_assert_no_error(error);
        probe->output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(probe->process));
        probe->said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        probe->lines = g_ptr_array_new_with_free_func(g_free);
        probe->open = true;
        read_line(probe);
        return probe;
}

static Probe *probe_start(Machine *machine) {
        return probe_start_patient(machine, NULL);
}

static bool is_closed(void *user) {
        return !((Probe *)user)->open;
}

static void probe_stop(Probe *probe) {
        g_autoptr(GError) error = NULL;

        g_assert_true(
                g_output_stream_close(g_subprocess_get_stdin_pipe(probe->process), NULL, &error));
        g_assert_true(machine_wait_until(probe->machine, is_closed, probe, MACHINE_WAIT_MSEC));
        g_assert_true(g_subprocess_wait_check(probe->process, NULL, &error));
        g_object_unref(probe->process);
        g_object_unref(probe->output);
        g_hash_table_unref(probe->said);
        g_ptr_array_unref(probe->lines);
        g_free(probe);
}

typedef struct Wanted {
        Probe *probe;
        char *key;
        const char *text;
} Wanted;

static bool is_said(void *user) {
        const Wanted *wanted = user;
        const char *said = g_hash_table_lookup(wanted->probe->said, wanted->key);

        return said && strstr(said, wanted->text);
}

static void probe_expect_key(Probe *probe, const char *key, const char *text) {
        Wanted wanted = { probe, (char *)key, text };

        if (machine_wait_until(probe->machine, is_said, &wanted, MACHINE_WAIT_MSEC))
                return;
        for (unsigned i = 0; i < probe->lines->len; i++)
                g_printerr("%s\n", (const char *)probe->lines->pdata[i]);
        g_error("never said of %s: %s", key, text);
}

/* @source says @text of the link, now or soon. */
static void probe_expect(Probe *probe, const char *source, const char *link, const char *text) {
        g_autofree char *key = g_strdup_printf("%s %u", source, if_nametoindex(link));

        probe_expect_key(probe, key, text);
}

/* An answer means that the loop turns, and what came before it is told. */
static void probe_ping(Probe *probe) {
        g_autoptr(GError) error = NULL;

        g_hash_table_remove(probe->said, "pong");
        g_assert_true(g_output_stream_write_all(
                g_subprocess_get_stdin_pipe(probe->process), "\n", 1, NULL, NULL, &error));
        probe_expect_key(probe, "pong", "");
}

static bool probe_heard(Probe *probe, const char *text) {
        for (unsigned i = 0; i < probe->lines->len; i++)
                if (strstr(probe->lines->pdata[i], text))
                        return true;
        return false;
}

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

/* How often the process slept, and how often it was made to: the last two lines. */
static char *probe_switches(Probe *probe) {
        g_autofree char *path =
                g_strdup_printf("/proc/%s/status", g_subprocess_get_identifier(probe->process));
        g_autofree char *text = NULL;
        char *found;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        found = strstr(text, "voluntary_ctxt_switches");
        g_assert_nonnull(found);
        return g_strdup(found);
}

static bool never(void *user) {
        return false;
}

/* Addresses are renewed now and then, so one quiet span of several is enough. */
static void check_rest(Machine *machine) {
        Probe *probe = probe_start(machine);
        bool quiet = false;

        probe_expect_key(probe, "bus", ":");
        for (int i = 0; i < 4 && !quiet; i++) {
                g_autofree char *before = NULL, *after = NULL;

                probe_ping(probe);
                (void)machine_wait_until(machine, never, NULL, 200);
                before = probe_switches(probe);
                (void)machine_wait_until(machine, never, NULL, QUIET_MSEC);
                after = probe_switches(probe);
                quiet = g_str_equal(before, after);
        }
        g_assert_true(quiet);
        probe_stop(probe);
}

static void check_inactive(const char *unit) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "systemctl", "is-active", unit, NULL));
        g_assert_cmpstr(result.out, ==, "inactive\n");
}

/* --- NetworkManager --- */

static Probe *start_with_nm(Machine *machine) {
        Probe *probe = probe_start(machine);

        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        probe_expect(probe, "nm", "wan1", ISP1_DNS);
        return probe;
}

static void test_desktop(Machine *machine) {
        g_autofree char *uuid =
                machine_run_ok("nmcli", "-g", "connection.uuid", "con", "show", "wan0", NULL);
        Probe *probe = start_with_nm(machine);
        g_autofree char *text =
                g_strdup_printf("managed metered=no id=wan0 uuid=%s " ISP0_DNS, g_strchomp(uuid));

        probe_expect(probe, "nm", "wan0", text);
        probe_expect(probe, "merged", "wan0", text);
        probe_expect(probe, "nm", "wan1", "managed metered=no id=wan1 uuid=");
        probe_stop(probe);
}

static void test_servers(Machine *machine) {
        Probe *probe = start_with_nm(machine);

        run("nmcli con modify wan0 ipv4.dns 9.9.9.9; nmcli device reapply wan0");
        probe_expect(probe, "nm", "wan0", "dns=9.9.9.9," LAB_ISP0_LAN_V4 "," LAB_ISP0_LAN_V6);
        run("nmcli con modify wan0 ipv4.ignore-auto-dns yes ipv6.ignore-auto-dns yes ipv6.dns "
            "2001:db8::9; nmcli con up wan0");
        probe_expect(probe, "nm", "wan0", "dns=9.9.9.9,2001:db8::9");
        run("nmcli con modify wan0 ipv4.ignore-auto-dns no ipv6.ignore-auto-dns no ipv4.dns '' "
            "ipv6.dns ''; nmcli con up wan0");
        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        g_assert_true(machine_wait_online(machine));
        probe_stop(probe);
}

static void test_cable(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        Probe *probe = start_with_nm(machine);

        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        probe_expect(probe, "nm", "wan0", "id= uuid= dns=");
        probe_expect(probe, "nm", "wan1", ISP1_DNS);
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        probe_expect(probe, "nm", "wan0", "id=wan0");
        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        g_assert_true(machine_wait_online(machine));
        probe_stop(probe);
}

static void test_rename(Machine *machine) {
        Probe *probe = start_with_nm(machine);

        run("nmcli con modify wan0 connection.id 'Kaffee & Küche'");
        probe_expect(probe, "nm", "wan0", "id=Kaffee & Küche uuid=");
        run("nmcli con modify 'Kaffee & Küche' connection.id wan0");
        probe_expect(probe, "nm", "wan0", "id=wan0 uuid=");
        probe_stop(probe);
}

static void test_metered(Machine *machine) {
        Probe *probe = start_with_nm(machine);

        run("nmcli con modify wan1 connection.metered yes; nmcli device reapply wan1");
        probe_expect(probe, "nm", "wan1", "metered=yes");
        run("nmcli con modify wan1 connection.metered unknown; nmcli device reapply wan1");
        probe_expect(probe, "nm", "wan1", "metered=no");
        probe_stop(probe);
}

static void test_tun(Machine *machine) {
        g_autofree char *key = NULL;
        Probe *probe = start_with_nm(machine);

        run("nmcli con add type tun ifname tun7 con-name office ipv4.method manual "
            "ipv4.addresses 10.9.0.2/24 ipv4.dns 10.9.0.1 ipv6.method disabled "
            "ipv4.never-default yes; nmcli con up office");
        probe_expect(probe, "nm", "tun7", "vpn");
        probe_expect(probe, "nm", "tun7", "id=office");
        probe_expect(probe, "nm", "tun7", "dns=10.9.0.1");
        key = g_strdup_printf("nm %u", if_nametoindex("tun7"));
        run("nmcli con delete office");
        probe_expect_key(probe, key, "gone");
        probe_stop(probe);
}

static void test_nm_restarts(Machine *machine) {
        Probe *probe = start_with_nm(machine);

        run("systemctl stop " NM);
        probe_expect(probe, "nm", "wan0", "gone");
        probe_expect(probe, "merged", "wan0", "gone");
        probe_ping(probe);
        check_inactive(NM);
        run("systemctl start " NM);
        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        run("systemctl kill --signal=KILL " NM);
        probe_expect(probe, "nm", "wan0", "gone");
        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        probe_expect(probe, "nm", "wan1", ISP1_DNS);
        g_assert_true(machine_wait_online(machine));
        probe_stop(probe);
}

/* A NetworkManager that hangs holds nobody up, not even past the time that calls may take. */
static void test_nm_hangs(Machine *machine) {
        Probe *probe;

        run("systemctl kill --signal=STOP " NM);
        probe = probe_start_patient(machine, "200");
        probe_expect_key(probe, "bus", ":");
        probe_ping(probe);
        (void)machine_wait_until(machine, never, NULL, 700);
        probe_ping(probe);
        g_assert_false(probe_heard(probe, "nm "));
        run("systemctl kill --signal=CONT " NM);
        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        probe_stop(probe);
}

static void test_nm_stays_stopped(Machine *machine) {
        Probe *probe;

        for (int masked = 0; masked < 2; masked++) {
                run(masked ? "systemctl mask --runtime --now " NM : "systemctl stop " NM);
                probe = probe_start(machine);
                probe_expect_key(probe, "bus", ":");
                probe_ping(probe);
                (void)machine_wait_until(machine, never, NULL, 500);
                probe_ping(probe);
                g_assert_false(probe_heard(probe, "nm "));
                check_inactive(NM);
                run(masked ? "systemctl unmask --runtime " NM "; systemctl start " NM
                           : "systemctl start " NM);
                probe_expect(probe, "nm", "wan0", ISP0_DNS);
                probe_stop(probe);
                g_assert_true(machine_wait_online(machine));
        }
}

/* Anybody may send us what looks like NetworkManager's signal. */
static void test_forged_signals(Machine *machine) {
        g_autofree char *path = machine_run_ok("sh", "-euc",
                "nmcli -g ACTIVE-PATH,NAME con show --active | sed -n '/:wan0$/{s/:wan0//p}'",
                NULL);
        Probe *probe = start_with_nm(machine);
        g_autoptr(GError) error = NULL;

        g_assert_true(g_variant_is_object_path(g_strchomp(path)));
        probe_expect_key(probe, "bus", ":");
        for (int i = 0; i < 3; i++)
                g_assert_true(g_dbus_connection_emit_signal(machine_get_bus(machine),
                        g_hash_table_lookup(probe->said, "bus"), path,
                        "org.freedesktop.DBus.Properties", "PropertiesChanged",
                        g_variant_new_parsed("('" NM_NAME ".Connection.Active', "
                                             "{'Id': <'forged'>}, @as [])"),
                        &error));
        g_assert_true(g_dbus_connection_flush_sync(machine_get_bus(machine), NULL, &error));
        run("nmcli con modify wan0 connection.id true-name");
        probe_expect(probe, "nm", "wan0", "id=true-name");
        run("nmcli con modify true-name connection.id wan0");
        probe_expect(probe, "nm", "wan0", "id=wan0");
        g_assert_false(probe_heard(probe, "forged"));
        probe_stop(probe);
}

static const CheckCase nm_cases[] = {
        { "/link-hints/network-manager-tells-what-a-desktop-has", test_desktop },
        { "/link-hints/network-manager-servers-changed", test_servers },
        { "/link-hints/network-manager-cable-pulled", test_cable },
        { "/link-hints/network-manager-connection-renamed", test_rename },
        { "/link-hints/network-manager-metered", test_metered },
        { "/link-hints/network-manager-tun", test_tun },
        { "/link-hints/network-manager-restarts", test_nm_restarts },
        { "/link-hints/network-manager-hangs", test_nm_hangs },
        { "/link-hints/network-manager-stays-stopped", test_nm_stays_stopped },
        { "/link-hints/network-manager-forged-signals", test_forged_signals },
        { "/link-hints/network-manager-rests", check_rest },
};

/* --- NetworkManager with resolved --- */

static void test_resolved_wins(Machine *machine) {
        Probe *probe = start_with_nm(machine);

        probe_expect(probe, "merged", "wan0", "id=wan0");
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V4);
        run("resolvectl dns wan0 9.9.9.9");
        probe_expect(probe, "resolved", "wan0", "id= uuid= dns=9.9.9.9");
        probe_expect(probe, "merged", "wan0", "dns=9.9.9.9");
        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        run("systemctl stop " RESOLVED);
        probe_expect(probe, "resolved", "wan0", "gone");
        probe_expect(probe, "merged", "wan0", ISP0_DNS);
        run("systemctl start " RESOLVED);
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V4);
        run("systemctl stop " NM);
        probe_expect(probe, "nm", "wan0", "gone");
        run("systemctl start " NM);
        probe_expect(probe, "nm", "wan0", ISP0_DNS);
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V6);
        probe_expect(probe, "merged", "wan0", "id=wan0");
        g_assert_true(machine_wait_online(machine));
        probe_stop(probe);
}

static const CheckCase resolved_cases[] = {
        { "/link-hints/resolved-wins-over-network-manager", test_resolved_wins },
        { "/link-hints/both-rest", check_rest },
};

/* --- networkd with resolved --- */

static Probe *start_with_resolved(Machine *machine) {
        Probe *probe = probe_start(machine);

        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V4);
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V6);
        probe_expect(probe, "resolved", "wan1", LAB_ISP1_LAN_V4);
        return probe;
}

static void test_resolved_servers(Machine *machine) {
        Probe *probe = start_with_resolved(machine);

        run("resolvectl dns wan0 9.9.9.9 2001:db8::9");
        probe_expect(probe, "resolved", "wan0", "dns=9.9.9.9,2001:db8::9");
        probe_expect(probe, "merged", "wan0", "dns=9.9.9.9,2001:db8::9");
        run("resolvectl dns wan1 ''");
        probe_expect(probe, "resolved", "wan1", "gone");
        run("resolvectl revert wan0; resolvectl revert wan1; networkctl reconfigure wan0 wan1");
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V4);
        probe_expect(probe, "resolved", "wan1", LAB_ISP1_LAN_V4);
        g_assert_false(probe_heard(probe, "nm "));
        g_assert_true(machine_wait_online(machine));
        probe_stop(probe);
}

static void test_resolved_restarts(Machine *machine) {
        Probe *probe = start_with_resolved(machine);

        run("systemctl restart " RESOLVED);
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V4);
        run("systemctl kill --signal=KILL " RESOLVED);
        probe_expect(probe, "resolved", "wan0", "gone");
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V4);
        probe_stop(probe);
}

/* resolved is activatable: a question without care would start it, as the last one does. */
static void test_resolved_stays_stopped(Machine *machine) {
        Probe *probe = start_with_resolved(machine);

        run("systemctl stop " RESOLVED);
        probe_expect(probe, "resolved", "wan0", "gone");
        probe_stop(probe);
        probe = probe_start(machine);
        probe_expect_key(probe, "bus", ":");
        probe_ping(probe);
        (void)machine_wait_until(machine, never, NULL, 500);
        probe_ping(probe);
        g_assert_false(probe_heard(probe, "resolved "));
        check_inactive(RESOLVED);
        run("busctl get-property org.freedesktop.resolve1 /org/freedesktop/resolve1 "
            "org.freedesktop.resolve1.Manager DNS");
        probe_expect(probe, "resolved", "wan0", LAB_ISP0_LAN_V4);
        probe_stop(probe);
}

static const CheckCase networkd_cases[] = {
        { "/link-hints/resolved-servers-changed", test_resolved_servers },
        { "/link-hints/resolved-restarts", test_resolved_restarts },
        { "/link-hints/resolved-stays-stopped", test_resolved_stays_stopped },
        { "/link-hints/resolved-rests", check_rest },
};

int main(int argc, char **argv) {
        const char *machine = argv[argc - 1];

        if (g_str_equal(machine, "resolved"))
                return CHECK_MAIN(argc, argv, resolved_cases, .flags = MACHINE_RESOLVED);
        if (g_str_equal(machine, "networkd"))
                return CHECK_MAIN(
                        argc, argv, networkd_cases, .flags = MACHINE_RESOLVED | MACHINE_NETWORKD);
        return CHECK_MAIN(argc, argv, nm_cases, .flags = 0);
}
