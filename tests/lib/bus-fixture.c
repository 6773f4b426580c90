// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/bus-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#define POLKITD "/usr/lib/polkit-1/polkitd"
#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_BUS_POLICY "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"

#define ACTIONS_DIR "/usr/share/polkit-1/actions"
#define PACKAGE_RULES_DIR "/usr/share/polkit-1/rules.d"
#define RULES_DIR "/etc/polkit-1/rules.d"
#define RULES_FILE RULES_DIR "/50-test.rules"
#define BPF_FS "/sys/fs/bpf" /* what is attached goes with the last process of the namespace */

struct BusFixture {
        char *directory;
        char *socket; /* a path */
        char *address;
        GSubprocess *daemon;
        GSubprocess *polkitd;
        GDBusConnection *connection;
};

/* Waiting */

static gboolean on_deadline(gpointer userdata) {
        *(bool *)userdata = true;
        return G_SOURCE_REMOVE;
}

void bus_wait_event(gint64 until_usec, const char *what, const char *file, int line) {
        gint64 left_usec = until_usec - g_get_monotonic_time();
        bool expired = false;
        guint source;

        if (left_usec <= 0)
                g_error("%s:%d: deadline passed, still not: %s", file, line, what);

        source = g_timeout_add((guint)(left_usec / 1000) + 1, on_deadline, &expired);
        (void)g_main_context_iteration(NULL, TRUE);
        if (!expired)
                (void)g_source_remove(source);
}

/* The mount namespace */

static bool mount_tmpfs(const char *path) {
        return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0;
}

/* Lets @path show its old content and @more. The copy lives in a tmpfs of the namespace. */
static bool append_to_file(const char *path, const char *more) {
        g_autofree char *name = g_path_get_basename(path);
        g_autofree char *copy = g_build_filename(ACTIONS_DIR, name, NULL);
        g_autofree char *old = NULL, *content = NULL;

        if (!g_file_get_contents(path, &old, NULL, NULL))
                return false;

        content = g_strconcat(old, more, NULL);
        return g_file_set_contents(copy, content, -1, NULL) && g_chmod(copy, 0644) == 0 &&
               mount(copy, path, NULL, MS_BIND, NULL) == 0;
}

static bool copy_actions(void) {
        static const char *const policies[] = { BUS_FIXTURE_POLICIES };

        for (size_t i = 0; i < G_N_ELEMENTS(policies); i++) {
                g_autofree char *name = g_path_get_basename(policies[i]);
                g_autofree char *target = g_build_filename(ACTIONS_DIR, name, NULL);
                g_autofree char *content = NULL;

                if (!g_file_get_contents(policies[i], &content, NULL, NULL) ||
                        !g_file_set_contents(target, content, -1, NULL) ||
                        g_chmod(target, 0644) < 0)
                        return false;
        }
        return true;
}

