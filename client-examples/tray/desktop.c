// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/desktop.h"

#include <gio/gdesktopappinfo.h>
#include <gio/gio.h>

struct Desktop {
        GAppInfoMonitor *monitor;
        GHashTable *by_program; /* name of the executable → GAppInfo; NULL: to be read again */
};

/* What runs many applications is none of them. */
static bool is_interpreter(const char *program) {
        static const char *const interpreters[] = { "bash", "bwrap", "dash", "env", "flatpak",
                "gjs", "java", "node", "perl", "pkexec", "ruby", "sh", "snap", "sudo", "systemd",
                "zsh", NULL };

        return g_strv_contains(interpreters, program) || g_str_has_prefix(program, "python");
}

static void on_changed(GAppInfoMonitor *monitor, void *user) {
        Desktop *desktop = user;

        g_clear_pointer(&desktop->by_program, g_hash_table_unref);
}

Desktop *desktop_new(void) {
        Desktop *desktop = g_new0(Desktop, 1);

        desktop->monitor = g_app_info_monitor_get();
        g_signal_connect(desktop->monitor, "changed", G_CALLBACK(on_changed), desktop);
        return desktop;
}

Desktop *desktop_free(Desktop *desktop) {
        if (!desktop)
                return NULL;
        g_signal_handlers_disconnect_by_data(desktop->monitor, desktop);
        g_object_unref(desktop->monitor);
        g_clear_pointer(&desktop->by_program, g_hash_table_unref);
        g_free(desktop);
        return NULL;
}

static void read_entries(Desktop *desktop) {
        GList *entries = g_app_info_get_all();

        desktop->by_program =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
        for (GList *entry = entries; entry; entry = entry->next) {
                g_autofree char *program =
                        g_path_get_basename(g_app_info_get_executable(entry->data) ?: ".");

                if (g_app_info_should_show(entry->data) && !is_interpreter(program) &&
                        !g_hash_table_contains(desktop->by_program, program))
                        g_hash_table_insert(desktop->by_program, g_steal_pointer(&program),
                                g_object_ref(entry->data));
        }
        g_list_free_full(entries, g_object_unref);
}

static GAppInfo *find_application(const char *application) {
        g_autofree char *id = g_strconcat(application, ".desktop", NULL);

        return G_APP_INFO(g_desktop_app_info_new(id));
}

static GAppInfo *find_program(Desktop *desktop, const char *program) {
        GAppInfo *entry;

        if (!desktop->by_program)
                read_entries(desktop);
        entry = g_hash_table_lookup(desktop->by_program, program);
        return entry ? g_object_ref(entry) : NULL;
}

static char *icon_of(GAppInfo *entry) {
        GIcon *icon = g_app_info_get_icon(entry);

        if (G_IS_THEMED_ICON(icon))
                return g_strdup(g_themed_icon_get_names(G_THEMED_ICON(icon))[0]);
        if (G_IS_FILE_ICON(icon))
                return g_file_get_path(g_file_icon_get_file(G_FILE_ICON(icon)));
        return NULL;
}

bool desktop_lookup(const char *application, const char *program, char **ret_title, char **ret_icon,
        void *user) {
        g_autoptr(GAppInfo) entry = application ? find_application(application) : NULL;

        if (!entry && program)
                entry = find_program(user, program);
        if (!entry)
                return false;
        *ret_title = g_strdup(g_app_info_get_name(entry));
        *ret_icon = icon_of(entry);
        return true;
}
