// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/routing-object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "polkit/actions.h"
#include "service/bus/answers.h"
#include "service/bus/args.h"
#include "service/bus/clients.h"
#include "service/bus/describe.h"
#include "service/bus/errors.h"
#include "service/bus/rate-limit.h"
#include "service/bus/routing-details.h"
#include "service/bus/routing-questions.h"
#include "service/bus/routing-signals.h"
#include "service/engine/culprit.h"

struct RoutingObject {
        RoutingObjectConfig config;
        RoutingSignals *signals;
        RateLimit refreshes;
        sd_bus_slot *slot;
};

/* Changing methods */

_Static_assert(SETTER_MAX == CULPRIT_MAX, "one is written into the other");

static void name_setter(
        const ObjectParts *parts, sd_bus_message *message, char setter[static SETTER_MAX]) {
        uint32_t pid = authority_get_pid(parts->authority, message);

        if (pid > 0)
                culprit_name_process(pid, setter);
}

/*
 * What every changing method does once its arguments are read. Refusals come
 * before the question to polkit: nobody types a password for what cannot be.
 */
static int handle_change(RoutingObject *object, sd_bus_message *message, IntentChange *change,
        Lifetime lifetime, const char *action, sd_bus_error *error) {
        const ObjectParts *parts = &object->config.parts;
        Refusal why = { .code = REFUSAL_NONE };
        RoutingDetails details;
        uid_t uid;
        int r;

        r = authority_get_uid(parts->authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        change->owner = object_owner(message, uid, lifetime);
        if (change->kind == INTENT_SET_TUNNEL)
                name_setter(parts, message, change->tunnel.setter);

        r = engine_check(parts->engine, change, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        routing_details_fill(sd_bus_message_get_member(message), change, engine_ours(parts->engine),
                engine_intent(parts->engine)->tunnel.device, &details);
        r = authority_check(parts->authority, message, action, details.pairs, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        return object_submit(parts, message, change, error);
}

static int handle_add_routes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Refusal why = { .code = REFUSAL_NONE };
        RoutingObject *object = userdata;
        ChangeOptions options;
        int r;

        change.kind = INTENT_ADD_ROUTES;
        r = args_read_routes(
                message, engine_ours(object->config.parts.engine), &change.routes, &why);
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
        r = args_read_matches(
                message, engine_ours(object->config.parts.engine), &change.matches, &why);
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

static int handle_list_routes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const RoutingObject *object = userdata;

        return routing_questions_list_routes(&object->config, message, error);
}

static int handle_get_route(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const RoutingObject *object = userdata;

        return routing_questions_get_route(&object->config, message, error);
}

static int handle_get_mtu(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const RoutingObject *object = userdata;

        return routing_questions_get_mtu(&object->config, message, error);
}

static int handle_refresh(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        RoutingObject *object = userdata;
        uid_t uid;
        int r;

        r = authority_get_uid(object->config.parts.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        if (!rate_limit_take(&object->refreshes, uid, clock_now()))
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                        "user %u refreshes too often: the service sees changes by itself",
                        (unsigned)uid);

        r = pending_call_new(object->config.parts.pending, message, &call);
        if (r >= 0)
                r = engine_refresh(object->config.parts.engine, pending_call_on_done, call);
        if (r < 0)
                return errors_set(error, r, NULL);

        (void)TAKE(call); /* pending_call_on_done() frees it */
        return 1;
}

static int handle_subscribe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const RoutingObject *object = userdata;

        return clients_subscribe(&object->config.parts, message, error);
}

static int handle_unsubscribe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const RoutingObject *object = userdata;

        return clients_unsubscribe(&object->config.parts, message);
}

static int handle_get_permissions(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const RoutingObject *object = userdata;

        return clients_get_permissions(&object->config.parts, message, error);
}

static int handle_describe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(json_clear) Json json = JSON_INIT;
        RoutingObject *object = userdata;
        const char *text;

        describe_write(&json, object->config.parts.engine);
        text = json_finish(&json);
        if (!text)
                return errors_set(error, -ENOMEM, NULL);
        return sd_bus_reply_method_return(message, "s", text);
}

/* Properties */

static int get_serial(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;

        return sd_bus_message_append(reply, "t", routing_signals_serial(object->signals));
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;

        return sd_bus_message_append(
                reply, "s", engine_state_name(engine_state(object->config.parts.engine)));
}

static int get_default_route(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int family = strcmp(property, "DefaultRoute4") == 0 ? AF_INET : AF_INET6;
        RoutingObject *object = userdata;
        Engine *engine = object->config.parts.engine;

        return answers_append_default_route(reply, engine, engine_default_route(engine, family));
}

static int get_tunnel(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;

        return answers_append_tunnel(reply, object->config.parts.engine);
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        RoutingObject *object = userdata;
        const Ours *ours = engine_ours(object->config.parts.engine);
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
        ARRAY_FOREACH(conflict, engine_conflicts(object->config.parts.engine)) {
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

        OBJECT_CONSTANT("Version", "u", object_get_version),
        OBJECT_CHANGING("Serial", "t", get_serial),
        OBJECT_CHANGING("State", "s", get_state),
        OBJECT_CHANGING("DefaultRoute4", "a{sv}", get_default_route),
        OBJECT_CHANGING("DefaultRoute6", "a{sv}", get_default_route),
        OBJECT_CHANGING("Tunnel", "a{sv}", get_tunnel),
        OBJECT_CONSTANT("Mark", "u", get_number),
        OBJECT_CONSTANT("MarkMask", "u", get_number),
        OBJECT_CONSTANT("TunnelTable", "u", get_number),
        OBJECT_CONSTANT("ExcludedTable", "u", get_number),
        OBJECT_CHANGING("Conflicts", "aa{sv}", get_conflicts),
        OBJECT_CHANGING("Backends", "a{ss}", get_backends),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

int routing_object_new(const RoutingObjectConfig *config, RoutingObject **ret) {
        CLEANUP(routing_object_free_p) RoutingObject *object = calloc(1, sizeof(*object));
        int r;

        if (!object)
                return -ENOMEM;
        object->config = *config;

        r = routing_signals_new(
                config->parts.bus, config->parts.engine, config->parts.owners, &object->signals);
        if (r < 0)
                return r;

        r = sd_bus_add_object_vtable(config->parts.bus, &object->slot, ROUTING_PATH,
                ROUTING_INTERFACE, routing_vtable, object);
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
