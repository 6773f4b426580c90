// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/fake-processes.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>

#define SUFFIX "/" FAKE_OURS

static void note(FakeProcesses *fake, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void note(FakeProcesses *fake, const char *format, ...) {
        g_autofree char *before = fake->log, *line = NULL;
        va_list arguments;

        va_start(arguments, format);
        line = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        fake->log = g_strconcat(before, line, " ", NULL);
}

char *fake_processes_take_log(FakeProcesses *fake) {
        char *log = fake->log;

        fake->log = g_strdup("");
        return log;
}

/* Return: 0; the error of the step, and *fault. */
static int fail(const FakeProcesses *fake, FakeStep step, Fault *fault) {
        if (fake->faults[step].error && fault)
                *fault = fake->faults[step];
        return fake->faults[step].error;
}

FakeProcess *fake_processes_find(const FakeProcesses *fake, pid_t pid) {
        FakeProcess *found;

        ARRAY_FOREACH(found, &fake->all) {
                if (found->process.pid == pid)
                        return found;
        }
        return NULL;
}

static FakeGroup *find_group(const FakeProcesses *fake, const char *path) {
        FakeGroup *group;

        ARRAY_FOREACH(group, &fake->groups) {
                if (strcmp(group->place.path, path) == 0)
                        return group;
        }
        return NULL;
}

const GroupPlace *fake_processes_find_group(const FakeProcesses *fake, const char *path) {
        const FakeGroup *group = find_group(fake, path);

        return group ? &group->place : NULL;
}

static void remove_place(Array *places, const char *path) {
        for (size_t i = places->n; i > 0; i--)
                if (strcmp(((GroupPlace *)array_at(places, i - 1))->path, path) == 0)
                        array_remove(places, i - 1);
}

GroupPlace fake_processes_make_group(FakeProcesses *fake, const char *path) {
        FakeGroup group = { .place = { .id = ++fake->last_id, .level = 1 } };

        (void)g_strlcpy(group.place.path, path, sizeof(group.place.path));
        for (const char *at = path; (at = strchr(at, '/')); at++)
                group.place.level++;
        remove_place(&fake->groups, path);
        g_assert_nonnull(array_append(&fake->groups, &group));
        return group.place;
}

void fake_processes_start(
        FakeProcesses *fake, pid_t pid, pid_t parent, uid_t uid, const char *unit) {
        const FakeProcess *before = fake_processes_find(fake, parent);
        FakeProcess started = { .process = { .pidfd = -1,
                                        .pid = pid,
                                        .parent = parent,
                                        .start_time = (uint64_t)pid,
                                        .uid = uid,
                                        .fs_uid = uid },
                .is_out = before && before->is_out };

        (void)g_strlcpy(started.unit, unit, sizeof(started.unit));
        if (!fake_processes_find_group(fake, unit))
                (void)fake_processes_make_group(fake, unit);
        g_assert_nonnull(array_append(&fake->all, &started));
}

void fake_processes_end(FakeProcesses *fake, pid_t pid) {
        for (size_t i = fake->all.n; i > 0; i--)
                if (((FakeProcess *)array_at(&fake->all, i - 1))->process.pid == pid)
                        array_remove(&fake->all, i - 1);
}

static void group_of(const FakeProcess *process, bool is_out, char ret[static GROUP_PATH_MAX]) {
        (void)g_strlcpy(ret, process->unit, GROUP_PATH_MAX);
        if (is_out)
                (void)g_strlcat(ret, SUFFIX, GROUP_PATH_MAX);
}

static bool is_at_or_below(const char *path, const char *group) {
        size_t n = strlen(group);

        return strncmp(path, group, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool comes_from(const FakeProcesses *fake, const FakeProcess *process, pid_t ancestor) {
        while (process && process->process.pid != ancestor)
                process = fake_processes_find(fake, process->process.parent);
        return process;
}

/* Whether @process is who is asked about, or with @children came from them. */
static bool is_meant(const FakeProcesses *fake, const FakeProcess *process,
        const SplitProcess *asked, bool children) {
        return children ? comes_from(fake, process, asked->pid)
                        : process->process.pid == asked->pid;
}

static int open_pid(uint32_t pid, SplitProcess *ret, void *userdata) {
        const FakeProcess *found = fake_processes_find(userdata, (pid_t)pid);

        if (!found)
                return -ESRCH;
        *ret = found->process;
        ret->pidfd = eventfd(0, EFD_CLOEXEC);
        g_assert_cmpint(ret->pidfd, >=, 0);
        return 0;
}

static int open_pidfd(int pidfd, SplitProcess *ret, void *userdata) {
        return -EBADF; /* what the bus does with descriptors is tested there */
}

static void read_executable(
        const SplitProcess *process, char ret[static PATH_MAX], void *userdata) {
        (void)g_snprintf(ret, PATH_MAX, "/usr/bin/program-%d", process->pid);
}

static void append_place(Array *places, const GroupPlace *place) {
        const GroupPlace *known;

        ARRAY_FOREACH(known, places) {
                if (strcmp(known->path, place->path) == 0)
                        return;
        }
        g_assert_nonnull(array_append(places, place));
}

static GroupPlace ensure_group(FakeProcesses *fake, const FakeProcess *process) {
        char path[GROUP_PATH_MAX];
        const GroupPlace *place;

        group_of(process, /* is_out= */ true, path);
        place = fake_processes_find_group(fake, path);
        return place ? *place : fake_processes_make_group(fake, path);
}

static int prepare(
        const SplitProcess *asked, bool children, Array *places, Fault *fault, void *userdata) {
        FakeProcesses *fake = userdata;
        const FakeProcess *process = fake_processes_find(fake, asked->pid);
        GroupPlace place;
        int r = fail(fake, FAKE_PREPARE, fault);

        note(fake, "prepare %d", asked->pid);
        if (r < 0 || !process)
                return r < 0 ? r : -ESRCH;
        place = ensure_group(fake, process);
        append_place(places, &place);
        ARRAY_FOREACH(process, &fake->all) {
                if (is_meant(fake, process, asked, children)) {
                        place = ensure_group(fake, process);
                        append_place(places, &place);
                }
        }
        return 0;
}

static void move_one(FakeProcesses *fake, FakeProcess *process, Array *pids, Array *places,
        unsigned *ret_moved) {
        GroupPlace place = ensure_group(fake, process);

        if (!process->is_out) {
                if (fake->before_move)
                        fake->before_move(&place, fake->userdata);
                process->is_out = true;
                find_group(fake, place.path)->had_member = true;
                (*ret_moved)++;
        }
        append_place(places, &place);
        g_assert_nonnull(array_append(pids, &process->process.pid));
}

static int exclude(const SplitProcess *asked, bool children, Array *pids, Array *places,
        unsigned *ret_moved, Fault *fault, void *userdata) {
        FakeProcesses *fake = userdata;
        FakeProcess *process = fake_processes_find(fake, asked->pid);
        int r = fail(fake, FAKE_EXCLUDE, fault);
        unsigned n_left = r < 0 ? fake->n_moved_at_fault : UINT_MAX;

        *ret_moved = 0;
        note(fake, "exclude %d", asked->pid);
        if (!process)
                return -ESRCH;
        if (n_left-- > 0)
                move_one(fake, process, pids, places, ret_moved);
        ARRAY_FOREACH(process, &fake->all) {
                if (process->process.pid != asked->pid && n_left > 0 &&
                        is_meant(fake, process, asked, children)) {
                        move_one(fake, process, pids, places, ret_moved);
                        n_left--;
                }
        }
        return r;
}

static int include(
        const SplitProcess *asked, bool children, Array *pids, Fault *fault, void *userdata) {
        FakeProcesses *fake = userdata;
        FakeProcess *process;
        int r = fail(fake, FAKE_INCLUDE, fault);

        note(fake, "include %d", asked->pid);
        if (r < 0)
                return r;
        ARRAY_FOREACH(process, &fake->all) {
                if (!process->is_out || !is_meant(fake, process, asked, children))
                        continue;
                process->is_out = false;
                g_assert_nonnull(array_append(pids, &process->process.pid));
        }
        return 0;
}

static int dissolve(const char *path, Fault *fault, void *userdata) {
        FakeProcesses *fake = userdata;
        FakeProcess *process;
        int r = fail(fake, FAKE_DISSOLVE, fault);

        note(fake, "dissolve %s", path);
        if (r < 0)
                return r;
        if (!fake_processes_find_group(fake, path))
                return -ENOENT;
        ARRAY_FOREACH(process, &fake->all) {
                char group[GROUP_PATH_MAX];

                group_of(process, process->is_out, group);
                if (strcmp(group, path) == 0)
                        process->is_out = false;
        }
        remove_place(&fake->groups, path);
        return 0;
}

static int list_members(const char *path, Array *pids, void *userdata) {
        const FakeProcesses *fake = userdata;
        const FakeProcess *process;

        ARRAY_FOREACH(process, &fake->all) {
                char group[GROUP_PATH_MAX];

                group_of(process, process->is_out, group);
                if (is_at_or_below(group, path))
                        g_assert_nonnull(array_append(pids, &process->process.pid));
        }
        return 0;
}

static bool has_members(const char *path, FakeProcesses *fake) {
        Array pids = ARRAY_INIT(pid_t);
        bool has;

        (void)list_members(path, &pids, fake);
        has = pids.n > 0;
        array_clear(&pids);
        return has;
}

void fake_processes_remove_group(FakeProcesses *fake, const char *path) {
        for (size_t i = fake->all.n; i > 0; i--) {
                const FakeProcess *process = array_at(&fake->all, i - 1);

                if (is_at_or_below(process->unit, path))
                        array_remove(&fake->all, i - 1);
        }
        for (size_t i = fake->groups.n; i > 0; i--) {
                const FakeGroup *group = array_at(&fake->groups, i - 1);

                if (is_at_or_below(group->place.path, path))
                        array_remove(&fake->groups, i - 1);
        }
}

bool fake_processes_take_emptied(FakeProcesses *fake, GroupPlace *ret) {
        const FakeGroup *group;

        ARRAY_FOREACH(group, &fake->groups) {
                if (group->had_member && !has_members(group->place.path, fake)) {
                        *ret = group->place;
                        remove_place(&fake->groups, ret->path);
                        return true;
                }
        }
        return false;
}

static int list_groups(Array *places, void *userdata) {
        FakeProcesses *fake = userdata;

        for (size_t i = fake->groups.n; i > 0; i--) {
                const GroupPlace place = ((FakeGroup *)array_at(&fake->groups, i - 1))->place;

                if (!g_str_has_suffix(place.path, SUFFIX))
                        continue;
                if (has_members(place.path, fake))
                        append_place(places, &place);
                else
                        array_remove(&fake->groups, i - 1);
        }
        return 0;
}

static int follow(const char *path, GroupPlace *ret, void *userdata) {
        FakeProcesses *fake = userdata;
        const GroupPlace *found = fake_processes_find_group(fake, path);
        GroupPlace place = { .id = 0 };
        int r = fail(fake, FAKE_FOLLOW, NULL);

        note(fake, "follow %s", path);
        if (r < 0)
                return r;
        (void)g_strlcpy(place.path, path, sizeof(place.path));
        append_place(&fake->followed, &place);
        if (found)
                *ret = *found;
        return found ? 1 : 0;
}

static void unfollow(const char *path, void *userdata) {
        FakeProcesses *fake = userdata;

        note(fake, "unfollow %s", path);
        remove_place(&fake->followed, path);
}

static int sweep(const Array *pids, const SplitSweep *how, SplitSocketCounts *counts, Fault *fault,
        void *userdata) {
        FakeProcesses *fake = userdata;
        int r = fail(fake, FAKE_SWEEP, fault);

        note(fake, "sweep %zu", pids->n);
        fake->swept = *how;
        fake->swept.old_sources = fake->swept.old_groups = NULL;
        fake->n_old_sources = (unsigned)how->old_sources->n;
        fake->n_old_groups = (unsigned)how->old_groups->n;
        fake->n_swept_pids = (unsigned)pids->n;
        fake->n_sweeps++;
        if (r < 0)
                return r;
        counts->n_marked += fake->sockets.n_marked;
        counts->n_reconnected += fake->sockets.n_reconnected;
        counts->n_reset += fake->sockets.n_reset;
        counts->n_left = fake->sockets.n_left;
        fake->sockets = (SplitSocketCounts){ .n_left = fake->sockets.n_left };
        return 0;
}

void fake_processes_init(FakeProcesses *fake) {
        *fake = (FakeProcesses){
                .processes = { .open = open_pid,
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
                        .userdata = fake },
                .all = ARRAY_INIT(FakeProcess),
                .groups = ARRAY_INIT(FakeGroup),
                .followed = ARRAY_INIT(GroupPlace),
                .log = g_strdup(""),
                .last_id = 1000,
        };
}

void fake_processes_clear(FakeProcesses *fake) {
        array_clear(&fake->all);
        array_clear(&fake->groups);
        array_clear(&fake->followed);
        g_free(fake->log);
}
