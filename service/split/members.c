// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/members.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "backends/base/clock.h"
#include "backends/base/log.h"
#include "service/split/controller-private.h"
#include "service/split/groups.h"

/* Since when */

static int compare_pids(const void *a, const void *b) {
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

        return (x > y) - (x < y);
}

static void list_of(
        const SplitController *controller, const SplitProcesses *processes, Array *pids) {
        const SplitGroup *group = NULL;

        while ((group = split_next_group(controller_split(controller), group)))
                (void)processes->list_members(group->path, pids, processes->userdata);
        if (array_sort(pids, compare_pids) < 0)
                array_clear(pids);
}

/* The pid_t of all that are in groups of ours, sorted; none without memory. */
static void list_all(const SplitController *controller, Array *pids) {
        list_of(controller, controller->config.processes, pids);
}

bool members_are_more_than(const SplitController *controller, uid_t uid, size_t n) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        const pid_t *pid;
        size_t n_found = 0;

        list_all(controller, &pids);
        if (pids.n <= n)
                return false;
        ARRAY_FOREACH(pid, &pids) {
                CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;

                if (processes->open((uint32_t)*pid, &process, processes->userdata) >= 0)
                        n_found += process.uid == uid;
        }
        return n_found > n;
}

int members_refuse_more(uid_t uid, Refusal *why) {
        return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                "user %u would have more than %d processes outside: bring some back first",
                (unsigned)uid, SPLIT_PROCESSES_PER_USER_MAX);
}

void members_forget_ended(SplitController *controller) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);

        if (!controller->config.processes)
                return;
        list_of(controller, controller->config.processes, &pids);
        if (controller->config.other) /* they may not have been carried over yet */
                list_of(controller, controller->config.other, &pids);
        taken_keep(controller->taken, &pids);
}

void members_note(SplitController *controller, const Array *pids, const Array *before) {
        const SplitProcesses *processes = controller->config.processes;
        const uint64_t now = clock_real_now();
        const pid_t *pid;

        ARRAY_FOREACH(pid, pids) {
                CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;

                if (array_search(before, pid, compare_pids, NULL) ||
                        processes->open((uint32_t)*pid, &process, processes->userdata) < 0)
                        continue;
                if (taken_is_full(controller->taken))
                        members_forget_ended(controller);
                taken_note(controller->taken, *pid, process.start_time, now);
        }
}

/* Microseconds of CLOCK_REALTIME, as far as ticks of the clock tell. */
static uint64_t time_of_start(const SplitProcess *process) {
        uint64_t usec = process->start_time * (USEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));

        return clock_real_now() - clock_boot_now() + usec;
}

/* Who was born outside is so from its start. */
static uint64_t since_of(
        const SplitController *controller, const SplitProcess *process, const Selector *selector) {
        uint64_t noted;

        if (selector) {
                uint64_t start = time_of_start(process);

                return start > selector->since_usec ? start : selector->since_usec;
        }
        noted = taken_find(controller->taken, process->pid, process->start_time);
        if (noted)
                return noted;
        return taken_is_complete(controller->taken) ? time_of_start(process) : 0;
}

/* Telling */

static void fill_member(SplitController *controller, const SplitProcess *process, const char *group,
        const Selector *selector, SplitMember *ret) {
        const SplitProcesses *processes = controller->config.processes;

        *ret = (SplitMember){ .pid = process->pid,
                .uid = process->uid,
                .selector = selector,
                .since_usec = since_of(controller, process, selector) };
        (void)snprintf(ret->group, sizeof(ret->group), "%s", group);
        processes->read_executable(process, ret->executable, processes->userdata);
}

void members_tell_excluded(
        SplitController *controller, const SplitProcess *process, const char *group) {
        SplitMember member;

        if (!controller->observer.on_excluded)
                return;
        fill_member(controller, process, group, NULL, &member);
        controller->observer.on_excluded(&member, controller->observer.userdata);
}

static void tell_included(SplitController *controller, const SplitProcess *process,
        const char *group, const char *reason) {
        SplitMember member;

        if (!controller->observer.on_included)
                return;
        fill_member(controller, process, group, NULL, &member);
        controller->observer.on_included(&member, reason, controller->observer.userdata);
}

