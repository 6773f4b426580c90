// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/routing-object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polkit/actions.h"
#include "service/bus/answers.h"
#include "service/bus/args.h"
#include "service/bus/describe.h"
#include "service/bus/errors.h"
#include "service/bus/process.h"
#include "service/bus/questions.h"
#include "service/bus/rate-limit.h"
#include "service/bus/routing-details.h"
#include "service/bus/routing-signals.h"

struct RoutingObject {
        RoutingObjectConfig config;
        RoutingSignals *signals;
        RateLimit refreshes;
        sd_bus_slot *slot;
};

/* Changing methods */

/* Hands @change on; the answer comes once the engine is done with it. */
static int submit_change(
        RoutingObject *object, sd_bus_message *message, IntentChange *change, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        int r;

        r = pending_call_new(object->config.pending, message, &call);
        if (r >= 0)
                r = engine_submit(object->config.engine, change, pending_call_on_done, call);
        if (r < 0)
                return errors_set(error, r, NULL);

        (void)TAKE(call); /* pending_call_on_done() frees it */
        return 1;
}

static void set_owner(IntentChange *change, uid_t uid, Lifetime lifetime, sd_bus_message *message) {
        change->owner = (Owner){ .uid = uid };
        if (lifetime == LIFETIME_CLIENT)
                (void)snprintf(change->owner.name, sizeof(change->owner.name), "%s",
                        sd_bus_message_get_sender(message));
}

/*
 * What every changing method does once its arguments are read. Refusals come
 * before the question to polkit: nobody types a password for what cannot be.
 */
