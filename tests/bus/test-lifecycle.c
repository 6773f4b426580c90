// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * When the service comes, stays, leaves, and what it leaves behind.
 */

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/bus/service-fixture.h"

#define ADD(destination, lifetime)                                                                 \
        "([{'destination': <'" destination "'>, 'device': <'v0'>}],"                               \
        " {'lifetime': <'" lifetime "'>})"

/* Leaves as soon as nobody needs it. */
static const char *const at_once[] = { "--idle-timeout=1ms", NULL };

static void wait_for_end(Service *s) {
        bus_fixture_wait_for_no_name(s->bus, NAME);
        g_assert_cmpint(service_stop(s, 0), ==, 0);
}

/* Idle */

static void test_leaves_when_idle(void) {
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        g_assert_cmpint(service_stop(&s, SIGTERM), ==, 0);
        {
                g_autofree char *directory = g_strconcat("RUNTIME_DIRECTORY=", s.directory, NULL);
                const char *const environment[] = { directory, NULL };
                const char *const argv[] = { TALPIDD, at_once[0], NULL };

                s.process = bus_fixture_spawn(s.bus, BUS_UID_SERVICE, argv, environment);
        }
        wait_for_end(&s);
        service_tear_down(&s);
}

static void test_stays_while_subscribed(void) {
        g_autoptr(GVariant) state = NULL;
        BusClient *bob;
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        service_do(s.alice, "Subscribe", "(['default'],)");
        bob = bus_client_new(s.bus, BUS_UID_BOB);
        service_do(bob, "Subscribe", "(['default'],)");
        service_do(bob, "Unsubscribe", NULL);
        state = service_get(s.alice, "State");
        g_assert_cmpstr(g_variant_get_string(state, NULL), ==, "idle");
        bus_client_free(bob);
        service_tear_down(&s);
}

/*
 * A thousand calls through an activating bus to a service that leaves as soon
 * as it has answered: it goes under them again and again, and not one is lost.
 */

#define N_CALLS 1000

typedef struct Hammer {
        unsigned n_answered, n_failed;
        GHashTable *instances; /* unique names that answered */
} Hammer;

static void on_answer(GObject *source, GAsyncResult *result, gpointer userdata) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GDBusMessage) reply = NULL;
        Hammer *hammer = userdata;

        reply = g_dbus_connection_send_message_with_reply_finish(
                G_DBUS_CONNECTION(source), result, &error);
        if (reply)
                (void)g_dbus_message_to_gerror(reply, &error);
        if (error) {
                g_test_message("%s", error->message);
                hammer->n_failed++;
        } else
                (void)g_hash_table_add(
                        hammer->instances, g_strdup(g_dbus_message_get_sender(reply)));
        hammer->n_answered++;
}

static void send_call(
        GDBusConnection *connection, Hammer *hammer, const char *member, const char *arguments) {
        g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(NAME, PATH, NAME, member);

        if (arguments)
                g_dbus_message_set_body(
                        message, g_variant_parse(NULL, arguments, NULL, NULL, NULL));
        g_dbus_connection_send_message_with_reply(connection, message,
                G_DBUS_SEND_MESSAGE_FLAGS_NONE, BUS_DEADLINE_SECONDS * 1000, NULL, NULL, on_answer,
                hammer);
}

