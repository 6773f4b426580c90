// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A desktop on the machine: alice, logged in at the seat, with a session bus, a display, a panel,
 * notifications and the tray applet.
 *
 * The panel is xfce4-panel, or the test itself, which then is the bus name that icons register
 * with. Either way the menu is read and clicked as panels do: com.canonical.dbusmenu. Notifications
 * are received by the test.
 *
 * A Desk is a value; desk_open() and desk_close() come in pairs. Functions end the test when a step
 * fails. One desk at a time.
 */

#include <gio/gio.h>
#include <stdbool.h>

#include "tests/machine/lib/machine.h"

#define DESK_DISPLAY ":9"

typedef enum DeskHost {
        DESK_TEST,
        DESK_PANEL,
} DeskHost;

typedef struct DeskNote {
        guint32 replaces; /* number of the note that it takes the place of */
        char *title, *body;
} DeskNote;

typedef struct Desk {
        Machine *machine;
        char *session; /* directory of the control group of her session */
        GDBusConnection *bus;
        pid_t bus_pid, display_pid, panel_pid, tray_pid;
        guint registrations[2], names[2], signals;
        bool is_registered; /* an icon, with the test */
        GPtrArray *notes;   /* of DeskNote */
} Desk;

/* For a prepare(): the desktop entry "Space Game" of application "game", and a panel with icons at
 * its left end. */
int desk_prepare(const char *root);

void desk_open(Desk *desk, Machine *machine, DeskHost host);
void desk_close(Desk *desk);

/* Runs a program as alice in her session, in the background. @argv ends with NULL. */
pid_t desk_start(Desk *desk, const char *const *argv);

/* The tray; desk_close() ends it, and asserts that it went in peace. */
void desk_start_tray(Desk *desk);

/* Ends the panel and starts another one, which the icon registers with. */
void desk_restart_panel(Desk *desk);

/* In the menu: two spaces a level, "[x] Firefox", "[ ] cron (grey)", "---". */
void desk_wait_for_line(Desk *desk, const char *line);

/* Opens all submenus, and with them all that is done when they are opened. */
void desk_look(Desk *desk);

/* Clicks the first entry of that label. */
void desk_click(Desk *desk, const char *label);

/* Name of the icon in the panel; caller frees. */
char *desk_icon(Desk *desk);

/* Waits for a notification whose title contains @title. Return: it, borrowed. */
const DeskNote *desk_wait_for_note(Desk *desk, const char *title);
