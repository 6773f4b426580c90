// SPDX-License-Identifier: LGPL-2.1-or-later

#include "watch.h"

#include "bus.h"

typedef struct Watch {
        const WatchListener *listener;
        GMainLoop *loop;
} Watch;

char *watch_time(void) {
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *text = g_date_time_format(now, "%F %T");

        return g_strdup_printf("%s.%03d", text, g_date_time_get_microsecond(now) / 1000);
}

static void on_signal(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *name, GVariant *arguments, void *user) {
        const Watch *watch = user;

        watch->listener->on_signal(watch->listener->user, interface, name, arguments);
}

static void on_appeared(GDBusConnection *bus, const char *name, const char *owner, void *user) {
        const Watch *watch = user;

        watch->listener->on_service(watch->listener->user, true);
}

static void on_vanished(GDBusConnection *bus, const char *name, void *user) {
        const Watch *watch = user;

        watch->listener->on_service(watch->listener->user, false);
}

static void on_closed(GDBusConnection *bus, gboolean by_peer, GError *why, void *user) {
        const Watch *watch = user;

        g_main_loop_quit(watch->loop);
}

int watch_run(Ctl *ctl, const WatchListener *listener, GError **error) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        Watch watch = { .listener = listener, .loop = loop };
        guint name, signals;

        if (!bus_open(ctl, error))
                return -1;
        /* Before the name, so that nothing is lost between the two. One name stands for both:
         * it is the same process. */
        signals = g_dbus_connection_signal_subscribe(ctl->bus, BUS_ROUTING, NULL, NULL, NULL, NULL,
                G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &watch, NULL);
        name = g_bus_watch_name_on_connection(ctl->bus, BUS_ROUTING, G_BUS_NAME_WATCHER_FLAGS_NONE,
                on_appeared, on_vanished, &watch, NULL);
        (void)g_signal_connect(ctl->bus, "closed", G_CALLBACK(on_closed), &watch);
        g_main_loop_run(loop);

        g_bus_unwatch_name(name);
        g_dbus_connection_signal_unsubscribe(ctl->bus, signals);
        g_set_error(error, CTL_ERROR, CTL_UNAVAILABLE, "the system bus went away");
        return -1;
}
