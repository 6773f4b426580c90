// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/cgroup2.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/base/log.h"
#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"
#include "backends/cgroup2/group-watch.h"
#include "backends/proc/proc-info.h"

#define TRIES_MAX 4    /* of one move while its unit goes or others move it */
#define PASSES_MAX 200 /* over children while they fork */

struct Cgroup2 {
        int root;
        GroupWatch *watch;
        Cgroup2Sink sink;
        uid_t owner;
};

static const char *const kind_names[] = {
        [CGROUP2_EXCLUDED] = CGROUP_PATH_EXCLUDED,
        [CGROUP2_INCLUDED] = CGROUP_PATH_INCLUDED,
};

__attribute__((format(printf, 3, 4))) static int fail(
        Fault *fault, int error, const char *format, ...) {
        va_list args;

        if (!fault)
                return error;
        fault->error = error;
        va_start(args, format);
        (void)vsnprintf(fault->text, sizeof(fault->text), format, args);
        va_end(args);
        return error;
}

static Cgroup2Kind kind_of_path(const char *path) {
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
                .kind = kind_of_path(path),
        };
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

/* Opens the group @path of ours if it is. Return: a descriptor; -ENOENT; negative errno. */
static int open_own(Cgroup2 *cgroup2, const char *path) {
        CLEANUP_FD int group = cgroup_tree_open(cgroup2->root, path);

        if (group < 0)
                return group == -ENODEV ? -ENOENT : group;
        return cgroup_tree_is_own(group, cgroup2->owner) ? TAKE_FD(group) : -ENOENT;
}

static int open_parent(Cgroup2 *cgroup2, const char *path) {
        CLEANUP_FREE char *parent = strndup(path, cgroup_path_parent_length(path));

        return parent ? cgroup_tree_open(cgroup2->root, parent) : -ENOMEM;
}

/* The kernel refuses while there are members, so nobody is lost. */
static int remove_group(Cgroup2 *cgroup2, const char *path) {
        CLEANUP_FD int parent = open_parent(cgroup2, path);

        if (parent < 0)
                return parent;
        return unlinkat(parent, cgroup_path_name(path), AT_REMOVEDIR) < 0 ? -errno : 0;
}

static void on_empty(const char *path, uint64_t id, void *userdata) {
        int r = remove_group(userdata, path);

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
        if (r < 0)
                return r;
        *ret = TAKE(cgroup2);
        return 0;
}

