// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/bus/split-client.h"

#include <string.h>

#include <gio/gunixfdlist.h>

static GVariant *try_with(BusClient *client, const char *member, const char *arguments,
        BusCallFlags flags, GError **error) {
        return bus_client_call(client, SPLIT_NAME, SPLIT_PATH, SPLIT_NAME, member,
                service_parse(arguments), flags, error);
}

static GVariant *try_call(
        BusClient *client, const char *member, const char *arguments, GError **error) {
        return try_with(client, member, arguments, BUS_CALL_PLAIN, error);
}

char *split_ask(BusClient *client, const char *member, const char *arguments) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        reply = try_call(client, member, arguments, &error);
        if (!reply)
                g_error("%s%s: %s", member, arguments ? arguments : "()", error->message);
        return g_variant_print(reply, FALSE);
}

char *split_askf(BusClient *client, const char *member, const char *format, ...) {
        g_autofree char *arguments = NULL;
        va_list list;

        va_start(list, format);
        arguments = g_strdup_vprintf(format, list);
        va_end(list);
        return split_ask(client, member, arguments);
}

void split_call(BusClient *client, const char *member, const char *arguments) {
        g_free(split_ask(client, member, arguments));
}

void split_fails(BusClient *client, const char *member, const char *arguments,
        const char *error_name, const char *says) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        reply = try_call(client, member, arguments, &error);
        service_check_error(member, arguments, reply, error, error_name, says);
}

void split_call_though_asked(BusClient *client, const char *member, const char *arguments) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        reply = try_with(client, member, arguments, BUS_CALL_INTERACTIVE, &error);
        if (!reply)
                g_error("%s: %s", member, error->message);
}

void split_fails_though_asked(BusClient *client, const char *member, const char *arguments,
        const char *error_name, const char *says) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        reply = try_with(client, member, arguments, BUS_CALL_INTERACTIVE, &error);
        service_check_error(member, arguments, reply, error, error_name, says);
}

void split_failsf(BusClient *client, const char *member, const char *error_name, const char *says,
        const char *format, ...) {
        g_autofree char *arguments = NULL;
        va_list list;

        va_start(list, format);
        arguments = g_strdup_vprintf(format, list);
        va_end(list);
        split_fails(client, member, arguments, error_name, says);
}

static GVariant *try_fd(
        BusClient *client, const char *member, int fd, const char *options, GError **error) {
        g_autoptr(GDBusMessage) message =
                g_dbus_message_new_method_call(SPLIT_NAME, SPLIT_PATH, SPLIT_NAME, member);
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_autoptr(GDBusMessage) reply = NULL;

        g_assert_cmpint(g_unix_fd_list_append(fds, fd, NULL), ==, 0);
        g_dbus_message_set_unix_fd_list(message, fds);
        g_dbus_message_set_body(message, g_variant_new("(h@a{sv})", 0, service_parse(options)));
        reply = g_dbus_connection_send_message_with_reply_sync(bus_client_get_connection(client),
                message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, BUS_DEADLINE_SECONDS * 1000, NULL, NULL,
                error);
        if (!reply || g_dbus_message_to_gerror(reply, error))
                return NULL;
        return g_variant_ref(g_dbus_message_get_body(reply));
}

char *split_ask_fd(BusClient *client, const char *member, int fd, const char *options) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        reply = try_fd(client, member, fd, options, &error);
        if (!reply)
                g_error("%s: %s", member, error->message);
        return g_variant_print(reply, FALSE);
}

void split_fails_fd(BusClient *client, const char *member, int fd, const char *options,
        const char *error_name, const char *says) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        reply = try_fd(client, member, fd, options, &error);
        service_check_error(member, options, reply, error, error_name, says);
}

void split_assert_property(BusClient *client, const char *property, const char *expected) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;

        reply = bus_client_call(client, SPLIT_NAME, SPLIT_PATH, "org.freedesktop.DBus.Properties",
                "Get", g_variant_new("(ss)", SPLIT_NAME, property), BUS_CALL_PLAIN, &error);
        g_assert_no_error(error);
        text = g_variant_print(reply, FALSE);
        g_assert_cmpstr(text, ==, expected);
}

guint64 split_number(const char *answer, const char *key) {
        g_autofree char *quoted = g_strdup_printf("'%s': <uint", key);
        const char *at = strstr(answer, quoted);

        if (!at)
                g_error("no %s in %s", key, answer);
        return g_ascii_strtoull(strchr(at + strlen(quoted), ' '), NULL, 10);
}

bool split_can_exclude(Service *service) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;

        reply = bus_client_call(service->root, SPLIT_NAME, SPLIT_PATH,
                "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", SPLIT_NAME),
                BUS_CALL_PLAIN, &error);
        g_assert_no_error(error);
        text = g_variant_print(reply, FALSE);
        if (strstr(text, "'Available': <true>"))
                return true;
        g_test_skip("control groups cannot be changed here");
        return false;
}