static void die_with_parent(gpointer userdata) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A bus that starts the service itself, as on a machine without systemd. */
static GSubprocess *start_activating_bus(const char *directory, char **ret_address) {
        g_autofree char *config = g_strdup_printf(
                "<busconfig><type>session</type><listen>unix:path=%s/bus</listen>"
                "<servicedir>%s</servicedir><policy context='default'><allow user='*'/>"
                "<allow send_destination='*'/><allow receive_sender='*'/><allow own='*'/>"
                "</policy></busconfig>",
                directory, directory);
        g_autofree char *service = g_strdup_printf(
                "[D-BUS Service]\nName=" NAME "\nExec=/usr/bin/env RUNTIME_DIRECTORY=%s/run "
                "DBUS_SYSTEM_BUS_ADDRESS=unix:path=%s/bus \"" TALPIDD "\" --idle-timeout=0ms\n",
                directory, directory);
        g_autofree char *config_path = g_build_filename(directory, "bus.conf", NULL);
        g_autofree char *service_path = g_build_filename(directory, NAME ".service", NULL);
        g_autofree char *argument = g_strconcat("--config-file=", config_path, NULL);
        g_autoptr(GSubprocessLauncher) launcher =
                g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
        g_autoptr(GDataInputStream) output = NULL;
        g_autoptr(GError) error = NULL;
        GSubprocess *daemon;

        (void)g_file_set_contents(config_path, config, -1, &error);
        g_assert_no_error(error);
        (void)g_file_set_contents(service_path, service, -1, &error);
        g_assert_no_error(error);

        g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
        daemon = g_subprocess_launcher_spawn(launcher, &error, "/usr/bin/dbus-daemon", "--nofork",
                "--print-address=1", argument, NULL);
        g_assert_no_error(error);
        output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(daemon));
        *ret_address = g_data_input_stream_read_line(output, NULL, NULL, &error);
        g_assert_no_error(error);
        return daemon;
}

