// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/bus-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLKITD "/usr/lib/polkit-1/polkitd"
#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_BUS_POLICY "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"

#define ACTIONS_DIR "/usr/share/polkit-1/actions"
#define PACKAGE_RULES_DIR "/usr/share/polkit-1/rules.d"
#define RULES_DIR "/etc/polkit-1/rules.d"
#define RULES_FILE RULES_DIR "/50-test.rules"
#define BPF_FS "/sys/fs/bpf" /* what is attached goes with the last process of the namespace */

struct BusFixture {
        char *directory;
        char *address;
        GSubprocess *daemon;
        GSubprocess *polkitd;
        GDBusConnection *connection;
        unsigned n_agents;
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
        g_free(bus->address);
        g_free(bus);
}

const char *bus_fixture_get_address(const BusFixture *bus) {
        return bus->address;
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

/* Clients */

struct BusClient {
        GDBusConnection *connection;
        pid_t pid;
        int control_fd; /* its process ends when this closes */
};

/* In the process of the client: connects, hands the socket over, waits for its end. */
static _Noreturn void run_client(const char *path, uid_t uid, int control_fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec byte = { .iov_base = (char[]){ 0 }, .iov_len = 1 };
        struct msghdr message = { .msg_iov = &byte,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control) };
        char end;
        int fd;

        /* Without exec nothing closes by itself: the sockets of other clients would stay open. */
        if (control_fd > 3)
                (void)close_range(3, (unsigned)control_fd - 1, 0);
        (void)close_range((unsigned)control_fd + 1, ~0U, 0);

        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                _exit(1);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* after setresuid(), which clears it */

        /* SO_PEERCRED of the bus tells who called connect(), wherever the socket goes later. */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                _exit(1);

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        if (sendmsg(control_fd, &message, 0) < 0)
                _exit(1);
        (void)close(fd);

        (void)read(control_fd, &end, 1);
        _exit(0);
}

static int receive_fd(int control_fd) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        char byte;
        struct iovec buffer = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = { .msg_iov = &buffer,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control) };
        int fd;

        g_assert_cmpint((int)recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC), ==, 1);
        g_assert_cmpint((int)control.header.cmsg_len, ==, (int)CMSG_LEN(sizeof(int)));
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        return fd;
}

typedef struct Handshake {
        int fd;
        uid_t uid;
        GDBusConnection *connection;
} Handshake;

/*
 * GDBus tells the bus the effective uid of the calling thread, which must be that of the socket.
 * The plain system call changes one thread; setresuid(3) would change them all.
 */
static gpointer run_handshake(gpointer userdata) {
        Handshake *handshake = userdata;
        g_autoptr(GError) error = NULL;
        g_autoptr(GSocket) socket = NULL;
        g_autoptr(GSocketConnection) stream = NULL;

        if (syscall(SYS_setresuid, (uid_t)-1, handshake->uid, (uid_t)-1) < 0)
                g_error("Cannot become uid %u: %s", (unsigned)handshake->uid, g_strerror(errno));

        socket = g_socket_new_from_fd(handshake->fd, &error);
        g_assert_no_error(error);
        stream = g_socket_connection_factory_create_connection(socket);

        handshake->connection = g_dbus_connection_new_sync(G_IO_STREAM(stream), NULL,
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, &error);
        g_assert_no_error(error);
        g_dbus_connection_set_exit_on_close(handshake->connection, FALSE);
        return NULL;
}

BusClient *bus_client_new(BusFixture *bus, uid_t uid) {
        BusClient *client = g_new0(BusClient, 1);
        g_autofree char *path = g_build_filename(bus->directory, "bus", NULL);
        Handshake handshake = { .uid = uid };
        int pair[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);

        client->pid = fork();
        g_assert_cmpint(client->pid, >=, 0);
        if (client->pid == 0) {
                (void)close(pair[0]);
                run_client(path, uid, pair[1]);
        }
        (void)close(pair[1]);
        client->control_fd = pair[0];

        handshake.fd = receive_fd(client->control_fd);
        g_thread_join(g_thread_new("handshake", run_handshake, &handshake));
        client->connection = handshake.connection;
        return client;
}

void bus_client_free(BusClient *client) {
        if (!client)
                return;

        (void)g_dbus_connection_close_sync(client->connection, NULL, NULL);
        g_object_unref(client->connection);
        (void)kill(client->pid, SIGKILL);
        (void)waitpid(client->pid, NULL, 0);
        (void)close(client->control_fd);
        g_free(client);
}

GDBusConnection *bus_client_get_connection(const BusClient *client) {
        return client->connection;
}

