// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/log.h"
#include "service/split/controller-private.h"
#include "service/split/groups.h"
#include "service/split/members.h"

typedef struct Request Request;

/* A call that moves processes. */
struct Request {
        SplitController *controller;
        Request *previous, *next;
        SplitRequest asked;
        bool is_exclude;
        Array places; /* of GroupPlace: being prepared */
        Array pids;   /* of pid_t: whose sockets are swept */
        Array births; /* of uint64_t: groups whose sockets are brought back */
        size_t n_waiting;
        int result;
        Refusal why;
        SplitAnswer answer;
        sd_event_source *source;
        SplitDone done;
        void *userdata;
};

bool requests_are_at(const SplitController *controller, const char *path) {
        for (const Request *request = controller->requests; request; request = request->next) {
                const GroupPlace *place;

                ARRAY_FOREACH(place, &request->places) {
                        if (strcmp(place->path, path) == 0)
                                return true;
                }
        }
        return false;
}

static Request *request_free(Request *request) {
        if (!request)
                return NULL;

        if (request->previous)
                request->previous->next = request->next;
        else
                request->controller->requests = request->next;
        if (request->next)
                request->next->previous = request->previous;
        request->controller->n_requests--;

        sd_event_source_disable_unref(request->source);
        split_process_clear(&request->asked.process);
        array_clear(&request->places);
        array_clear(&request->pids);
        array_clear(&request->births);
        free(request);
        return NULL;
}

DEFINE_CLEANUP(Request *, request_free)

static Request *request_new(
        SplitController *controller, SplitRequest *asked, SplitDone done, void *userdata) {
        Request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        request->controller = controller;
        request->asked = *asked;
        asked->process = SPLIT_PROCESS_NONE;
        request->places = ARRAY_INIT(GroupPlace);
        request->pids = ARRAY_INIT(pid_t);
        request->births = ARRAY_INIT(uint64_t);
        request->done = done;
        request->userdata = userdata;
        request->next = controller->requests;
        if (request->next)
                request->next->previous = request;
        controller->requests = request;
        controller->n_requests++;
        return request;
}

/* A fault of the system as a refusal that carries its words. */
static int refuse_fault(pid_t pid, int r, const Fault *fault, Refusal *why) {
        bool never = r == -EPERM || r == -EOPNOTSUPP || r == -EXDEV;

        if (r == -ENOMEM)
                return r;
        if (r == -ESRCH)
                return refusal_set(why, REFUSAL_PROCESS_GONE, "process %d ended meanwhile", pid);
        return refusal_set(why, never ? REFUSAL_NOT_SUPPORTED : REFUSAL_BACKEND_UNAVAILABLE,
                "process %d: %s", pid, fault->text[0] ? fault->text : strerror(-r));
}

/* Addresses of the path that is left: those of the tunnel, or all the others. */
static int collect_sources(const SplitController *controller, bool of_tunnel, Array *sources) {
        const FactSet *observed = engine_observed(controller->config.engine);
        const Intent *intent = engine_intent(controller->config.engine);
        const Link *tunnel = intent_has_tunnel(intent)
                                     ? desired_find_link(observed, intent->tunnel.device)
                                     : NULL;
        size_t n;
        const Fact *facts = fact_set_of_kind(observed, FACT_LINK_ADDRESS, &n);

        for (size_t i = 0; i < n; i++) {
                const LinkAddress *address = &facts[i].link_address;
                bool is_tunnel = tunnel && address->ifindex == tunnel->ifindex;

                if (address->scope != RT_SCOPE_HOST && is_tunnel == of_tunnel &&
                        !array_append(sources, &address->address))
                        return -ENOMEM;
        }
        return 0;
}

/*
 * The groups that sockets were born in which are now brought back: masqueraded,
 * their addresses do not tell. Before the last member goes, and the group with it.
 */
static int note_births(Request *request) {
        const SplitController *controller = request->controller;
        const SplitGroup *group;

        ARRAY_FOREACH(group, &controller_split(controller)->groups) {
                const GroupPlace *place = groups_find_place(controller, group->path);

                if (place && !array_append(&request->births, &place->id))
                        return -ENOMEM;
        }
        return 0;
}

