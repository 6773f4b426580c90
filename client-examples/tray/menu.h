// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The model of the menu as a GTK menu. Entries that stay are changed in place, so that a menu that
 * is open stays open, and a click hits what was seen.
 *
 * The caller owns the Menu; it owns its widgets.
 */

#include <gtk/gtk.h>

#include "client-examples/tray/menu-model.h"

typedef struct Menu Menu;

typedef struct MenuListener {
        void (*chosen)(const MenuItem *item, void *user);
        /* A submenu is about to be seen. */
        void (*opened)(void *user);
        /* A widget shows this item from now on, with its icon. */
        void (*shown)(GtkWidget *widget, const MenuItem *item, void *user);
        void *user;
} MenuListener;

Menu *menu_new(const MenuListener *listener);
Menu *menu_free(Menu *menu);

GtkMenu *menu_widget(Menu *menu);

/* Takes the items, an array of MenuItem. */
void menu_show(Menu *menu, GPtrArray *items);