static int handle_change(RoutingObject *object, sd_bus_message *message, IntentChange *change,
        Lifetime lifetime, const char *action, sd_bus_error *error) {
        const RoutingObjectConfig *config = &object->config;
        Refusal why = { .code = REFUSAL_NONE };
        RoutingDetails details;
        uid_t uid;
        int r;

        r = authority_get_uid(config->authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        set_owner(change, uid, lifetime, message);

        r = engine_check(config->engine, change, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        routing_details_fill(sd_bus_message_get_member(message), change,
                engine_ours(config->engine), engine_intent(config->engine)->tunnel.device,
                &details);
        r = authority_check(config->authority, message, action, details.pairs, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        return submit_change(object, message, change, error);
}

static int handle_add_routes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Refusal why = { .code = REFUSAL_NONE };
        RoutingObject *object = userdata;
        ChangeOptions options;
        int r;

        change.kind = INTENT_ADD_ROUTES;
        r = args_read_routes(message, engine_ours(object->config.engine), &change.routes, &why);
        if (r >= 0)
                r = args_read_change_options(message, CHANGE_OPTION_LIFETIME, &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        return handle_change(
                object, message, &change, options.lifetime, ACTION_MANAGE_ROUTES, error);
}

static int handle_remove_routes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Refusal why = { .code = REFUSAL_NONE };
        RoutingObject *object = userdata;
        ChangeOptions options;
        int r;

        change.kind = INTENT_REMOVE_ROUTES;
        r = args_read_matches(message, engine_ours(object->config.engine), &change.matches, &why);
        if (r >= 0)
                r = args_read_change_options(message, CHANGE_OPTION_ALL, &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        change.everybody = options.everybody;
        return handle_change(object, message, &change, LIFETIME_BOOT, ACTION_MANAGE_ROUTES, error);
}

/* ClearRoutes and UnsetTunnel: nothing but the option `all`. */
static int handle_end(sd_bus_message *message, RoutingObject *object, IntentChangeKind kind,
        const char *action, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Refusal why = { .code = REFUSAL_NONE };
        ChangeOptions options;
        int r;

        r = args_read_change_options(message, CHANGE_OPTION_ALL, &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        change.kind = kind;
        change.everybody = options.everybody;
        return handle_change(object, message, &change, LIFETIME_BOOT, action, error);
}

static int handle_clear_routes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_end(message, userdata, INTENT_CLEAR_ROUTES, ACTION_MANAGE_ROUTES, error);
}

static int handle_unset_tunnel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_end(message, userdata, INTENT_UNSET_TUNNEL, ACTION_SET_DEFAULT_ROUTE, error);
}

static int handle_set_tunnel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Refusal why = { .code = REFUSAL_NONE };
        RoutingObject *object = userdata;
        Lifetime lifetime;
        int r;

        change.kind = INTENT_SET_TUNNEL;
        r = args_read_tunnel(message, &change.tunnel, &change.replace, &lifetime, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        return handle_change(object, message, &change, lifetime, ACTION_SET_DEFAULT_ROUTE, error);
}

/* Questions */

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

static int handle_list_routes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Refusal why = { .code = REFUSAL_NONE };
        RoutingObject *object = userdata;
        Engine *engine = object->config.engine;
        const WantedRoute *wanted;
        uid_t uid = (uid_t)-1;
        RouteFilter filter;
        int r;

        r = questions_read_filter(message, engine_ours(engine), &filter, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        if (filter.own) {
                r = authority_get_uid(object->config.authority, message, &uid, error);
                if (r <= 0)
                        return r < 0 ? r : 1;
        }

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return errors_set(error, r, NULL);

        ARRAY_FOREACH(wanted, &engine_intent(engine)->routes) {
                if (!filter_matches(&filter, uid, engine, wanted))
                        continue;
                r = answers_append_wanted(reply, engine, wanted);
                if (r < 0)
                        return errors_set(error, r, NULL);
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/*
 * Whose socket is meant when a pid was given. Another user's needs a
 * permission. Return: 1; 0 asked, the message comes again; negative errno.
 */
static int resolve_process(RoutingObject *object, sd_bus_message *message, LookupRequest *request,
        sd_bus_error *error) {
        char pid[16], destination[ADDRESS_TEXT_MAX];
        Refusal why = { .code = REFUSAL_NONE };
        uid_t caller, owner;
        int r;

        r = authority_get_uid(object->config.authority, message, &caller, error);
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
        return authority_check(object->config.authority, message, ACTION_INSPECT,
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
static int look_up(
        RoutingObject *object, sd_bus_message *message, Route *ret, sd_bus_error *error) {
        const RoutingObjectConfig *config = &object->config;
        Refusal why = { .code = REFUSAL_NONE };
        Fault fault = { .error = 0 };
        LookupRequest request;
        RouteLookup lookup;
        uint32_t ifindex = 0;
        int r;

        r = questions_read_lookup(message, &request, &why);
        if (r >= 0)
                r = find_device(config->engine, request.device, &ifindex, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        if (request.has_pid) {
                r = resolve_process(object, message, &request, error);
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

static int handle_get_route(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        RoutingObject *object = userdata;
        Route route;
        int r;

        r = look_up(object, message, &route, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = answers_append_route(reply, object->config.engine, &route);
        return r < 0 ? errors_set(error, r, NULL) : sd_bus_send(NULL, reply, NULL);
}

static int handle_get_mtu(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;
        const Link *link;
        uint32_t mtu;
        Route route;
        int r;

        r = look_up(object, message, &route, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        mtu = route.mtu;
        link = desired_find_link_by_index(engine_observed(object->config.engine), route.ifindex);
        if (link && link->mtu && (mtu == 0 || link->mtu < mtu))
                mtu = link->mtu;
        return sd_bus_reply_method_return(message, "u", mtu);
}

static int handle_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        RoutingObject *object = userdata;
        uid_t uid;
        int r;

        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        if (!rate_limit_take(&object->refreshes, uid, clock_now()))
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                        "user %u refreshes too often: the service sees changes by itself",
                        (unsigned)uid);

        r = pending_call_new(object->config.pending, message, &call);
        if (r >= 0)
                r = engine_refresh(object->config.engine, pending_call_on_done, call);
        if (r < 0)
                return errors_set(error, r, NULL);

        (void)TAKE(call); /* pending_call_on_done() frees it */
        return 1;
}

static int handle_subscribe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Refusal why = { .code = REFUSAL_NONE };
        RoutingObject *object = userdata;
        uint32_t what;
        uid_t uid;
        int r;

        r = questions_read_subscription(message, &what, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = owners_subscribe(
                object->config.owners, sd_bus_message_get_sender(message), uid, what, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        return sd_bus_reply_method_return(message, NULL);
}

static int handle_unsubscribe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(message);
        RoutingObject *object = userdata;

        if (sender)
                owners_unsubscribe(object->config.owners, sender);
        return sd_bus_reply_method_return(message, NULL);
}

static int reply_permissions(
        sd_bus_message *message, const AuthorityPermission *permissions, size_t n) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(
                        reply, "{ss}", permissions[i].action, permissions[i].answer);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void on_permissions(sd_bus_message *message, int r, const AuthorityPermission *permissions,
        size_t n, void *userdata) {
        if (r >= 0)
                r = reply_permissions(message, permissions, n);
        if (r < 0)
                (void)sd_bus_reply_method_errno(message, r, NULL); /* the caller left, mostly */
}

static int handle_get_permissions(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        static const char *const actions[] = { ACTION_MANAGE_ROUTES, ACTION_SET_DEFAULT_ROUTE,
                ACTION_INSPECT, NULL };
        RoutingObject *object = userdata;
        int r;

        r = authority_get_permissions(
                object->config.authority, message, actions, on_permissions, object, error);
        return r < 0 ? r : 1;
}

static int handle_describe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(json_clear) Json json = JSON_INIT;
        RoutingObject *object = userdata;
        const char *text;

        describe_write(&json, object->config.engine);
        text = json_finish(&json);
        if (!text)
                return errors_set(error, -ENOMEM, NULL);
        return sd_bus_reply_method_return(message, "s", text);
}

/* Properties */

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", 1);
}

static int get_serial(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;

        return sd_bus_message_append(reply, "t", routing_signals_serial(object->signals));
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;

        return sd_bus_message_append(
                reply, "s", engine_state_name(engine_state(object->config.engine)));
}

static int get_default_route(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int family = strcmp(property, "DefaultRoute4") == 0 ? AF_INET : AF_INET6;
        RoutingObject *object = userdata;
        Engine *engine = object->config.engine;

        return answers_append_default_route(reply, engine, engine_default_route(engine, family));
}

static int get_tunnel(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;

        return answers_append_tunnel(reply, object->config.engine);
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;
        const Ours *ours = engine_ours(object->config.engine);
        uint32_t value = strcmp(property, "Mark") == 0          ? ours->mark
                         : strcmp(property, "MarkMask") == 0    ? ours->mark_mask
                         : strcmp(property, "TunnelTable") == 0 ? ours->tunnel_table
                                                                : ours->excluded_table;

        return sd_bus_message_append(reply, "u", value);
}

static int get_conflicts(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;
        const Conflict *conflict;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        ARRAY_FOREACH(conflict, engine_conflicts(object->config.engine)) {
                r = answers_append_conflict(reply, conflict);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static int get_backends(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const RoutingObject *object = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{ss}");
        for (size_t i = 0; r >= 0 && i < object->config.n_backends; i++)
                r = sd_bus_message_append(reply, "{ss}", object->config.backends[i].name,
                        object->config.backends[i].status);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Names, types and annotations are those of dbus/org.talpid.Routing.xml: check-interfaces. */

#define CHANGING(member, type, getter)                                                             \
        SD_BUS_PROPERTY(member, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define CONSTANT(member, type, getter)                                                             \
        SD_BUS_PROPERTY(member, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)

/* clang-format off */
static const sd_bus_vtable routing_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_ARGS("AddRoutes",
                SD_BUS_ARGS("aa{sv}", routes, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_add_routes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveRoutes",
                SD_BUS_ARGS("aa{sv}", routes, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_remove_routes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ClearRoutes",
                SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                handle_clear_routes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListRoutes",
                SD_BUS_ARGS("a{sv}", filter), SD_BUS_RESULT("aa{sv}", routes),
                handle_list_routes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetTunnel",
                SD_BUS_ARGS("s", device, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_tunnel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("UnsetTunnel",
                SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                handle_unset_tunnel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetRoute",
                SD_BUS_ARGS("s", destination, "a{sv}", options), SD_BUS_RESULT("a{sv}", route),
                handle_get_route, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetMtu",
                SD_BUS_ARGS("s", destination, "a{sv}", options), SD_BUS_RESULT("u", mtu),
                handle_get_mtu, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Refresh",
                SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                handle_refresh, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Subscribe",
                SD_BUS_ARGS("as", what), SD_BUS_NO_RESULT,
                handle_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe",
                SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                handle_unsubscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetPermissions",
                SD_BUS_NO_ARGS, SD_BUS_RESULT("a{ss}", permissions),
                handle_get_permissions, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe",
                SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json),
                handle_describe, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("DefaultRouteAdded",
                SD_BUS_ARGS("s", family, "a{sv}", route, "t", serial), 0),
        SD_BUS_SIGNAL_WITH_ARGS("DefaultRouteRemoved",
                SD_BUS_ARGS("s", family, "a{sv}", route, "t", serial), 0),
        SD_BUS_SIGNAL_WITH_ARGS("DefaultRouteChanged",
                SD_BUS_ARGS("s", family, "a{sv}", old, "a{sv}", new, "s", reason, "t", serial), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RoutesChanged",
                SD_BUS_ARGS("aa{sv}", added, "aa{sv}", removed, "s", reason, "t", serial), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RouteAdded", SD_BUS_ARGS("a{sv}", route), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RouteRemoved", SD_BUS_ARGS("a{sv}", route), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Healed",
                SD_BUS_ARGS("s", kind, "a{sv}", what, "s", culprit, "t", serial), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ConflictDetected",
                SD_BUS_ARGS("a{sv}", what, "t", serial), 0),

        CONSTANT("Version", "u", get_version),
        CHANGING("Serial", "t", get_serial),
        CHANGING("State", "s", get_state),
        CHANGING("DefaultRoute4", "a{sv}", get_default_route),
        CHANGING("DefaultRoute6", "a{sv}", get_default_route),
        CHANGING("Tunnel", "a{sv}", get_tunnel),
        CONSTANT("Mark", "u", get_number),
        CONSTANT("MarkMask", "u", get_number),
        CONSTANT("TunnelTable", "u", get_number),
        CONSTANT("ExcludedTable", "u", get_number),
        CHANGING("Conflicts", "aa{sv}", get_conflicts),
        CHANGING("Backends", "a{ss}", get_backends),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

int routing_object_new(const RoutingObjectConfig *config, RoutingObject **ret) {
        CLEANUP(routing_object_free_p) RoutingObject *object = calloc(1, sizeof(*object));
        int r;

        if (!object)
                return -ENOMEM;
        object->config = *config;

        r = routing_signals_new(config->bus, config->engine, config->owners, &object->signals);
        if (r < 0)
                return r;

        r = sd_bus_add_object_vtable(config->bus, &object->slot, ROUTING_PATH, ROUTING_INTERFACE,
                routing_vtable, object);
        if (r < 0)
                return r;

        *ret = TAKE(object);
        return 0;
}

RoutingObject *routing_object_free(RoutingObject *object) {
        if (!object)
                return NULL;

        sd_bus_slot_unref(object->slot);
        routing_signals_free(object->signals);
        free(object);
        return NULL;
}

EngineObserver routing_object_observer(RoutingObject *object) {
        return routing_signals_observer(object->signals);
}

void routing_object_on_kernel_route(RoutingObject *object, const Route *route, bool removed) {
        routing_signals_on_kernel_route(object->signals, route, removed);
}
