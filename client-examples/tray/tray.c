// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * talpid-tray: tells in the panel where traffic goes, and lets applications go around the tunnel.
 *
 * What is known (service, processes) becomes a model, the model a menu. Everything is made anew
 * when one of these says that it changed, at most once a turn of the loop.
 */

#include <gio/gio.h>
#include <glib-unix.h>
#include <gtk/gtk.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "client-examples/tray/apps.h"
#include "client-examples/tray/desktop.h"
#include "client-examples/tray/indicator.h"
#include "client-examples/tray/menu-model.h"
#include "client-examples/tray/menu.h"
#include "client-examples/tray/mover.h"
#include "client-examples/tray/names.h"
#include "client-examples/tray/news.h"
#include "client-examples/tray/processes.h"
#include "client-examples/tray/service.h"

#define TITLE "Talpid"

typedef struct Tray {
        GApplication *application;
        GCancellable *cancellable;
        GDBusConnection *bus; /* the system's */
        Service *service;
        Desktop *desktop;
        Menu *menu;
        Indicator *indicator;
        guint refresh_source;
        bool has_failed; /* to start */
} Tray;

/* --- what is shown --- */

static GPtrArray *group_apps(const Tray *tray) {
        g_autoptr(GPtrArray) processes = processes_read();

        return apps_group(
                processes, service_listed(tray->service), getuid(), desktop_lookup, tray->desktop);
}

static void refresh(Tray *tray) {
        const Status *status = service_status(tray->service);
        g_autoptr(GPtrArray) apps = group_apps(tray);
        g_autofree char *description = NULL;
        const char *icon = menu_model_icon(status, &description);

        menu_show(tray->menu, menu_model_build(status, service_permissions(tray->service), apps));
        indicator_show(tray->indicator, icon, description);
}

static gboolean on_refresh(void *user) {
        Tray *tray = user;

        tray->refresh_source = 0;
        refresh(tray);
        return G_SOURCE_REMOVE;
}

static void refresh_soon(Tray *tray) {
        if (!tray->refresh_source)
                tray->refresh_source = g_idle_add(on_refresh, tray);
}

static void on_service_changed(void *user) {
        refresh_soon(user);
}

/* --- what is told --- */

static void notify(
        Tray *tray, const char *id, const char *title, const char *body, const char *icon) {
        g_autoptr(GNotification) notification = g_notification_new(title);
        g_autoptr(GIcon) image = g_themed_icon_new(icon);

        g_notification_set_body(notification, body);
        g_notification_set_icon(notification, image);
        g_application_send_notification(tray->application, id, notification);
}

static void on_service_told(const char *signal, GVariant *arguments, void *user) {
        g_auto(News) news = {};

        if (news_read(signal, arguments, &news))
                notify(user, news.id, news.title, news.body, news.icon);
}

/* --- what is chosen --- */

static void on_moved(const char *title, const GError *error, void *user) {
        g_autofree char *headline = NULL;
        Tray *tray = user;

        /* Also when it worked: nobody tells of processes that a selector lost. */
        service_list(tray->service);
        refresh_soon(tray);
        if (!error)
                return;
        headline = g_strdup_printf("%s stays where it was", title);
        notify(tray, "failed", headline, error->message, "dialog-error-symbolic");
}

static void toggle(Tray *tray, const char *key) {
        g_autoptr(GPtrArray) apps = group_apps(tray);
        const App *app = apps_find(apps, key);

        if (app && app->way == APPS_LISTED_NOT)
                mover_take_out(tray->bus, app, tray->cancellable, on_moved, tray);
        else if (app)
                mover_bring_back(tray->bus, app, tray->cancellable, on_moved, tray);
        /* A check mark follows the service's word, not the click. */
        refresh_soon(tray);
}

static void on_chosen(const MenuItem *item, void *user) {
        Tray *tray = user;

        switch (item->action) {
        case MENU_DO_NOTHING:
                break;
        case MENU_DO_TOGGLE:
                toggle(tray, item->target);
                break;
        case MENU_DO_WAKE:
                service_wake(tray->service);
                break;
        case MENU_DO_QUIT:
                g_application_quit(tray->application);
                break;
        }
}

static void on_opened(void *user) {
        Tray *tray = user;

        service_list(tray->service);
        refresh_soon(tray);
}

static void on_shown(GtkWidget *widget, const MenuItem *item, void *user) {
        if (item->kind == MENU_CHECK)
                indicator_set_item_icon(widget, item->icon);
}

/* --- life --- */

static gboolean on_signal(void *user) {
        g_application_quit(user);
        return G_SOURCE_CONTINUE;
}

static bool open_tray(Tray *tray) {
        const ServiceListener service_listener = {
                .changed = on_service_changed, .told = on_service_told, .user = tray
        };
        const MenuListener menu_listener = {
                .chosen = on_chosen, .opened = on_opened, .shown = on_shown, .user = tray
        };
        g_autoptr(GError) error = NULL;

        if (!gtk_init_check(NULL, NULL)) {
                g_printerr("talpid-tray: there is no display\n");
                return false;
        }
        tray->bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
        if (!tray->bus) {
                g_printerr("talpid-tray: system bus: %s\n", error->message);
                return false;
        }
        tray->cancellable = g_cancellable_new();
        tray->desktop = desktop_new();
        tray->menu = menu_new(&menu_listener);
        tray->indicator = indicator_new("talpid", TITLE, menu_widget(tray->menu));
        tray->service = service_new(tray->bus, &service_listener);
        refresh(tray);
        return true;
}

static void close_tray(Tray *tray) {
        g_clear_handle_id(&tray->refresh_source, g_source_remove);
        if (tray->cancellable)
                g_cancellable_cancel(tray->cancellable);
        tray->service = service_free(tray->service);
        tray->indicator = tray->indicator ? indicator_free(tray->indicator) : NULL;
        tray->menu = menu_free(tray->menu);
        tray->desktop = desktop_free(tray->desktop);
        g_clear_object(&tray->cancellable);
        g_clear_object(&tray->bus);
}

static void on_startup(GApplication *application, void *user) {
        Tray *tray = user;

        tray->has_failed = !open_tray(tray);
        if (!tray->has_failed)
                g_application_hold(application);
}

/* A second start, or a click on a notification: the icon is there already. */
static void on_activate(GApplication *application, void *user) {
}

/* Return: exit status; -1 goes on. */
static int on_options(GApplication *application, GVariantDict *options, void *user) {
        if (!g_variant_dict_contains(options, "version"))
                return -1;
        g_print("talpid-tray " PROJECT_VERSION "\n");
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        static const GOptionEntry options[] = {
                { "version", 0, 0, G_OPTION_ARG_NONE, NULL, "Show the version", NULL },
                {},
        };
        g_autoptr(GApplication) application =
                g_application_new(NAMES_TRAY, G_APPLICATION_DEFAULT_FLAGS);
        Tray tray = { .application = application };
        int status;

        g_set_application_name(TITLE);
        g_application_add_main_option_entries(application, options);
        g_application_add_option_group(
                application, gtk_get_option_group(/* open_default_display= */ FALSE));
        g_signal_connect(application, "handle-local-options", G_CALLBACK(on_options), NULL);
        g_signal_connect(application, "startup", G_CALLBACK(on_startup), &tray);
        g_signal_connect(application, "activate", G_CALLBACK(on_activate), NULL);
        (void)g_unix_signal_add(SIGTERM, on_signal, application);
        (void)g_unix_signal_add(SIGINT, on_signal, application);
        status = g_application_run(application, argc, argv);
        close_tray(&tray);
        return tray.has_failed ? EXIT_FAILURE : status;
}
