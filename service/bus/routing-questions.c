// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/routing-questions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "polkit/actions.h"
#include "service/bus/answers.h"
#include "service/bus/errors.h"
#include "service/bus/process.h"
#include "service/bus/questions.h"

static bool filter_matches(
        const RouteFilter *filter, uid_t uid, const Engine *engine, const WantedRoute *wanted) {
        char reason[STATE_REASON_MAX];

        if (filter->family && wanted->route.destination.family != filter->family)
                return false;
        if (filter->has_table && wanted->route.table != filter->table)
                return false;
        if (filter->device[0] && strcmp(wanted->device, filter->device) != 0)
                return false;
        if (filter->own && intent_owner(engine_intent(engine), wanted->owner)->uid != uid)
                return false;
        return !filter->has_state || engine_route_state(engine, wanted, reason) == filter->state;
}

int routing_questions_list_routes(
        const RoutingObjectConfig *config, sd_bus_message *message, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Refusal why = { .code = REFUSAL_NONE };
        Engine *engine = config->parts.engine;
        const WantedRoute *wanted;
        uid_t uid = (uid_t)-1;
        RouteFilter filter;
        int r;

        r = questions_read_filter(message, engine_ours(engine), &filter, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        if (filter.own) {
                r = authority_get_uid(config->parts.authority, message, &uid, error);
                if (r <= 0)
                        return r < 0 ? r : 1;
        }

        r = object_open_list(message, "a{sv}", &reply);
        ARRAY_FOREACH(wanted, &engine_intent(engine)->routes) {
                if (r >= 0 && filter_matches(&filter, uid, engine, wanted))
                        r = answers_append_wanted(reply, engine, wanted);
        }
        return object_send_list(reply, r, error);
}

/*
 * Whose socket is meant when a pid was given. Another user's needs a
 * permission. Return: 1; 0 asked, the message comes again; negative errno.
 */
static int resolve_process(const RoutingObjectConfig *config, sd_bus_message *message,
        LookupRequest *request, sd_bus_error *error) {
        char pid[16], destination[ADDRESS_TEXT_MAX];
        Refusal why = { .code = REFUSAL_NONE };
        uid_t caller, owner;
        int r;

        r = authority_get_uid(config->parts.authority, message, &caller, error);
        if (r <= 0)
                return r;

        if (process_get_uid(request->pid, &owner) < 0) {
                r = refusal_set(&why, REFUSAL_PROCESS_GONE, "there is no process %u (any more)",
                        request->pid);
                return errors_set(error, r, &why);
        }
        request->has_uid = true;
        request->uid = owner;
        if (owner == caller)
                return 1;

        (void)snprintf(pid, sizeof(pid), "%u", request->pid);
        return authority_check(config->parts.authority, message, ACTION_INSPECT,
                (const char *const[]){ DETAIL_METHOD, sd_bus_message_get_member(message),
                        DETAIL_PID, pid, DETAIL_DESTINATION,
                        address_format(&request->destination, destination), NULL },
                error);
}

/* What the kernel says when there is no way: route_query_run(), RFC 1812 5.2.7. */
static int refuse_lookup(const LookupRequest *request, const Fault *fault, Refusal *why) {
        char destination[ADDRESS_TEXT_MAX];
        const char *words = fault->text[0] ? fault->text : strerror(-fault->error);

        (void)address_format(&request->destination, destination);
        switch (-fault->error) {
        case ENETUNREACH:
        case EHOSTUNREACH:
        case EACCES:
        case EINVAL:
                return refusal_set(why, REFUSAL_NO_SUCH_ROUTE, "the kernel has no way to %s: %s",
                        destination, words);
        case ENODEV:
                return refusal_set(why, REFUSAL_NO_SUCH_LINK, "the device to %s is gone: %s",
                        destination, words);
        default:
                return refusal_set(why, REFUSAL_BACKEND_UNAVAILABLE,
                        "the kernel did not tell the way to %s: %s", destination, words);
        }
}

static int find_device(const Engine *engine, const char *name, uint32_t *ret, Refusal *why) {
        const Link *link;

        if (!name[0])
                return 0;
        link = desired_find_link(engine_observed(engine), name);
        if (!link)
                return refusal_set(why, REFUSAL_NO_SUCH_LINK, "there is no device %s", name);
        *ret = link->ifindex;
        return 0;
}

/* Reads, asks and answers for GetRoute and GetMtu. Return: as resolve_process(). */
static int look_up(const RoutingObjectConfig *config, sd_bus_message *message, Route *ret,
        sd_bus_error *error) {
        Refusal why = { .code = REFUSAL_NONE };
        Fault fault = { .error = 0 };
        LookupRequest request;
        RouteLookup lookup;
        uint32_t ifindex = 0;
        int r;

        r = questions_read_lookup(message, &request, &why);
        if (r >= 0)
                r = find_device(config->parts.engine, request.device, &ifindex, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        if (request.has_pid) {
                r = resolve_process(config, message, &request, error);
                if (r <= 0)
                        return r;
        }

        lookup = (RouteLookup){
                .destination = request.destination,
                .mark = request.mark,
                .ifindex = ifindex,
                .has_uid = request.has_uid,
                .uid = request.uid,
        };
        r = config->lookup(&lookup, ret, &fault, config->lookup_userdata);
        if (r >= 0)
                return 1;

        fault.error = r;
        r = refuse_lookup(&request, &fault, &why);
        return errors_set(error, r, &why);
}

int routing_questions_get_route(
        const RoutingObjectConfig *config, sd_bus_message *message, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Route route;
        int r;

        r = look_up(config, message, &route, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = answers_append_route(reply, config->parts.engine, &route);
        return r < 0 ? errors_set(error, r, NULL) : sd_bus_send(NULL, reply, NULL);
}

int routing_questions_get_mtu(
        const RoutingObjectConfig *config, sd_bus_message *message, sd_bus_error *error) {
        const Link *link;
        uint32_t mtu;
        Route route;
        int r;

        r = look_up(config, message, &route, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        mtu = route.mtu;
        link = desired_find_link_by_index(engine_observed(config->parts.engine), route.ifindex);
        if (link && link->mtu && (mtu == 0 || link->mtu < mtu))
                mtu = link->mtu;
        return sd_bus_reply_method_return(message, "u", mtu);
}