/* Bringing back */

static void add_pids(Array *to, const Array *from) {
        const pid_t *pid;

        ARRAY_FOREACH(pid, from) {
                if (!array_append(to, pid))
                        log_error("Out of memory for a process whose sockets are swept");
        }
}

int members_bring_back(SplitController *controller, const SplitProcess *process, bool children,
        const char *group, const char *reason, Array *pids, Fault *fault) {
        CLEANUP(array_clear) Array moved = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        int r;

        r = processes->include(process, children, &moved, fault, processes->userdata);
        add_pids(pids, &moved);
        if (r < 0 || moved.n == 0)
                return r < 0 ? r : 0;
        tell_included(controller, process, group, reason);
        return (int)moved.n;
}

int members_bring_back_of(SplitController *controller, const char *path, uid_t uid, bool everybody,
        const char *reason, Array *pids, pid_t *ret_failed, Fault *fault) {
        CLEANUP(array_clear) Array members = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        const pid_t *pid;
        int first = 0, n = 0;

        (void)processes->list_members(path, &members, processes->userdata);
        ARRAY_FOREACH(pid, &members) {
                CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;
                int r;

                if (processes->open((uint32_t)*pid, &process, processes->userdata) < 0 ||
                        (!everybody && process.uid != uid))
                        continue;
                r = members_bring_back(controller, &process, /* children= */ false, path, reason,
                        pids, first ? NULL : fault);
                if (r < 0 && r != -ESRCH && !first) {
                        first = r;
                        *ret_failed = *pid;
                }
                if (r > 0)
                        n += r;
        }
        return first < 0 ? first : n;
}

/* Listing */

static int visit_group(SplitController *controller, const char *path, const Selector *selector,
        Array *seen, SplitVisit visit, void *userdata) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        const pid_t *pid;

        (void)processes->list_members(path, &pids, processes->userdata);
        ARRAY_FOREACH(pid, &pids) {
                CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;
                SplitMember member;
                size_t index;
                int r;

                if (array_search(seen, pid, compare_pids, &index))
                        continue;
                if (!array_insert(seen, index, pid))
                        return -ENOMEM;
                if (!visit)
                        continue;
                if (processes->open((uint32_t)*pid, &process, processes->userdata) < 0)
                        continue;
                fill_member(controller, &process, path, selector, &member);
                r = visit(&member, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Groups of ours first: they lie below the units of selectors. */
static int visit_all(SplitController *controller, Array *seen, SplitVisit visit, void *userdata) {
        const Split *split = controller_split(controller);
        const SplitGroup *group = NULL;
        const Selector *selector;
        int r = 0;

        if (!controller->config.processes)
                return 0;
        while (r >= 0 && (group = split_next_group(split, group)))
                r = visit_group(controller, group->path, NULL, seen, visit, userdata);
        ARRAY_FOREACH(selector, &split->selectors) {
                char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
                size_t n = selector_paths(selector, paths);

                for (size_t i = 0; r >= 0 && i < n; i++)
                        if (groups_find_place(controller, paths[i]))
                                r = visit_group(
                                        controller, paths[i], selector, seen, visit, userdata);
        }
        return r;
}

int split_controller_list(SplitController *controller, SplitVisit visit, void *userdata) {
        CLEANUP(array_clear) Array seen = ARRAY_INIT(pid_t);

        return visit_all(controller, &seen, visit, userdata);
}

bool split_controller_count_of(
        const SplitController *controller, const Selector *selector, size_t *ret) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        size_t n = selector_paths(selector, paths);

        if (n == 0 || !processes)
                return false;
        for (size_t i = 0; i < n; i++)
                if (groups_find_place(controller, paths[i]))
                        (void)processes->list_members(paths[i], &pids, processes->userdata);
        *ret = pids.n;
        return true;
}

size_t split_controller_count(SplitController *controller) {
        CLEANUP(array_clear) Array seen = ARRAY_INIT(pid_t);

        if (visit_all(controller, &seen, NULL, NULL) < 0)
                log_error("Out of memory for the number of processes");
        return seen.n;
}
