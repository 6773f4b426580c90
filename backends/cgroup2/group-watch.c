// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/group-watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "backends/base/array.h"
#include "backends/base/log.h"
#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"

#define BUFFER_SIZE ((size_t)64 * 1024) /* of events per wake-up */

typedef struct WatchedGroup {
        char *path;
        GroupWatchFlags flags;
        uint32_t level;
        uint64_t id;       /* 0: does not exist */
        int members;       /* inotify watch of its cgroup.events; −1 */
        bool is_dirty;     /* its path has to be looked at */
        bool may_be_empty; /* its cgroup.events has to be read */
        int above[];       /* inotify watches of the directories above, root first; −1 */
} WatchedGroup;

/* An inotify watch, and how many slots of groups hold it. */
typedef struct WatchUse {
        int wd;
        unsigned n;
} WatchUse;

struct GroupWatch {
        int root; /* borrowed */
        int inotify;
        sd_event_source *source;
        GroupWatchListener listener;
        Array groups; /* of WatchedGroup *, sorted by path */
        Array uses;   /* of WatchUse, sorted by wd */
        char *buffer; /* BUFFER_SIZE */
};

static WatchedGroup *group_at(const GroupWatch *watch, size_t index) {
        return *(WatchedGroup **)array_at(&watch->groups, index);
}

static WatchedGroup *find_group(const GroupWatch *watch, const char *path, size_t *ret_index) {
        size_t low = 0, high = watch->groups.n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(group_at(watch, middle)->path, path);

                if (order == 0) {
                        if (ret_index)
                                *ret_index = middle;
                        return group_at(watch, middle);
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (ret_index)
                *ret_index = low;
        return NULL;
}

static int compare_uses(const void *a, const void *b) {
        const WatchUse *x = a, *y = b;

        return x->wd < y->wd ? -1 : x->wd > y->wd;
}

static WatchUse *find_use(const GroupWatch *watch, int wd, size_t *ret_index) {
        return array_search(&watch->uses, &(WatchUse){ .wd = wd }, compare_uses, ret_index);
}

/* Return: 0; -ENOMEM. */
static int use_watch(GroupWatch *watch, int wd) {
        size_t index;
        WatchUse *use = find_use(watch, wd, &index);

        if (!use)
                use = array_insert(&watch->uses, index, &(WatchUse){ .wd = wd });
        if (!use)
                return -ENOMEM;
        use->n++;
        return 0;
}

/* The kernel has none of that number any more. */
static void forget_watch(GroupWatch *watch, int wd) {
        size_t index;

        if (find_use(watch, wd, &index))
                array_remove(&watch->uses, index);
}

/* Directories are shared: a watch goes with the last path that needs it. */
static void leave_watch(GroupWatch *watch, int wd) {
        WatchUse *use = find_use(watch, wd, NULL);

        if (!use || --use->n > 0)
                return;
        forget_watch(watch, wd);
        (void)inotify_rm_watch(watch->inotify, wd); /* it may have gone by itself */
}

/* @wd -1: none. Return: 0; -ENOMEM, the slot is as it was. */
static int set_watch(GroupWatch *watch, int *slot, int wd) {
        int old = *slot;

        if (old == wd)
                return 0;
        if (wd >= 0 && use_watch(watch, wd) < 0)
                return -ENOMEM;
        *slot = wd;
        if (old >= 0)
                leave_watch(watch, old);
        return 0;
}

static int add_watch(GroupWatch *watch, int fd, const char *file, uint32_t mask) {
        char path[64];
        int wd;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d%s", fd, file);
        wd = inotify_add_watch(watch->inotify, path, mask);
        return wd < 0 ? -errno : wd;
}

static int watch_members(GroupWatch *watch, WatchedGroup *group, int fd) {
        int wd = add_watch(watch, fd, "/cgroup.events", IN_MODIFY);

        if (wd < 0)
                return wd;
        return set_watch(watch, &group->members, wd);
}

/*
 * Goes down the path as far as it exists. Each directory is watched before the
 * next name is looked up in it, so what appears in between is not missed.
 * Return: 0, *ret_id is 0 when the group does not exist; negative errno.
 */
static int look(GroupWatch *watch, WatchedGroup *group, uint64_t *ret_id) {
        CLEANUP_FD int directory = cgroup_tree_open(watch->root, "");
        const char *rest = group->path;
        uint32_t k;
        int r;

        if (directory < 0)
                return directory;
        *ret_id = 0;
        for (k = 0; k < group->level; k++) {
                char name[NAME_MAX + 1];
                size_t length = strcspn(rest, "/");
                int next, wd;

                wd = add_watch(watch, directory, "",
                        IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE | IN_ONLYDIR);
                if (wd == -ENOENT)
                        break;
                if (wd < 0)
                        return wd;
                r = set_watch(watch, &group->above[k], wd);
                if (r < 0)
                        return r;

                memcpy(name, rest, length);
                name[length] = '\0';
                next = cgroup_tree_open(directory, name);
                if (next < 0)
                        break; /* not there, or not a directory: whatever, it is no group */
                directory = fd_close(directory);
                directory = next;
                rest += length + (rest[length] == '/');
        }
        if (k < group->level) {
                for (k++; k < group->level; k++)
                        (void)set_watch(watch, &group->above[k], -1);
                (void)set_watch(watch, &group->members, -1);
                return 0;
        }
        r = cgroup_tree_id(directory, ret_id);
        if (r < 0)
                return r;
        if (!(group->flags & GROUP_WATCH_WITH_MEMBERS))
                return 0;
        r = watch_members(watch, group, directory);
        if (r == -ENOENT)
                *ret_id = 0; /* removed in this moment: its parent will tell */
        return r == -ENOENT ? 0 : r;
}

/* The part of @path below the level that @level counts; its length is *ret_length. */
static const char *component_at(const char *path, uint32_t level, size_t *ret_length) {
        for (; level > 0; level--)
                path += strcspn(path, "/") + 1;
        *ret_length = strcspn(path, "/");
        return path;
}

static bool is_about(const WatchedGroup *group, uint32_t level, const struct inotify_event *event) {
        size_t length;
        const char *name;

        if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_UNMOUNT))
                return true;
        name = component_at(group->path, level, &length);
        return event->len > 0 && strnlen(event->name, event->len) == length &&
               memcmp(event->name, name, length) == 0;
}