Cgroup2 *cgroup2_free(Cgroup2 *cgroup2) {
        if (!cgroup2)
                return NULL;
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

int cgroup2_look_up(Cgroup2 *cgroup2, const char *path, uint64_t *ret_id, uint32_t *ret_level) {
        CLEANUP_FD int group = cgroup_tree_open(cgroup2->root, path);
        int r;

        if (group < 0)
                return group;
        r = cgroup_tree_id(group, ret_id);
        if (r < 0)
                return r;
        *ret_level = cgroup_path_level(path);
        return 0;
}

int cgroup2_open_group(uint64_t id, void *userdata) {
        Cgroup2 *cgroup2 = userdata;
        const char *path = id ? group_watch_find_id(cgroup2->watch, id) : NULL;
        CLEANUP_FD int group = -1;
        uint64_t found;
        int r;

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

int cgroup2_follow(Cgroup2 *cgroup2, const char *path, Cgroup2Group *ret) {
        uint64_t id;
        int r;

        if (kind_of_path(path) != CGROUP2_FOLLOWED)
                return -EINVAL;
        r = group_watch_add(cgroup2->watch, path, 0, &id);
        if (r > 0)
                *ret = make_group(group_watch_find_id(cgroup2->watch, id), id);
        return r;
}

int cgroup2_unfollow(Cgroup2 *cgroup2, const char *path) {
        if (kind_of_path(path) != CGROUP2_FOLLOWED)
                return -ENOENT;
        return group_watch_remove(cgroup2->watch, path);
}

/*
 * Groups of ours
 */

/* Makes a group of ours known. A new one of the same path is told as gone before. */
static int know_group(Cgroup2 *cgroup2, const char *path, uint64_t id, Cgroup2Group *ret) {
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

/*
 * Finds the group of ours that @path is or is in, the outermost one.
 * Return: 1, path[0 … *ret_length) is it; 0 none; negative errno.
 */
static int find_own(Cgroup2 *cgroup2, const char *path, size_t *ret_length) {
        size_t length = 0;

        while (cgroup_path_find_our_name(path, length, &length) > 0) {
                CLEANUP_FREE char *candidate = strndup(path, length);
                CLEANUP_FD int group = -1;

                if (!candidate)
                        return -ENOMEM;
                group = open_own(cgroup2, candidate);
                if (group >= 0) {
                        *ret_length = length;
                        return 1;
                }
                if (group != -ENOENT)
                        return group;
        }
        return 0;
}

/* Where a process is. Return: 0; -ESRCH; -ESTALE its group is removed; -EXDEV; negative errno. */
static int read_path(const Process *process, char ret[static PROC_CGROUP_MAX]) {
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

static int check_process(const Process *process, Fault *fault) {
        int r;

        if (process->pid == 1)
                return fail(fault, -EPERM, "the first process is not moved");
        if (process->pid == getpid())
                return fail(fault, -EPERM, "this service does not move itself");
        if (process->is_kernel_thread)
                return fail(fault, -EPERM, "%d is a thread of the kernel", process->pid);
        r = process_check(process);
        if (r < 0)
                return fail(fault, r, "process %d has ended", process->pid);
        return 0;
}

/* Says why the kernel, or a look before asking it, refuses. */
static int explain(Fault *fault, int error, const Process *process, const char *path) {
        switch (-error) {
        case ESRCH:
                return fail(fault, error, "process %d has ended", process->pid);
        case EOPNOTSUPP:
                return fail(
                        fault, error, "group /%s is threaded: its processes cannot be moved", path);
        case EBUSY:
                return fail(fault, error,
                        "controllers are enabled below group /%s, so it can have no process", path);
        case EROFS:
                return fail(fault, error, "the control groups are mounted read-only");
        case EACCES:
        case EPERM:
                return fail(fault, error, "no right to change group /%s (CAP_DAC_OVERRIDE)", path);
        case EXDEV:
                return fail(fault, error,
                        "process %d is in a group outside of our cgroup namespace", process->pid);
        case EEXIST:
                return fail(
                        fault, error, "group /%s is called like ours but of another user", path);
        case EAGAIN:
                return fail(fault, error,
                        "group /%s is removed, its manager moves it too, or it is full "
                        "(cgroup.max.depth, cgroup.max.descendants)",
                        path);
        default:
                return fail(fault, error, "cannot move process %d in group /%s: %s", process->pid,
                        path, strerror(-error));
        }
}

/*
 * After the process had ended its number may have been given to another before
 * the kernel looked it up, within those 8 ms: that one goes to the group above.
 */
static void take_out_stranger(Cgroup2 *cgroup2, const Process *process, const char *path) {
        Process stranger = PROCESS_NONE;
        char now[PROC_CGROUP_MAX];
        CLEANUP_FD int parent = -1;

        if (process_open(process->pid, &stranger) < 0)
                return;
        if (read_path(&stranger, now) == 0 && strcmp(now, path) == 0) {
                parent = open_parent(cgroup2, path);
                if (parent >= 0)
                        (void)cgroup_tree_move(parent, stranger.pid);
                log_debug("Process %d was moved for one that had ended, and back", stranger.pid);
        }
        process_clear(&stranger);
}

/* Somebody moved it elsewhere; or it is on its way out, and the kernel did nothing. */
static int not_there(const Process *process) {
        return process_is_exiting(process) ? -ESRCH : -EAGAIN;
}

/* Moves and sees that it was this process and that it is there. Return: 0; -EAGAIN; negative. */
static int move(Cgroup2 *cgroup2, int group, const char *path, const Process *process) {
        uint64_t id, is_in;
        char now[PROC_CGROUP_MAX];
        int r;

        r = process_check(process);
        if (r < 0)
                return r;
        r = cgroup_tree_move(group, process->pid);
        if (r < 0)
                return r == -ENODEV || r == -ENOENT ? -EAGAIN : r;
        if (process_check(process) < 0) {
                take_out_stranger(cgroup2, process, path);
                return -ESRCH;
        }
        r = process_cgroup_id(process, &is_in);
        if (r == 0) {
                r = cgroup_tree_id(group, &id);
                return r < 0 ? r : id == is_in ? 0 : not_there(process);
        }
        if (r != -EOPNOTSUPP)
                return r;
        r = read_path(process, now);
        return r < 0 ? r : strcmp(now, path) == 0 ? 0 : not_there(process);
}

/* Whether a group of ours can stand below @base and take its processes. */
static int check_base(int base, bool is_root) {
        int r;

        r = cgroup_tree_type(base);
        if (r < 0)
                return r == -ENODEV ? -EAGAIN : r;
        /* Groups below a threaded domain are invalid until they are made threaded too. */
        if (r != CGROUP_DOMAIN) {
                int has_control =
                        r == CGROUP_DOMAIN_THREADED ? cgroup_tree_has_subtree_control(base) : 0;

                return has_control > 0 ? -EBUSY : -EOPNOTSUPP;
        }
        if (is_root)
                return 0;
        r = cgroup_tree_has_subtree_control(base);
        if (r < 0)
                return r == -ENODEV ? -EAGAIN : r;
        return r ? -EBUSY : 0;
}

/* Opens the group @name below @base, making it if need be. Return: a descriptor; negative errno. */
static int open_or_make(int base, const char *name, bool *ret_made) {
        CLEANUP_FD int group = -1;
        bool made;

        made = mkdirat(base, name, 0755) == 0;
        if (!made && errno != EEXIST)
                return errno == ENOENT || errno == ENODEV ? -EAGAIN : -errno;
        group = cgroup_tree_open(base, name);
        if (group < 0)
                return group == -ENOENT ? -EAGAIN : group;
        if (!cgroup_tree_is_own(group, geteuid()))
                return -EEXIST;
        *ret_made = made;
        return TAKE_FD(group);
}

/* Puts a process that is in no group of this kind into one below @path. */
static int enter(Cgroup2 *cgroup2, const char *path, const Process *process, Cgroup2Kind kind,
        Cgroup2Group *ret) {
        CLEANUP_FD int base = cgroup_tree_open(cgroup2->root, path), group = -1;
        char own[PATH_MAX];
        bool made = false, was_known;
        uint64_t id;
        int r;

        if (base < 0)
                return base == -ENOENT ? -EAGAIN : base;
        r = check_base(base, /* is_root= */ path[0] == '\0');
        if (r < 0)
                return r;
        r = cgroup_path_join(path, kind_names[kind], own);
        if (r < 0)
                return r;
        r = cgroup_path_check(own);
        if (r < 0)
                return r;
        group = open_or_make(base, kind_names[kind], &made);
        if (group < 0)
                return group;

        /* Known before anybody is in it, so that its running empty cannot be missed. */
        was_known = group_watch_find(cgroup2->watch, own, &id) > 0;
        r = cgroup_tree_id(group, &id);
        if (r >= 0)
                r = know_group(cgroup2, own, id, ret);
        if (r >= 0)
                r = cgroup_tree_type(group);
        if (r >= 0)
                r = r == CGROUP_DOMAIN ? move(cgroup2, group, own, process) : -EOPNOTSUPP;
        if (r < 0) {
                if (made && unlinkat(base, kind_names[kind], AT_REMOVEDIR) == 0)
                        (void)group_watch_remove(cgroup2->watch, own);
                else if (!was_known && cgroup_tree_is_populated(group) != 1)
                        (void)group_watch_remove(cgroup2->watch, own);
                return r == -ENODEV ? -EAGAIN : r;
        }
        return 0;
}

/* One try; @path is where the process was found, for the text of a fault. */
static int try_exclude(Cgroup2 *cgroup2, const Process *process, Cgroup2Kind kind,
        char path[static PROC_CGROUP_MAX], Cgroup2Group *ret) {
        size_t length;
        int r;

        path[0] = '\0';
        r = read_path(process, path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r; /* only a dying process is in a removed group */
        r = find_own(cgroup2, path, &length);
        if (r < 0)
                return r;
        if (r > 0) {
                path[length] = '\0';
                if (kind_of_path(path) == kind) {
                        CLEANUP_FD int group = open_own(cgroup2, path);
                        uint64_t id;

                        if (group < 0)
                                return group == -ENOENT ? -EAGAIN : group;
                        r = cgroup_tree_id(group, &id);
                        if (r >= 0)
                                r = know_group(cgroup2, path, id, ret);
                        return r == -ENODEV ? -EAGAIN : r;
                }
                path[cgroup_path_parent_length(path)] = '\0';
        }
        r = enter(cgroup2, path, process, kind, ret);
        return r < 0 ? r : 1;
}

int cgroup2_exclude_process(Cgroup2 *cgroup2, const Process *process, Cgroup2Kind kind,
        Cgroup2Group *ret, Fault *fault) {
        char path[PROC_CGROUP_MAX];
        int r;

        assert(kind == CGROUP2_EXCLUDED || kind == CGROUP2_INCLUDED);

        r = check_process(process, fault);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < TRIES_MAX; i++) {
                r = try_exclude(cgroup2, process, kind, path, ret);
                if (r != -EAGAIN)
                        break;
        }
        return r < 0 ? explain(fault, r, process, path) : r;
}

/* Moves those of @refs that are outside. Return: how many were moved; the first error is kept. */
static unsigned exclude_each(
        Cgroup2 *cgroup2, const Array *refs, Cgroup2Kind kind, Cgroup2Moves *moves, Fault *first) {
        const ProcessRef *ref;
        unsigned n = 0;

        moves->n_failed = moves->n_inside = 0;
        first->error = 0;
        ARRAY_FOREACH(ref, refs) {
                Process child;
                Fault fault = { 0 };
                int r;

                if (process_reopen(ref, &child) < 0)
                        continue;
                r = cgroup2_exclude_process(cgroup2, &child, kind, NULL, &fault);
                process_clear(&child);
                if (r >= 0) {
                        n += r > 0;
                        moves->n_inside++;
                } else if (r != -ESRCH) {
                        moves->n_failed++;
                        if (first->error == 0)
                                *first = fault;
                }
        }
        return n;
}

int cgroup2_exclude_tree(Cgroup2 *cgroup2, const Process *process, Cgroup2Kind kind,
        Cgroup2Moves *ret, Fault *fault) {
        CLEANUP(array_clear) Array refs = ARRAY_INIT(ProcessRef);
        Cgroup2Moves moves = { 0 };
        Fault first = { 0 };
        int r;

        /* First itself: what it forks from now on is born inside. */
        r = cgroup2_exclude_process(cgroup2, process, kind, NULL, fault);
        if (r < 0)
                return r;
        moves.n_moved = r > 0;

        for (unsigned i = 0; i < PASSES_MAX; i++) {
                unsigned n;
                int listed;

                array_clear(&refs);
                listed = process_list_family(process, &refs);
                if (listed < 0 && listed != -E2BIG)
                        return fail(fault, listed, "cannot list the children of process %d",
                                process->pid);
                n = exclude_each(cgroup2, &refs, kind, &moves, &first);
                moves.n_moved += n;
                if (n > 0)
                        continue;
                moves.n_inside += process_check(process) == 0;
                *ret = moves;
                if (listed == -E2BIG)
                        return fail(fault, listed, "process %d has more than %d children",
                                process->pid, PROCESS_CHILDREN_MAX);
                if (first.error < 0 && fault)
                        *fault = first;
                return first.error;
        }
        *ret = moves;
        return fail(fault, -EAGAIN, "the children of process %d fork faster than they are moved",
                process->pid);
}

/* One try. Return: 1; 0; -EAGAIN; negative errno. */
static int try_return(Cgroup2 *cgroup2, const Process *process, char path[static PROC_CGROUP_MAX]) {
        CLEANUP_FD int base = -1;
        size_t length;
        int r;

        path[0] = '\0';
        r = read_path(process, path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r;
        r = find_own(cgroup2, path, &length);
        if (r <= 0)
                return r;
        path[length] = '\0';
        path[cgroup_path_parent_length(path)] = '\0';
        base = cgroup_tree_open(cgroup2->root, path);
        if (base < 0)
                return base == -ENOENT ? -EAGAIN : base;
        r = move(cgroup2, base, path, process);
        return r < 0 ? r : 1;
}

int cgroup2_return_process(Cgroup2 *cgroup2, const Process *process, Fault *fault) {
        char path[PROC_CGROUP_MAX];
        int r;

        r = check_process(process, fault);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < TRIES_MAX; i++) {
                r = try_return(cgroup2, process, path);
                if (r != -EAGAIN)
                        break;
        }
        return r < 0 ? explain(fault, r, process, path) : r;
}

int cgroup2_find_process(Cgroup2 *cgroup2, const Process *process, Cgroup2Group *ret) {
        CLEANUP_FD int group = -1;
        char path[PROC_CGROUP_MAX];
        size_t length;
        uint64_t id;
        int r;

        r = read_path(process, path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r;
        r = find_own(cgroup2, path, &length);
        if (r <= 0)
                return r;
        path[length] = '\0';
        group = open_own(cgroup2, path);
        if (group < 0)
                return group == -ENOENT ? 0 : group;
        r = cgroup_tree_id(group, &id);
        if (r >= 0)
                r = know_group(cgroup2, path, id, ret);
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

static int return_members(Cgroup2 *cgroup2, const char *path, Fault *fault) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const pid_t *pid;
        int r, error = 0;

        r = cgroup2_list_members(cgroup2, path, &pids);
        if (r < 0 && r != -E2BIG)
                return fail(fault, r, "cannot list the members of group /%s", path);
        ARRAY_FOREACH(pid, &pids) {
                Process member;

                if (process_open(*pid, &member) < 0)
                        continue;
                r = cgroup2_return_process(cgroup2, &member, fault);
                if (r < 0 && r != -ESRCH)
                        error = r;
                process_clear(&member);
        }
        return error ? error : (int)pids.n;
}

int cgroup2_dissolve(Cgroup2 *cgroup2, const char *path, Fault *fault) {
        CLEANUP_FREE char *own = NULL;
        CLEANUP_FD int group = -1;
        int r = 1;

        if (kind_of_path(path) == CGROUP2_FOLLOWED)
                return fail(fault, -ENOENT, "group /%s is not ours", path);
        own = strdup(path); /* the caller's may be ours, from a Cgroup2Group */
        if (!own)
                return fail(fault, -ENOMEM, "no memory");
        group = open_own(cgroup2, own);
        if (group < 0) {
                if (group == -ENOENT)
                        (void)group_watch_remove(cgroup2->watch, own);
                return fail(fault, group, "group /%s does not exist or is not ours", own);
        }
        for (unsigned i = 0; i < PASSES_MAX && r > 0; i++)
                r = return_members(cgroup2, own, fault);
        if (r < 0)
                return r;
        r = remove_group(cgroup2, own);
        if (r < 0)
                return fail(fault, r == -EBUSY ? -EAGAIN : r, "cannot remove group /%s: %s", own,
                        strerror(-r));
        (void)group_watch_remove(cgroup2->watch, own);
        return 0;
}

static int adopt(int group, const char *path, void *userdata) {
        Cgroup2 *cgroup2 = userdata;
        uint64_t id;

        if (kind_of_path(path) == CGROUP2_FOLLOWED || !cgroup_tree_is_own(group, cgroup2->owner))
                return 0;
        if (cgroup_tree_is_populated(group) == 0 && remove_group(cgroup2, path) == 0)
                return 1;
        if (cgroup_tree_id(group, &id) == 0) {
                int r = know_group(cgroup2, path, id, NULL);

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
