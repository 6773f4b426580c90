// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/means/cgroup2-means.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"
#include "backends/cgroup2/cgroup2.h"
#include "service/means/means-process.h"

struct Cgroup2Means {
        int root;
        Cgroup2 *cgroup2;
        Cgroup2MeansListener listener;
        Sockets *sockets;
        const Array *prepared; /* of GroupPlace; NULL: none */
        SplitProcesses processes;
};

static void place_of(const char *path, uint64_t id, uint32_t level, GroupPlace *ret) {
        *ret = (GroupPlace){ .id = id, .level = level };
        (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
}

/* Making groups */

static int set_fault(Fault *fault, int r, const char *text) {
        if (fault) {
                fault->error = r;
                (void)snprintf(fault->text, sizeof(fault->text), "%s", text);
        }
        return r;
}

/* Where a process is, below the root. */
static int read_group(const Process *process, char ret[static PROC_CGROUP_MAX]) {
        CLEANUP_FD int directory = process_open_directory(process);
        char path[PROC_CGROUP_MAX];
        int r;

        if (directory < 0)
                return directory;
        r = proc_read_cgroup(directory, NULL, path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r;
        memmove(ret, path + 1, strlen(path)); /* without the slash */
        return 0;
}

/* Makes the group below @path. Return: 1 made; 0 it was there; negative errno. */
static int make_group(Cgroup2Means *means, const char *path, GroupPlace *ret, Fault *fault) {
        CLEANUP_FD int base = cgroup_tree_open(means->root, path), group = -1;
        char own[PATH_MAX];
        bool made;
        uint64_t id;
        int r;

        if (base < 0)
                return set_fault(fault, base, "its control group cannot be opened");
        r = cgroup_tree_type(base);
        if (r >= 0 && r != CGROUP_DOMAIN)
                return set_fault(fault, -EOPNOTSUPP, "its control group is threaded");
        if (path[0] && cgroup_tree_has_subtree_control(base) > 0)
                return set_fault(fault, -EBUSY, "controllers are enabled below its control group");
        r = cgroup_path_join(path, CGROUP_PATH_EXCLUDED, own);
        if (r >= 0 && strlen(own) >= sizeof(ret->path))
                r = -ENAMETOOLONG;
        if (r < 0)
                return set_fault(fault, r, "the name of its control group is too long");

        made = mkdirat(base, CGROUP_PATH_EXCLUDED, 0755) == 0;
        if (!made && errno != EEXIST)
                return set_fault(fault, -errno,
                        errno == EROFS ? "the control groups are mounted read-only"
                                       : "no group can be made below its control group");
        group = cgroup_tree_open(base, CGROUP_PATH_EXCLUDED);
        if (group < 0)
                return set_fault(fault, group, "the new control group cannot be opened");
        if (!cgroup_tree_is_own(group, geteuid()))
                return set_fault(fault, -EEXIST,
                        "somebody else made a control group called " CGROUP_PATH_EXCLUDED);
        r = cgroup_tree_id(group, &id);
        if (r < 0) {
                if (made)
                        (void)unlinkat(base, CGROUP_PATH_EXCLUDED, AT_REMOVEDIR);
                return set_fault(fault, r, "the new control group has no number");
        }
        place_of(own, id, cgroup_path_level(own), ret);
        return made;
}

static int append_place(Array *places, const GroupPlace *place) {
        const GroupPlace *known;

        ARRAY_FOREACH(known, places) {
                if (strcmp(known->path, place->path) == 0)
                        return 0;
        }
        return array_append(places, place) ? 0 : -ENOMEM;
}

/* Removes a group of ours that nobody is in. */
static int remove_group(Cgroup2Means *means, const char *path) {
        CLEANUP_FREE char *parent = strndup(path, cgroup_path_parent_length(path));
        CLEANUP_FD int base = -1;

        if (!parent)
                return -ENOMEM;
        base = cgroup_tree_open(means->root, parent);
        if (base < 0)
                return base;
        return unlinkat(base, cgroup_path_name(path), AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int prepare_one(
        Cgroup2Means *means, const Process *process, Array *places, Array *made, Fault *fault) {
        char path[PROC_CGROUP_MAX];
        Cgroup2Group group;
        GroupPlace place;
        int r;

        r = cgroup2_find_process(means->cgroup2, process, &group);
        if (r > 0) {
                place_of(group.path, group.id, group.level, &place);
                return append_place(places, &place);
        }
        r = r < 0 ? r : read_group(process, path);
        if (r < 0)
                return set_fault(fault, r, "the control group of the process is not known");
        r = make_group(means, path, &place, fault);
        if (r < 0)
                return r;
        if (r > 0 && !array_append(made, &place))
                return -ENOMEM;
        return append_place(places, &place);
}

static int prepare_children(
        Cgroup2Means *means, const Process *process, Array *places, Array *made) {
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        const ProcessRef *ref;
        int r = process_list_family(process, &refs);

        if (r < 0 && r != -E2BIG)
                return r;
        ARRAY_FOREACH(ref, &refs) {
                CLEANUP(process_clear) Process child = PROCESS_NONE;

                if (process_reopen(ref, &child) < 0)
                        continue;
                /* What is wrong with one child is told when it is to be moved. */
                if (prepare_one(means, &child, places, made, NULL) == -ENOMEM)
                        return -ENOMEM;
        }
        return 0;
}

static int prepare(const SplitProcess *split_process, bool children, Array *places, Fault *fault,
        void *userdata) {
        CLEANUP(array_clear) Array made = ARRAY_INIT(GroupPlace);
        const Process process = means_process_of(split_process);
        Cgroup2Means *means = userdata;
        const GroupPlace *place;
        int r;

        r = prepare_one(means, &process, places, &made, fault);
        if (r >= 0 && children)
                r = prepare_children(means, &process, places, &made);
        if (r >= 0)
                return 0;
        ARRAY_FOREACH(place, &made) {
                (void)remove_group(means, place->path);
        }
        return r;
}

/* Moving */

static int append_inside(Cgroup2Means *means, const Process *process, Array *pids, Array *places) {
        Cgroup2Group group;
        GroupPlace place;

        if (cgroup2_find_process(means->cgroup2, process, &group) <= 0)
                return 0;
        place_of(group.path, group.id, group.level, &place);
        return array_append(pids, &process->pid) ? append_place(places, &place) : -ENOMEM;
}

static int exclude(const SplitProcess *split_process, bool children, Array *pids, Array *places,
        unsigned *ret_moved, Fault *fault, void *userdata) {
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        const Process process = means_process_of(split_process);
        Cgroup2Means *means = userdata;
        Cgroup2Moves moves = { 0 };
        const ProcessRef *ref;
        int r, listed;

        if (children) {
                r = cgroup2_exclude_tree(means->cgroup2, &process, CGROUP2_EXCLUDED, &moves, fault);
        } else {
                r = cgroup2_exclude_process(
                        means->cgroup2, &process, CGROUP2_EXCLUDED, NULL, fault);
                moves.n_moved = r > 0;
        }
        *ret_moved = moves.n_moved;

        listed = append_inside(means, &process, pids, places);
        if (children && listed >= 0)
                listed = process_list_family(&process, &refs);
        ARRAY_FOREACH(ref, &refs) {
                CLEANUP(process_clear) Process child = PROCESS_NONE;

                if (process_reopen(ref, &child) >= 0 &&
                        append_inside(means, &child, pids, places) < 0)
                        listed = -ENOMEM;
        }
        if (r < 0)
                return r;
        return listed == -ENOMEM ? -ENOMEM : 0;
}

static int take_back(void *cgroup2, const Process *process, Fault *fault) {
        return cgroup2_return_process(cgroup2, process, fault);
}

static int include(
        const SplitProcess *process, bool children, Array *pids, Fault *fault, void *userdata) {
        Cgroup2Means *means = userdata;
        int r = means_process_include(process, children, take_back, means->cgroup2, pids, fault);

        return r < 0 ? r : 0;
}

static int dissolve(const char *path, Fault *fault, void *userdata) {
        Cgroup2Means *means = userdata;
        int r = cgroup2_dissolve(means->cgroup2, path, fault);

        return r == -ENOENT ? remove_group(means, path) : r;
}

static int list_members(const char *path, Array *pids, void *userdata) {
        Cgroup2Means *means = userdata;

        return cgroup2_list_members(means->cgroup2, path, pids);
}

static int list_groups(Array *places, void *userdata) {
        Cgroup2Means *means = userdata;
        Cgroup2Group group;
        int r = cgroup2_find_groups(means->cgroup2);

        for (size_t i = 0; cgroup2_group_at(means->cgroup2, i, &group) > 0; i++) {
                GroupPlace place;

                if (group.kind == CGROUP2_FOLLOWED || strlen(group.path) >= sizeof(place.path))
                        continue;
                place_of(group.path, group.id, group.level, &place);
                if (append_place(places, &place) < 0)
                        return -ENOMEM;
        }
        return r < 0 ? r : 0;
}

static int follow(const char *path, GroupPlace *ret, void *userdata) {
        Cgroup2Means *means = userdata;
        Cgroup2Group group;
        int r = cgroup2_follow(means->cgroup2, path, &group);

        if (r > 0) {
                place_of(group.path, group.id, group.level, ret);
        }
        return r;
}

static void unfollow(const char *path, void *userdata) {
        Cgroup2Means *means = userdata;

        (void)cgroup2_unfollow(means->cgroup2, path);
}

static int watch(const Array *paths, void *userdata) {
        Cgroup2Means *means = userdata;

        return cgroup2_watch_newcomers(means->cgroup2, paths);
}

static const Array *known(void *userdata) {
        const Cgroup2Means *means = userdata;

        return cgroup2_known(means->cgroup2);
}

static int list_known_members(uint64_t id, Array *pids, void *userdata) {
        Cgroup2Means *means = userdata;

        return cgroup2_list_known_members(means->cgroup2, id, pids);
}

static int sweep(const Array *pids, const SplitSweep *how, SplitSocketCounts *counts, Fault *fault,
        void *userdata) {
        Cgroup2Means *means = userdata;

        return means_process_sweep(means->sockets, pids, how, counts, fault);
}

/* Reports of groups */

static void tell(Cgroup2Means *means, const Cgroup2Group *group, bool gone) {
        GroupPlace place;

        if (strlen(group->path) >= sizeof(place.path))
                return;
        place_of(group->path, group->id, group->level, &place);
        means->listener.on_group(&place, gone, means->listener.userdata);
}

static void on_appeared(const Cgroup2Group *group, void *userdata) {
        tell(userdata, group, /* gone= */ false);
}

static void on_gone(const Cgroup2Group *group, void *userdata) {
        tell(userdata, group, /* gone= */ true);
}

static void on_known(void *userdata) {
        Cgroup2Means *means = userdata;

        if (means->listener.on_known)
                means->listener.on_known(means->listener.userdata);
}

/* A group that was prepared is known to the engine alone yet. */
int cgroup2_means_open_group(uint64_t id, void *userdata) {
        Cgroup2Means *means = userdata;
        const GroupPlace *place;
        int r = cgroup2_open_group(id, means->cgroup2);

        if (r != -ENOENT || !means->prepared)
                return r;
        ARRAY_FOREACH(place, means->prepared) {
                CLEANUP_FD int group = -1;
                uint64_t now;

                if (place->id != id)
                        continue;
                group = cgroup_tree_open(means->root, place->path);
                if (group >= 0 && cgroup_tree_id(group, &now) >= 0 && now == id)
                        return TAKE_FD(group);
        }
        return -ENOENT;
}

/* Whether processes can be moved at all. */
static int check_root(int root, const char *mount, Fault *fault) {
        if (root < 0 && fault)
                (void)snprintf(fault->text, sizeof(fault->text), "%s%s%.128s%s",
                        root == -ENODEV ? "cgroup2 is not mounted" : strerror(-root),
                        mount[0] ? " at " : "", mount, mount[0] ? ", see TALPID_CGROUP2_FS" : "");
        if (root < 0)
                return root;
        if (faccessat(root, ".", W_OK, AT_EACCESS) >= 0)
                return 0;
        return set_fault(fault, -errno,
                errno == EROFS ? "they are mounted read-only"
                               : "no right to change them, CAP_DAC_OVERRIDE is missing");
}

int cgroup2_means_check(const Cgroup2Means *means, Fault *fault) {
        return check_root(means->root, "", fault);
}

int cgroup2_means_probe(const char *mount) {
        CLEANUP_FD int root = cgroup_tree_open_root(mount[0] ? mount : NULL);

        return check_root(root, mount, NULL);
}

int cgroup2_means_new(sd_event *event, const char *mount, Sockets *sockets,
        const Cgroup2MeansListener *listener, Cgroup2Means **ret, Fault *fault) {
        CLEANUP(cgroup2_means_free_p) Cgroup2Means *means = calloc(1, sizeof(*means));
        Cgroup2Sink sink = { .on_appeared = on_appeared, .on_gone = on_gone, .on_known = on_known };
        int r;

        if (!means)
                return set_fault(fault, -ENOMEM, "no memory");
        means->sockets = sockets;
        means->listener = *listener;
        means->root = cgroup_tree_open_root(mount[0] ? mount : NULL);
        r = check_root(means->root, mount, fault);
        if (r < 0)
                return r;
        r = cgroup2_open(event, mount[0] ? mount : NULL, &means->cgroup2);
        if (r < 0)
                return set_fault(fault, r, strerror(-r));
        sink.userdata = means;
        cgroup2_set_sink(means->cgroup2, &sink);
        means->processes = (SplitProcesses){
                .open = means_process_open,
                .open_pidfd = means_process_open_pidfd,
                .read_executable = means_process_read_executable,
                .prepare = prepare,
                .exclude = exclude,
                .include = include,
                .dissolve = dissolve,
                .list_members = list_members,
                .list_groups = list_groups,
                .follow = follow,
                .unfollow = unfollow,
                .watch = watch,
                .known = known,
                .list_known_members = list_known_members,
                .sweep = sweep,
                .userdata = means,
        };
        *ret = TAKE(means);
        return 0;
}

Cgroup2Means *cgroup2_means_free(Cgroup2Means *means) {
        if (!means)
                return NULL;

        cgroup2_free(means->cgroup2);
        (void)fd_close(means->root);
        free(means);
        return NULL;
}

void cgroup2_means_set_owner(Cgroup2Means *means, uid_t owner) {
        cgroup2_set_owner(means->cgroup2, owner);
}

void cgroup2_means_set_prepared(Cgroup2Means *means, const Array *places) {
        means->prepared = places;
}

const SplitProcesses *cgroup2_means_processes(const Cgroup2Means *means) {
        return &means->processes;
}
