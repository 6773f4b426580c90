// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * A second copy of the service on the same network: on another bus, and in a
 * container that shares the host's network. It changes nothing, says who does,
 * and takes over when that one is gone. Every test leaves no tunnel behind.
 */

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define SOCKET "\0org.talpid.Routing"
#define OTHER_INSTANCE "org.talpid.Error.OtherInstance"

#define CONTAINER "/usr/bin/unshare -m -p -i -u --fork --kill-child --mount-proc "

#define BUSCTL "busctl --address=unix:path=/run/second.bus "
#define GET BUSCTL "-j get-property " CLIENT_NAME " " CLIENT_PATH " " CLIENT_NAME " "
#define CALL BUSCTL "call " CLIENT_NAME " " CLIENT_PATH " " CLIENT_NAME " "

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

/* Its own bus, files and sockets below /run/second; @wrapper may make namespaces. */
static void start_second(const char *wrapper) {
        static const char bus[] =
                "<busconfig><type>system</type><listen>unix:path=/run/second.bus</listen>"
                "<pidfile>/run/second.pid</pidfile><auth>EXTERNAL</auth>"
                "<policy context='default'><allow user='*'/><allow receive_sender='*'/>"
                "<allow send_destination='*'/><allow own='*'/></policy></busconfig>";
        g_autofree char *unit =
                g_strdup_printf("[Service]\nType=notify\nNotifyAccess=all\n"
                                "Environment=DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/second.bus "
                                "RUNTIME_DIRECTORY=/run/second STATE_DIRECTORY=/run/second "
                                "TALPID_MECHANISM=nftables\nRestart=on-failure\nRestartSec=1ms\n"
                                "ExecStart=%s/usr/libexec/talpid/talpidd\n",
                        wrapper);

        run("rm -rf /run/second /run/second.bus; install -d -o talpid -g talpid -m 755 "
            "/run/second");
        g_assert_true(g_file_set_contents("/run/second.conf", bus, -1, NULL));
        g_assert_true(g_file_set_contents("/run/systemd/system/second.service", unit, -1, NULL));
        run("chmod 644 /run/second.conf; dbus-daemon --config-file=/run/second.conf --fork; "
            "systemctl daemon-reload; systemctl start second.service");
}

static void end_second(Machine *machine) {
        run("systemctl stop second.service; rm /run/systemd/system/second.service; "
            "systemctl daemon-reload; kill $(cat /run/second.pid)");
        g_assert_true(machine_wait_online(machine));
}

static char *ask(const char *command) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "sh", "-c", command, NULL));
        return g_strconcat(result.out, result.err, NULL);
}

static void check_says(const char *command, const char *expected) {
        g_autofree char *said = ask(command);

        if (!strstr(said, expected))
                g_error("%s says '%s', not '%s'", command, said, expected);
}

static char *dump_ours(void) {
        return machine_run_ok("sh", "-c",
                "for f in -4 -6; do ip $f rule; ip $f route show table all proto talpid; done; "
                "nft -s list ruleset",
                NULL);
}

static void set_tunnel(Machine *machine, Client *client) {
        g_autoptr(GVariant) mark = client_property(client, "Mark");

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(
                client_call_ok(client, "SetTunnel", "('wg0', {'bypass': <['" LAB_RELAY_V4 "']>})"));
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
}

/* Somebody needs it; there is nobody on that bus who would start it again. Caller frees. */
static GDBusConnection *subscribe(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        GDBusConnection *bus = g_dbus_connection_new_for_address_sync("unix:path=/run/second.bus",
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, &error);

        g_assert_no_error(error);
        g_dbus_connection_set_exit_on_close(bus, FALSE);
        reply = g_dbus_connection_call_sync(bus, CLIENT_NAME, CLIENT_PATH, CLIENT_NAME, "Subscribe",
                g_variant_new_parsed("(['default'],)"), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                &error);
        g_assert_no_error(error);
        return bus;
}

