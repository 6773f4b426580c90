// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * What the menu and the icon show, from what is known. Pure.
 *
 *     Tunnel: wg0                           status, conflicts
 *     Internet: Wired connection 1 (wan0)
 *     ─────
 *     Around the tunnel                     who is listed; a click brings back
 *     ✓ Firefox
 *     ─────
 *     Running applications ▸                own ones; a click lists or brings back
 *     Other users and the system ▸
 *     ─────
 *     Quit
 */

#include <glib.h>
#include <stdbool.h>

#include "client-examples/tray/status.h"

#define MENU_LABEL_CHARS_MAX 80
#define MENU_CONFLICTS_MAX 4
#define MENU_LISTED_MAX 32

typedef enum MenuKind {
        MENU_TEXT, /* tells, and cannot be clicked */
        MENU_SEPARATOR,
        MENU_ACTION,
        MENU_CHECK,
        MENU_SUBMENU,
} MenuKind;

typedef enum MenuAction {
        MENU_DO_NOTHING,
        MENU_DO_TOGGLE, /* the application whose key is in target */
        MENU_DO_WAKE,
        MENU_DO_QUIT,
} MenuAction;

typedef struct MenuItem {
        MenuKind kind;
        MenuAction action;
        char *label;
        char *icon;   /* NULL */
        char *target; /* NULL */
        bool is_sensitive, is_checked;
        GPtrArray *children; /* of MenuItem; NULL but for submenus */
} MenuItem;

/* @apps: of App. Return: an array of MenuItem that frees its elements. */
GPtrArray *menu_model_build(const Status *status, const Permissions *permissions, GPtrArray *apps);

/* Whether the one can be turned into the other in place: the same application, or menu, or text. */
bool menu_model_is_same(const MenuItem *left, const MenuItem *right);

/* Return: the name of an icon, and a sentence for those that do not see it; caller frees the
 * latter. */
const char *menu_model_icon(const Status *status, char **ret_description);
