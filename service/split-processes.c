// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split-processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/base/log.h"
#include "backends/cgroup-bpf/cgroup-bpf.h"
#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"
#include "backends/cgroup2/cgroup2.h"
#include "backends/nftables/nftables.h"
#include "backends/sockets/sockets.h"

struct SplitMeans {
        const char *mechanism;
        char reason[FAULT_TEXT_MAX];
        int root; /* of cgroup2 */
        Cgroup2 *cgroup2;
        Sockets *sockets;
        Backend *bpf;
        Engine *engine;
        SplitController *controller;
        SplitProcesses processes;
};

static Process process_of(const SplitProcess *process) {
        return (Process){ .pidfd = process->pidfd,
                .pid = process->pid,
                .parent = process->parent,
                .start_time = process->start_time,
                .unique_id = process->unique_id,
                .uid = process->uid,
                .fs_uid = process->fs_uid,
                .is_kernel_thread = process->is_kernel_thread };
}

static void take_process(const Process *process, SplitProcess *ret) {
        *ret = (SplitProcess){ .pidfd = process->pidfd,
                .pid = process->pid,
                .parent = process->parent,
                .start_time = process->start_time,
                .unique_id = process->unique_id,
                .uid = process->uid,
                .fs_uid = process->fs_uid,
                .is_kernel_thread = process->is_kernel_thread };
}

