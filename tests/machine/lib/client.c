// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/lib/client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define CALL_TIMEOUT_MSEC 20000

typedef struct Heard {
        char *signal;
        GVariant *arguments;
} Heard;

struct Client {
        Machine *machine;
        GDBusConnection *bus;
        guint subscription;
        GPtrArray *heard; /* of Heard */
};

static void heard_free(void *data) {
        Heard *heard = data;

        g_free(heard->signal);
        g_variant_unref(heard->arguments);
        g_free(heard);
}

static void on_signal(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *signal, GVariant *arguments, void *user) {
        Client *client = user;
        Heard *heard = g_new0(Heard, 1);

        heard->signal = g_strdup(signal);
        heard->arguments = g_variant_ref(arguments);
        g_ptr_array_add(client->heard, heard);
}

static int write_file(const char *root, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(root, name, NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        return g_mkdir_with_parents(folder, 0755) == 0 && g_file_set_contents(path, text, -1, NULL)
                       ? 0
                       : -EIO;
}

/* By the drop-in that is shipped for it. */
static int allow_net_cls(const char *root) {
        g_autofree char *path =
                g_build_filename(root, "usr/share/doc/talpid/20-net-cls.conf", NULL);
        g_autofree char *text = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return -ENOENT;
        return write_file(root, CLIENT_DROP_INS "20-net-cls.conf", text);
}

/* TALPID_TEST_MECHANISM forces one, by the files that an administrator would use. */
static int force_mechanism(const char *root) {
        const char *mechanism = g_getenv("TALPID_TEST_MECHANISM");
        bool is_net_cls = g_strcmp0(mechanism, "net_cls") == 0;
        g_autofree char *text = NULL;
        int r;

        if (!mechanism)
                return 0;
        r = is_net_cls ? allow_net_cls(root) : 0;
        if (r < 0)
                return r;
        text = g_strdup_printf("TALPID_MECHANISM=%s\n%s", mechanism,
                is_net_cls ? "TALPID_NET_CLS_MOUNT_DIR=/run/talpid/net_cls\n" : "");
        return write_file(root, "etc/default/talpid", text);
}

static int mask_dispatcher(const char *root) {
        g_autofree char *path = g_build_filename(root, CLIENT_DISPATCHER_MASK, NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        if (g_mkdir_with_parents(folder, 0755) < 0 || symlink("/dev/null", path) < 0)
                return -errno;
        return 0;
}

int client_prepare(const char *root) {
        int r;

#ifdef SANITIZED
        /* The leak check traces its own process; what it finds makes the service fail. */
        static const char drop_in[] = "[Service]\nSystemCallFilter=@debug\n";
        if (write_file(root, CLIENT_DROP_INS "sanitizers.conf", drop_in) < 0)
                return -EIO;
#endif
        r = mask_dispatcher(root);
        return r < 0 ? r : force_mechanism(root);
}

Client *client_new(Machine *machine) {
        g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, NULL);
        g_autoptr(GError) error = NULL;
        Client *client = g_new0(Client, 1);

        client->machine = machine;
        client->heard = g_ptr_array_new_with_free_func(heard_free);
        client->bus = g_dbus_connection_new_for_address_sync(address,
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, &error);
        g_assert_no_error(error);
        client->subscription = g_dbus_connection_signal_subscribe(client->bus, CLIENT_NAME, NULL,
                NULL, CLIENT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, client, NULL);
        return client;
}

Client *client_free(Client *client) {
        if (!client)
                return NULL;

        g_dbus_connection_signal_unsubscribe(client->bus, client->subscription);
        g_assert_true(g_dbus_connection_close_sync(client->bus, NULL, NULL));
        g_object_unref(client->bus);
        g_ptr_array_unref(client->heard);
        g_free(client);
        return NULL;
}

GDBusConnection *client_get_bus(Client *client) {
        return client->bus;
}

static GVariant *parse(const char *text) {
        g_autoptr(GError) error = NULL;
        GVariant *value;

        if (!text)
                return NULL;
        value = g_variant_parse(NULL, text, NULL, NULL, &error);
        g_assert_no_error(error);
        return value;
}

GVariant *client_call(Client *client, const char *method, const char *arguments, GError **error) {
        g_autoptr(GVariant) parsed = parse(arguments);

        return g_dbus_connection_call_sync(client->bus, CLIENT_NAME, CLIENT_PATH, CLIENT_NAME,
                method, parsed, NULL, G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MSEC, NULL, error);
}

GVariant *client_call_ok(Client *client, const char *method, const char *arguments) {
        g_autoptr(GError) error = NULL;
        GVariant *reply = client_call(client, method, arguments, &error);

        g_assert_no_error(error);
        return reply;
}

void client_call_fails(Client *client, const char *method, const char *arguments,
        const char *error_name, const char *text) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = client_call(client, method, arguments, &error);
        g_autofree char *name = NULL;

        g_assert_null(reply);
        name = g_dbus_error_get_remote_error(error);
        g_assert_cmpstr(name, ==, error_name);
        if (!strstr(error->message, text))
                g_error("'%s' does not say '%s'", error->message, text);
}

