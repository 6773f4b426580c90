// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/controller.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/log.h"
#include "service/engine/state-file.h"
#include "service/split/permanent.h"

typedef struct Request Request;

struct SplitController {
        SplitControllerConfig config;
        SplitObserver observer;
        sd_event_source *sync_source;
        Intent seen;      /* owners and split as they were at the last sync */
        Intent permanent; /* as saved */
        Split kept;       /* settings that are permanent; its lists are not used */
        Array followed;   /* of GroupPlace, sorted: id is not used */
        Request *requests;
        size_t n_requests;
};

/* A call that moves processes. */
struct Request {
        SplitController *controller;
        Request *previous, *next;
        SplitRequest asked;
        bool is_exclude, everybody;
        Array places; /* of GroupPlace: being prepared */
        Array pids;   /* of pid_t: whose sockets are swept */
        size_t n_waiting;
        int result;
        Refusal why;
        SplitAnswer answer;
        sd_event_source *source;
        SplitDone done;
        void *userdata;
};

static int compare_pids(const void *a, const void *b) {
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

        return (x > y) - (x < y);
}

static const Split *split_of(const SplitController *controller) {
        return &engine_intent(controller->config.engine)->split;
}

static const SplitGroup *find_group(const Split *split, const char *path) {
        const SplitGroup *group;

        ARRAY_FOREACH(group, &split->groups) {
                if (strcmp(group->path, path) == 0)
                        return group;
        }
        return NULL;
}

static GroupPlace place_of(const char *path) {
        GroupPlace place = { .id = 0 };

        assert(strlen(path) < sizeof(place.path));
        memcpy(place.path, path, strlen(path));
        return place;
}

static const GroupPlace *find_place(const SplitController *controller, const char *path) {
        const GroupPlace key = place_of(path);

        return array_search(
                engine_groups(controller->config.engine), &key, group_place_compare, NULL);
}

static void set_group(SplitController *controller, const GroupPlace *place, bool gone) {
        if (engine_set_group(controller->config.engine, place, gone) < 0)
                log_error("Out of memory for the group %s", place->path);
}

static int submit_group(SplitController *controller, IntentChangeKind kind, const char *path,
        const Owner *owner, EngineDone done, void *userdata) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = kind;
        if (owner)
                change.owner = *owner;
        (void)snprintf(change.group.path, sizeof(change.group.path), "%s", path);
        return engine_submit(controller->config.engine, &change, done, userdata);
}

static void forget_group(SplitController *controller, const char *path) {
        int r = submit_group(controller, INTENT_REMOVE_GROUP, path, NULL, NULL, NULL);

        if (r < 0)
                log_warning("Cannot forget the group %s: %s", path, strerror(-r));
}

static bool is_busy(const SplitController *controller, const char *path) {
        for (const Request *request = controller->requests; request; request = request->next) {
                const GroupPlace *place;

                ARRAY_FOREACH(place, &request->places) {
                        if (strcmp(place->path, path) == 0)
                                return true;
                }
        }
        return false;
}

static void sync_later(SplitController *controller) {
        (void)sd_event_source_set_enabled(controller->sync_source, SD_EVENT_ONESHOT);
}

/* Telling */

static void fill_member(SplitController *controller, const SplitProcess *process, const char *group,
        const Selector *selector, SplitMember *ret) {
        const SplitProcesses *processes = controller->config.processes;

        *ret = (SplitMember){ .pid = process->pid, .uid = process->uid, .selector = selector };
        (void)snprintf(ret->group, sizeof(ret->group), "%s", group);
        processes->read_executable(process, ret->executable, processes->userdata);
}