const char *bus_fixture_enter(void) {
        const char *needed[] = { POLKITD, POLKIT_BUS_POLICY, "/usr/bin/dbus-daemon",
                "/usr/bin/setpriv" };

        if (geteuid() != 0)
                return "needs root, to be several users";
        for (size_t i = 0; i < G_N_ELEMENTS(needed); i++)
                if (access(needed[i], R_OK) < 0)
                        return "needs dbus-daemon, polkitd and setpriv";
        if (unshare(CLONE_NEWNS) < 0)
                return "needs mount namespaces";

        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mount_tmpfs(ACTIONS_DIR) ||
                !mount_tmpfs(PACKAGE_RULES_DIR) || !mount_tmpfs(RULES_DIR) ||
                mount("bpf", BPF_FS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") < 0)
                return "needs to mount";

        if (!append_to_file("/etc/passwd",
                    BUS_FIXTURE_USER ":x:64000:64000::/nonexistent:/bin/false\n"
                                     "alice:x:64001:64001::/nonexistent:/bin/false\n"
                                     "bob:x:64002:64002::/nonexistent:/bin/false\n") ||
                !append_to_file(
                        "/etc/group", BUS_FIXTURE_USER ":x:64000:\nalice:x:64001:\nbob:x:64002:\n"))
                return "needs to mount over /etc/passwd";

        if (!copy_actions())
                return "needs the polkit actions of the build directory";
        return NULL;
}

/* Processes */

/* Runs between fork and exec. */
static void die_with_parent(gpointer userdata) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocess *spawn(BusFixture *bus, GSubprocessFlags flags, const char *const *argv,
        const char *const *environment) {
        g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
        g_autoptr(GError) error = NULL;
        GSubprocess *process;

        g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
        if (bus->address)
                g_subprocess_launcher_setenv(
                        launcher, "DBUS_SYSTEM_BUS_ADDRESS", bus->address, TRUE);
        for (size_t i = 0; environment && environment[i]; i++) {
                g_auto(GStrv) pair = g_strsplit(environment[i], "=", 2);

                g_subprocess_launcher_setenv(launcher, pair[0], pair[1], TRUE);
        }

        process = g_subprocess_launcher_spawnv(launcher, argv, &error);
        g_assert_no_error(error);
        return process;
}

BusProcess *bus_fixture_spawn(
        BusFixture *bus, uid_t uid, const char *const *argv, const char *const *environment) {
        g_autoptr(GPtrArray) full = g_ptr_array_new_with_free_func(g_free);

        if (uid != 0) {
                /* What the unit gives; without split tunnelling its drop-in for routes alone. */
                bool all = environment && g_strv_contains(environment, "TALPID_MECHANISM=");
                const char *caps = all ? "-all,+net_admin,+dac_override,+sys_ptrace,+bpf,+perfmon"
                                       : "-all,+net_admin";

                g_ptr_array_add(full, g_strdup("/usr/bin/setpriv"));
                g_ptr_array_add(full, g_strdup_printf("--reuid=%u", (unsigned)uid));
                g_ptr_array_add(full, g_strdup_printf("--regid=%u", (unsigned)uid));
                g_ptr_array_add(full, g_strdup("--clear-groups"));
                g_ptr_array_add(full, g_strconcat("--inh-caps=", caps, NULL));
                g_ptr_array_add(full, g_strconcat("--ambient-caps=", caps, NULL));
                g_ptr_array_add(full, g_strconcat("--bounding-set=", caps, NULL));
                g_ptr_array_add(full, g_strdup("--no-new-privs"));
                g_ptr_array_add(full, g_strdup("--pdeathsig=KILL"));
                g_ptr_array_add(full, g_strdup("--"));
        }
        for (size_t i = 0; argv[i]; i++)
                g_ptr_array_add(full, g_strdup(argv[i]));
        g_ptr_array_add(full, NULL);

        return spawn(bus, G_SUBPROCESS_FLAGS_NONE, (const char *const *)full->pdata, environment);
}

void bus_process_kill(BusProcess *process) {
        if (!process)
                return;

        g_subprocess_force_exit(process);
        (void)g_subprocess_wait(process, NULL, NULL);
        g_object_unref(process);
}

static void on_process_end(GObject *source, GAsyncResult *result, gpointer userdata) {
        (void)g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
        *(bool *)userdata = true;
}

int bus_process_end(BusProcess *process, int signal_number) {
        bool ended = false;
        int status;

        g_subprocess_send_signal(process, signal_number);
        g_subprocess_wait_async(process, NULL, on_process_end, &ended);
        BUS_WAIT_UNTIL(ended);

        status = g_subprocess_get_if_exited(process) ? g_subprocess_get_exit_status(process) : -1;
        g_object_unref(process);
        return status;
}

/* The bus */

/*
 * The default section of dbus 1.14's /usr/share/dbus-1/system.conf. Not included from there, since
 * that file also forks, changes user and listens at the real place.
 */
static const char bus_config[] =
        "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN'\n"
        " 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>\n"
        "<busconfig>\n"
        "  <type>system</type>\n"
        "  <listen>unix:path=%s/bus</listen>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <policy context='default'>\n"
        "    <allow user='*'/>\n"
        "    <deny own='*'/>\n"
        "    <deny send_type='method_call'/>\n"
        "    <allow send_type='signal'/>\n"
        "    <allow send_requested_reply='true' send_type='method_return'/>\n"
        "    <allow send_requested_reply='true' send_type='error'/>\n"
        "    <allow receive_type='method_call'/>\n"
        "    <allow receive_type='method_return'/>\n"
        "    <allow receive_type='error'/>\n"
        "    <allow receive_type='signal'/>\n"
        "    <allow send_destination='org.freedesktop.DBus'"
        "     send_interface='org.freedesktop.DBus'/>\n"
        "    <allow send_destination='org.freedesktop.DBus'"
        "     send_interface='org.freedesktop.DBus.Introspectable'/>\n"
        "    <allow send_destination='org.freedesktop.DBus'"
        "     send_interface='org.freedesktop.DBus.Properties'/>\n"
        "  </policy>\n"
        "  <policy user='root'>\n"
        "    <allow send_destination='org.freedesktop.DBus'"
        "     send_interface='org.freedesktop.DBus.Monitoring'/>\n"
        "  </policy>\n"
        /* One connection of the tests stands for several users: the real one lets each have 256
           connections, and each of these wait for 128 replies. */
        "  <limit name='max_connections_per_user'>8192</limit>\n"
        "  <limit name='max_completed_connections'>8192</limit>\n"
        "  <limit name='max_replies_per_connection'>8192</limit>\n"
        "  <include>" POLKIT_BUS_POLICY "</include>\n"
        "  <include>" BUS_FIXTURE_BUS_POLICY "</include>\n"
        "</busconfig>\n";

static void start_daemon(BusFixture *bus) {
        g_autofree char *config = g_strdup_printf(bus_config, bus->directory);
        g_autofree char *path = g_build_filename(bus->directory, "bus.conf", NULL);
        g_autofree char *argument = g_strdup_printf("--config-file=%s", path);
        const char *argv[] = { "/usr/bin/dbus-daemon", "--nofork", "--nopidfile",
                "--print-address=1", argument, NULL };
        g_autoptr(GDataInputStream) output = NULL;
        g_autoptr(GError) error = NULL;

        (void)g_file_set_contents(path, config, -1, &error);
        g_assert_no_error(error);

        bus->daemon = spawn(bus, G_SUBPROCESS_FLAGS_STDOUT_PIPE, argv, NULL);

        /* Written once it listens. */
        output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(bus->daemon));
        bus->address = g_data_input_stream_read_line(output, NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_nonnull(bus->address);
}

BusFixture *bus_fixture_new(void) {
        BusFixture *bus = g_new0(BusFixture, 1);
        g_autoptr(GError) error = NULL;

        bus->directory = g_dir_make_tmp("talpid-bus-XXXXXX", &error);
        g_assert_no_error(error);
        g_assert_cmpint(g_chmod(bus->directory, 0755), ==, 0);

        bus->socket = g_build_filename(bus->directory, "bus", NULL);
        start_daemon(bus);

        bus->connection = g_dbus_connection_new_for_address_sync(bus->address,
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, &error);
        g_assert_no_error(error);
        g_dbus_connection_set_exit_on_close(bus->connection, FALSE);
        return bus;
}

void bus_fixture_free(BusFixture *bus) {
        const char *names[] = { "bus", "bus.conf" };

        (void)g_dbus_connection_close_sync(bus->connection, NULL, NULL);
        g_object_unref(bus->connection);
        bus_process_kill(bus->polkitd);
        bus_process_kill(bus->daemon);

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_build_filename(bus->directory, names[i], NULL);

                (void)g_unlink(path); /* left behind, it is a file in /tmp */
        }
        (void)g_rmdir(bus->directory);
        (void)g_unlink(RULES_FILE);

        g_free(bus->directory);
        g_free(bus->socket);
        g_free(bus->address);
        g_free(bus);
}

