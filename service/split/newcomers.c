// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/newcomers.h"

#include <errno.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/split/controller-private.h"
#include "service/split/request.h"

static int compare_known(const void *a, const void *b) {
        return known_group_compare_key(a, b);
}

static bool is_include(const Split *split) {
        return !split->disabled && split->mode == SPLIT_INCLUDE;
}

/* Whether it is known to what marks, too: from then on its sockets are born without. */
static bool is_settled(const SplitController *controller, const KnownGroup *group) {
        const Fact fact = { .kind = FACT_KNOWN_GROUP, .known_group = *group };

        return fact_set_find(engine_observed(controller->config.engine), &fact);
}

/* Twice, as when processes are moved: a socket() may be under way. */
static int sweep(SplitController *controller, Array *pids) {
        CLEANUP(request_free_p) Request *request = NULL;
        SplitRequest asked = { .process = SPLIT_PROCESS_NONE, .sockets = SPLIT_SOCKETS_MIGRATE };
        int r;

        request = request_new(controller, &asked, NULL, NULL);
        if (!request)
                return -ENOMEM;
        request->only_marked = true;
        request->pids = *pids;
        *pids = ARRAY_INIT(pid_t);
        request_sweep(request);
        r = request_finish_later(request);
        if (r >= 0)
                request = NULL;
        return r < 0 ? r : 0;
}

static int on_idle(sd_event_source *source, void *userdata) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        SplitController *controller = userdata;
        const SplitProcesses *processes = controller->config.processes;
        Array *newcomers = &controller->newcomers;

        if (!is_include(controller_split(controller)) || !processes ||
                !processes->list_known_members)
                newcomers->n = 0;
        for (size_t i = newcomers->n; i-- > 0;) {
                const KnownGroup group = *(const KnownGroup *)array_at(newcomers, i);

                if (!is_settled(controller, &group))
                        continue; /* at the next change */
                (void)processes->list_known_members(group.id, &pids, processes->userdata);
                array_remove(newcomers, i);
        }
        if (pids.n > 0 && sweep(controller, &pids) < 0)
                log_error("Out of memory for the sockets of new groups");
        return 0;
}

/* When nothing else is to be done, which what marks has to do before. */
static void sweep_later(SplitController *controller) {
        int r = 0;

        if (controller->newcomers.n == 0)
                return;
        if (!controller->newcomers_source) {
                r = sd_event_add_defer(controller->config.event, &controller->newcomers_source,
                        on_idle, controller);
                if (r >= 0)
                        r = sd_event_source_set_priority(
                                controller->newcomers_source, SD_EVENT_PRIORITY_IDLE);
        }
        if (r >= 0)
                r = sd_event_source_set_enabled(controller->newcomers_source, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error("Cannot look at the sockets of new groups: %s", strerror(-r));
}

static void note_newcomers(SplitController *controller, const Array *before, const Array *now) {
        const KnownGroup *group;

        if (before->n == 0 || strcmp(controller->config.mechanism, "bpf") != 0)
                return;
        ARRAY_FOREACH(group, now) {
                if (!group->is_above && !array_search(before, group, compare_known, NULL) &&
                        !array_append(&controller->newcomers, group))
                        log_error("Out of memory for new groups");
        }
        sweep_later(controller);
}

void split_controller_on_known(SplitController *controller) {
        const SplitProcesses *processes = controller->config.processes;
        CLEANUP(array_clear) Array before = ARRAY_INIT(KnownGroup);
        const Array *known;

        if (!processes || !processes->known)
                return;
        known = processes->known(processes->userdata);
        if (array_copy(&before, engine_known(controller->config.engine)) < 0 ||
                engine_set_known(controller->config.engine, known) < 0) {
                log_error("Out of memory for the groups beside those that are listed");
                return;
        }
        note_newcomers(controller, &before, known);
}

void newcomers_watch(SplitController *controller, const Split *split, const Array *wanted) {
        CLEANUP(array_clear) Array paths = ARRAY_INIT(const char *);
        const SplitProcesses *processes = controller->config.processes;
        const GroupPlace *place;
        int r = 0;

        if (!processes || !processes->watch)
                return;
        ARRAY_FOREACH(place, wanted) {
                const char *path = place->path;

                if (is_include(split) && !array_append(&paths, &path))
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = processes->watch(&paths, processes->userdata);
        if (r < 0)
                log_error("Cannot watch for listed groups that start anew: %s", strerror(-r));
        else if (r > 0)
                split_controller_on_known(controller);
}

void newcomers_watch_nothing(SplitController *controller) {
        const Array nothing = ARRAY_INIT(GroupPlace);

        newcomers_watch(controller, controller_split(controller), &nothing);
}

void newcomers_start(SplitController *controller) {
        const Engine *engine = controller->config.engine;

        note_newcomers(controller, engine_former_known(engine), engine_known(engine));
}

void newcomers_forget(SplitController *controller) {
        sd_event_source_disable_unref(controller->newcomers_source);
        array_clear(&controller->newcomers);
}