static void sweep(Request *request) {
        CLEANUP(array_clear) Array sources = ARRAY_INIT(Address);
        SplitController *controller = request->controller;
        const SplitProcesses *processes = controller->config.processes;
        const Ours *ours = engine_ours(controller->config.engine);
        const Split *split = controller_split(controller);
        bool is_include = split->mode == SPLIT_INCLUDE;
        Fault fault = { .error = 0 };
        SplitSweep how = {
                .policy = request->asked.sockets,
                .mark = ours_settled_mark(ours->mark, ours->mark_mask),
                .mask = ours->mark_mask,
                .old_sources = &sources,
                .old_groups = &request->births,
        };
        int r;

        if (request->asked.sockets == SPLIT_SOCKETS_KEEP || split->disabled || request->pids.n == 0)
                return;
        if (request->is_exclude)
                how.mark = is_include ? ours_included_mark(ours) : ours->mark;

        r = collect_sources(controller, request->is_exclude != is_include, &sources);
        if (r >= 0)
                r = processes->sweep(&request->pids, &how, &request->answer.sockets, &fault,
                        processes->userdata);
        if (r < 0 && r != -ESRCH)
                log_warning("Cannot change all open sockets: %s",
                        fault.text[0] ? fault.text : strerror(-r));
}

static void request_finish(Request *request) {
        CLEANUP(request_free_p) Request *owned = request;

        if (request->result >= 0 && request->is_exclude && request->answer.n_moved > 0)
                members_tell_excluded(
                        request->controller, &request->asked.process, request->answer.group);
        if (request->done)
                request->done(request->result < 0 ? request->result : 0, &request->why,
                        &request->answer, request->userdata);
}

/* A socket() that was under way during the move is seen now: kernel.md 2. */
static int on_second_sweep(sd_event_source *source, void *userdata) {
        Request *request = userdata;

        if (request->result >= 0)
                sweep(request);
        request_finish(request);
        return 0;
}

/* Whatever the first part came to, the answer comes from the loop. */
static int finish_later(Request *request) {
        return sd_event_add_defer(
                request->controller->config.event, &request->source, on_second_sweep, request);
}

/* Takes groups back that were prepared and hold nobody. */
static void undo(Request *request) {
        CLEANUP(array_clear) Array places = request->places;
        SplitController *controller = request->controller;
        const SplitProcesses *processes = controller->config.processes;
        const GroupPlace *place;

        request->places = ARRAY_INIT(GroupPlace); /* not busy any more */
        ARRAY_FOREACH(place, &places) {
                CLEANUP(array_clear) Array members = ARRAY_INIT(pid_t);

                (void)processes->list_members(place->path, &members, processes->userdata);
                if (members.n > 0 || requests_are_at(controller, place->path))
                        continue;
                if (groups_find_wanted(controller_split(controller), place->path))
                        groups_forget(controller, place->path);
                (void)processes->dissolve(place->path, NULL, processes->userdata);
                groups_set(controller, place, /* gone= */ true);
        }
}

/* Groups that came to be while processes were moved: a child went to another unit. */
static void add_late_groups(Request *request, const Array *places) {
        SplitController *controller = request->controller;
        const GroupPlace *place;

        ARRAY_FOREACH(place, places) {
                const GroupPlace *known = groups_find_place(controller, place->path);

                if (!known || known->id != place->id)
                        groups_set(controller, place, /* gone= */ false);
                if (!groups_find_wanted(controller_split(controller), place->path) &&
                        groups_submit(controller, INTENT_ADD_GROUP, place->path,
                                &request->asked.owner, NULL, NULL) < 0)
                        log_warning("Cannot mark the group %s", place->path);
        }
}

static void move_in(Request *request) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        SplitController *controller = request->controller;
        const SplitProcesses *processes = controller->config.processes;
        Fault fault = { .error = 0 };
        int r;

        r = processes->exclude(&request->asked.process, request->asked.children, &request->pids,
                &places, &request->answer.n_moved, &fault, processes->userdata);
        add_late_groups(request, &places);
        if (places.n > 0)
                (void)snprintf(request->answer.group, sizeof(request->answer.group), "%s",
                        ((const GroupPlace *)array_at(&places, 0))->path);
        if (r < 0) {
                /* Half a tree is not what was asked for. */
                CLEANUP(array_clear) Array back = ARRAY_INIT(pid_t);

                request->result =
                        refuse_fault(request->asked.process.pid, r, &fault, &request->why);
                if (request->answer.n_moved > 0)
                        (void)processes->include(&request->asked.process, request->asked.children,
                                &back, NULL, processes->userdata);
                return;
        }
        sweep(request);
}

static void on_group_added(int result, const Refusal *why, void *userdata) {
        Request *request = userdata;
        int r;

        if (result < 0 && request->result >= 0) {
                request->result = result;
                if (why)
                        request->why = *why;
        }
        if (--request->n_waiting > 0)
                return;

        if (request->result >= 0)
                move_in(request);
        undo(request); /* what holds somebody stays */
        r = finish_later(request);
        if (r < 0) {
                log_error("Cannot sweep twice: %s", strerror(-r));
                request_finish(request);
        }
}

