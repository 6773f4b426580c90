/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the parts of the controller share: groups, members, requests, restore.
 */

#include "service/split/controller.h"
#include "service/split/taken.h"

/* The mode that open sockets were brought to. */
typedef enum SplitTurned {
        SPLIT_TURNED_OFF,
        SPLIT_TURNED_OUT, /* "exclude" */
        SPLIT_TURNED_IN,  /* "include" */
} SplitTurned;

struct SplitController {
        SplitControllerConfig config;
        SplitObserver observer;
        sd_event_source *sync_source;
        Intent seen;      /* owners and split as they were at the last sync */
        Intent permanent; /* as saved */
        Split kept;       /* settings that are permanent; its lists are not used */
        SplitTurned turned;
        Taken *taken;
        Array newcomers;                         /* of KnownGroup, whose sockets may be marked */
        sd_event_source *newcomers_source;       /* NULL: there were none yet */
        Array followed;                          /* of GroupPlace, sorted: id is not used */
        char reason[REFUSAL_TEXT_MAX];           /* why not a better mechanism */
        char unavailable[REFUSAL_TEXT_MAX + 64]; /* the same, where it is none */
        const char *told_mechanism;              /* as signals and properties said last */
        const SplitProcesses *left;              /* whose groups were left for those of another */
        Array left_places;                       /* of GroupPlace */
        struct Request *requests;                /* under way; owned by requests.c */
        size_t n_requests;
};

const Split *controller_split(const SplitController *controller);

/* Looks at the intent again, in a turn of its own. */
void controller_sync_later(SplitController *controller);