GVariant *client_property(Client *client, const char *name) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        GVariant *value;

        reply = g_dbus_connection_call_sync(client->bus, CLIENT_NAME, CLIENT_PATH,
                "org.freedesktop.DBus.Properties", "Get", g_variant_new("(ss)", CLIENT_NAME, name),
                G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MSEC, NULL, &error);
        g_assert_no_error(error);
        g_variant_get(reply, "(v)", &value);
        return value;
}

char *client_property_entry(Client *client, const char *property, const char *key) {
        g_autoptr(GVariant) dictionary = client_property(client, property);
        g_autoptr(GVariant) value = g_variant_lookup_value(dictionary, key, NULL);

        if (!value)
                return g_strdup("");
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
                return g_variant_dup_string(value, NULL);
        return g_variant_print(value, FALSE);
}

typedef struct EntryWait {
        Client *client;
        const char *property, *key, *value;
} EntryWait;

static bool entry_is(void *user) {
        EntryWait *wait = user;
        g_autofree char *value = client_property_entry(wait->client, wait->property, wait->key);

        return strcmp(value, wait->value) == 0;
}

bool client_wait_for_entry(
        Client *client, const char *property, const char *key, const char *value) {
        EntryWait wait = { client, property, key, value };

        return machine_wait_until(client->machine, entry_is, &wait, MACHINE_WAIT_MSEC);
}

unsigned client_count(Client *client, const char *signal) {
        unsigned n = 0;

        for (guint i = 0; i < client->heard->len; i++) {
                Heard *heard = g_ptr_array_index(client->heard, i);

                n += strcmp(heard->signal, signal) == 0;
        }
        return n;
}

GVariant *client_last(Client *client, const char *signal) {
        for (guint i = client->heard->len; i > 0; i--) {
                Heard *heard = g_ptr_array_index(client->heard, i - 1);

                if (strcmp(heard->signal, signal) == 0)
                        return g_variant_ref(heard->arguments);
        }
        return NULL;
}

const char *client_heard(Client *client, unsigned i, GVariant **ret_arguments) {
        Heard *heard = i < client->heard->len ? g_ptr_array_index(client->heard, i) : NULL;

        if (!heard)
                return NULL;
        *ret_arguments = heard->arguments;
        return heard->signal;
}

void client_forget(Client *client) {
        g_ptr_array_set_size(client->heard, 0);
}

typedef struct SignalWait {
        Client *client;
        const char *signal;
        unsigned n;
} SignalWait;

static bool heard_enough(void *user) {
        SignalWait *wait = user;

        return client_count(wait->client, wait->signal) >= wait->n;
}

bool client_wait_for_signals(Client *client, const char *signal, unsigned n) {
        SignalWait wait = { client, signal, n };

        return machine_wait_until(client->machine, heard_enough, &wait, MACHINE_WAIT_MSEC);
}

/* The answer is queued behind the signals, and so is what hands them to on_signal(). */
void client_sync(Client *client) {
        g_autoptr(GVariant) version = client_property(client, "Version");

        while (g_main_context_iteration(NULL, FALSE))
                ;
}

pid_t client_service_pid(Client *client) {
        g_autoptr(GVariant) reply = NULL;
        guint32 pid = 0;

        reply = g_dbus_connection_call_sync(client->bus, "org.freedesktop.DBus",
                "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                g_variant_new("(s)", CLIENT_NAME), G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE,
                CALL_TIMEOUT_MSEC, NULL, NULL);
        if (reply)
                g_variant_get(reply, "(u)", &pid);
        return (pid_t)pid;
}

typedef struct ServiceWait {
        Client *client;
        bool there;
} ServiceWait;

static bool service_is(void *user) {
        ServiceWait *wait = user;

        return (client_service_pid(wait->client) != 0) == wait->there;
}

bool client_wait_for_service(Client *client, bool there) {
        ServiceWait wait = { client, there };

        return machine_wait_until(client->machine, service_is, &wait, MACHINE_WAIT_MSEC);
}

typedef struct PidWait {
        Client *client;
        pid_t old;
} PidWait;

static bool is_new(void *user) {
        PidWait *wait = user;
        pid_t pid = client_service_pid(wait->client);

        return pid > 0 && pid != wait->old;
}

bool client_wait_for_new_service(Client *client, pid_t old) {
        PidWait wait = { client, old };

        return machine_wait_until(client->machine, is_new, &wait, MACHINE_WAIT_MSEC);
}

static bool is_off(void *user) {
        PidWait *wait = user;

        return client_service_pid(wait->client) != wait->old;
}

pid_t client_kill_service(Client *client) {
        PidWait wait = { client, client_service_pid(client) };

        if (wait.old <= 0 || kill(wait.old, SIGKILL) < 0 ||
                !machine_wait_until(client->machine, is_off, &wait, MACHINE_WAIT_MSEC))
                return 0;
        return wait.old;
}
