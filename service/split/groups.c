// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/groups.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/split/controller-private.h"
#include "service/split/members.h"
#include "service/split/newcomers.h"
#include "service/split/requests.h"

GroupPlace groups_place_of(const char *path) {
        GroupPlace place = { .id = 0 };

        assert(strlen(path) < sizeof(place.path));
        memcpy(place.path, path, strlen(path));
        return place;
}

const SplitGroup *groups_find_wanted(const Split *split, const char *path) {
        const SplitGroup *group;

        ARRAY_FOREACH(group, &split->groups) {
                if (strcmp(group->path, path) == 0)
                        return group;
        }
        return NULL;
}

const GroupPlace *groups_find_place(const SplitController *controller, const char *path) {
        const GroupPlace key = groups_place_of(path);

        return array_search(
                engine_groups(controller->config.engine), &key, group_place_compare, NULL);
}

void groups_set(SplitController *controller, const GroupPlace *place, bool gone) {
        if (engine_set_group(controller->config.engine, place, gone) < 0)
                log_error("Out of memory for the group %s", place->path);
}

int groups_submit(SplitController *controller, IntentChangeKind kind, const char *path,
        const Owner *owner, EngineDone done, void *userdata) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = kind;
        change.everybody = !owner;
        if (owner)
                change.owner = *owner;
        (void)snprintf(change.group.path, sizeof(change.group.path), "%s", path);
        return engine_submit(controller->config.engine, &change, done, userdata);
}

void groups_forget(SplitController *controller, const char *path) {
        int r = groups_submit(controller, INTENT_REMOVE_GROUP, path, NULL, NULL, NULL);

        if (r < 0)
                log_warning("Cannot forget the group %s: %s", path, strerror(-r));
}

void groups_dissolve(SplitController *controller, const char *path, const char *reason) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        const GroupPlace place = groups_place_of(path);
        Fault fault = { .error = 0 };
        pid_t failed;
        int r;

        (void)members_bring_back_of(
                controller, path, 0, /* everybody= */ true, reason, &pids, &failed, &fault);
        r = processes->dissolve(path, &fault, processes->userdata);
        if (r < 0 && r != -ENOENT)
                log_warning("Cannot end the group %s: %s", path,
                        fault.text[0] ? fault.text : strerror(-r));
        groups_set(controller, &place, /* gone= */ true);
}

/* Ours */

/* Known to the engine, of no selector, wanted by nobody. */
static bool is_left_over(const SplitController *controller, const GroupPlace *place) {
        return !groups_find_wanted(controller_split(controller), place->path) &&
               !array_search(&controller->followed, place, group_place_compare, NULL) &&
               !requests_are_at(controller, place->path);
}

/* What a client took out goes back with it: its group left the intent. */
void groups_end(SplitController *controller) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        const GroupPlace *place;

        if (!controller->config.processes)
                return;
        if (array_copy(&places, engine_groups(controller->config.engine)) < 0) {
                log_error("Out of memory for the groups that end");
                return;
        }
        ARRAY_FOREACH(place, &places) {
                if (is_left_over(controller, place))
                        groups_dissolve(controller, place->path, "client-gone");
        }
}

/* Those of selectors */

static int collect_paths(const Intent *intent, Array *places) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &intent->split.selectors) {
                char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
                size_t n = selector_paths(selector, paths);

                for (size_t i = 0; i < n; i++) {
                        const GroupPlace place = groups_place_of(paths[i]);
                        size_t index;

                        if (!array_search(places, &place, group_place_compare, &index) &&
                                !array_insert(places, index, &place))
                                return -ENOMEM;
                }
        }
        return 0;
}

/* Whether groups of others can be marked where they are. */
static bool can_follow(const SplitController *controller) {
        return controller->config.processes && controller->config.processes->follow;
}

static void follow(SplitController *controller, const char *path) {
        const SplitProcesses *processes = controller->config.processes;
        GroupPlace place = { .id = 0 };
        int r = processes->follow(path, &place, processes->userdata);

        if (r > 0)
                groups_set(controller, &place, /* gone= */ false);
        if (r < 0 && r != -EEXIST)
                log_warning("Cannot follow the group %s: %s", path, strerror(-r));
}

static void unfollow(SplitController *controller, const char *path) {
        const SplitProcesses *processes = controller->config.processes;
        const GroupPlace place = groups_place_of(path);

        processes->unfollow(path, processes->userdata);
        if (!groups_find_wanted(controller_split(controller), path))
                groups_set(controller, &place, /* gone= */ true);
}

void groups_follow(SplitController *controller, const Intent *intent) {
        CLEANUP(array_clear) Array wanted = ARRAY_INIT(GroupPlace);
        const GroupPlace *place;

        if (!can_follow(controller))
                return;
        if (collect_paths(intent, &wanted) < 0) {
                log_error("Out of memory for the groups of selectors");
                return;
        }
        ARRAY_FOREACH(place, &controller->followed) {
                if (!array_search(&wanted, place, group_place_compare, NULL))
                        unfollow(controller, place->path);
        }
        ARRAY_FOREACH(place, &wanted) {
                if (!array_search(&controller->followed, place, group_place_compare, NULL))
                        follow(controller, place->path);
        }
        newcomers_watch(controller, &intent->split, &wanted);
        array_clear(&controller->followed);
        controller->followed = wanted;
        wanted = ARRAY_INIT(GroupPlace);
}

void groups_unfollow_all(SplitController *controller) {
        const GroupPlace *place;

        if (!can_follow(controller))
                return;
        ARRAY_FOREACH(place, &controller->followed) {
                unfollow(controller, place->path);
        }
        controller->followed.n = 0;
        newcomers_watch_nothing(controller);
}

static bool stands_for(const Selector *selector, const char *path) {
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        size_t n = selector_paths(selector, paths);

        for (size_t i = 0; i < n; i++)
                if (strcmp(paths[i], path) == 0)
                        return true;
        return false;
}

static void tell_selector(SplitController *controller, const Selector *selector) {
        if (controller->observer.on_selector_state)
                controller->observer.on_selector_state(selector, controller->observer.userdata);
}

void groups_tell_selectors(SplitController *controller) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &controller_split(controller)->selectors) {
                tell_selector(controller, selector);
        }
}

void split_controller_on_group(SplitController *controller, const GroupPlace *place, bool gone) {
        const Split *split = controller_split(controller);
        const GroupPlace *known = groups_find_place(controller, place->path);
        const Selector *selector;

        /* It may be made anew already when its end is told, or not be followed any more. */
        if (gone ? known && known->id != place->id
                 : !array_search(&controller->followed, place, group_place_compare, NULL))
                return;
        groups_set(controller, place, gone);
        if (gone && groups_find_wanted(split, place->path) &&
                !requests_are_at(controller, place->path))
                groups_forget(controller, place->path);

        ARRAY_FOREACH(selector, &split->selectors) {
                if (stands_for(selector, place->path))
                        tell_selector(controller, selector);
        }
}
