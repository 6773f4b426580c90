// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/menu.h"

#define ITEM "talpid-item"

struct Menu {
        MenuListener listener;
        GtkWidget *widget;
        GPtrArray *items; /* shown now; NULL before the first */
        bool is_showing;  /* what is set by us was not chosen by anybody */
};

/* What a widget shows; it lives as long as the items that are shown. */
static const MenuItem *item_of(GtkWidget *widget) {
        return g_object_get_data(G_OBJECT(widget), ITEM);
}

static void on_activate(GtkWidget *widget, void *user) {
        const MenuItem *item = item_of(widget);
        Menu *menu = user;

        if (menu->is_showing)
                return;
        if (item->kind == MENU_SUBMENU)
                menu->listener.opened(menu->listener.user);
        else if (item->is_sensitive)
                menu->listener.chosen(item, menu->listener.user);
}

static GtkWidget *make_widget(const MenuItem *item) {
        GtkWidget *widget;

        switch (item->kind) {
        case MENU_SEPARATOR:
                return gtk_separator_menu_item_new();
        case MENU_CHECK:
                return gtk_check_menu_item_new_with_label("");
        case MENU_TEXT:
        case MENU_ACTION:
        case MENU_SUBMENU:
                break;
        }
        widget = gtk_menu_item_new_with_label("");
        if (item->kind == MENU_SUBMENU)
                gtk_menu_item_set_submenu(GTK_MENU_ITEM(widget), gtk_menu_new());
        return widget;
}

static GtkWidget *insert_widget(Menu *menu, GtkMenuShell *shell, const MenuItem *item, guint at) {
        GtkWidget *widget = make_widget(item);

        g_signal_connect(widget, "activate", G_CALLBACK(on_activate), menu);
        gtk_menu_shell_insert(shell, widget, (int)at);
        gtk_widget_show(widget);
        return widget;
}

/* A single underscore marks the key of an entry, for GTK and for panels. */
static void show_label(GtkMenuItem *widget, const char *label) {
        g_auto(GStrv) parts = g_strsplit(label, "_", -1);
        g_autofree char *text = g_strjoinv("__", parts);

        gtk_menu_item_set_use_underline(widget, TRUE);
        gtk_menu_item_set_label(widget, text);
}

static void merge_shell(Menu *menu, GtkMenuShell *shell, GPtrArray *items);

static void show_item(Menu *menu, GtkWidget *widget, const MenuItem *item) {
        g_object_set_data(G_OBJECT(widget), ITEM, (void *)item);
        if (item->kind != MENU_SEPARATOR) {
                show_label(GTK_MENU_ITEM(widget), item->label);
                gtk_widget_set_sensitive(widget, item->is_sensitive);
        }
        if (item->kind == MENU_CHECK)
                gtk_check_menu_item_set_active(GTK_CHECK_MENU_ITEM(widget), item->is_checked);
        if (item->kind == MENU_SUBMENU)
                merge_shell(menu, GTK_MENU_SHELL(gtk_menu_item_get_submenu(GTK_MENU_ITEM(widget))),
                        item->children);
        menu->listener.shown(widget, item, menu->listener.user);
}

static bool is_wanted(GPtrArray *items, guint from, const MenuItem *item) {
        for (guint i = from; i < items->len; i++)
                if (menu_model_is_same(g_ptr_array_index(items, i), item))
                        return true;
        return false;
}

/* Widgets whose items are gone go, the others stay in their order. */
static void merge_shell(Menu *menu, GtkMenuShell *shell, GPtrArray *items) {
        GList *widgets = gtk_container_get_children(GTK_CONTAINER(shell));
        GList *next = widgets;

        for (guint i = 0; i < items->len; i++) {
                const MenuItem *item = g_ptr_array_index(items, i);
                GtkWidget *widget;

                for (; next && !is_wanted(items, i, item_of(next->data)); next = next->next)
                        gtk_widget_destroy(next->data);
                if (next && menu_model_is_same(item, item_of(next->data))) {
                        widget = next->data;
                        next = next->next;
                } else {
                        widget = insert_widget(menu, shell, item, i);
                }
                show_item(menu, widget, item);
        }
        for (; next; next = next->next)
                gtk_widget_destroy(next->data);
        g_list_free(widgets);
}

void menu_show(Menu *menu, GPtrArray *items) {
        g_autoptr(GPtrArray) old = menu->items;

        menu->items = items;
        menu->is_showing = true;
        merge_shell(menu, GTK_MENU_SHELL(menu->widget), items);
        menu->is_showing = false;
}

/* --- life --- */

Menu *menu_new(const MenuListener *listener) {
        Menu *menu = g_new0(Menu, 1);

        menu->listener = *listener;
        menu->widget = g_object_ref_sink(gtk_menu_new());
        return menu;
}

Menu *menu_free(Menu *menu) {
        if (!menu)
                return NULL;
        gtk_widget_destroy(menu->widget);
        g_object_unref(menu->widget);
        g_clear_pointer(&menu->items, g_ptr_array_unref);
        g_free(menu);
        return NULL;
}

GtkMenu *menu_widget(Menu *menu) {
        return GTK_MENU(menu->widget);
}
