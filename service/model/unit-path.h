/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Where systemd has the group of a unit: systemd.unit(5), systemd.slice(5).
 *
 * A unit's name does not say which slice it is in; so there are several
 * places, of which one exists while it runs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUP_PATH_MAX 512 /* below the root of the hierarchy, no leading slash */
#define UNIT_PATHS_MAX 8

/* Whether that could be a unit with a group; templates and the root slice are none. */
bool unit_name_is_valid(const char *name);

/*
 * @name is valid; @uid is whose manager it belongs to, 0 the system's. Return:
 * how many paths were written; 0: systemd could not make such a path either.
 */
size_t unit_paths(
        const char *name, uint32_t uid, char paths[static UNIT_PATHS_MAX][GROUP_PATH_MAX]);
