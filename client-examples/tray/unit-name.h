// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * What a control group says about the application in it: the systemd unit, whose it is, and the
 * application's id where the unit is named as the desktops name them.
 *
 * Pure. The caller owns the strings. Source: systemd.io/DESKTOP_ENVIRONMENTS, systemd.unit(5) on
 * escaping, and the units that snapd makes.
 */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#define UNIT_NO_USER ((uid_t)-1)

typedef enum UnitKind {
        UNIT_NONE,    /* the root, the init process */
        UNIT_USER,    /* of a user's own service manager */
        UNIT_SESSION, /* all of a login that its desktop does not divide */
        UNIT_SYSTEM,
} UnitKind;

typedef struct Unit {
        UnitKind kind;
        uid_t uid;  /* whose session or manager; else UNIT_NO_USER */
        char *name; /* "app-gnome-firefox-812.scope"; NULL for UNIT_NONE */
} Unit;

/* @group: below the root of cgroup2, "/user.slice/…"; groups below the unit are the unit's. */
Unit unit_read_group(const char *group);
void unit_clear(Unit *unit);

/* Return: "org.gnome.Terminal"; NULL when the name holds none. */
char *unit_application(const char *name);

/* Return: what to call it where nothing better is known, "cron". */
char *unit_short_name(const char *name);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Unit, unit_clear)