static void place_of(const char *path, uint64_t id, uint32_t level, GroupPlace *ret) {
        *ret = (GroupPlace){ .id = id, .level = level };
        (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
}

static int open_pid(uint32_t pid, SplitProcess *ret, void *userdata) {
        Process process = PROCESS_NONE;
        int r = process_open((pid_t)pid, &process);

        if (r >= 0)
                take_process(&process, ret);
        return r;
}

static int open_pidfd(int pidfd, SplitProcess *ret, void *userdata) {
        Process process = PROCESS_NONE;
        int r = process_from_pidfd(pidfd, &process);

        if (r >= 0)
                take_process(&process, ret);
        return r;
}

static void read_executable(
        const SplitProcess *split_process, char ret[static PATH_MAX], void *userdata) {
        const Process process = process_of(split_process);
        CLEANUP_FD int directory = process_open_directory(&process);
        bool deleted;

        if (directory < 0 || proc_read_executable(directory, ret, &deleted) < 0)
                ret[0] = '\0';
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
static int make_group(SplitMeans *means, const char *path, GroupPlace *ret, Fault *fault) {
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
                return set_fault(fault, -errno, "no group can be made below its control group");
        group = cgroup_tree_open(base, CGROUP_PATH_EXCLUDED);
        if (group < 0)
                return set_fault(fault, group, "the new control group cannot be opened");
        if (!cgroup_tree_is_own(group))
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
static int remove_group(SplitMeans *means, const char *path) {
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
        SplitMeans *means, const Process *process, Array *places, Array *made, Fault *fault) {
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

static int prepare_children(SplitMeans *means, const Process *process, Array *places, Array *made) {
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        const ProcessRef *ref;
        int r = process_list_children(process->pid, &refs);

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
        const Process process = process_of(split_process);
        SplitMeans *means = userdata;
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

static int append_inside(SplitMeans *means, const Process *process, Array *pids, Array *places) {
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
        const Process process = process_of(split_process);
        SplitMeans *means = userdata;
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
                listed = process_list_children(process.pid, &refs);
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

static int include(const SplitProcess *split_process, bool children, Array *pids, Fault *fault,
        void *userdata) {
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        const Process process = process_of(split_process);
        SplitMeans *means = userdata;
        const ProcessRef *ref;
        int r;

        if (children)
                (void)process_list_children(process.pid, &refs);
        r = cgroup2_return_process(means->cgroup2, &process, fault);
        if (r > 0 && !array_append(pids, &process.pid))
                return -ENOMEM;
        ARRAY_FOREACH(ref, &refs) {
                CLEANUP(process_clear) Process child = PROCESS_NONE;

                if (process_reopen(ref, &child) >= 0 &&
                        cgroup2_return_process(means->cgroup2, &child, NULL) > 0 &&
                        !array_append(pids, &child.pid))
                        return -ENOMEM;
        }
        return r < 0 ? r : 0;
}

static int dissolve(const char *path, Fault *fault, void *userdata) {
        SplitMeans *means = userdata;
        int r = cgroup2_dissolve(means->cgroup2, path, fault);

        return r == -ENOENT ? remove_group(means, path) : r;
}

static int list_members(const char *path, Array *pids, void *userdata) {
        SplitMeans *means = userdata;

        return cgroup2_list_members(means->cgroup2, path, pids);
}

/* Programs of an earlier run are exchanged; not without CAP_SYS_ADMIN, then ours come beside. */
static void adopt(SplitMeans *means, uint64_t id) {
        int r = means->bpf ? cgroup_bpf_adopt(means->bpf, id) : 0;

        if (r < 0)
                log_debug("Cannot take over what marks the group %llu: %s", (unsigned long long)id,
                        strerror(-r));
}

static int list_groups(Array *places, void *userdata) {
        SplitMeans *means = userdata;
        Cgroup2Group group;
        int r = cgroup2_find_groups(means->cgroup2);

        for (size_t i = 0; cgroup2_group_at(means->cgroup2, i, &group) > 0; i++) {
                GroupPlace place;

                if (group.kind == CGROUP2_FOLLOWED || strlen(group.path) >= sizeof(place.path))
                        continue;
                place_of(group.path, group.id, group.level, &place);
                adopt(means, group.id);
                if (append_place(places, &place) < 0)
                        return -ENOMEM;
        }
        return r < 0 ? r : 0;
}

static int follow(const char *path, GroupPlace *ret, void *userdata) {
        SplitMeans *means = userdata;
        Cgroup2Group group;
        int r = cgroup2_follow(means->cgroup2, path, &group);

        if (r > 0) {
                place_of(group.path, group.id, group.level, ret);
                adopt(means, group.id);
        }
        return r;
}

static void unfollow(const char *path, void *userdata) {
        SplitMeans *means = userdata;

        (void)cgroup2_unfollow(means->cgroup2, path);
}

static int sweep(const Array *pids, const SplitSweep *how, SplitSocketCounts *counts, Fault *fault,
        void *userdata) {
        const SocketsChange change = {
                .policy = how->policy == SPLIT_SOCKETS_RESET     ? SOCKETS_RESET
                          : how->policy == SPLIT_SOCKETS_MIGRATE ? SOCKETS_MIGRATE
                                                                 : SOCKETS_KEEP,
                .mark = how->mark,
                .mask = how->mask,
                .old_sources = how->old_sources->items,
                .n_old_sources = how->old_sources->n,
        };
        SplitMeans *means = userdata;
        SocketsCounts swept = { 0 };
        int r = sockets_sweep_processes(
                means->sockets, pids->items, pids->n, &change, &swept, fault);

        counts->n_marked += swept.n_marked;
        counts->n_reconnected += swept.n_reconnected;
        counts->n_reset += swept.n_reset;
        counts->n_left = swept.n_stale + swept.n_left; /* those of the last sweep still are */
        return r;
}

/* Reports of groups */

static void tell(SplitMeans *means, const Cgroup2Group *group, bool gone) {
        GroupPlace place;

        if (strlen(group->path) >= sizeof(place.path))
                return;
        place_of(group->path, group->id, group->level, &place);
        if (gone && means->bpf)
                cgroup_bpf_group_gone(means->bpf, group->id);
        if (means->controller)
                split_controller_on_group(means->controller, &place, gone);
}

static void on_appeared(const Cgroup2Group *group, void *userdata) {
        tell(userdata, group, /* gone= */ false);
}

static void on_gone(const Cgroup2Group *group, void *userdata) {
        tell(userdata, group, /* gone= */ true);
}

/* A group that was prepared is known to the engine alone yet. */
static int open_group(uint64_t id, void *userdata) {
        SplitMeans *means = userdata;
        const GroupPlace *place;
        int r = cgroup2_open_group(id, means->cgroup2);

        if (r != -ENOENT || !means->engine)
                return r;
        ARRAY_FOREACH(place, engine_groups(means->engine)) {
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

/* Finding the means */

static bool is_tried(const char *forced, const char *mechanism) {
        return !forced[0] || strcmp(forced, mechanism) == 0;
}

static void say_no(SplitMeans *means, const char *what, const char *why) {
        log_info("Processes are not told apart by %s: %s", what, why);
        (void)snprintf(means->reason, sizeof(means->reason), "%.40s: %.200s", what, why);
}

static bool try_bpf(SplitMeans *means, sd_event *event) {
        const CgroupBpfConfig config = { .open_group = open_group, .userdata = means };
        char text[CGROUP_BPF_TEXT_MAX] = "";
        int r = cgroup_bpf_probe(-1, text);

        if (r > 0)
                r = cgroup_bpf_new(event, &config, &means->bpf) < 0 ? -ENOMEM : 1;
        if (r > 0)
                return true;
        say_no(means, "bpf", text[0] ? text : strerror(r < 0 ? -r : EOPNOTSUPP));
        return false;
}

static bool try_nftables(SplitMeans *means) {
        Fault fault = { .error = 0 };
        int r = nftables_probe(NFTABLES_CGROUP2, &fault);

        if (r > 0)
                return true;
        say_no(means, "nftables", fault.text[0] ? fault.text : strerror(r < 0 ? -r : EOPNOTSUPP));
        return false;
}

/* Whether processes can be moved at all. */
static bool try_groups(SplitMeans *means, sd_event *event, const char *mount) {
        static const Cgroup2Sink callbacks = { .on_appeared = on_appeared, .on_gone = on_gone };
        Cgroup2Sink sink = callbacks;
        int r;

        means->root = cgroup_tree_open_root(mount[0] ? mount : NULL);
        if (means->root < 0) {
                say_no(means, "control groups", strerror(-means->root));
                return false;
        }
        if (faccessat(means->root, ".", W_OK, AT_EACCESS) < 0) {
                say_no(means, "control groups",
                        errno == EROFS ? "they are mounted read-only"
                                       : "no right to change them, "
                                         "CAP_DAC_OVERRIDE is missing");
                return false;
        }
        r = cgroup2_open(event, mount[0] ? mount : NULL, &means->cgroup2);
        if (r >= 0)
                r = sockets_new(&means->sockets);
        if (r < 0) {
                say_no(means, "control groups", strerror(-r));
                return false;
        }
        sink.userdata = means;
        cgroup2_set_sink(means->cgroup2, &sink);
        return true;
}

int split_means_new(
        sd_event *event, const char *forced, const char *cgroup2_mount, SplitMeans **ret) {
        SplitMeans *means = calloc(1, sizeof(*means));

        if (!means)
                return -ENOMEM;
        means->root = -1;
        means->mechanism = "none";
        means->processes = (SplitProcesses){
                .open = open_pid,
                .open_pidfd = open_pidfd,
                .read_executable = read_executable,
                .prepare = prepare,
                .exclude = exclude,
                .include = include,
                .dissolve = dissolve,
                .list_members = list_members,
                .list_groups = list_groups,
                .follow = follow,
                .unfollow = unfollow,
                .sweep = sweep,
                .userdata = means,
        };
        *ret = means;

        if (strcmp(forced, "none") == 0)
                (void)snprintf(means->reason, sizeof(means->reason), "TALPID_MECHANISM is none");
        else if (!try_groups(means, event, cgroup2_mount))
                return 0;
        else if (is_tried(forced, "bpf") && try_bpf(means, event))
                means->mechanism = "bpf";
        else if (is_tried(forced, "nftables") && try_nftables(means))
                means->mechanism = "nftables";
        return 0;
}

SplitMeans *split_means_free(SplitMeans *means) {
        if (!means)
                return NULL;

        cgroup_bpf_free(means->bpf);
        sockets_free(means->sockets);
        cgroup2_free(means->cgroup2);
        (void)fd_close(means->root);
        free(means);
        return NULL;
}

const char *split_means_mechanism(const SplitMeans *means) {
        return means->mechanism;
}

const char *split_means_reason(const SplitMeans *means) {
        return means->reason;
}

bool split_means_want_nftables(const SplitMeans *means) {
        return strcmp(means->mechanism, "nftables") == 0;
}

Backend *split_means_backend(const SplitMeans *means) {
        return means->bpf;
}

void split_means_set_engine(SplitMeans *means, Engine *engine) {
        means->engine = engine;
}

void split_means_set_controller(SplitMeans *means, SplitController *controller) {
        means->controller = controller;
}

const SplitProcesses *split_means_processes(const SplitMeans *means) {
        return strcmp(means->mechanism, "none") == 0 ? NULL : &means->processes;
}