/* Groups are marked before anybody is in them. */
static int mark_groups(Request *request) {
        SplitController *controller = request->controller;
        const GroupPlace *place;
        int r = 0;

        ARRAY_FOREACH(place, &request->places) {
                groups_set(controller, place, /* gone= */ false);
                r = groups_submit(controller, INTENT_ADD_GROUP, place->path, &request->asked.owner,
                        on_group_added, request);
                if (r < 0)
                        break;
                request->n_waiting++;
        }
        if (r >= 0 || request->n_waiting == 0)
                return r;
        request->result = r; /* told when the others are done */
        return 0;
}

/* Counts exactly only where it could matter. */
static bool is_at_limit(SplitController *controller, uid_t uid) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        const SplitGroup *group;
        const pid_t *pid;
        size_t n = 0;

        ARRAY_FOREACH(group, &controller_split(controller)->groups) {
                (void)processes->list_members(group->path, &pids, processes->userdata);
        }
        if (pids.n < SPLIT_PROCESSES_PER_USER_MAX)
                return false;
        ARRAY_FOREACH(pid, &pids) {
                CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;

                if (processes->open((uint32_t)*pid, &process, processes->userdata) >= 0)
                        n += process.uid == uid;
        }
        return n >= SPLIT_PROCESSES_PER_USER_MAX;
}

int split_controller_check_process(
        const SplitController *controller, const SplitProcess *process, Refusal *why) {
        if (process->pid == 1)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "process 1 is the init process, which starts everything else");
        if (process->pid == getpid())
                return refusal_set(
                        why, REFUSAL_INVALID_ARGS, "process %d is this service", process->pid);
        if (process->is_kernel_thread)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "process %d is a thread of the kernel", process->pid);
        return 0;
}

int split_controller_exclude(SplitController *controller, SplitRequest *asked, SplitDone done,
        void *userdata, Refusal *why) {
        CLEANUP(request_free_p) Request *request = NULL;
        const SplitProcesses *processes = controller->config.processes;
        Fault fault = { .error = 0 };
        int r;

        r = split_controller_check_available(controller, why);
        if (r >= 0)
                r = split_controller_check_process(controller, &asked->process, why);
        if (r < 0)
                return r;
        if (is_at_limit(controller, asked->process.uid))
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "%d processes of user %u are taken out already",
                        SPLIT_PROCESSES_PER_USER_MAX, (unsigned)asked->process.uid);

        request = request_new(controller, asked, done, userdata);
        if (!request)
                return -ENOMEM;
        request->is_exclude = true;

        r = processes->prepare(&request->asked.process, request->asked.children, &request->places,
                &fault, processes->userdata);
        if (r < 0)
                return refuse_fault(request->asked.process.pid, r, &fault, why);
        r = mark_groups(request);
        if (r < 0) {
                undo(request);
                return r;
        }
        request = NULL; /* on_group_added() goes on with it */
        return 0;
}

int split_controller_include(SplitController *controller, SplitRequest *asked, SplitDone done,
        void *userdata, Refusal *why) {
        CLEANUP(request_free_p) Request *request = NULL;
        Fault fault = { .error = 0 };
        int r;

        r = split_controller_check_available(controller, why);
        if (r < 0)
                return r;
        request = request_new(controller, asked, done, userdata);
        if (!request || note_births(request) < 0)
                return -ENOMEM;

        r = members_bring_back(controller, &request->asked.process, request->asked.children, "",
                "request", &request->pids, &fault);
        if (r < 0)
                return refuse_fault(request->asked.process.pid, r, &fault, why);
        request->answer.n_moved = (unsigned)r;
        sweep(request);
        r = finish_later(request);
        if (r >= 0)
                request = NULL;
        return r < 0 ? r : 0;
}

int split_controller_clear(SplitController *controller, uid_t uid, bool everybody,
        SplitSockets sockets, SplitDone done, void *userdata, Refusal *why) {
        CLEANUP(request_free_p) Request *request = NULL;
        SplitRequest asked = { .process = SPLIT_PROCESS_NONE, .sockets = sockets };
        const SplitGroup *group;
        int r = 0;

        request = request_new(controller, &asked, done, userdata);
        if (!request || note_births(request) < 0)
                return -ENOMEM;

        ARRAY_FOREACH(group, &controller_split(controller)->groups) {
                Fault fault = { .error = 0 };
                pid_t failed;
                int one;

                if (!controller->config.processes)
                        break;
                one = members_bring_back_of(controller, group->path, uid, everybody, "cleared",
                        &request->pids, &failed, &fault);
                if (one < 0 && r >= 0)
                        r = refuse_fault(failed, one, &fault, why);
        }
        if (r < 0)
                return r;
        request->answer.n_moved = (unsigned)request->pids.n;
        sweep(request);
        r = finish_later(request);
        if (r >= 0)
                request = NULL;
        return r < 0 ? r : 0;
}

size_t split_controller_n_requests(const SplitController *controller) {
        return controller->n_requests;
}

void requests_forget(SplitController *controller) {
        while (controller->requests)
                request_free(controller->requests);
}
