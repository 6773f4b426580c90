// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/move-in.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/split/controller-private.h"
#include "service/split/groups.h"
#include "service/split/members.h"
#include "service/split/requests.h"

#define ROUNDS_MAX 8 /* of groups that are removed again and again before they are used */

static bool has_owner(const SplitController *controller, const char *path, const Owner *owner) {
        const Intent *intent = engine_intent(controller->config.engine);
        const SplitGroup *group;

        ARRAY_FOREACH(group, &intent->split.groups) {
                if (strcmp(group->path, path) == 0 &&
                        owner_compare(intent_owner(intent, group->owner), owner) == 0)
                        return true;
        }
        return false;
}

/* Whether another request of the same owner needs the group. */
static bool is_shared(const Request *request, const char *path) {
        const SplitController *controller = request->controller;

        for (const Request *other = controller->requests; other; other = other->next)
                if (other != request && request_has_place(other, path) &&
                        owner_compare(&other->asked.owner, &request->asked.owner) == 0)
                        return true;
        return false;
}

static GroupPlace *find_place(const Array *places, const char *path) {
        GroupPlace *place;

        ARRAY_FOREACH(place, places) {
                if (strcmp(place->path, path) == 0)
                        return place;
        }
        return NULL;
}

/* The owner of a request that failed has no part in its groups but what they had before. */
static void give_back(Request *request) {
        const GroupPlace *place;

        ARRAY_FOREACH(place, &request->taken) {
                if (!is_shared(request, place->path) &&
                        groups_submit(request->controller, INTENT_REMOVE_GROUP, place->path,
                                &request->asked.owner, NULL, NULL) < 0)
                        log_warning("Cannot give back the group %s", place->path);
        }
}

/* Whether the process was found there just now. Its end is told by the watch, as of any member. */
static bool is_where_it_went(const Request *request, const GroupPlace *place) {
        return request->result >= 0 && strcmp(place->path, request->answer.group) == 0;
}

/* Takes groups back that were prepared and hold nobody. */
static void undo(Request *request) {
        CLEANUP(array_clear) Array places = request->places;
        SplitController *controller = request->controller;
        const SplitProcesses *processes = request->processes;
        const GroupPlace *place;

        request->places = ARRAY_INIT(GroupPlace); /* not busy any more */
        if (request->result < 0)
                give_back(request);
        ARRAY_FOREACH(place, &places) {
                CLEANUP(array_clear) Array members = ARRAY_INIT(pid_t);

                if (is_where_it_went(request, place) || requests_are_at(controller, place->path))
                        continue;
                (void)processes->list_members(place->path, &members, processes->userdata);
                if (members.n > 0)
                        continue;
                if (groups_find_wanted(controller_split(controller), place->path))
                        groups_forget(controller, place->path);
                (void)processes->dissolve(place->path, NULL, processes->userdata);
                groups_set(controller, place, /* gone= */ true);
        }
}

static int compare_pids(const void *a, const void *b) {
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

        return (x > y) - (x < y);
}

/* Half a tree is not what was asked for: who was in the tunnel before goes back. */
static void put_back(Request *request) {
        const SplitProcesses *processes = request->processes;
        const pid_t *pid;

        ARRAY_FOREACH(pid, &request->pids) {
                CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;
                CLEANUP(array_clear) Array back = ARRAY_INIT(pid_t);

                if (!array_search(&request->inside, pid, compare_pids, NULL) &&
                        processes->open((uint32_t)*pid, &process, processes->userdata) >= 0)
                        (void)processes->include(
                                &process, /* children= */ false, &back, NULL, processes->userdata);
        }
}

static void on_group_added(int result, const Refusal *why, void *userdata);

/* Has the engine mark a group for the owner, and tell on_group_added(). Return: 0; negative. */
static int mark_group(Request *request, const GroupPlace *place) {
        SplitController *controller = request->controller;
        const Owner *owner = &request->asked.owner;
        int r;

        groups_set(controller, place, /* gone= */ false);
        if (!has_owner(controller, place->path, owner) &&
                !find_place(&request->taken, place->path) && !array_append(&request->taken, place))
                return -ENOMEM;
        r = groups_submit(
                controller, INTENT_ADD_GROUP, place->path, owner, on_group_added, request);
        if (r >= 0)
                request->n_waiting++;
        return r;
}

/* Marks those of @places that are new, or made anew; with @all each of them. */
static int mark_groups(Request *request, const Array *places, bool all) {
        const GroupPlace *place;
        int r = 0;

        ARRAY_FOREACH(place, places) {
                const GroupPlace *known = groups_find_place(request->controller, place->path);
                GroupPlace *prepared = find_place(&request->places, place->path);

                if (!all && prepared && known && known->id == place->id)
                        continue;
                if (!prepared)
                        prepared = array_append(&request->places, place);
                if (!prepared)
                        return -ENOMEM;
                prepared->id = place->id;
                r = mark_group(request, place);
                if (r < 0)
                        break;
        }
        return r;
}

/* Who of a family is in a group before it is moved. One process alone tells by being moved. */
static int list_inside(Request *request) {
        const SplitProcesses *processes = request->processes;
        const GroupPlace *place;

        if (!request->asked.children)
                return 0;
        ARRAY_FOREACH(place, &request->places) {
                (void)processes->list_members(place->path, &request->inside, processes->userdata);
        }
        return array_sort(&request->inside, compare_pids);
}

