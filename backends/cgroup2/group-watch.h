/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Waits for groups to appear, disappear, and run empty.
 *
 * For each path there are inotify(7) watches on the directories above it, as
 * far as they exist, so that a group is noticed however much of its path comes
 * and goes. A group that is made anew has another number: it is reported gone
 * and appeared. Reports come from the event loop alone, never from inside a
 * call; a listener may add and remove paths. Paths passed are borrowed.
 */

#include <systemd/sd-event.h>

#include <stdbool.h>
#include <stdint.h>

#include "backends/base/cleanup.h"

#define GROUP_WATCH_MAX 16384 /* 1,024 units of two users, with all places of each */

typedef struct GroupWatch GroupWatch;

typedef struct GroupWatchListener {
        void (*on_appeared)(const char *path, uint64_t id, void *userdata);
        void (*on_gone)(const char *path, uint64_t id, void *userdata);
        void (*on_empty)(const char *path, uint64_t id, void *userdata); /* for WITH_MEMBERS */
        void *userdata;
} GroupWatchListener;

typedef enum GroupWatchFlags {
        GROUP_WATCH_WITH_MEMBERS = 1 << 0, /* tell when the last member leaves */
} GroupWatchFlags;

/* @root stays the caller's and open. Return: 0, *ret is the caller's; negative errno. */
int group_watch_new(
        sd_event *event, int root, const GroupWatchListener *listener, GroupWatch **ret);
GroupWatch *group_watch_free(GroupWatch *watch);
DEFINE_CLEANUP(GroupWatch *, group_watch_free);

/*
 * Begins with a canonical path that is not the root. Return: 1 it exists,
 * *ret_id is set; 0 it does not yet; -EEXIST watched already; -EINVAL,
 * -ENAMETOOLONG, -E2BIG the path; -ENOSPC too many; negative errno.
 */
int group_watch_add(GroupWatch *watch, const char *path, GroupWatchFlags flags, uint64_t *ret_id);

/* Return: 0; -ENOENT it is not watched. */
int group_watch_remove(GroupWatch *watch, const char *path);

/* The number as it was last seen. Return: 1; 0 the group does not exist; -ENOENT not watched. */
int group_watch_find(const GroupWatch *watch, const char *path, uint64_t *ret_id);

/* The watched path with that number, borrowed until the next call, or NULL. */
const char *group_watch_find_id(const GroupWatch *watch, uint64_t id);

/* The watched path at @index, its flags and number (0: does not exist); NULL behind the last. */
const char *group_watch_at(
        const GroupWatch *watch, size_t index, GroupWatchFlags *ret_flags, uint64_t *ret_id);
