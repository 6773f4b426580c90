// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/split/controller-private.h"
#include "service/split/groups.h"

void change_set_reason(SplitController *controller, const char *reason) {
        (void)snprintf(controller->reason, sizeof(controller->reason), "%.*s",
                (int)sizeof(controller->reason) - 1, reason);
        (void)snprintf(controller->unavailable, sizeof(controller->unavailable),
                "processes cannot be told apart on this machine: %s", controller->reason);
}

/* Nobody of ours stays behind, where that can be had: the marks there are gone. */
static void leave_groups(SplitController *controller) {
        const SplitProcesses *left = controller->left;
        const GroupPlace *place;

        ARRAY_FOREACH(place, &controller->left_places) {
                Fault fault = { .error = 0 };
                int r = left->dissolve(place->path, &fault, left->userdata);

                if (r < 0 && r != -ENOENT)
                        log_info("Cannot end the group %s: %s", place->path,
                                fault.text[0] ? fault.text : strerror(-r));
        }
        controller->left_places.n = 0;
}

static void tell_mechanism(SplitController *controller) {
        const SplitObserver *observer = &controller->observer;
        const char *before = controller->told_mechanism, *now = controller->config.mechanism;
        const Selector *selector;

        if (strcmp(before, now) == 0)
                return;
        controller->told_mechanism = now;
        if (observer->on_mechanism)
                observer->on_mechanism(before, now, controller->reason, observer->userdata);
        if (!observer->on_selector_state)
                return;
        ARRAY_FOREACH(selector, &controller_split(controller)->selectors) {
                if (selector->kind == SELECTOR_UNIT || selector->kind == SELECTOR_CGROUP)
                        observer->on_selector_state(selector, observer->userdata);
        }
}

void change_finish(SplitController *controller) {
        leave_groups(controller);
        tell_mechanism(controller);
}

/* Return: 1 it is in *ret; 0 it ended; negative errno. */
static int carry_process(const SplitProcesses *to, pid_t pid, GroupPlace *ret, Fault *fault) {
        CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        unsigned n_moved;
        int r;

        if (to->open((uint32_t)pid, &process, to->userdata) < 0)
                return 0;
        r = to->prepare(&process, /* children= */ false, &places, fault, to->userdata);
        places.n = 0;
        if (r >= 0)
                r = to->exclude(&process, /* children= */ false, &pids, &places, &n_moved, fault,
                        to->userdata);
        if (r < 0 || places.n == 0)
                return r == -ESRCH ? 0 : r;
        *ret = *(const GroupPlace *)array_at(&places, 0);
        return 1;
}

static void note_carried(SplitController *controller, const char *path, const GroupPlace *place) {
        int r;

        groups_set(controller, place, /* gone= */ false);
        r = engine_share_group(controller->config.engine, path, place->path);
        if (r < 0)
                log_error("Cannot note the group %s: %s", place->path, strerror(-r));
}

/* Return: how many were moved. */
static unsigned carry_members(
        SplitController *controller, const SplitProcesses *from, const char *path) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        unsigned n = 0;
        const pid_t *pid;

        (void)from->list_members(path, &pids, from->userdata);
        ARRAY_FOREACH(pid, &pids) {
                Fault fault = { .error = 0 };
                GroupPlace place;
                int r = carry_process(controller->config.processes, *pid, &place, &fault);

                if (r > 0) {
                        note_carried(controller, path, &place);
                        n++;
                } else if (r < 0)
                        log_warning("Process %d stays behind in the group %s: %s", (int)*pid, path,
                                fault.text[0] ? fault.text : strerror(-r));
        }
        return n;
}

void change_carry_group(SplitController *controller, const SplitProcesses *from, const char *path) {
        const GroupPlace left = groups_place_of(path);

        groups_set(controller, &left, /* gone= */ true);
        groups_forget(controller, path); /* at the engine's next turn: who is carried has a share */
        if (!from || !controller->config.processes || carry_members(controller, from, path) == 0)
                return;
        controller->left = from;
        if (!array_append(&controller->left_places, &left))
                log_error("Out of memory for the group %s", path);
}

static void carry_groups(SplitController *controller, const SplitProcesses *from) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        const SplitGroup *group = NULL;
        const GroupPlace *place;

        while ((group = split_next_group(controller_split(controller), group))) {
                const GroupPlace key = groups_place_of(group->path);

                if (!array_append(&places, &key))
                        log_error("Out of memory for the group %s", group->path);
        }
        ARRAY_FOREACH(place, &places) {
                change_carry_group(controller, from, place->path);
        }
}

static void find_groups(SplitController *controller, const SplitProcesses *processes) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        const GroupPlace *place;

        (void)processes->list_groups(&places, processes->userdata);
        ARRAY_FOREACH(place, &places) {
                groups_set(controller, place, /* gone= */ false);
        }
}

void split_controller_change_mechanism(SplitController *controller, const SplitProcesses *processes,
        const char *mechanism, const char *reason) {
        const SplitProcesses *before = controller->config.processes;

        change_set_reason(controller, reason);
        if (processes != before)
                groups_unfollow_all(controller);
        controller->config.processes = processes;
        controller->config.mechanism = mechanism;
        if (processes && before && processes != before)
                carry_groups(controller, before);
        else if (processes && !before)
                find_groups(controller, processes);
        groups_follow(controller, engine_intent(controller->config.engine));
        controller_sync_later(controller);
}
