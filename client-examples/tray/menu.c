// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/menu.h"

#define INDEX "talpid-index"

struct Menu {
        MenuListener listener;
        GtkWidget *widget;
        GPtrArray *items; /* shown now; NULL before the first */
        bool is_showing;  /* what is set by us was not chosen by anybody */
};

/* --- what was chosen --- */

/* Items are looked up by their place, as in the meantime others may stand there. */
static const MenuItem *item_of(Menu *menu, GtkWidget *widget) {
        GtkWidget *shell = gtk_widget_get_parent(widget);
        GtkWidget *opener = gtk_menu_get_attach_widget(GTK_MENU(shell));
        GPtrArray *items = menu->items;
        guint index = GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(widget), INDEX));

        if (shell != menu->widget) {
                const MenuItem *parent = item_of(menu, opener);

                items = parent ? parent->children : NULL;
        }
        return items && index < items->len ? g_ptr_array_index(items, index) : NULL;
}

static void on_activate(GtkWidget *widget, void *user) {
        Menu *menu = user;
        const MenuItem *item;

        if (menu->is_showing)
                return;
        item = item_of(menu, widget);
        if (item && item->kind == MENU_SUBMENU)
                menu->listener.opened(menu->listener.user);
        else if (item && item->is_sensitive)
                menu->listener.chosen(item, menu->listener.user);
}

/* --- what is shown --- */

static GtkWidget *make_widget(const MenuItem *item) {
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
        return gtk_menu_item_new_with_label("");
}

static void fill_shell(Menu *menu, GtkMenuShell *shell, GPtrArray *items);

static void show_item(Menu *menu, GtkWidget *widget, const MenuItem *item) {
        if (item->kind != MENU_SEPARATOR) {
                gtk_menu_item_set_label(GTK_MENU_ITEM(widget), item->label);
                gtk_widget_set_sensitive(widget, item->is_sensitive);
        }
        if (item->kind == MENU_CHECK)
                gtk_check_menu_item_set_active(GTK_CHECK_MENU_ITEM(widget), item->is_checked);
        menu->listener.shown(widget, item, menu->listener.user);
}

static void add_widget(Menu *menu, GtkMenuShell *shell, const MenuItem *item, guint index) {
        GtkWidget *widget = make_widget(item);

        g_object_set_data(G_OBJECT(widget), INDEX, GUINT_TO_POINTER(index));
        if (item->children) {
                GtkWidget *submenu = gtk_menu_new();

                fill_shell(menu, GTK_MENU_SHELL(submenu), item->children);
                gtk_menu_item_set_submenu(GTK_MENU_ITEM(widget), submenu);
        }
        g_signal_connect(widget, "activate", G_CALLBACK(on_activate), menu);
        gtk_menu_shell_append(shell, widget);
        gtk_widget_show(widget);
        show_item(menu, widget, item);
}

static void remove_widget(GtkWidget *widget, void *user) {
        gtk_widget_destroy(widget);
}

static void fill_shell(Menu *menu, GtkMenuShell *shell, GPtrArray *items) {
        gtk_container_foreach(GTK_CONTAINER(shell), remove_widget, NULL);
        for (guint i = 0; i < items->len; i++)
                add_widget(menu, shell, g_ptr_array_index(items, i), i);
}

static void update_shell(Menu *menu, GtkMenuShell *shell, GPtrArray *items) {
        GList *widgets = gtk_container_get_children(GTK_CONTAINER(shell));
        GList *widget = widgets;

        for (guint i = 0; i < items->len && widget; i++, widget = widget->next) {
                const MenuItem *item = g_ptr_array_index(items, i);

                show_item(menu, widget->data, item);
                if (item->children)
                        update_shell(menu, GTK_MENU_SHELL(gtk_menu_item_get_submenu(widget->data)),
                                item->children);
        }
        g_list_free(widgets);
}

void menu_show(Menu *menu, GPtrArray *items) {
        g_autoptr(GPtrArray) old = menu->items;

        menu->items = items;
        menu->is_showing = true;
        if (old && menu_model_has_same_shape(old, items))
                update_shell(menu, GTK_MENU_SHELL(menu->widget), items);
        else
                fill_shell(menu, GTK_MENU_SHELL(menu->widget), items);
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