static void tell_excluded(Request *request) {
        SplitController *controller = request->controller;
        SplitMember member;

        if (!controller->observer.on_excluded || request->answer.n_moved == 0)
                return;
        fill_member(controller, &request->asked.process, request->answer.group, NULL, &member);
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

/* Return: 1 moved; 0 it was in no group of ours; negative errno. */
static int bring_back(SplitController *controller, const SplitProcess *process, bool children,
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

/*
 * Members of @path that are @uid's, or with @everybody all. Return: how many; the first error, of
 * *ret_failed.
 */
static int bring_back_members(SplitController *controller, const char *path, uid_t uid,
        bool everybody, const char *reason, Array *pids, pid_t *ret_failed, Fault *fault) {
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
                r = bring_back(controller, &process, /* children= */ false, path, reason, pids,
                        first ? NULL : fault);
                if (r < 0 && r != -ESRCH && !first) {
                        first = r;
                        *ret_failed = *pid;
                }
                if (r > 0)
                        n += r;
        }
        return first < 0 ? first : n;
}

static void dissolve(SplitController *controller, const char *path, const char *reason) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const SplitProcesses *processes = controller->config.processes;
        const GroupPlace place = place_of(path);
        Fault fault = { .error = 0 };
        pid_t failed;
        int r;

        (void)bring_back_members(
                controller, path, 0, /* everybody= */ true, reason, &pids, &failed, &fault);
        r = processes->dissolve(path, &fault, processes->userdata);
        if (r < 0 && r != -ENOENT)
                log_warning("Cannot end the group %s: %s", path,
                        fault.text[0] ? fault.text : strerror(-r));
        set_group(controller, &place, /* gone= */ true);
}

/* After the intent changed */

static int compare_places(const void *a, const void *b) {
        return group_place_compare(a, b);
}

static int collect_paths(const Intent *intent, Array *places) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &intent->split.selectors) {
                char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
                size_t n = selector_paths(selector, paths);

                for (size_t i = 0; i < n; i++) {
                        const GroupPlace place = place_of(paths[i]);
                        size_t index;

                        if (!array_search(places, &place, compare_places, &index) &&
                                !array_insert(places, index, &place))
                                return -ENOMEM;
                }
        }
        return 0;
}

static void follow(SplitController *controller, const char *path) {
        const SplitProcesses *processes = controller->config.processes;
        GroupPlace place = { .id = 0 };
        int r = processes->follow(path, &place, processes->userdata);

        if (r > 0)
                set_group(controller, &place, /* gone= */ false);
        if (r < 0 && r != -EEXIST)
                log_warning("Cannot follow the group %s: %s", path, strerror(-r));
}

static void unfollow(SplitController *controller, const char *path) {
        const SplitProcesses *processes = controller->config.processes;
        const GroupPlace place = place_of(path);

        processes->unfollow(path, processes->userdata);
        set_group(controller, &place, /* gone= */ true);
}

static void sync_followed(SplitController *controller, const Intent *intent) {
        CLEANUP(array_clear) Array wanted = ARRAY_INIT(GroupPlace);
        const GroupPlace *place;

        if (!controller->config.processes)
                return;
        if (collect_paths(intent, &wanted) < 0) {
                log_error("Out of memory for the groups of selectors");
                return;
        }
        ARRAY_FOREACH(place, &controller->followed) {
                if (!array_search(&wanted, place, compare_places, NULL))
                        unfollow(controller, place->path);
        }
        ARRAY_FOREACH(place, &wanted) {
                if (!array_search(&controller->followed, place, compare_places, NULL))
                        follow(controller, place->path);
        }
        array_clear(&controller->followed);
        controller->followed = wanted;
        wanted = ARRAY_INIT(GroupPlace);
}

/* What a client took out goes back with it: its group left the intent. */
static void end_groups(SplitController *controller) {
        const SplitGroup *group;

        if (!controller->config.processes)
                return;
        ARRAY_FOREACH(group, &controller->seen.split.groups) {
                if (!find_group(split_of(controller), group->path) &&
                        !is_busy(controller, group->path))
                        dissolve(controller, group->path, "client-gone");
        }
}

static void save_permanent(SplitController *controller, const Intent *intent) {
        int r;

        if (!controller->config.permanent_path)
                return;
        r = permanent_update(&controller->permanent, intent, &controller->kept);
        if (r > 0)
                r = state_file_write(controller->config.permanent_path, &controller->permanent);
        if (r < 0)
                log_error("Cannot save what is permanent to %s: %s",
                        controller->config.permanent_path, strerror(-r));
}

static int on_sync(sd_event_source *source, void *userdata) {
        CLEANUP(intent_clear) Intent before = INTENT_INIT;
        SplitController *controller = userdata;
        const Intent *intent = engine_intent(controller->config.engine);

        end_groups(controller);
        sync_followed(controller, intent);
        save_permanent(controller, intent);

        before = controller->seen;
        controller->seen = INTENT_INIT;
        if (array_copy(&controller->seen.owners, &intent->owners) < 0 ||
                split_copy(&controller->seen.split, &intent->split) < 0)
                log_error("Out of memory for what split tunnelling wants");
        if (controller->observer.on_split)
                controller->observer.on_split(
                        &before.split, &before, controller->observer.userdata);
        return 0;
}

