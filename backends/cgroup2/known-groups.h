/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Keeps a list of the groups that are known not to be listed, beside and above
 * those that are: whatever is in none of them is new.
 *
 * A listed group that starts anew has another number, which nobody could mark
 * before its first packet. So the directories above listed groups are watched,
 * as far as they exist, and what is right below them and is not listed itself
 * is known by number. A directory is watched before it is read: what comes
 * later is told later, and is not known until then.
 */

#include <systemd/sd-event.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/base/array.h"
#include "backends/base/cleanup.h"
#include "backends/facts/group.h"

#define KNOWN_GROUPS_MAX 8192 /* what is behind that is never known, and said so */

typedef struct KnownGroups KnownGroups;

/*
 * @root stays the caller's and open. @on_changed comes from the loop alone.
 * Return: 0, *ret is the caller's; negative errno.
 */
int known_groups_new(sd_event *event, int root, void (*on_changed)(void *userdata), void *userdata,
        KnownGroups **ret);
KnownGroups *known_groups_free(KnownGroups *groups);
DEFINE_CLEANUP(KnownGroups *, known_groups_free);

/*
 * Looks at once at what is around @paths, canonical paths (const char *) of
 * listed groups, which are copied; none: nothing is known or watched.
 * Return: 1 the list is another; 0; -ENOMEM, it is as it was; negative errno.
 */
int known_groups_watch(KnownGroups *groups, const Array *paths);

/* Of KnownGroup, sorted by number, without marks; borrowed until the loop goes on. */
const Array *known_groups_list(const KnownGroups *groups);

/* Finds the path of a group that is known. Return: 1; 0 it is gone; negative errno. */
int known_groups_find_path(const KnownGroups *groups, uint64_t id, char ret[static PATH_MAX]);

/* Pure: about sorted arrays of paths (const char *). */

int known_groups_compare_paths(const void *a, const void *b);

/* Whether @path or a group it is in is listed. */
bool known_groups_is_listed(const Array *listed, const char *path);

/* Whether @path is above one that is listed. */
bool known_groups_is_above(const Array *listed, const char *path);
