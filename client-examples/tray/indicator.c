// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/indicator.h"

#include <libayatana-appindicator/app-indicator.h>
#include <libdbusmenu-glib/dbusmenu-glib.h>
#include <libdbusmenu-gtk/menuitem.h>
#include <libdbusmenu-gtk/parser.h>

#define ICON_PIXELS 16
#define SHOWN_ICON "talpid-icon"

struct Indicator {
        AppIndicator *library;
};

Indicator *indicator_new(const char *id, const char *title, GtkMenu *menu) {
        Indicator *indicator = g_new0(Indicator, 1);

        indicator->library = app_indicator_new(
                id, "network-vpn-disabled-symbolic", APP_INDICATOR_CATEGORY_SYSTEM_SERVICES);
        app_indicator_set_title(indicator->library, title);
        app_indicator_set_menu(indicator->library, menu);
        app_indicator_set_status(indicator->library, APP_INDICATOR_STATUS_ACTIVE);
        return indicator;
}

Indicator *indicator_free(Indicator *indicator) {
        if (!indicator)
                return NULL;
        g_object_unref(indicator->library);
        g_free(indicator);
        return NULL;
}

void indicator_show(Indicator *indicator, const char *icon, const char *description) {
        app_indicator_set_icon_full(indicator->library, icon, description);
}

static void set_icon_file(DbusmenuMenuitem *entry, const char *path) {
        g_autoptr(GdkPixbuf) image =
                gdk_pixbuf_new_from_file_at_size(path, ICON_PIXELS, ICON_PIXELS, NULL);

        if (image)
                (void)dbusmenu_menuitem_property_set_image(
                        entry, DBUSMENU_MENUITEM_PROP_ICON_DATA, image);
}

/* GTK has no entry with a check mark and an icon, the protocol to the panel has. */
void indicator_set_item_icon(GtkWidget *item, const char *icon) {
        DbusmenuMenuitem *entry = dbusmenu_gtk_parse_get_cached_item(item);

        if (!entry || g_strcmp0(icon, g_object_get_data(G_OBJECT(item), SHOWN_ICON)) == 0)
                return;
        g_object_set_data_full(G_OBJECT(item), SHOWN_ICON, g_strdup(icon), g_free);
        dbusmenu_menuitem_property_remove(entry, DBUSMENU_MENUITEM_PROP_ICON_NAME);
        dbusmenu_menuitem_property_remove(entry, DBUSMENU_MENUITEM_PROP_ICON_DATA);
        if (icon && g_path_is_absolute(icon))
                set_icon_file(entry, icon);
        else if (icon)
                (void)dbusmenu_menuitem_property_set(entry, DBUSMENU_MENUITEM_PROP_ICON_NAME, icon);
}