static void test_idle_exit_loses_no_call(void) {
        static const char *const members[] = { "Refresh", "ListRoutes", "AddRoutes",
                "RemoveRoutes" };
        static const char *const arguments[] = { NULL, "(@a{sv} {},)", ADD("10.8.0.0/16", "boot"),
                "([{'destination': <'10.8.0.0/16'>}], {'all': <true>})" };
        Hammer hammer = { .instances =
                                  g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
        g_autoptr(GDBusConnection) connection = NULL;
        g_autofree char *directory = NULL, *address = NULL;
        g_autoptr(GSubprocess) daemon = NULL;
        g_autoptr(GError) error = NULL;
        Service s; /* for its namespaces */

        if (!service_set_up(&s, NULL, NULL))
                return;
        g_assert_cmpint(service_stop(&s, SIGTERM), ==, 0);
        directory = g_dir_make_tmp("talpid-XXXXXX", NULL);
        g_assert_cmpint(g_chmod(directory, 0755), ==, 0); /* the service becomes another user */
        daemon = start_activating_bus(directory, &address);
        connection = g_dbus_connection_new_for_address_sync(address,
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, &error);
        g_assert_no_error(error);

        /* One at a time and in bunches, so that calls meet each moment of an exit. */
        for (unsigned sent = 0; sent < N_CALLS;) {
                unsigned bunch = 1 + sent % 3;

                for (unsigned i = 0; i < bunch; i++, sent++)
                        send_call(connection, &hammer, members[sent % 4], arguments[sent % 4]);
                BUS_WAIT_UNTIL(hammer.n_answered == sent);
        }
        g_test_message("%u instances answered", g_hash_table_size(hammer.instances));
        g_assert_cmpuint(hammer.n_failed, ==, 0);
        g_assert_cmpuint(g_hash_table_size(hammer.instances), >, 20);

        (void)g_dbus_connection_close_sync(connection, NULL, NULL);
        g_subprocess_force_exit(daemon);
        (void)g_subprocess_wait(daemon, NULL, NULL);
        g_free(run("rm -r %s", directory));
        g_hash_table_unref(hammer.instances);
        service_tear_down(&s);
}

/* Told to stop */

static void test_stop_ends_what_lives_by_clients(void) {
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        service_do(s.root, "AddRoutes", ADD("10.8.0.0/16", "boot"));
        service_do(s.root, "AddRoutes", ADD("10.9.0.0/16", "client"));
        service_do(
                s.root, "SetTunnel", "('wg0', {'fail-closed': <false>, 'lifetime': <'client'>})");
        g_assert_true(kernel_has_route("default dev wg0 table 1985"));

        g_assert_cmpint(service_stop(&s, SIGTERM), ==, 0);
        g_assert_true(kernel_has_route("10.8.0.0/16"));
        g_assert_false(kernel_has_route("10.9.0.0/16"));
        g_assert_false(kernel_has_route("table 1985"));
        service_tear_down(&s);
}

static void test_stop_keeps_the_closed_closed(void) {
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        service_do(s.root, "SetTunnel", "('wg0', {'lifetime': <'client'>})");
        g_assert_cmpint(service_stop(&s, SIGINT), ==, 0);
        g_assert_true(kernel_has_route("default dev wg0 table 1985"));
        g_assert_true(kernel_has_route("unreachable default table 1985"));

        service_start(&s, NULL); /* and it is still the client's */
        service_do(s.root, "UnsetTunnel", "(@a{sv} {},)");
        g_assert_false(kernel_has_route("table 1985"));
        service_tear_down(&s);
}

static void test_hang_up_refreshes(void) {
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        service_do(s.root, "AddRoutes", ADD("10.8.0.0/16", "boot"));
        g_subprocess_send_signal(s.process, SIGHUP);
        service_do(s.root, "Refresh", NULL);
        g_assert_true(kernel_has_route("10.8.0.0/16"));
        service_tear_down(&s);
}

static void test_another_bus_ends_what_lives_by_clients(void) {
        g_autofree char *path = NULL;
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        service_do(s.root, "AddRoutes", ADD("10.8.0.0/16", "boot"));
        service_do(s.root, "AddRoutes", ADD("10.9.0.0/16", "client"));
        service_crash(&s);

        /* A name of the old bus may belong to anybody on the new one. */
        path = g_build_filename(s.directory, "bus", NULL);
        g_assert_true(g_file_set_contents(path, "0123456789abcdef0123456789abcdef", -1, NULL));
        g_assert_cmpint(chown(path, BUS_UID_SERVICE, BUS_UID_SERVICE), ==, 0);
        service_start(&s, NULL);
        kernel_wait_for_route("10.9.0.0/16", false);
        g_assert_true(kernel_has_route("10.8.0.0/16"));
        service_tear_down(&s);
}

/* Uninstalling */

static int run_program(Service *s, uid_t uid, const char *argument, const char *variable) {
        g_autofree char *directory = g_strconcat("RUNTIME_DIRECTORY=", s->directory, NULL);
        const char *const environment[] = { directory, variable, NULL };
        const char *const argv[] = { TALPIDD, argument, NULL };

        return bus_process_end(bus_fixture_spawn(s->bus, uid, argv, environment), 0);
}

static void test_clean_up_leaves_nothing(void) {
        g_autofree char *before = NULL, *after = NULL;
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        before = kernel_state();
        service_do(s.root, "AddRoutes", ADD("10.8.0.0/16", "boot"));
        service_do(s.root, "SetTunnel", "('wg0', {'bypass': <['192.0.2.77']>})");
        g_assert_cmpint(run_program(&s, 0, "--clean-up", NULL), ==, 1); /* it runs */
        g_assert_true(kernel_has_route("table 1985"));

        service_crash(&s);
        g_assert_cmpint(run_program(&s, BUS_UID_ALICE, "--clean-up", NULL), ==, 1);
        g_assert_true(kernel_has_route("table 1985"));
        g_assert_cmpint(run_program(&s, 0, "--clean-up", NULL), ==, 0);
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        g_assert_false(g_file_test(s.directory, G_FILE_TEST_EXISTS));
        g_free(run("mkdir -p %s", s.directory)); /* for the tear down */
        service_tear_down(&s);
}

/* Start */

/* Its words are read here: our own output is TAP. */
static void assert_prints(const char *argument, const char *text) {
        const char *argv[] = { TALPIDD, argument, NULL };
        g_autofree char *said = NULL;
        g_autoptr(GError) error = NULL;
        int status;

        (void)g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &said, NULL,
                &status, &error);
        g_assert_no_error(error);
        g_assert_cmpint(status, ==, 0);
        g_assert_nonnull(strstr(said, text));
}