static void handle_event(GroupWatch *watch, const struct inotify_event *event) {
        if (event->mask & IN_IGNORED)
                forget_watch(watch, event->wd); /* the slots that hold it are emptied below */
        for (size_t i = 0; i < watch->groups.n; i++) {
                WatchedGroup *group = group_at(watch, i);

                if (event->mask & IN_Q_OVERFLOW) {
                        group->is_dirty = group->may_be_empty = true;
                        continue;
                }
                if (group->members == event->wd) {
                        if (event->mask & IN_IGNORED) {
                                group->members = -1;
                                group->is_dirty = true;
                        } else
                                group->may_be_empty = true;
                }
                for (uint32_t k = 0; k < group->level; k++) {
                        if (group->above[k] != event->wd || !is_about(group, k, event))
                                continue;
                        if (event->mask & IN_IGNORED)
                                group->above[k] = -1;
                        group->is_dirty = true;
                }
        }
}

static void report(GroupWatch *watch, WatchedGroup *group, uint64_t id) {
        CLEANUP_FREE char *path = NULL;
        uint64_t old = group->id;

        if (id == old)
                return;
        path = strdup(group->path); /* the listener may remove the group */
        if (!path) {
                log_debug("No memory to report a control group");
                return; /* still the old number: told at the next look */
        }
        group->id = id;
        group->may_be_empty = id != 0 && (group->flags & GROUP_WATCH_WITH_MEMBERS);
        if (old != 0)
                watch->listener.on_gone(path, old, watch->listener.userdata);
        if (id != 0 && (old == 0 || find_group(watch, path, NULL)))
                watch->listener.on_appeared(path, id, watch->listener.userdata);
}

static void look_again(GroupWatch *watch, WatchedGroup *group) {
        uint64_t id;
        int r;

        group->is_dirty = false;
        r = look(watch, group, &id);
        if (r < 0)
                log_debug("Cannot look for control group %s: errno %d", group->path, -r);
        else
                report(watch, group, id);
}

static void see_whether_empty(GroupWatch *watch, WatchedGroup *group) {
        CLEANUP_FREE char *path = NULL;
        CLEANUP_FD int fd = -1;

        group->may_be_empty = false;
        if (group->id == 0)
                return;
        fd = cgroup_tree_open(watch->root, group->path);
        if (fd < 0 || cgroup_tree_is_populated(fd) != 0)
                return;
        path = strdup(group->path);
        if (path)
                watch->listener.on_empty(path, group->id, watch->listener.userdata);
}