pid_t bus_client_get_pid(const BusClient *client) {
        return client->pid;
}

/* Calls */

static void on_reply(GObject *source, GAsyncResult *result, gpointer userdata) {
        BusCall *call = userdata;
        g_autoptr(GDBusMessage) message = NULL;
        GError *error = NULL;

        message = g_dbus_connection_send_message_with_reply_finish(
                G_DBUS_CONNECTION(source), result, &error);
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
                g_error_free(error);
                g_object_unref(call->cancellable);
                g_free(call); /* bus_call_free() left this to us */
                return;
        }

        if (message && !g_dbus_message_to_gerror(message, &error)) {
                GVariant *body = g_dbus_message_get_body(message);

                call->reply = body ? g_variant_ref(body) : g_variant_ref_sink(g_variant_new("()"));
        }
        call->error = error;
        call->done = true;
}

BusCall *bus_client_submit(BusClient *client, const char *name, const char *path,
        const char *interface, const char *member, GVariant *arguments, BusCallFlags flags) {
        g_autoptr(GDBusMessage) message =
                g_dbus_message_new_method_call(name, path, interface, member);
        BusCall *call = g_new0(BusCall, 1);

        if (arguments)
                g_dbus_message_set_body(message, arguments);
        if (flags & BUS_CALL_INTERACTIVE)
                g_dbus_message_set_flags(
                        message, G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);

        call->cancellable = g_cancellable_new();
        g_dbus_connection_send_message_with_reply(client->connection, message,
                G_DBUS_SEND_MESSAGE_FLAGS_NONE, G_MAXINT, NULL, call->cancellable, on_reply, call);
        return call;
}

void bus_call_free(BusCall *call) {
        if (!call)
                return;
        if (!call->done) {
                g_cancellable_cancel(call->cancellable);
                return;
        }

        if (call->reply)
                g_variant_unref(call->reply);
        g_clear_error(&call->error);
        g_object_unref(call->cancellable);
        g_free(call);
}

const char *bus_call_get_error_name(BusCall *call) {
        g_autofree char *name = NULL;

        g_assert_true(call->done);
        if (!call->error)
                return "";

        name = g_dbus_error_get_remote_error(call->error);
        return g_intern_string(name ? name : "local");
}

GVariant *bus_client_call(BusClient *client, const char *name, const char *path,
        const char *interface, const char *member, GVariant *arguments, BusCallFlags flags,
        GError **error) {
        BusCall *call = bus_client_submit(client, name, path, interface, member, arguments, flags);
        GVariant *reply;

        BUS_WAIT_UNTIL(call->done);
        reply = g_steal_pointer(&call->reply);
        if (call->error)
                g_propagate_error(error, g_steal_pointer(&call->error));
        bus_call_free(call);
        return reply;
}

/* Passwords */

static const char agent_xml[] =
        "<node><interface name='org.freedesktop.PolicyKit1.AuthenticationAgent'>"
        "<method name='BeginAuthentication'>"
        "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='a(sa{sv})' direction='in'/>"
        "</method>"
        "<method name='CancelAuthentication'><arg type='s' direction='in'/></method>"
        "</interface></node>";

static void on_response(GObject *source, GAsyncResult *result, gpointer userdata) {
        g_autoptr(GDBusMethodInvocation) invocation = userdata;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply =
                g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

        g_assert_no_error(error);
        g_dbus_method_invocation_return_value(g_steal_pointer(&invocation), NULL);
}

/* Tells polkitd, as the helper that checks passwords does, that root proved to be root. */
static void agent_respond(BusAgent *agent, const char *cookie, GDBusMethodInvocation *invocation) {
        GVariantBuilder identity;

        g_variant_builder_init(&identity, G_VARIANT_TYPE("a{sv}"));
        g_variant_builder_add(&identity, "{sv}", "uid", g_variant_new_uint32(0));

        g_dbus_connection_call(agent->bus->connection, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                "AuthenticationAgentResponse2",
                g_variant_new("(us(sa{sv}))", 0, cookie, "unix-user", &identity), NULL,
                G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_response, invocation);
}

