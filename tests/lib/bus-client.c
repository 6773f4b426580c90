// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/bus-client.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

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
        const char *path = bus_fixture_get_socket(bus);
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