static WatchedGroup *find_waiting(const GroupWatch *watch) {
        for (size_t i = 0; i < watch->groups.n; i++) {
                WatchedGroup *group = group_at(watch, i);

                if (group->is_dirty || group->may_be_empty)
                        return group;
        }
        return NULL;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        GroupWatch *watch = userdata;
        WatchedGroup *group;
        ssize_t n = read(fd, watch->buffer, BUFFER_SIZE);

        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        log_debug("Cannot read inotify events: errno %d", errno);
                return 0;
        }
        for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
                const struct inotify_event *event = (const void *)(watch->buffer + at);

                handle_event(watch, event);
                at += (ssize_t)(sizeof(*event) + event->len);
        }
        /* Searched afresh each time: a listener may change the list. Each pass clears a flag. */
        while ((group = find_waiting(watch))) {
                if (group->is_dirty)
                        look_again(watch, group);
                else
                        see_whether_empty(watch, group);
        }
        return 0;
}

int group_watch_new(
        sd_event *event, int root, const GroupWatchListener *listener, GroupWatch **ret) {
        CLEANUP(group_watch_free_p) GroupWatch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->root = root;
        watch->inotify = -1;
        watch->listener = *listener;
        watch->groups = ARRAY_INIT(WatchedGroup *);
        watch->uses = ARRAY_INIT(WatchUse);

        watch->buffer = malloc(BUFFER_SIZE);
        if (!watch->buffer)
                return -ENOMEM;
        watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (watch->inotify < 0)
                return -errno;
        r = sd_event_add_io(event, &watch->source, watch->inotify, EPOLLIN, on_io, watch);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(watch->source, "group-watch");
        *ret = TAKE(watch);
        return 0;
}

static void free_group(WatchedGroup *group) {
        free(group->path);
        free(group);
}

GroupWatch *group_watch_free(GroupWatch *watch) {
        if (!watch)
                return NULL;
        watch->source = sd_event_source_disable_unref(watch->source);
        watch->inotify = fd_close(watch->inotify);
        for (size_t i = 0; i < watch->groups.n; i++)
                free_group(group_at(watch, i));
        array_clear(&watch->groups);
        array_clear(&watch->uses);
        free(watch->buffer);
        free(watch);
        return NULL;
}

static WatchedGroup *new_group(const char *path, GroupWatchFlags flags) {
        uint32_t level = cgroup_path_level(path);
        WatchedGroup *group = malloc(sizeof(*group) + level * sizeof(group->above[0]));

        if (!group)
                return NULL;
        *group = (WatchedGroup){
                .path = strdup(path), .flags = flags, .level = level, .members = -1
        };
        for (uint32_t k = 0; k < level; k++)
                group->above[k] = -1;
        if (!group->path) {
                free(group);
                return NULL;
        }
        return group;
}

int group_watch_add(GroupWatch *watch, const char *path, GroupWatchFlags flags, uint64_t *ret_id) {
        WatchedGroup *group;
        uint64_t id;
        size_t index;
        int r;

        r = cgroup_path_check(path);
        if (r < 0)
                return r;
        if (path[0] == '\0')
                return -EINVAL;
        if (find_group(watch, path, &index))
                return -EEXIST;
        if (watch->groups.n >= GROUP_WATCH_MAX)
                return -ENOSPC;

        group = new_group(path, flags);
        if (!group)
                return -ENOMEM;
        if (!array_insert(&watch->groups, index, &group)) {
                free_group(group);
                return -ENOMEM;
        }
        r = look(watch, group, &id);
        if (r < 0) {
                (void)group_watch_remove(watch, path);
                return r;
        }
        group->id = id;
        if (id != 0)
                *ret_id = id;
        return id != 0;
}

int group_watch_remove(GroupWatch *watch, const char *path) {
        size_t index;
        WatchedGroup *group = find_group(watch, path, &index);

        if (!group)
                return -ENOENT;
        (void)set_watch(watch, &group->members, -1);
        for (uint32_t k = 0; k < group->level; k++)
                (void)set_watch(watch, &group->above[k], -1);
        array_remove(&watch->groups, index);
        free_group(group);
        return 0;
}

int group_watch_find(const GroupWatch *watch, const char *path, uint64_t *ret_id) {
        const WatchedGroup *group = find_group(watch, path, NULL);

        if (!group)
                return -ENOENT;
        if (group->id != 0)
                *ret_id = group->id;
        return group->id != 0;
}

const char *group_watch_find_id(const GroupWatch *watch, uint64_t id) {
        for (size_t i = 0; i < watch->groups.n; i++)
                if (group_at(watch, i)->id == id)
                        return group_at(watch, i)->path;
        return NULL;
}

const char *group_watch_at(
        const GroupWatch *watch, size_t index, GroupWatchFlags *ret_flags, uint64_t *ret_id) {
        const WatchedGroup *group;

        if (index >= watch->groups.n)
                return NULL;
        group = group_at(watch, index);
        *ret_flags = group->flags;
        *ret_id = group->id;
        return group->path;
}