const char *bus_fixture_get_address(const BusFixture *bus) {
        return bus->address;
}

const char *bus_fixture_get_socket(const BusFixture *bus) {
        return bus->socket;
}

GDBusConnection *bus_fixture_get_connection(const BusFixture *bus) {
        return bus->connection;
}

static void on_name_appeared(
        GDBusConnection *connection, const char *name, const char *owner, gpointer userdata) {
        *(int *)userdata = 1;
}

static void on_name_vanished(GDBusConnection *connection, const char *name, gpointer userdata) {
        *(int *)userdata = 0;
}

static void wait_for_name(BusFixture *bus, const char *name, int wanted) {
        int present = -1;
        guint watch;

        watch = g_bus_watch_name_on_connection(bus->connection, name, G_BUS_NAME_WATCHER_FLAGS_NONE,
                on_name_appeared, on_name_vanished, &present, NULL);
        BUS_WAIT_UNTIL(present == wanted);
        g_bus_unwatch_name(watch);
}

void bus_fixture_wait_for_name(BusFixture *bus, const char *name) {
        wait_for_name(bus, name, 1);
}

void bus_fixture_wait_for_no_name(BusFixture *bus, const char *name) {
        wait_for_name(bus, name, 0);
}

void bus_fixture_start_polkitd(BusFixture *bus, const char *rules) {
        const char *argv[] = { POLKITD, "--no-debug", NULL };
        g_autoptr(GError) error = NULL;

        g_assert_null(bus->polkitd);

        (void)g_file_set_contents(RULES_FILE, rules ? rules : "", -1, &error);
        g_assert_no_error(error);
        g_assert_cmpint(g_chmod(RULES_FILE, 0644), ==, 0);

        bus->polkitd = spawn(bus, G_SUBPROCESS_FLAGS_NONE, argv, NULL);
        bus_fixture_wait_for_name(bus, POLKIT_NAME);
}

void bus_fixture_stop_polkitd(BusFixture *bus) {
        if (!bus->polkitd)
                return;

        bus_process_kill(g_steal_pointer(&bus->polkitd));
        bus_fixture_wait_for_no_name(bus, POLKIT_NAME);
}
