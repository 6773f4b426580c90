// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/cgroup2.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/base/log.h"
#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"
#include "backends/cgroup2/cgroup2-private.h"
#include "backends/cgroup2/group-watch.h"
#include "backends/proc/proc-info.h"

Cgroup2Kind cgroup2_kind_of(const char *path) {
        const char *name = cgroup_path_name(path);

        return strcmp(name, CGROUP_PATH_EXCLUDED) == 0   ? CGROUP2_EXCLUDED
               : strcmp(name, CGROUP_PATH_INCLUDED) == 0 ? CGROUP2_INCLUDED
                                                         : CGROUP2_FOLLOWED;
}

static Cgroup2Group make_group(const char *path, uint64_t id) {
        return (Cgroup2Group){
                .path = path,
                .id = id,
                .level = cgroup_path_level(path),
                .kind = cgroup2_kind_of(path),
        };
}

static void on_known(void *userdata) {
        Cgroup2 *cgroup2 = userdata;

        if (cgroup2->sink.on_known)
                cgroup2->sink.on_known(cgroup2->sink.userdata);
}

static void on_appeared(const char *path, uint64_t id, void *userdata) {
        Cgroup2 *cgroup2 = userdata;
        Cgroup2Group group = make_group(path, id);

        /* Nobody but us makes ours: if it is back, it is another's until we look. */
        if (group.kind != CGROUP2_FOLLOWED)
                (void)group_watch_remove(cgroup2->watch, path);
        else if (cgroup2->sink.on_appeared)
                cgroup2->sink.on_appeared(&group, cgroup2->sink.userdata);
}

static void on_gone(const char *path, uint64_t id, void *userdata) {
        Cgroup2 *cgroup2 = userdata;
        Cgroup2Group group = make_group(path, id);

        if (group.kind != CGROUP2_FOLLOWED)
                (void)group_watch_remove(cgroup2->watch, path);
        if (cgroup2->sink.on_gone)
                cgroup2->sink.on_gone(&group, cgroup2->sink.userdata);
}

int cgroup2_open_own(Cgroup2 *cgroup2, const char *path) {
        CLEANUP_FD int group = cgroup_tree_open(cgroup2->root, path);

        if (group < 0)
                return group == -ENODEV ? -ENOENT : group;
        return cgroup_tree_is_own(group, cgroup2->owner) ? TAKE_FD(group) : -ENOENT;
}

int cgroup2_open_parent(Cgroup2 *cgroup2, const char *path) {
        CLEANUP_FREE char *parent = strndup(path, cgroup_path_parent_length(path));

        return parent ? cgroup_tree_open(cgroup2->root, parent) : -ENOMEM;
}

int cgroup2_remove_group(Cgroup2 *cgroup2, const char *path) {
        CLEANUP_FD int parent = cgroup2_open_parent(cgroup2, path);

        if (parent < 0)
                return parent;
        return unlinkat(parent, cgroup_path_name(path), AT_REMOVEDIR) < 0 ? -errno : 0;
}

static void on_empty(const char *path, uint64_t id, void *userdata) {
        int r = cgroup2_remove_group(userdata, path);

        if (r == 0 || r == -ENOENT)
                on_gone(path, id, userdata);
        else if (r != -EBUSY)
                log_debug("Cannot remove control group %s: errno %d", path, -r);
}

int cgroup2_open(sd_event *event, const char *mount, Cgroup2 **ret) {
        CLEANUP(cgroup2_free_p) Cgroup2 *cgroup2 = calloc(1, sizeof(*cgroup2));
        GroupWatchListener listener = {
                .on_appeared = on_appeared,
                .on_gone = on_gone,
                .on_empty = on_empty,
                .userdata = cgroup2,
        };
        int r;

        if (!cgroup2)
                return -ENOMEM;
        cgroup2->owner = geteuid();
        cgroup2->root = cgroup_tree_open_root(mount);
        if (cgroup2->root < 0)
                return cgroup2->root;
        r = group_watch_new(event, cgroup2->root, &listener, &cgroup2->watch);
        if (r >= 0)
                r = known_groups_new(event, cgroup2->root, on_known, cgroup2, &cgroup2->known);
        if (r < 0)
                return r;
        *ret = TAKE(cgroup2);
        return 0;
}