static void test_refuses_bad_settings(void) {
        static const char *const bad[] = { "TALPID_MARK=0", "TALPID_MARK=red", "TALPID_MARK=0x3",
                "TALPID_TUNNEL_TABLE=254", "TALPID_TUNNEL_TABLE=1984", "TALPID_EXCLUDED_TABLE=-1",
                "TALPID_RULE_PRIORITY=0", "TALPID_RULE_PRIORITY=32766", "TALPID_LOG_LEVEL=loud",
                "TALPID_MARK_MASK=4294967296" };
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_cmpint(run_program(&s, BUS_UID_SERVICE, NULL, bad[i]), ==, EX_CONFIG);
        assert_prints("--version", "talpidd ");
        assert_prints("--help", "--clean-up");
        g_assert_cmpint(run_program(&s, BUS_UID_SERVICE, "--frobnicate", NULL), ==, 1);
        g_assert_cmpint(run_program(&s, BUS_UID_SERVICE, "--idle-timeout=soon", NULL), ==, 1);
        service_tear_down(&s);
}

static void test_root_becomes_our_user(void) {
        g_autofree char *environment0 = NULL, *path = NULL, *status = NULL;
        const char *const argv[] = { TALPIDD, NULL };
        const char *environment[] = { NULL, NULL };
        Service s;

        if (!service_set_up(&s, NULL, NULL))
                return;
        g_assert_cmpint(service_stop(&s, SIGTERM), ==, 0);
        environment[0] = environment0 = g_strconcat("RUNTIME_DIRECTORY=", s.directory, NULL);
        s.process = bus_fixture_spawn(s.bus, 0, argv, environment);
        bus_fixture_wait_for_name(s.bus, NAME);

        path = g_strdup_printf("/proc/%s/status", g_subprocess_get_identifier(s.process));
        g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
        g_assert_nonnull(strstr(status, "\nUid:\t64000\t64000\t64000\t64000\n"));
        g_assert_nonnull(strstr(status, "\nGid:\t64000\t64000\t64000\t64000\n"));
        g_assert_nonnull(strstr(status, "\nCapPrm:\t000000c000081002\n")); /* privileges.c */
        g_assert_nonnull(strstr(status, "\nCapEff:\t000000c000081002\n"));
        g_assert_nonnull(strstr(status, "\nCapBnd:\t000000c000081002\n"));
        g_assert_nonnull(strstr(status, "\nNoNewPrivs:\t1\n"));

        service_do(s.root, "AddRoutes", ADD("10.8.0.0/16", "boot"));
        g_assert_true(kernel_has_route("10.8.0.0/16"));
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        service_fixture_enter();

        g_test_add_func("/lifecycle/leaves-when-idle", test_leaves_when_idle);
        g_test_add_func("/lifecycle/stays-while-subscribed", test_stays_while_subscribed);
        g_test_add_func("/lifecycle/idle-exit-loses-no-call", test_idle_exit_loses_no_call);
        g_test_add_func(
                "/lifecycle/stop-ends-what-lives-by-clients", test_stop_ends_what_lives_by_clients);
        g_test_add_func(
                "/lifecycle/stop-keeps-the-closed-closed", test_stop_keeps_the_closed_closed);
        g_test_add_func("/lifecycle/hang-up-refreshes", test_hang_up_refreshes);
        g_test_add_func("/lifecycle/another-bus-ends-what-lives-by-clients",
                test_another_bus_ends_what_lives_by_clients);
        g_test_add_func("/lifecycle/clean-up-leaves-nothing", test_clean_up_leaves_nothing);
        g_test_add_func("/lifecycle/refuses-bad-settings", test_refuses_bad_settings);
        g_test_add_func("/lifecycle/root-becomes-our-user", test_root_becomes_our_user);
        return g_test_run();
}