/* The second one is there, and does nothing but tell. */
static void check_stands_back(Machine *machine, const char *first) {
        g_autofree char *before = dump_ours(), *after = NULL;

        CHECK_PRINTS(machine, "\"instance\"", "sh", "-c", GET "Conflicts");
        check_says(GET "Conflicts", first);
        check_says(GET "State", "degraded");
        check_says(GET "DefaultRoute4", "wan0");
        check_says(CALL "SetTunnel 'sa{sv}' wan1 1 replace b true", first);
        check_says(CALL "UnsetTunnel 'a{sv}' 0", first);
        check_says(CALL "AddRoutes 'aa{sv}a{sv}' 1 2 destination s 10.8.0.0/16 node s default 0",
                first);
        check_says(CALL "Refresh", "");
        check_says(BUSCTL "call org.talpid.SplitTunnel /org/talpid/SplitTunnel "
                          "org.talpid.SplitTunnel AddSelectors 'a(ss)a{sv}' 1 user bob 0",
                first);
        check_says("/usr/libexec/talpid/talpidd --clean-up 2>&1 || echo refused", "refused");
        after = dump_ours();
        g_assert_cmpstr(after, ==, before);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
}

/* Now it can be asked for what was refused. */
static void check_took_over(Machine *machine) {
        CHECK_PRINTS(machine, "\"wg0\"", "sh", "-c", GET "Tunnel");
        CHECK_PRINTS(machine, "\"active\"", "sh", "-c", GET "State");
        check_says(GET "Conflicts", "[]");
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        run("ip rule del priority 4984");
        CHECK_PRINTS(machine, "4984:", "ip", "rule");
        run(CALL "UnsetTunnel 'a{sv}' 0");
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static void check_second(Machine *machine, const char *wrapper, const char *first) {
        Client *client = client_new(machine);
        g_autoptr(GDBusConnection) subscriber = NULL;

        set_tunnel(machine, client);
        start_second(wrapper);
        check_stands_back(machine, first);
        subscriber = subscribe();

        /* It stops, and leaves its tunnel closed: who waited keeps it. */
        run("systemctl stop talpid.service");
        g_assert_true(client_wait_for_service(client, false));
        check_took_over(machine);

        /* The first one is second now. */
        run(CALL "AddRoutes 'aa{sv}a{sv}' 1 2 destination s 10.8.0.0/16 node s default 0");
        client_call_fails(
                client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)", OTHER_INSTANCE, "talpidd (pid ");
        run(CALL "ClearRoutes 'a{sv}' 0");
        end_second(machine);
        g_assert_true(client_wait_for_entry(client, "DefaultRoute4", "device", "wan0"));
        (void)client_free(client);
}

static void test_other_bus(Machine *machine) {
        check_second(machine, "", "talpidd (pid ");
}

static void test_container(Machine *machine) {
        check_second(machine, CONTAINER, "a talpidd outside of this container");
}

/* Return: a process of a user's that listens on the socket by which copies tell each other. */
static pid_t start_stranger(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET };
        int ready[2];
        char byte;
        pid_t pid;

        CHECK_OK(pipe(ready));
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

                if (setresuid(MACHINE_BOB, MACHINE_BOB, MACHINE_BOB) < 0 || fd < 0 ||
                        bind(fd, (struct sockaddr *)&address,
                                offsetof(struct sockaddr_un, sun_path) + sizeof(SOCKET) - 1) < 0 ||
                        listen(fd, 1) < 0 || write(ready[1], "", 1) != 1)
                        _exit(1);
                for (;;)
                        (void)pause();
        }
        (void)close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        (void)close(ready[0]);
        return pid;
}

/* Anybody may have its name: that closes nobody out. */
static void test_stranger(Machine *machine) {
        Client *client = client_new(machine);
        pid_t stranger;

        run("systemctl stop talpid.service");
        stranger = start_stranger();
        set_tunnel(machine, client);
        g_variant_unref(client_call_ok(client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        CHECK_OK(kill(stranger, SIGKILL));
        g_assert_cmpint(waitpid(stranger, NULL, 0), ==, stranger);
        run("systemctl stop talpid.service");
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/second-copy/on-another-bus-stands-back-and-takes-over", test_other_bus },
        { "/second-copy/in-a-container-stands-back-and-takes-over", test_container },
        { "/second-copy/socket-held-by-a-stranger-stops-nobody", test_stranger },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