void split_controller_on_intent(SplitController *controller) {
        sync_followed(controller, engine_intent(controller->config.engine));
        sync_later(controller);
}

static bool stands_for(const Selector *selector, const char *path) {
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        size_t n = selector_paths(selector, paths);

        for (size_t i = 0; i < n; i++)
                if (strcmp(paths[i], path) == 0)
                        return true;
        return false;
}

void split_controller_on_group(SplitController *controller, const GroupPlace *place, bool gone) {
        const Split *split = split_of(controller);
        const GroupPlace *known = find_place(controller, place->path);
        const Selector *selector;

        /* It may be made anew already when its end is told. */
        if (gone && known && known->id != place->id)
                return;
        set_group(controller, place, gone);
        if (gone && find_group(split, place->path) && !is_busy(controller, place->path))
                forget_group(controller, place->path);

        if (!controller->observer.on_selector_state)
                return;
        ARRAY_FOREACH(selector, &split->selectors) {
                if (stands_for(selector, place->path))
                        controller->observer.on_selector_state(
                                selector, controller->observer.userdata);
        }
}

/* Requests */

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

static void sweep(Request *request) {
        CLEANUP(array_clear) Array sources = ARRAY_INIT(Address);
        SplitController *controller = request->controller;
        const SplitProcesses *processes = controller->config.processes;
        const Ours *ours = engine_ours(controller->config.engine);
        const Split *split = split_of(controller);
        bool is_include = split->mode == SPLIT_INCLUDE;
        Fault fault = { .error = 0 };
        SplitSweep how = {
                .policy = request->asked.sockets, .mask = ours->mark_mask, .old_sources = &sources
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

        if (request->result >= 0 && request->is_exclude)
                tell_excluded(request);
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
                if (members.n > 0 || is_busy(controller, place->path))
                        continue;
                if (find_group(split_of(controller), place->path))
                        forget_group(controller, place->path);
                (void)processes->dissolve(place->path, NULL, processes->userdata);
                set_group(controller, place, /* gone= */ true);
        }
}

