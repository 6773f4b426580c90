// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/service.h"

#include <string.h>

#include "client-examples/tray/apps.h"
#include "client-examples/tray/names.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_AUTHORITY POLKIT ".Authority"

#define TIMEOUT_DEFAULT (-1)

struct Service {
        GDBusConnection *bus;
        ServiceListener listener;
        GCancellable *cancellable;
        GDBusProxy *routing, *split; /* NULL until they are made */
        guint polkit_subscription;
        bool is_subscribed;
        bool is_listing, list_again;
        Status status;
        Permissions permissions;
        GPtrArray *listed;
};

static void tell(Service *service) {
        service->listener.changed(service->listener.user);
}

/* Of a call that ended because the Service is gone: there is nobody to tell. */
static bool is_cancelled(const GError *error) {
        return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Whose name it is now; NULL: nobody's. Calls to it cannot start anything. */
static char *owner_of(GDBusProxy *proxy) {
        return proxy ? g_dbus_proxy_get_name_owner(proxy) : NULL;
}

static void call_owner(Service *service, GDBusProxy *proxy, const char *method, GVariant *arguments,
        GAsyncReadyCallback done) {
        g_autofree char *owner = owner_of(proxy);

        g_dbus_connection_call(service->bus, owner, g_dbus_proxy_get_object_path(proxy),
                g_dbus_proxy_get_interface_name(proxy), method, arguments, NULL,
                G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_DEFAULT, service->cancellable, done,
                service);
}

static GVariant *finish(GObject *bus, GAsyncResult *result, GError **error) {
        return g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, error);
}

static void ask_permissions(Service *service);

/* --- who is listed --- */

static void on_listed(GObject *bus, GAsyncResult *result, void *user) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = finish(bus, result, &error);
        Service *service = user;

        if (is_cancelled(error))
                return;
        service->is_listing = false;
        if (error)
                ask_permissions(service); /* others' are not to be seen any more, mostly */
        if (reply && g_variant_is_of_type(reply, G_VARIANT_TYPE("(aa{sv})"))) {
                g_autoptr(GVariant) processes = g_variant_get_child_value(reply, 0);
                g_autoptr(GPtrArray) old = service->listed;

                service->listed = apps_read_listed(processes);
                tell(service);
        }
        if (service->list_again)
                service_list(service);
}

/* Those of others are told to whom polkit lets take them out. */
void service_list(Service *service) {
        GVariantDict filter;

        if (!service->status.is_there)
                return;
        service->list_again = service->is_listing;
        if (service->is_listing)
                return;
        service->is_listing = true;
        g_variant_dict_init(&filter, NULL);
        g_variant_dict_insert(
                &filter, "all", "b", service->permissions.exclude_other == PERMISSION_YES);
        call_owner(service, service->split, "ListProcesses",
                g_variant_new("(@a{sv})", g_variant_dict_end(&filter)), on_listed);
}

/* --- what the user may --- */

static void on_permissions(GObject *bus, GAsyncResult *result, void *user) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = finish(bus, result, &error);
        Service *service = user;

        if (is_cancelled(error))
                return;
        if (reply && g_variant_is_of_type(reply, G_VARIANT_TYPE("(a{ss})"))) {
                g_autoptr(GVariant) answer = g_variant_get_child_value(reply, 0);
                Permission before = service->permissions.exclude_other;

                service->permissions = permissions_read(answer);
                if (service->permissions.exclude_other != before)
                        service_list(service);
                tell(service);
        }
}

static void ask_permissions(Service *service) {
        if (service->status.is_there)
                call_owner(service, service->routing, "GetPermissions", NULL, on_permissions);
}

/* Rules, sessions, or passwords that are remembered changed. */
static void on_polkit_changed(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *signal, GVariant *arguments, void *user) {
        ask_permissions(user);
}

/* --- subscription --- */

/* What was told between the change and the subscription went past us. */
static void on_subscribed(GObject *bus, GAsyncResult *result, void *user) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = finish(bus, result, &error);

        if (!is_cancelled(error))
                service_list(user);
}

static void follow_state(Service *service) {
        static const char *const what[] = { "default", NULL };
        bool is_wanted = service->status.is_there && !service->status.is_idle;

        if (is_wanted == service->is_subscribed)
                return;
        service->is_subscribed = is_wanted;
        if (is_wanted)
                call_owner(service, service->routing, "Subscribe", g_variant_new("(^as)", what),
                        on_subscribed);
        else if (service->status.is_there)
                call_owner(service, service->routing, "Unsubscribe", NULL, NULL);
}

/* --- what it says --- */

static GVariant *lookup(const char *interface, const char *property, void *user) {
        Service *service = user;

        return g_dbus_proxy_get_cached_property(
                strcmp(interface, NAMES_ROUTING) == 0 ? service->routing : service->split,
                property);
}

/* One connection has both names: when they differ, one is told a moment later. */
static bool is_there(const Service *service) {
        g_autofree char *routing = owner_of(service->routing);
        g_autofree char *split = owner_of(service->split);

        return routing && g_strcmp0(routing, split) == 0;
}

