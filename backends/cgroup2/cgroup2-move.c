// SPDX-License-Identifier: GPL-3.0-or-later

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/base/log.h"
#include "backends/cgroup2/cgroup-path.h"
#include "backends/cgroup2/cgroup-tree.h"
#include "backends/cgroup2/cgroup2-private.h"
#include "backends/proc/proc-info.h"

#define TRIES_MAX 4    /* of one move while its unit goes or others move it */
#define PASSES_MAX 200 /* over children while they fork */

static const char *const kind_names[] = {
        [CGROUP2_EXCLUDED] = CGROUP_PATH_EXCLUDED,
        [CGROUP2_INCLUDED] = CGROUP_PATH_INCLUDED,
};

static int check_process(const Process *process, Fault *fault) {
        int r;

        if (process->pid == 1)
                return fault_set(fault, -EPERM, "the first process is not moved");
        if (process->pid == getpid())
                return fault_set(fault, -EPERM, "this service does not move itself");
        if (process->is_kernel_thread)
                return fault_set(fault, -EPERM, "%d is a thread of the kernel", process->pid);
        r = process_check(process);
        if (r < 0)
                return fault_set(fault, r, "process %d has ended", process->pid);
        return 0;
}

/* Says why the kernel, or a look before asking it, refuses. */
static int explain(Fault *fault, int error, const Process *process, const char *path) {
        switch (-error) {
        case ESRCH:
                return fault_set(fault, error, "process %d has ended", process->pid);
        case EOPNOTSUPP:
                return fault_set(
                        fault, error, "group /%s is threaded: its processes cannot be moved", path);
        case EBUSY:
                return fault_set(fault, error,
                        "controllers are enabled below group /%s, so it can have no process", path);
        case EROFS:
                return fault_set(fault, error, "the control groups are mounted read-only");
        case EACCES:
        case EPERM:
                return fault_set(
                        fault, error, "no right to change group /%s (CAP_DAC_OVERRIDE)", path);
        case EXDEV:
                return fault_set(fault, error,
                        "process %d is in a group outside of our cgroup namespace", process->pid);
        case EEXIST:
                return fault_set(
                        fault, error, "group /%s is called like ours but of another user", path);
        case EAGAIN:
                return fault_set(fault, error,
                        "group /%s is removed, its manager moves it too, or it is full "
                        "(cgroup.max.depth, cgroup.max.descendants)",
                        path);
        default:
                return fault_set(fault, error, "cannot move process %d in group /%s: %s",
                        process->pid, path, strerror(-error));
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
        if (cgroup2_read_path(&stranger, now) == 0 && strcmp(now, path) == 0) {
                parent = cgroup2_open_parent(cgroup2, path);
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
        r = cgroup2_read_path(process, now);
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
                r = cgroup2_know_group(cgroup2, own, id, ret);
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
        r = cgroup2_read_path(process, path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r; /* only a dying process is in a removed group */
        r = cgroup2_find_own(cgroup2, path, &length);
        if (r < 0)
                return r;
        if (r > 0) {
                path[length] = '\0';
                if (cgroup2_kind_of(path) == kind) {
                        CLEANUP_FD int group = cgroup2_open_own(cgroup2, path);
                        uint64_t id;

                        if (group < 0)
                                return group == -ENOENT ? -EAGAIN : group;
                        r = cgroup_tree_id(group, &id);
                        if (r >= 0)
                                r = cgroup2_know_group(cgroup2, path, id, ret);
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
                        return fault_set(fault, listed, "cannot list the children of process %d",
                                process->pid);
                n = exclude_each(cgroup2, &refs, kind, &moves, &first);
                moves.n_moved += n;
                if (n > 0)
                        continue;
                moves.n_inside += process_check(process) == 0;
                *ret = moves;
                if (listed == -E2BIG)
                        return fault_set(fault, listed, "process %d has more than %d children",
                                process->pid, PROCESS_CHILDREN_MAX);
                if (first.error < 0 && fault)
                        *fault = first;
                return first.error;
        }
        *ret = moves;
        return fault_set(fault, -EAGAIN,
                "the children of process %d fork faster than they are moved", process->pid);
}

/* One try. Return: 1; 0; -EAGAIN; negative errno. */
static int try_return(Cgroup2 *cgroup2, const Process *process, char path[static PROC_CGROUP_MAX]) {
        CLEANUP_FD int base = -1;
        size_t length;
        int r;

        path[0] = '\0';
        r = cgroup2_read_path(process, path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r;
        r = cgroup2_find_own(cgroup2, path, &length);
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

static int return_members(Cgroup2 *cgroup2, const char *path, Fault *fault) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const pid_t *pid;
        int r, error = 0;

        r = cgroup2_list_members(cgroup2, path, &pids);
        if (r < 0 && r != -E2BIG)
                return fault_set(fault, r, "cannot list the members of group /%s", path);
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

        if (cgroup2_kind_of(path) == CGROUP2_FOLLOWED)
                return fault_set(fault, -ENOENT, "group /%s is not ours", path);
        own = strdup(path); /* the caller's may be ours, from a Cgroup2Group */
        if (!own)
                return fault_set(fault, -ENOMEM, "no memory");
        group = cgroup2_open_own(cgroup2, own);
        if (group < 0) {
                if (group == -ENOENT)
                        (void)group_watch_remove(cgroup2->watch, own);
                return fault_set(fault, group, "group /%s does not exist or is not ours", own);
        }
        for (unsigned i = 0; i < PASSES_MAX && r > 0; i++)
                r = return_members(cgroup2, own, fault);
        if (r < 0)
                return r;
        r = cgroup2_remove_group(cgroup2, own);
        if (r < 0)
                return fault_set(fault, r == -EBUSY ? -EAGAIN : r, "cannot remove group /%s: %s",
                        own, strerror(-r));
        (void)group_watch_remove(cgroup2->watch, own);
        return 0;
}
