// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The icon in the panel. The only file that knows the indicator library, so that another one can
 * take its place.
 *
 * The caller owns the Indicator, which borrows the menu.
 */

#include <gtk/gtk.h>

typedef struct Indicator Indicator;

Indicator *indicator_new(const char *id, const char *title, GtkMenu *menu);
Indicator *indicator_free(Indicator *indicator);

/* @icon: a name of the icon theme. @description: for those that do not see it. */
void indicator_show(Indicator *indicator, const char *icon, const char *description);

/* Gives an entry of the menu an icon, by name or path; NULL takes it away. */
void indicator_set_item_icon(GtkWidget *item, const char *icon);
