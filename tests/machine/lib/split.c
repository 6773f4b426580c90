// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/split.h"

#define CALL_TIMEOUT_MSEC 20000

GVariant *split_call(Client *client, const char *method, const char *arguments, GError **error) {
        g_autoptr(GError) wrong = NULL;
        g_autoptr(GVariant) parsed = g_variant_parse(NULL, arguments, NULL, NULL, &wrong);

        g_assert_no_error(wrong);
        return g_dbus_connection_call_sync(client_get_bus(client), SPLIT_NAME, SPLIT_PATH,
                SPLIT_NAME, method, parsed, NULL, G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MSEC, NULL,
                error);
}

GVariant *split_call_ok(Client *client, const char *method, const char *arguments) {
        g_autoptr(GError) error = NULL;
        GVariant *reply = split_call(client, method, arguments, &error);

        if (!reply)
                g_error("%s%s: %s", method, arguments, error->message);
        return reply;
}

void split_do(Client *client, const char *method, const char *format, ...) {
        g_autofree char *arguments = NULL;
        va_list list;

        va_start(list, format);
        arguments = g_strdup_vprintf(format, list);
        va_end(list);
        g_variant_unref(split_call_ok(client, method, arguments));
}

char *split_mechanism(Client *client) {
        g_autoptr(GVariant) reply = NULL, value = NULL;
        g_autoptr(GError) error = NULL;

        reply = g_dbus_connection_call_sync(client_get_bus(client), SPLIT_NAME, SPLIT_PATH,
                "org.freedesktop.DBus.Properties", "Get",
                g_variant_new("(ss)", SPLIT_NAME, "Mechanism"), G_VARIANT_TYPE("(v)"),
                G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MSEC, NULL, &error);
        g_assert_no_error(error);
        g_variant_get(reply, "(v)", &value);
        return g_variant_dup_string(value, NULL);
}

static GVariant *move(Client *client, const char *method, pid_t pid, const char *options) {
        g_autofree char *arguments =
                *options ? g_strdup_printf("(uint32 %d, {%s})", (int)pid, options)
                         : g_strdup_printf("(uint32 %d, " CLIENT_NO_OPTIONS ")", (int)pid);
        g_autoptr(GVariant) reply = split_call_ok(client, method, arguments);

        return g_variant_get_child_value(reply, 0);
}

GVariant *split_exclude(Client *client, pid_t pid, const char *options) {
        return move(client, "AddProcess", pid, options);
}

GVariant *split_include(Client *client, pid_t pid, const char *options) {
        return move(client, "RemoveProcess", pid, options);
}

unsigned split_number(GVariant *result, const char *key) {
        guint32 number = 0;

        if (!g_variant_lookup(result, key, "u", &number))
                g_error("the result has no '%s'", key);
        return number;
}

void split_forget_all(Client *client) {
        split_do(client, "SetMode", "('exclude', " CLIENT_NO_OPTIONS ")");
        split_do(client, "SetSelectors", "(@a(ss) [], " CLIENT_NO_OPTIONS ")");
        split_do(client, "ClearProcesses", "(" CLIENT_NO_OPTIONS ",)");
}
