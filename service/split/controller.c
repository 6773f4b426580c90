// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/controller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/engine/state-file.h"
#include "service/split/change.h"
#include "service/split/controller-private.h"
#include "service/split/groups.h"
#include "service/split/members.h"
#include "service/split/newcomers.h"
#include "service/split/requests.h"
#include "service/split/restore.h"
#include "service/split/turn.h"

const Split *controller_split(const SplitController *controller) {
        return &engine_intent(controller->config.engine)->split;
}

void controller_sync_later(SplitController *controller) {
        (void)sd_event_source_set_enabled(controller->sync_source, SD_EVENT_ONESHOT);
}

static int on_sync(sd_event_source *source, void *userdata) {
        CLEANUP(intent_clear) Intent before = INTENT_INIT;
        SplitController *controller = userdata;
        const Intent *intent = engine_intent(controller->config.engine);

        change_finish(controller);
        groups_follow(controller, intent);
        groups_end(controller);
        restore_save(controller, intent);

        before = controller->seen;
        controller->seen = INTENT_INIT;
        if (array_copy(&controller->seen.owners, &intent->owners) < 0 ||
                split_copy(&controller->seen.split, &intent->split) < 0)
                log_error("Out of memory for what split tunnelling wants");
        if (controller->observer.on_split)
                controller->observer.on_split(
                        &before.split, &before, controller->observer.userdata);
        if (before.split.disabled != intent->split.disabled)
                groups_tell_selectors(controller);
        return 0;
}

void split_controller_on_intent(SplitController *controller) {
        groups_follow(controller, engine_intent(controller->config.engine));
        turn_follow_intent(controller);
        controller_sync_later(controller);
}

/* Questions */

int split_controller_check_available(const SplitController *controller, Refusal *why) {
        if (controller->config.processes)
                return 0;
        return refusal_set(why, REFUSAL_BACKEND_UNAVAILABLE, "%s", controller->unavailable);
}

bool split_controller_selector_is_active(
        const SplitController *controller, const Selector *selector, const char **ret_reason) {
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        size_t n = selector_paths(selector, paths);

        *ret_reason = "split tunnelling is disabled";
        if (controller_split(controller)->disabled)
                return false;
        *ret_reason = "there is no firewall backend";
        if (selector->kind == SELECTOR_INTERFACE)
                return controller->config.has_filter;
        if (n == 0)
                return true;

        *ret_reason = controller->unavailable;
        if (!controller->config.processes)
                return false;
        *ret_reason = "net_cls cannot match units and control groups where they are";
        if (!controller->config.processes->follow)
                return false;
        *ret_reason = "it does not run";
        for (size_t i = 0; i < n; i++)
                if (groups_find_place(controller, paths[i]))
                        return true;
        return false;
}

bool split_controller_is_available(const SplitController *controller) {
        return controller->config.processes != NULL;
}

const char *split_controller_mechanism(const SplitController *controller) {
        return controller->config.mechanism;
}

const SplitProcesses *split_controller_processes(const SplitController *controller) {
        return controller->config.processes;
}

/* Life */

int split_controller_find_groups(SplitController *controller) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        CLEANUP(intent_clear) Intent saved = INTENT_INIT;
        const SplitProcesses *processes = controller->config.processes;
        const GroupPlace *place;
        int r;

        if (!processes)
                return 0;
        r = processes->list_groups(&places, processes->userdata);
        ARRAY_FOREACH(place, &places) {
                groups_set(controller, place, /* gone= */ false);
        }
        if (controller->config.state_path &&
                state_file_read(controller->config.state_path, &saved) > 0)
                groups_follow(controller, &saved);
        return r < 0 ? r : 0;
}

int split_controller_start(SplitController *controller) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        CLEANUP(array_clear) Array missing = ARRAY_INIT(GroupPlace);
        const SplitProcesses *processes = controller->config.processes;
        const Intent *intent = engine_intent(controller->config.engine);
        const GroupPlace *place;
        const SplitGroup *group = NULL;
        int r = 0;

        turn_start(controller);
        newcomers_start(controller);
        if (processes)
                r = processes->list_groups(&places, processes->userdata);
        if (r < 0)
                log_warning("Cannot find all groups of excluded processes: %s", strerror(-r));
        if (array_sort(&places, group_place_compare) < 0)
                return -ENOMEM;

        ARRAY_FOREACH(place, &places) {
                if (!groups_find_wanted(&intent->split, place->path))
                        groups_dissolve(controller, place->path, "client-gone");
        }
        /* Of another mechanism, or not there any more. */
        while (r >= 0 && (group = split_next_group(&intent->split, group))) {
                const GroupPlace key = groups_place_of(group->path);

                if (!array_search(&places, &key, group_place_compare, NULL) &&
                        !array_append(&missing, &key))
                        return -ENOMEM;
        }
        ARRAY_FOREACH(place, &missing) {
                change_carry_group(controller, controller->config.other, place->path);
        }
        members_forget_ended(controller);
        controller_sync_later(controller);
        return restore_once(controller);
}

void split_controller_set_observer(SplitController *controller, const SplitObserver *observer) {
        controller->observer = *observer;
}

int split_controller_new(const SplitControllerConfig *config, SplitController **ret) {
        CLEANUP(split_controller_free_p) SplitController *controller = NULL;
        int r;

        controller = calloc(1, sizeof(*controller));
        if (!controller)
                return -ENOMEM;
        controller->config = *config;
        controller->seen = INTENT_INIT;
        controller->permanent = INTENT_INIT;
        controller->kept = SPLIT_INIT;
        controller->followed = ARRAY_INIT(GroupPlace);
        controller->newcomers = ARRAY_INIT(KnownGroup);
        controller->left_places = ARRAY_INIT(GroupPlace);
        controller->told_mechanism = config->mechanism;
        change_set_reason(controller, config->reason ? config->reason : "");
        r = taken_new(config->taken_path, &controller->taken);
        if (r < 0)
                return r;

        r = sd_event_add_defer(config->event, &controller->sync_source, on_sync, controller);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(controller->sync_source, "split-sync");
        r = sd_event_source_set_enabled(controller->sync_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE(controller);
        return 0;
}

SplitController *split_controller_free(SplitController *controller) {
        if (!controller)
                return NULL;

        requests_forget(controller);
        newcomers_forget(controller);
        sd_event_source_disable_unref(controller->sync_source);
        intent_clear(&controller->seen);
        intent_clear(&controller->permanent);
        split_clear(&controller->kept);
        array_clear(&controller->followed);
        array_clear(&controller->left_places);
        taken_free(controller->taken);
        free(controller);
        return NULL;
}
