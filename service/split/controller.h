/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Joins what split tunnelling wants with the processes of the system.
 *
 * The intent is the truth: groups that it names are marked by the engine; here
 * processes are moved into them and out again. A group is marked before its
 * first process comes, so that no packet takes the wrong path; one that the
 * intent names no longer is dissolved. Nothing is remembered beside the intent
 * and the groups themselves, so that a restart finds everything.
 *
 * Callbacks come from the event loop, never from inside a call.
 */

#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"
#include "service/engine/engine.h"
#include "service/split/processes.h"

#define SPLIT_PROCESSES_PER_USER_MAX 4096

typedef struct SplitController SplitController;

/* A process as it is told of. */
typedef struct SplitMember {
        pid_t pid;
        uid_t uid;
        char group[GROUP_PATH_MAX];
        const Selector *selector; /* NULL: taken out by itself, or by its parent */
        char executable[PATH_MAX];
        uint64_t since_usec; /* CLOCK_REALTIME; 0: not known */
} SplitMember;

typedef struct SplitObserver {
        void (*on_excluded)(const SplitMember *process, void *userdata);
        void (*on_included)(const SplitMember *process, const char *reason, void *userdata);
        void (*on_selector_state)(const Selector *selector, void *userdata);

        /* Selectors or settings of the intent are others than at the last call. */
        void (*on_split)(const Split *before, const Intent *intent_before, void *userdata);
        void (*on_mechanism)(
                const char *before, const char *now, const char *reason, void *userdata);
        void *userdata;
} SplitObserver;

/* Everything is borrowed and outlives the controller. */
typedef struct SplitControllerConfig {
        sd_event *event;
        Engine *engine;
        const SplitProcesses *processes; /* NULL: groups cannot be told apart here */
        const SplitProcesses *other;     /* an earlier run may have used instead; NULL: none */
        const char *mechanism;           /* "bpf", "nftables", "net_cls", "none" */
        const char *reason;              /* why not a better one, for people; copied */

        /*
         * No group can be made. May call split_controller_change_mechanism().
         * Return: whether that was done. NULL: nobody to ask.
         */
        bool (*on_failed)(const Fault *fault, void *userdata);
        void *userdata;

        bool has_filter;            /* a firewall backend: selectors of kind interface */
        const char *state_path;     /* the engine's; NULL: none */
        const char *taken_path;     /* see taken.h; NULL: none */
        const char *permanent_path; /* NULL: nothing outlives the machine */
        const char *restored_path;  /* its presence: that has been read since the start */
} SplitControllerConfig;

int split_controller_new(const SplitControllerConfig *config, SplitController **ret);

/* Requests that are under way are forgotten. Before the engine. */
SplitController *split_controller_free(SplitController *controller);
DEFINE_CLEANUP(SplitController *, split_controller_free)

void split_controller_set_observer(SplitController *controller, const SplitObserver *observer);

/*
 * Once, before engine_start(), which would take marks away from groups that it
 * does not know: tells it where those of an earlier run are.
 */
int split_controller_find_groups(SplitController *controller);

/* Once, after engine_start(): brings back what is permanent, ends groups that nobody wants. */
int split_controller_start(SplitController *controller);

/* The intent changed: to be called by the engine's on_owners. */
void split_controller_on_intent(SplitController *controller);

/* A followed group appeared or went, or one of ours went. */
void split_controller_on_group(SplitController *controller, const GroupPlace *place, bool gone);

/* Other groups are known not to be listed: processes->known() says which. */
void split_controller_on_known(SplitController *controller);

/*
 * Another mechanism marks groups from now on. Whoever was taken out is moved to
 * groups of @processes (NULL: none are left), and what is under way goes on by
 * it; all is told from the loop. @mechanism is static text, @reason copied.
 */
void split_controller_change_mechanism(SplitController *controller, const SplitProcesses *processes,
        const char *mechanism, const char *reason);

bool split_controller_is_available(const SplitController *controller);
const char *split_controller_mechanism(const SplitController *controller);
const SplitProcesses *split_controller_processes(const SplitController *controller);

/* Return: 0; -EPERM and @why, the mechanism is missing. */
int split_controller_check_available(const SplitController *controller, Refusal *why);

/* Return: 0; -EPERM and @why, permanent things cannot be kept here. */
int split_controller_check_permanent(const SplitController *controller, Refusal *why);

/* The settings of @change are permanent once it is done. Copied. */
void split_controller_keep(SplitController *controller, const SplitChange *change);

typedef struct SplitRequest {
        SplitProcess process; /* its content is taken */
        Owner owner;
        bool children;
        SplitSockets sockets;
} SplitRequest;

typedef struct SplitAnswer {
        unsigned n_moved;
        SplitSocketCounts sockets;
        char group[GROUP_PATH_MAX]; /* of the process itself */
} SplitAnswer;

/* How a request ended: 0; -EPERM and @why; other negative errno. */
typedef void (*SplitDone)(
        int result, const Refusal *why, const SplitAnswer *answer, void *userdata);

/* Why a process can never be taken out. Return: 0; -EPERM and @why. */
int split_controller_check_process(
        const SplitController *controller, const SplitProcess *process, Refusal *why);

/* Whether its user may have one more that is out. Return: 0; -EPERM and @why. */
int split_controller_check_room(
        const SplitController *controller, const SplitProcess *process, Refusal *why);

/*
 * @done comes exactly once where 0 is returned. Whether there is room is not asked again: the
 * caller did so in the same turn of the loop. Return: 0; -EPERM and @why; -ENOMEM.
 */
int split_controller_exclude(SplitController *controller, SplitRequest *request, SplitDone done,
        void *userdata, Refusal *why);
int split_controller_include(SplitController *controller, SplitRequest *request, SplitDone done,
        void *userdata, Refusal *why);

/* All processes of @uid that were taken out by themselves; with @everybody all. */
int split_controller_clear(SplitController *controller, uid_t uid, bool everybody,
        SplitSockets sockets, SplitDone done, void *userdata, Refusal *why);

/* < 0 stops. */
typedef int (*SplitVisit)(const SplitMember *member, void *userdata);

/* Visits each process once. Return: 0; -ENOMEM; what a visit returned. */
int split_controller_list(SplitController *controller, SplitVisit visit, void *userdata);
size_t split_controller_count(SplitController *controller);

/* Those that @selector names now. Return: whether that can be told of its kind. */
bool split_controller_count_of(
        const SplitController *controller, const Selector *selector, size_t *ret);

/* Return: whether it is in force; otherwise *ret_reason says why not. */
bool split_controller_selector_is_active(
        const SplitController *controller, const Selector *selector, const char **ret_reason);

/* Requests that are not answered yet. */
size_t split_controller_n_requests(const SplitController *controller);