/* Groups that came to be while processes were moved: a child went to another unit. */
static void add_late_groups(Request *request, const Array *places) {
        SplitController *controller = request->controller;
        const GroupPlace *place;

        ARRAY_FOREACH(place, places) {
                const GroupPlace *known = find_place(controller, place->path);

                if (!known || known->id != place->id)
                        set_group(controller, place, /* gone= */ false);
                if (!find_group(split_of(controller), place->path) &&
                        submit_group(controller, INTENT_ADD_GROUP, place->path,
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
                set_group(controller, place, /* gone= */ false);
                r = submit_group(controller, INTENT_ADD_GROUP, place->path, &request->asked.owner,
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

        ARRAY_FOREACH(group, &split_of(controller)->groups) {
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

int split_controller_check_available(const SplitController *controller, Refusal *why) {
        if (controller->config.processes)
                return 0;
        return refusal_set(why, REFUSAL_BACKEND_UNAVAILABLE,
                "processes cannot be told apart on this machine: %s", controller->config.reason);
}

int split_controller_check_permanent(const SplitController *controller, Refusal *why) {
        if (controller->config.permanent_path)
                return 0;
        return refusal_set(why, REFUSAL_BACKEND_UNAVAILABLE,
                "nothing can be permanent: the service has no state directory (STATE_DIRECTORY)");
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
        if (!request)
                return -ENOMEM;

        r = bring_back(controller, &request->asked.process, request->asked.children, "", "request",
                &request->pids, &fault);
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
        if (!request)
                return -ENOMEM;

        ARRAY_FOREACH(group, &split_of(controller)->groups) {
                Fault fault = { .error = 0 };
                pid_t failed;
                int one;

                if (!controller->config.processes)
                        break;
                one = bring_back_members(controller, group->path, uid, everybody, "cleared",
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

/* Questions */

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
        const Split *split = split_of(controller);
        const SplitGroup *group;
        const Selector *selector;
        int r = 0;

        if (!controller->config.processes)
                return 0;
        ARRAY_FOREACH(group, &split->groups) {
                if (r >= 0)
                        r = visit_group(controller, group->path, NULL, seen, visit, userdata);
        }
        ARRAY_FOREACH(selector, &split->selectors) {
                char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
                size_t n = selector_paths(selector, paths);

                for (size_t i = 0; r >= 0 && i < n; i++)
                        if (find_place(controller, paths[i]))
                                r = visit_group(
                                        controller, paths[i], selector, seen, visit, userdata);
        }
        return r;
}

int split_controller_list(SplitController *controller, SplitVisit visit, void *userdata) {
        CLEANUP(array_clear) Array seen = ARRAY_INIT(pid_t);

        return visit_all(controller, &seen, visit, userdata);
}

size_t split_controller_count(SplitController *controller) {
        CLEANUP(array_clear) Array seen = ARRAY_INIT(pid_t);

        if (visit_all(controller, &seen, NULL, NULL) < 0)
                log_error("Out of memory for the number of processes");
        return seen.n;
}

bool split_controller_selector_is_active(
        const SplitController *controller, const Selector *selector, const char **ret_reason) {
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        size_t n = selector_paths(selector, paths);

        *ret_reason = "split tunnelling is disabled";
        if (split_of(controller)->disabled)
                return false;
        *ret_reason = "there is no firewall backend";
        if (selector->kind == SELECTOR_INTERFACE)
                return controller->config.has_filter;
        if (n == 0)
                return true;

        *ret_reason = "processes cannot be told apart on this machine";
        if (!controller->config.processes)
                return false;
        *ret_reason = "it does not run";
        for (size_t i = 0; i < n; i++)
                if (find_place(controller, paths[i]))
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

/* What outlives the machine */

void split_controller_keep(SplitController *controller, const SplitChange *change) {
        if (change->has_enabled)
                controller->kept.disabled = !change->enabled;
        if (change->has_mode)
                controller->kept.mode = change->mode;
        if (change->has_dns)
                controller->kept.dns = change->dns;
        sync_later(controller);
}

static void submit_all(SplitController *controller, Array *changes) {
        IntentChange *change;

        ARRAY_FOREACH(change, changes) {
                int r = engine_submit(controller->config.engine, change, NULL, NULL);

                if (r < 0)
                        log_error("Cannot restore what is permanent: %s", strerror(-r));
                intent_change_clear(change);
        }
}

/* It is restored once after the machine started: what was changed since then stands. */
static int restore_permanent(SplitController *controller) {
        CLEANUP(array_clear) Array changes = ARRAY_INIT(IntentChange);
        const char *path = controller->config.permanent_path;
        CLEANUP_FD int marker = -1;
        int r;

        if (!path)
                return 0;
        r = state_file_read(path, &controller->permanent);
        if (r < 0) {
                log_error("Cannot read %s: %s; nothing permanent is restored", path, strerror(-r));
                return 0;
        }
        controller->kept.disabled = controller->permanent.split.disabled;
        controller->kept.mode = controller->permanent.split.mode;
        controller->kept.dns = controller->permanent.split.dns;

        marker = open(controller->config.restored_path,
                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (marker < 0)
                return errno == EEXIST ? 0 : -errno;
        if (r == 0)
                return 0;
        r = permanent_make_changes(&controller->permanent, &changes);
        submit_all(controller, &changes);
        return r;
}

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
                set_group(controller, place, /* gone= */ false);
        }
        if (controller->config.state_path &&
                state_file_read(controller->config.state_path, &saved) > 0)
                sync_followed(controller, &saved);
        return r < 0 ? r : 0;
}

int split_controller_start(SplitController *controller) {
        CLEANUP(array_clear) Array places = ARRAY_INIT(GroupPlace);
        const SplitProcesses *processes = controller->config.processes;
        const Intent *intent = engine_intent(controller->config.engine);
        const GroupPlace *place;
        const SplitGroup *group;

        if (processes)
                (void)processes->list_groups(&places, processes->userdata);
        if (array_sort(&places, compare_places) < 0)
                return -ENOMEM;

        ARRAY_FOREACH(place, &places) {
                if (!find_group(&intent->split, place->path))
                        dissolve(controller, place->path, "client-gone");
        }
        ARRAY_FOREACH(group, &intent->split.groups) {
                const GroupPlace key = place_of(group->path);

                if (!array_search(&places, &key, compare_places, NULL))
                        forget_group(controller, group->path);
        }
        sync_later(controller);
        return restore_permanent(controller);
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

        while (controller->requests)
                request_free(controller->requests);
        sd_event_source_disable_unref(controller->sync_source);
        intent_clear(&controller->seen);
        intent_clear(&controller->permanent);
        split_clear(&controller->kept);
        array_clear(&controller->followed);
        free(controller);
        return NULL;
}
