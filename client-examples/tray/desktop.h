// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Names and icons of applications, from the desktop entries that are installed.
 *
 * The caller owns the Desktop. Entries that come or go are noticed.
 */

#include <stdbool.h>

typedef struct Desktop Desktop;

Desktop *desktop_new(void);
Desktop *desktop_free(Desktop *desktop);

/* An AppsLookup of apps.h; @user is the Desktop. */
bool desktop_lookup(const char *application, const char *program, char **ret_title, char **ret_icon,
        void *user);