static void move(Request *request) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        const SplitProcesses *processes = request->processes;
        Fault fault = { .error = 0 };
        unsigned n_moved = 0;
        int r = list_inside(request);

        if (r >= 0)
                r = processes->exclude(&request->asked.process, request->asked.children,
                        &request->pids, &places, &n_moved, &fault, processes->userdata);
        request->answer.n_moved += n_moved;
        if (!request->asked.children && n_moved == 0 &&
                array_copy(&request->inside, &request->pids) < 0 && r >= 0)
                r = -ENOMEM;
        if (places.n > 0)
                (void)snprintf(request->answer.group, sizeof(request->answer.group), "%s",
                        ((const GroupPlace *)array_at(&places, 0))->path);
        /* A child went to another unit in this moment. */
        if (r >= 0)
                r = mark_groups(request, &places, /* all= */ false);
        if (r < 0) {
                request->result =
                        request_refuse_fault(request->asked.process.pid, r, &fault, &request->why);
                return;
        }
        /* How many children there are is known only now. */
        if (request->asked.children &&
                !requests_leave_room(request->controller, request->asked.process.uid, 0)) {
                request->result = members_refuse_more(request->asked.process.uid, &request->why);
                return;
        }
        members_note(request->controller, &request->pids, &request->inside);
        request_sweep(request);
}

static int start(Request *request, Refusal *why);

static void end(Request *request) {
        int r;

        if (request->result < 0)
                put_back(request);
        undo(request); /* what holds somebody stays */
        r = request_finish_later(request);
        if (r < 0)
                request_finish(request);
}

/* Another mechanism came into force meanwhile, and is asked for the same. */
static void start_again(Request *request) {
        int r;

        request->answer.group[0] = '\0';
        undo(request);
        request->is_moved = false;
        request->taken.n = 0;
        r = start(request, &request->why);
        if (r >= 0)
                return;
        request->result = r;
        end(request);
}

static bool is_any_anew(const Request *request, const Array *places) {
        const GroupPlace *place;

        ARRAY_FOREACH(place, places) {
                const GroupPlace *prepared = find_place(&request->places, place->path);

                if (!prepared || prepared->id != place->id)
                        return true;
        }
        return false;
}

/*
 * A group that is empty may be removed while it is marked: one that ran empty
 * is by ourselves, a turn later. Makes such groups anew.
 * Return: whether they are being marked. Otherwise all are there, and where
 * some could not be marked something else is wrong; or the result says why not.
 */
static bool mark_again(Request *request) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        const SplitProcesses *processes = request->processes;
        bool is_failed = request->result < 0;
        Fault fault = { .error = 0 };
        int r;

        if (request->n_rounds++ >= ROUNDS_MAX)
                return false;
        r = processes->prepare(&request->asked.process, request->asked.children, &places, &fault,
                processes->userdata);
        if (r >= 0 && (!is_failed || is_any_anew(request, &places)))
                r = mark_groups(request, &places, is_failed);
        if (r < 0)
                request->result =
                        request_refuse_fault(request->asked.process.pid, r, &fault, &request->why);
        else if (request->n_waiting > 0)
                request->result = 0;
        return request->n_waiting > 0;
}

static void on_group_added(int result, const Refusal *why, void *userdata) {
        Request *request = userdata;

        if (result < 0 && request->result >= 0) {
                request->result = result;
                if (why)
                        request->why = *why;
        }
        if (--request->n_waiting > 0)
                return;
        if (request->result >= 0 && request->processes != request->controller->config.processes) {
                start_again(request);
                return;
        }
        if (!request->is_moved && mark_again(request))
                return;
        if (request->result >= 0 && !request->is_moved) {
                request->is_moved = true;
                move(request);
                if (request->n_waiting > 0)
                        return;
        }
        end(request);
}

/* By the mechanism in force, and where it can make no group by the next. */
static int prepare(Request *request, Refusal *why) {
        const SplitControllerConfig *config = &request->controller->config;
        Fault fault;
        int r;

        do {
                r = split_controller_check_available(request->controller, why);
                if (r < 0)
                        return r;
                request->processes = config->processes;
                fault = (Fault){ .error = 0 };
                r = config->processes->prepare(&request->asked.process, request->asked.children,
                        &request->places, &fault, config->processes->userdata);
        } while (r < 0 && config->on_failed && config->on_failed(&fault, config->userdata));
        return r < 0 ? request_refuse_fault(request->asked.process.pid, r, &fault, why) : 0;
}

/* Return: 0 on_group_added() goes on; -EPERM and @why; -ENOMEM. */
static int start(Request *request, Refusal *why) {
        const GroupPlace *place;
        int r = prepare(request, why);

        if (r < 0)
                return r;
        ARRAY_FOREACH(place, &request->places) {
                if (r >= 0)
                        r = mark_group(request, place);
        }
        if (r >= 0 || request->n_waiting == 0)
                return r;
        request->result = r; /* told when the others are done */
        return 0;
}

int move_in_start(Request *request, Refusal *why) {
        int r = start(request, why);

        if (r < 0) {
                request->result = r;
                undo(request);
        }
        return r;
}