Cgroup2 *cgroup2_free(Cgroup2 *cgroup2) {
        if (!cgroup2)
                return NULL;
        cgroup2->known = known_groups_free(cgroup2->known);
        cgroup2->watch = group_watch_free(cgroup2->watch);
        cgroup2->root = fd_close(cgroup2->root);
        free(cgroup2);
        return NULL;
}

void cgroup2_set_owner(Cgroup2 *cgroup2, uid_t owner) {
        cgroup2->owner = owner;
}

void cgroup2_set_sink(Cgroup2 *cgroup2, const Cgroup2Sink *sink) {
        cgroup2->sink = *sink;
}

int cgroup2_open_group(uint64_t id, void *userdata) {
        Cgroup2 *cgroup2 = userdata;
        const char *path = id ? group_watch_find_id(cgroup2->watch, id) : NULL;
        char known[PATH_MAX];
        CLEANUP_FD int group = -1;
        uint64_t found;
        int r;

        if (!path && id && known_groups_find_path(cgroup2->known, id, known) > 0)
                path = known;
        if (!path)
                return -ENOENT;
        group = cgroup_tree_open(cgroup2->root, path);
        if (group < 0)
                return group;
        r = cgroup_tree_id(group, &found);
        if (r < 0)
                return r;
        return found == id ? TAKE_FD(group) : -ENOENT; /* made anew: the sink will be told */
}

int cgroup2_watch_newcomers(Cgroup2 *cgroup2, const Array *paths) {
        return known_groups_watch(cgroup2->known, paths);
}

const Array *cgroup2_known(const Cgroup2 *cgroup2) {
        return known_groups_list(cgroup2->known);
}

int cgroup2_follow(Cgroup2 *cgroup2, const char *path, Cgroup2Group *ret) {
        uint64_t id;
        int r;

        if (cgroup2_kind_of(path) != CGROUP2_FOLLOWED)
                return -EINVAL;
        r = group_watch_add(cgroup2->watch, path, 0, &id);
        if (r > 0)
                *ret = make_group(group_watch_find_id(cgroup2->watch, id), id);
        return r;
}

int cgroup2_unfollow(Cgroup2 *cgroup2, const char *path) {
        if (cgroup2_kind_of(path) != CGROUP2_FOLLOWED)
                return -ENOENT;
        return group_watch_remove(cgroup2->watch, path);
}

/*
 * Groups of ours
 */

int cgroup2_know_group(Cgroup2 *cgroup2, const char *path, uint64_t id, Cgroup2Group *ret) {
        const char *known;
        uint64_t seen = 0;
        int r;

        r = group_watch_find(cgroup2->watch, path, &seen);
        if (r > 0 && seen != id) {
                /* Its removal is in the queue; the number is no longer of use to anybody. */
                (void)group_watch_remove(cgroup2->watch, path);
                r = -ENOENT;
        }
        if (r <= 0) {
                if (r == 0)
                        (void)group_watch_remove(cgroup2->watch, path);
                r = group_watch_add(cgroup2->watch, path, GROUP_WATCH_WITH_MEMBERS, &seen);
                if (r < 0)
                        return r;
                if (r == 0 || seen != id) {
                        (void)group_watch_remove(cgroup2->watch, path);
                        return -ENODEV;
                }
        }
        known = group_watch_find_id(cgroup2->watch, id);
        if (ret)
                *ret = make_group(known, id);
        return 0;
}

int cgroup2_find_own(Cgroup2 *cgroup2, const char *path, size_t *ret_length) {
        size_t length = 0;

        while (cgroup_path_find_our_name(path, length, &length) > 0) {
                CLEANUP_FREE char *candidate = strndup(path, length);
                CLEANUP_FD int group = -1;

                if (!candidate)
                        return -ENOMEM;
                group = cgroup2_open_own(cgroup2, candidate);
                if (group >= 0) {
                        *ret_length = length;
                        return 1;
                }
                if (group != -ENOENT)
                        return group;
        }
        return 0;
}

