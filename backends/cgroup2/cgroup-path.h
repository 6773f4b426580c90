/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Names of control groups: paths below the root of the hierarchy.
 *
 * Canonical form: no slash at either end, no empty, "." or ".." component, no
 * control byte; "" is the root. Pure, nothing here looks at the file system.
 */

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* What a group of ours is called, below the group its members come from. */
#define CGROUP_PATH_EXCLUDED "talpid-excluded"
#define CGROUP_PATH_INCLUDED "talpid-included"

#define CGROUP_PATH_LEVEL_MAX 255 /* of nft's `socket cgroupv2 level` */

/* Return: 0; -EINVAL not canonical; -ENAMETOOLONG; -E2BIG deeper than CGROUP_PATH_LEVEL_MAX. */
int cgroup_path_check(const char *path);

/* Depth below the root, which is 0. */
uint32_t cgroup_path_level(const char *path);

/* Bytes of the group above, without its slash; 0 for the first level and the root. */
size_t cgroup_path_parent_length(const char *path);

/* The last component. */
const char *cgroup_path_name(const char *path);

/* Joins. Return: 0; -ENAMETOOLONG. */
int cgroup_path_join(const char *parent, const char *name, char ret[static PATH_MAX]);

/*
 * Finds the next component that is called like a group of ours, from the byte
 * @from on. Return: 1, path[0 … *ret_length) ends with it; 0 there is none.
 */
int cgroup_path_find_our_name(const char *path, size_t from, size_t *ret_length);