static void on_appeared(Service *service) {
        service->is_subscribed = false;
        ask_permissions(service);
        service_list(service);
}

static void on_left(Service *service) {
        service->is_subscribed = false;
        g_ptr_array_set_size(service->listed, 0);
}

static void update(Service *service) {
        bool was_there = service->status.is_there;

        status_clear(&service->status);
        if (is_there(service))
                status_read(&service->status, lookup, service);
        if (!was_there && service->status.is_there)
                on_appeared(service);
        if (was_there && !service->status.is_there)
                on_left(service);
        follow_state(service);
        tell(service);
}

static void on_owner(GDBusProxy *proxy, GParamSpec *property, void *user) {
        update(user);
}

static void on_properties(GDBusProxy *proxy, GVariant *changed, char **invalidated, void *user) {
        update(user);
}

static void on_routing_signal(GDBusProxy *proxy, const char *sender, const char *signal,
        GVariant *arguments, void *user) {
        Service *service = user;

        service->listener.told(signal, arguments, service->listener.user);
}

static void on_split_signal(GDBusProxy *proxy, const char *sender, const char *signal,
        GVariant *arguments, void *user) {
        service_list(user);
}

static void connect_proxy(Service *service, GDBusProxy *proxy, GCallback on_signal) {
        g_signal_connect(proxy, "notify::g-name-owner", G_CALLBACK(on_owner), service);
        g_signal_connect(proxy, "g-properties-changed", G_CALLBACK(on_properties), service);
        g_signal_connect(proxy, "g-signal", on_signal, service);
        update(service);
}

static GDBusProxy *finish_proxy(GAsyncResult *result) {
        g_autoptr(GError) error = NULL;
        GDBusProxy *proxy = g_dbus_proxy_new_finish(result, &error);

        if (error && !is_cancelled(error))
                g_warning("system bus: %s", error->message);
        return proxy;
}

static void on_routing_proxy(GObject *source, GAsyncResult *result, void *user) {
        GDBusProxy *proxy = finish_proxy(result);
        Service *service = user;

        if (!proxy)
                return;
        service->routing = proxy;
        connect_proxy(service, proxy, G_CALLBACK(on_routing_signal));
}

static void on_split_proxy(GObject *source, GAsyncResult *result, void *user) {
        GDBusProxy *proxy = finish_proxy(result);
        Service *service = user;

        if (!proxy)
                return;
        service->split = proxy;
        connect_proxy(service, proxy, G_CALLBACK(on_split_signal));
}

static void make_proxy(
        Service *service, const char *name, const char *path, GAsyncReadyCallback done) {
        g_dbus_proxy_new(service->bus,
                G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START |
                        G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START_AT_CONSTRUCTION,
                NULL, name, path, name, service->cancellable, done, service);
}

/* --- life --- */

Service *service_new(GDBusConnection *bus, const ServiceListener *listener) {
        Service *service = g_new0(Service, 1);

        service->bus = g_object_ref(bus);
        service->listener = *listener;
        service->cancellable = g_cancellable_new();
        service->listed = apps_read_listed(g_variant_new_array(G_VARIANT_TYPE_VARDICT, NULL, 0));
        service->polkit_subscription = g_dbus_connection_signal_subscribe(bus, POLKIT,
                POLKIT_AUTHORITY, "Changed", POLKIT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                on_polkit_changed, service, NULL);
        make_proxy(service, NAMES_ROUTING, NAMES_ROUTING_PATH, on_routing_proxy);
        make_proxy(service, NAMES_SPLIT, NAMES_SPLIT_PATH, on_split_proxy);
        return service;
}

static void drop_proxy(GDBusProxy **proxy, Service *service) {
        if (*proxy)
                g_signal_handlers_disconnect_by_data(*proxy, service);
        g_clear_object(proxy);
}

Service *service_free(Service *service) {
        if (!service)
                return NULL;
        g_cancellable_cancel(service->cancellable);
        g_dbus_connection_signal_unsubscribe(service->bus, service->polkit_subscription);
        drop_proxy(&service->routing, service);
        drop_proxy(&service->split, service);
        g_object_unref(service->cancellable);
        g_object_unref(service->bus);
        status_clear(&service->status);
        g_ptr_array_unref(service->listed);
        g_free(service);
        return NULL;
}

const Status *service_status(const Service *service) {
        return &service->status;
}

const Permissions *service_permissions(const Service *service) {
        return &service->permissions;
}

GPtrArray *service_listed(const Service *service) {
        return service->listed;
}

static void on_woken(GObject *bus, GAsyncResult *result, void *user) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = finish(bus, result, &error);

        if (error && !is_cancelled(error))
                g_warning("the service does not start: %s", error->message);
}

void service_wake(Service *service) {
        g_dbus_connection_call(service->bus, NAMES_ROUTING, NAMES_ROUTING_PATH,
                "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, G_DBUS_CALL_FLAGS_NONE,
                TIMEOUT_DEFAULT, service->cancellable, on_woken, service);
}
