// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * What the service says of tunnel, links and split tunnelling, as far as it is shown.
 *
 * Pure: read from the properties of its two interfaces. A Status owns its texts; all zero is the
 * status of a service that is not there. What the service leaves out, or gives with another type,
 * stays empty.
 */

#include <glib.h>
#include <stdbool.h>

typedef struct Link {
        char *device;     /* NULL: there is no default route */
        char *connection; /* what NetworkManager calls it; NULL */
        bool is_metered;
} Link;

typedef struct Status {
        bool is_there;
        bool is_idle; /* nothing was asked for: it will leave */
        char *tunnel; /* device; NULL: none is set */
        bool tunnel_is_active;
        char *tunnel_reason;                      /* why it is not; NULL */
        Link links[2];                            /* IPv4, IPv6 */
        GPtrArray *conflicts;                     /* of char *; NULL */
        bool can_split, split_is_on, only_listed; /* only_listed: mode "include" */
} Status;

/* As polkit answers, GetPermissions. Unknown: it was not asked yet, so nothing is ruled out. */
typedef enum Permission {
        PERMISSION_UNKNOWN,
        PERMISSION_YES,
        PERMISSION_PASSWORD,
        PERMISSION_NO,
} Permission;

typedef struct Permissions {
        Permission exclude_own, exclude_other, manage_selectors;
} Permissions;

/* @lookup: gives a property of the interface; a full reference, NULL: there is none. */
typedef GVariant *(*StatusLookup)(const char *interface, const char *property, void *user);

/* Overwrites @status, which may be all zero, but has to have been cleared. */
void status_read(Status *status, StatusLookup lookup, void *user);
void status_clear(Status *status);

/* @route: of a property or a signal, a{sv}. */
Link link_read(GVariant *route);
void link_clear(Link *link);

/* Return: "Wired connection 1 (wan0)", "wan0"; NULL for none; caller frees. */
char *link_title(const Link *link);

/* @answer: of GetPermissions, a{ss}. */
Permissions permissions_read(GVariant *answer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Status, status_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Link, link_clear)
