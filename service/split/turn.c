// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/turn.h"

#include <errno.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/split/controller-private.h"
#include "service/split/groups.h"
#include "service/split/request.h"

/* Appends who is in the group, and the group itself: with nftables, addresses do not tell. */
static int add_group(Request *request, const char *path) {
        const SplitProcesses *processes = request->controller->config.processes;
        const GroupPlace *place = groups_find_place(request->controller, path);

        if (!place)
                return 0;
        (void)processes->list_members(path, &request->pids, processes->userdata);
        return array_append(&request->births, &place->id) ? 0 : -ENOMEM;
}

static int add_selector(Request *request, const Selector *selector) {
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        size_t n = selector_paths(selector, paths);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_group(request, paths[i]);
        return r;
}

static int add_all(Request *request) {
        const Split *split = controller_split(request->controller);
        const SplitGroup *group = NULL;
        const Selector *selector;
        int r = 0;

        while (r >= 0 && (group = split_next_group(split, group)))
                r = add_group(request, group->path);
        ARRAY_FOREACH(selector, &split->selectors) {
                if (r >= 0)
                        r = add_selector(request, selector);
        }
        return r;
}

/* Twice, as when processes are moved: a socket() may be under way. */
static int sweep_all(SplitController *controller, SplitSockets sockets, bool same_mode) {
        CLEANUP(request_free_p) Request *request = NULL;
        SplitRequest asked = { .process = SPLIT_PROCESS_NONE, .sockets = sockets };
        int r;

        request = request_new(controller, &asked, NULL, NULL);
        if (!request)
                return -ENOMEM;
        request->is_exclude = true;
        r = add_all(request);
        if (r < 0)
                return r;
        if (same_mode)
                request->births.n = 0; /* what was born there is on the right path */
        request_sweep(request);
        if (sockets == SPLIT_SOCKETS_RESET)
                request->births.n = 0; /* the old ones are cut, and new ones come */
        r = request_finish_later(request);
        if (r >= 0)
                request = NULL;
        return r < 0 ? r : 0;
}

static bool is_listing_other(const Array *a, const Array *b) {
        if (a->n != b->n)
                return true;
        for (size_t i = 0; i < a->n; i++)
                if (selector_compare(array_at(a, i), array_at(b, i)) != 0)
                        return true;
        return false;
}

void turn_start(SplitController *controller) {
        const Split *split = controller_split(controller);

        controller->turned = split->disabled                ? SPLIT_TURNED_OFF
                             : split->mode == SPLIT_INCLUDE ? SPLIT_TURNED_IN
                                                            : SPLIT_TURNED_OUT;
}

void turn_follow_intent(SplitController *controller) {
        const Split *split = controller_split(controller);
        const SplitTurned before = controller->turned;
        int r = 0;

        turn_start(controller);
        if (!controller->config.processes || controller->turned == SPLIT_TURNED_OFF)
                return;
        /* Nothing that is listed may use the open network, whenever it came on the list. */
        if (controller->turned != before && controller->turned == SPLIT_TURNED_IN)
                r = sweep_all(controller, SPLIT_SOCKETS_RESET, /* same_mode= */ false);
        else if (controller->turned == SPLIT_TURNED_IN &&
                 is_listing_other(&split->selectors, &controller->seen.split.selectors))
                r = sweep_all(controller, SPLIT_SOCKETS_RESET, /* same_mode= */ true);
        else if (before == SPLIT_TURNED_IN && controller->turned == SPLIT_TURNED_OUT)
                r = sweep_all(controller, SPLIT_SOCKETS_MIGRATE, /* same_mode= */ false);
        if (r < 0)
                log_error("Cannot change open sockets: %s", strerror(-r));
}
