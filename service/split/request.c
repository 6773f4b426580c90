// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/log.h"
#include "service/model/default-route.h"
#include "service/split/controller-private.h"
#include "service/split/groups.h"
#include "service/split/members.h"

bool request_has_place(const Request *request, const char *path) {
        const GroupPlace *place;

        ARRAY_FOREACH(place, &request->places) {
                if (strcmp(place->path, path) == 0)
                        return true;
        }
        return false;
}

Request *request_free(Request *request) {
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
        array_clear(&request->taken);
        array_clear(&request->inside);
        array_clear(&request->pids);
        array_clear(&request->births);
        free(request);
        return NULL;
}

Request *request_new(
        SplitController *controller, SplitRequest *asked, SplitDone done, void *userdata) {
        Request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        request->controller = controller;
        request->asked = *asked;
        asked->process = SPLIT_PROCESS_NONE;
        request->places = ARRAY_INIT(GroupPlace);
        request->taken = ARRAY_INIT(GroupPlace);
        request->inside = ARRAY_INIT(pid_t);
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

int request_refuse_fault(pid_t pid, int r, const Fault *fault, Refusal *why) {
        bool never = r == -EPERM || r == -EOPNOTSUPP || r == -EXDEV;

        if (r == -ENOMEM)
                return r;
        if (r == -ESRCH)
                return refusal_set(why, REFUSAL_PROCESS_GONE, "process %d ended meanwhile", pid);
        return refusal_set(why, never ? REFUSAL_NOT_SUPPORTED : REFUSAL_BACKEND_UNAVAILABLE,
                "process %d: %s", pid, fault->text[0] ? fault->text : strerror(-r));
}

/* By which nobody goes around: a ppp link may be the uplink. */
static bool is_foreign_tunnel(const FactSet *observed, uint32_t ifindex) {
        static const int families[2] = { AF_INET, AF_INET6 };
        const Link *link = desired_find_link_by_index(observed, ifindex);

        if (!link || link_is_tunnel(link) == LINK_TUNNEL_NO)
                return false;
        for (int i = 0; i < 2; i++) {
                DefaultRoute best = default_route_find(observed, families[i], "");

                if (best.present && best.route.ifindex == ifindex)
                        return false;
        }
        return true;
}

/*
 * Addresses of the path that is left: those of the tunnel, or all the others.
 * Who is excluded leaves others' tunnels too; who is included is in none of them.
 */
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
                bool is_tunnel = (tunnel && address->ifindex == tunnel->ifindex) ||
                                 (intent->split.mode == SPLIT_EXCLUDE &&
                                         is_foreign_tunnel(observed, address->ifindex));

                if (address->scope != RT_SCOPE_HOST && is_tunnel == of_tunnel &&
                        !array_append(sources, &address->address))
                        return -ENOMEM;
        }
        return 0;
}

int request_note_births(Request *request) {
        const SplitController *controller = request->controller;
        const SplitGroup *group = NULL;

        while ((group = split_next_group(controller_split(controller), group))) {
                const GroupPlace *place = groups_find_place(controller, group->path);

                if (place && !array_append(&request->births, &place->id))
                        return -ENOMEM;
        }
        return 0;
}

void request_sweep(Request *request) {
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
                .any_group = strcmp(controller->config.mechanism, "net_cls") == 0,
        };
        int r;

        if (!processes || request->asked.sockets == SPLIT_SOCKETS_KEEP || split->disabled ||
                request->pids.n == 0)
                return;
        if (request->only_marked) {
                how.mark = 0;
                how.former_mark = ours_included_mark(ours);
        }
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

void request_finish(Request *request) {
        CLEANUP(request_free_p) Request *owned = request;

        if (request->result >= 0 && request->is_exclude && request->answer.n_moved > 0)
                members_tell_excluded(
                        request->controller, &request->asked.process, request->answer.group);
        if (request->done)
                request->done(request->result < 0 ? request->result : 0, &request->why,
                        &request->answer, request->userdata);
}

/*
 * A socket() that was under way during the move is seen now: kernel.md 2. By
 * the firewall a connection made since then has the source of the old path,
 * and is masqueraded: it is not to be cut.
 */
static int on_second_sweep(sd_event_source *source, void *userdata) {
        Request *request = userdata;

        if (strcmp(request->controller->config.mechanism, "bpf") != 0 &&
                request->asked.sockets == SPLIT_SOCKETS_RESET)
                request->asked.sockets = SPLIT_SOCKETS_MIGRATE;
        if (request->result >= 0 || !request->is_exclude)
                request_sweep(request);
        request_finish(request);
        return 0;
}

int request_finish_later(Request *request) {
        return sd_event_add_defer(
                request->controller->config.event, &request->source, on_second_sweep, request);
}