int cgroup2_read_path(const Process *process, char ret[static PROC_CGROUP_MAX]) {
        CLEANUP_FD int directory = process_open_directory(process);
        char path[PROC_CGROUP_MAX];
        int r;

        if (directory < 0)
                return directory;
        r = proc_read_cgroup(directory, NULL, path);
        if (r < 0)
                return r;
        r = cgroup_path_check(path + 1);
        if (r < 0)
                return r;
        memcpy(ret, path + 1, strlen(path + 1) + 1);
        return 0;
}

int cgroup2_find_process(Cgroup2 *cgroup2, const Process *process, Cgroup2Group *ret) {
        CLEANUP_FD int group = -1;
        char path[PROC_CGROUP_MAX];
        size_t length;
        uint64_t id;
        int r;

        r = cgroup2_read_path(process, path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r;
        r = cgroup2_find_own(cgroup2, path, &length);
        if (r <= 0)
                return r;
        path[length] = '\0';
        group = cgroup2_open_own(cgroup2, path);
        if (group < 0)
                return group == -ENOENT ? 0 : group;
        r = cgroup_tree_id(group, &id);
        if (r >= 0)
                r = cgroup2_know_group(cgroup2, path, id, ret);
        return r < 0 ? r : 1;
}

static int list_members(int group, const char *path, void *userdata) {
        Array *pids = userdata;
        int r;

        if (pids->n >= CGROUP_TREE_MEMBERS_MAX)
                return -E2BIG;
        r = cgroup_tree_list_members(group, pids);
        /* Removed meanwhile, or threaded: those are members of the domain above. */
        return r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
}

int cgroup2_list_members(Cgroup2 *cgroup2, const char *path, Array *pids) {
        return cgroup_tree_walk(cgroup2->root, path, list_members, pids);
}

typedef struct KnownMembers {
        const Cgroup2 *cgroup2;
        Array *pids;
} KnownMembers;

/* Whoever is in a group of ours has a mark of that. */
static int list_others(int group, const char *path, void *userdata) {
        const KnownMembers *known = userdata;

        if (cgroup2_kind_of(path) != CGROUP2_FOLLOWED &&
                cgroup_tree_is_own(group, known->cgroup2->owner))
                return 1;
        return list_members(group, path, known->pids);
}

int cgroup2_list_known_members(Cgroup2 *cgroup2, uint64_t id, Array *pids) {
        KnownMembers known = { cgroup2, pids };
        char path[PATH_MAX];
        int r = known_groups_find_path(cgroup2->known, id, path);

        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        return cgroup_tree_walk(cgroup2->root, path, list_others, &known);
}

static int adopt(int group, const char *path, void *userdata) {
        Cgroup2 *cgroup2 = userdata;
        uint64_t id;

        if (cgroup2_kind_of(path) == CGROUP2_FOLLOWED || !cgroup_tree_is_own(group, cgroup2->owner))
                return 0;
        if (cgroup_tree_is_populated(group) == 0 && cgroup2_remove_group(cgroup2, path) == 0)
                return 1;
        if (cgroup_tree_id(group, &id) == 0) {
                int r = cgroup2_know_group(cgroup2, path, id, NULL);

                if (r == -ENOMEM || r == -ENOSPC)
                        return r;
        }
        return 1;
}

int cgroup2_find_groups(Cgroup2 *cgroup2) {
        Cgroup2Group group;
        int r, n = 0;

        r = cgroup_tree_walk(cgroup2->root, "", adopt, cgroup2);
        if (r < 0)
                return r;
        for (size_t i = 0; cgroup2_group_at(cgroup2, i, &group) > 0; i++)
                n += group.kind != CGROUP2_FOLLOWED;
        return n;
}

int cgroup2_group_at(Cgroup2 *cgroup2, size_t index, Cgroup2Group *ret) {
        GroupWatchFlags flags;
        const char *path;
        uint64_t id;

        for (size_t i = 0; (path = group_watch_at(cgroup2->watch, i, &flags, &id)); i++)
                if (id != 0 && index-- == 0) {
                        *ret = make_group(path, id);
                        return 1;
                }
        return 0;
}