static void agent_begin(BusAgent *agent, GVariant *parameters, GDBusMethodInvocation *invocation) {
        const char *action, *message, *icon, *cookie;
        g_autoptr(GVariant) details = NULL, identities = NULL;

        g_variant_get(parameters, "(&s&s&s@a{ss}&s@a(sa{sv}))", &action, &message, &icon, &details,
                &cookie, &identities);

        g_free(agent->action);
        agent->action = g_strdup(action);
        g_free(agent->message);
        agent->message = g_strdup(message);
        if (agent->details)
                g_variant_unref(agent->details);
        agent->details = g_steal_pointer(&details);
        agent->n_begun++;

        switch (agent->answer) {
        case BUS_AGENT_HANGS:
                g_ptr_array_add(agent->invocations, invocation);
                break;
        case BUS_AGENT_GRANTS:
                agent_respond(agent, cookie, invocation);
                break;
        case BUS_AGENT_FAILS:
                g_dbus_method_invocation_return_value(invocation, NULL);
                break;
        case BUS_AGENT_DISMISSES:
                g_dbus_method_invocation_return_dbus_error(
                        invocation, "org.freedesktop.PolicyKit1.Error.Cancelled", "closed");
                break;
        }
}

static void handle_agent_call(GDBusConnection *connection, const char *sender, const char *path,
        const char *interface, const char *member, GVariant *parameters,
        GDBusMethodInvocation *invocation, gpointer userdata) {
        BusAgent *agent = userdata;

        if (g_str_equal(member, "BeginAuthentication")) {
                agent_begin(agent, parameters, invocation);
                return;
        }

        agent->n_cancelled++;
        g_dbus_method_invocation_return_value(invocation, NULL);
}

/* Field 22 of proc(5) stat, counted after the name, which may hold anything. */
static guint64 process_start_time(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
        g_autofree char *content = NULL;
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) fields = NULL;

        (void)g_file_get_contents(path, &content, NULL, &error);
        g_assert_no_error(error);

        fields = g_strsplit(strrchr(content, ')') + 2, " ", -1);
        g_assert_cmpuint(g_strv_length(fields), >, 19);
        return g_ascii_strtoull(fields[19], NULL, 10);
}

static void agent_call_polkitd(BusAgent *agent, const char *member, GVariant *arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = g_dbus_connection_call_sync(agent->bus->connection, POLKIT_NAME,
                POLKIT_PATH, POLKIT_INTERFACE, member, arguments, NULL, G_DBUS_CALL_FLAGS_NONE,
                BUS_DEADLINE_SECONDS * 1000, NULL, &error);

        g_assert_no_error(error);
}

BusAgent *bus_agent_new(BusFixture *bus, BusClient *client, BusAgentAnswer answer) {
        static const GDBusInterfaceVTable vtable = { .method_call = handle_agent_call };
        g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(agent_xml, NULL);
        g_autoptr(GError) error = NULL;
        BusAgent *agent = g_new0(BusAgent, 1);
        GVariantBuilder process;

        agent->answer = answer;
        agent->bus = bus;
        agent->invocations = g_ptr_array_new();
        agent->path = g_strdup_printf("/agent/%u", ++bus->n_agents);
        agent->registration = g_dbus_connection_register_object(
                bus->connection, agent->path, node->interfaces[0], &vtable, agent, NULL, &error);
        g_assert_no_error(error);

        g_variant_builder_init(&process, G_VARIANT_TYPE("a{sv}"));
        g_variant_builder_add(&process, "{sv}", "pid", g_variant_new_uint32((guint32)client->pid));
        g_variant_builder_add(&process, "{sv}", "start-time",
                g_variant_new_uint64(process_start_time(client->pid)));
        agent->subject = g_variant_ref_sink(g_variant_new("(sa{sv})", "unix-process", &process));

        agent_call_polkitd(agent, "RegisterAuthenticationAgent",
                g_variant_new("(@(sa{sv})ss)", agent->subject, "C", agent->path));
        return agent;
}

void bus_agent_grant_held(BusAgent *agent) {
        for (guint i = 0; i < agent->invocations->len; i++) {
                GDBusMethodInvocation *invocation = agent->invocations->pdata[i];
                const char *cookie;

                g_variant_get_child(
                        g_dbus_method_invocation_get_parameters(invocation), 4, "&s", &cookie);
                agent_respond(agent, cookie, invocation);
        }
        g_ptr_array_set_size(agent->invocations, 0);
}

void bus_agent_free(BusAgent *agent) {
        if (!agent)
                return;

        for (guint i = 0; i < agent->invocations->len; i++)
                g_dbus_method_invocation_return_dbus_error(agent->invocations->pdata[i],
                        "org.freedesktop.PolicyKit1.Error.Cancelled", "the test ends");

        (void)g_dbus_connection_unregister_object(agent->bus->connection, agent->registration);
        g_ptr_array_unref(agent->invocations);
        g_variant_unref(agent->subject);
        if (agent->details)
                g_variant_unref(agent->details);
        g_free(agent->action);
        g_free(agent->message);
        g_free(agent->path);
        g_free(agent);
}
