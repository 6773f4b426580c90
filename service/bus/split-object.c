// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "polkit/actions.h"
#include "service/bus/errors.h"
#include "service/bus/split-args.h"
#include "service/bus/split-details.h"
#include "service/bus/split-signals.h"

struct SplitObject {
        SplitObjectConfig config;
        SplitSignals *signals;
        sd_bus_slot *slot;
};

static Owner owner_of(sd_bus_message *message, uid_t uid, Lifetime lifetime) {
        Owner owner = { .uid = uid };

        if (lifetime == LIFETIME_CLIENT)
                (void)snprintf(
                        owner.name, sizeof(owner.name), "%s", sd_bus_message_get_sender(message));
        return owner;
}

/* Processes */

#define PROCESS_OPTIONS (SPLIT_OPTION_CHILDREN | SPLIT_OPTION_SOCKETS)

static int open_process(SplitObject *object, bool by_fd, uint32_t pid, int fd, SplitProcess *ret,
        sd_bus_error *error) {
        const SplitProcesses *processes = split_controller_processes(object->config.controller);
        int r;

        r = by_fd ? processes->open_pidfd(fd, ret, processes->userdata)
                  : processes->open(pid, ret, processes->userdata);
        if (r >= 0)
                return 0;
        if (r == -ESRCH)
                return by_fd ? sd_bus_error_set(error, SD_BUS_ERROR_UNIX_PROCESS_ID_UNKNOWN,
                                       "the process of that descriptor has ended")
                             : sd_bus_error_setf(error, SD_BUS_ERROR_UNIX_PROCESS_ID_UNKNOWN,
                                       "there is no process %u (any more)", pid);
        if (r == -EBADF)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                        "the descriptor is not one of pidfd_open(2)");
        if (r == -EINVAL)
                return sd_bus_error_set(
                        error, SD_BUS_ERROR_INVALID_ARGS, "that is a thread: name its process");
        return errors_set(error, r, NULL);
}

/* A call that waits for the controller, and what its answer counts. */

static int reply_with(PendingCall *call, const SplitAnswer *answer, bool is_exclude) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(pending_call_message(call), &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}",
                        is_exclude ? "excluded" : "included", "u", answer->n_moved,
                        "sockets-marked", "u", answer->sockets.n_marked, "sockets-reconnected", "u",
                        answer->sockets.n_reconnected, "sockets-reset", "u",
                        answer->sockets.n_reset, "sockets-left", "u", answer->sockets.n_left);
        if (r >= 0 && is_exclude)
                r = sd_bus_message_append(reply, "{sv}", "group", "s", answer->group);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void on_moved(
        int result, const Refusal *why, const SplitAnswer *answer, void *userdata, bool in) {
        PendingCall *call = userdata;

        if (result >= 0)
                result = reply_with(call, answer, in);
        if (result < 0)
                pending_call_on_done(result, why, call);
        else
                pending_call_free(call);
}

static void on_excluded(int result, const Refusal *why, const SplitAnswer *answer, void *userdata) {
        on_moved(result, why, answer, userdata, /* in= */ true);
}

static void on_included(int result, const Refusal *why, const SplitAnswer *answer, void *userdata) {
        on_moved(result, why, answer, userdata, /* in= */ false);
}

static void on_cleared(int result, const Refusal *why, const SplitAnswer *answer, void *userdata) {
        pending_call_on_done(result, why, userdata);
}

static int check_process(SplitObject *object, sd_bus_message *message, uid_t uid,
        const SplitProcess *process, bool is_exclude, const SplitOptions *options,
        sd_bus_error *error) {
        const SplitProcesses *processes = split_controller_processes(object->config.controller);
        char executable[PATH_MAX];
        SplitDetails details;

        processes->read_executable(process, executable, processes->userdata);
        split_details_of_process(sd_bus_message_get_member(message), uid, process, executable,
                is_exclude, options, &details);
        return authority_check(object->config.authority, message,
                process->uid == uid ? ACTION_EXCLUDE_OWN : ACTION_EXCLUDE_OTHER, details.pairs,
                error);
}

static int submit_process(SplitObject *object, sd_bus_message *message, SplitRequest *request,
        bool is_exclude, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        SplitController *controller = object->config.controller;
        Refusal why = { .code = REFUSAL_NONE };
        int r;

        r = pending_call_new(object->config.pending, message, &call);
        if (r >= 0 && is_exclude)
                r = split_controller_exclude(controller, request, on_excluded, call, &why);
        else if (r >= 0)
                r = split_controller_include(controller, request, on_included, call, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        (void)TAKE(call); /* on_moved() frees it */
        return 1;
}

/* AddProcess, RemoveProcess and their descriptor forms. */
static int handle_process(SplitObject *object, sd_bus_message *message, bool by_fd, bool is_exclude,
        sd_bus_error *error) {
        CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;
        uint32_t mask = PROCESS_OPTIONS | (is_exclude ? SPLIT_OPTION_LIFETIME : 0), pid = 0;
        SplitController *controller = object->config.controller;
        Refusal why = { .code = REFUSAL_NONE };
        SplitRequest request;
        SplitOptions options;
        int fd = -1, r;
        uid_t uid;

        r = by_fd ? sd_bus_message_read_basic(message, 'h', &fd)
                  : sd_bus_message_read_basic(message, 'u', &pid);
        if (r >= 0)
                r = split_args_read_options(message, mask, "options", &options, &why);
        if (r >= 0 && !by_fd && (pid == 0 || pid > INT32_MAX))
                r = refusal_set(&why, REFUSAL_INVALID_ARGS, "there is no pid %u", pid);
        if (r >= 0)
                r = split_controller_check_available(controller, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = open_process(object, by_fd, pid, fd, &process, error);
        if (r < 0)
                return r;
        r = split_controller_check_process(controller, &process, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        r = check_process(object, message, uid, &process, is_exclude, &options, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        request = (SplitRequest){ .process = process,
                .owner = owner_of(message, uid, options.lifetime),
                .children = options.children,
                .sockets = options.sockets };
        process = SPLIT_PROCESS_NONE;
        r = submit_process(object, message, &request, is_exclude, error);
        split_process_clear(&request.process); /* where it was not taken */
        return r;
}

static int handle_add_process(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_process(userdata, message, /* by_fd= */ false, /* is_exclude= */ true, error);
}

static int handle_add_process_fd(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_process(userdata, message, /* by_fd= */ true, /* is_exclude= */ true, error);
}

static int handle_remove_process(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_process(
                userdata, message, /* by_fd= */ false, /* is_exclude= */ false, error);
}

static int handle_remove_process_fd(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_process(userdata, message, /* by_fd= */ true, /* is_exclude= */ false, error);
}

/* Return: as authority_check(). */
static int check_all(SplitObject *object, sd_bus_message *message, uid_t uid, bool everybody,
        bool is_list, sd_bus_error *error) {
        SplitDetails details;

        split_details_of_all(sd_bus_message_get_member(message), uid, is_list, &details);
        return authority_check(object->config.authority, message,
                everybody ? ACTION_EXCLUDE_OTHER : ACTION_EXCLUDE_OWN, details.pairs, error);
}

static int handle_clear_processes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        Refusal why = { .code = REFUSAL_NONE };
        SplitObject *object = userdata;
        SplitOptions options;
        uid_t uid;
        int r;

        r = split_args_read_options(
                message, SPLIT_OPTION_ALL | SPLIT_OPTION_SOCKETS, "options", &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = check_all(object, message, uid, options.everybody, /* is_list= */ false, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = pending_call_new(object->config.pending, message, &call);
        if (r >= 0)
                r = split_controller_clear(object->config.controller, uid, options.everybody,
                        options.sockets, on_cleared, call, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        (void)TAKE(call); /* on_cleared() frees it */
        return 1;
}

typedef struct Listing {
        sd_bus_message *reply;
        bool everybody;
        uid_t uid;
        uint32_t pid; /* 0: any */
} Listing;

static int list_member(const SplitMember *member, void *userdata) {
        const Listing *listing = userdata;

        if ((!listing->everybody && member->uid != listing->uid) ||
                (listing->pid && (uint32_t)member->pid != listing->pid))
                return 0;
        return split_signals_append_member(listing->reply, member, /* full= */ true);
}

static int handle_list_processes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Refusal why = { .code = REFUSAL_NONE };
        SplitObject *object = userdata;
        SplitOptions options;
        Listing listing;
        uid_t uid;
        int r;

        r = split_args_read_options(
                message, SPLIT_OPTION_ALL | SPLIT_OPTION_PID, "filter", &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (options.everybody) {
                r = check_all(object, message, uid, true, /* is_list= */ true, error);
                if (r <= 0)
                        return r < 0 ? r : 1;
        }

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return errors_set(error, r, NULL);
        listing = (Listing){
                .reply = reply, .everybody = options.everybody, .uid = uid, .pid = options.pid
        };
        r = split_controller_list(object->config.controller, list_member, &listing);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? errors_set(error, r, NULL) : sd_bus_send(NULL, reply, NULL);
}

/* Selectors and settings */

/* Remembers what becomes permanent until the engine is done with it. */
typedef struct Keeping {
        SplitController *controller;
        SplitChange change;
        PendingCall *call;
} Keeping;

static void on_kept(int result, const Refusal *why, void *userdata) {
        CLEANUP_FREE Keeping *keeping = userdata;

        if (result >= 0)
                split_controller_keep(keeping->controller, &keeping->change);
        pending_call_on_done(result, why, keeping->call);
}

static int submit_change(SplitObject *object, sd_bus_message *message, IntentChange *change,
        bool permanent, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        CLEANUP_FREE Keeping *keeping = NULL;
        int r;

        r = pending_call_new(object->config.pending, message, &call);
        if (r >= 0 && permanent && change->kind == INTENT_SET_SPLIT) {
                keeping = calloc(1, sizeof(*keeping));
                if (!keeping)
                        return errors_set(error, -ENOMEM, NULL);
                *keeping = (Keeping){ .controller = object->config.controller,
                        .change = change->split,
                        .call = call };
                r = engine_submit(object->config.engine, change, on_kept, keeping);
        } else if (r >= 0) {
                r = engine_submit(object->config.engine, change, pending_call_on_done, call);
        }
        if (r < 0)
                return errors_set(error, r, NULL);

        (void)TAKE(call); /* pending_call_on_done() frees it, and on_kept() the other */
        (void)TAKE(keeping);
        return 1;
}

static bool are_own_units(const Array *selectors, uid_t uid) {
        const Selector *selector;

        ARRAY_FOREACH(selector, selectors) {
                if (selector->kind != SELECTOR_UNIT || selector->uid != uid)
                        return false;
        }
        return uid != 0;
}

/* What SetSelectors would take away counts too. */
static bool has_only_own_units(const Intent *intent, uid_t uid) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &intent->split.selectors) {
                if (intent_owner(intent, selector->owner)->uid == uid &&
                        (selector->kind != SELECTOR_UNIT || selector->uid != uid))
                        return false;
        }
        return true;
}

static const char *action_of(const SplitObject *object, const IntentChange *change) {
        uid_t uid = change->owner.uid;
        bool own = are_own_units(&change->selectors, uid) && !change->everybody;

        switch (change->kind) {
        case INTENT_ADD_SELECTORS:
        case INTENT_REMOVE_SELECTORS:
                return own ? ACTION_EXCLUDE_OWN : ACTION_MANAGE_SELECTORS;
        case INTENT_SET_SELECTORS:
                return own && has_only_own_units(engine_intent(object->config.engine), uid)
                               ? ACTION_EXCLUDE_OWN
                               : ACTION_MANAGE_SELECTORS;
        default:
                return ACTION_MANAGE_SELECTORS;
        }
}

/* What every change of the intent does once its arguments are read. */
static int handle_change(SplitObject *object, sd_bus_message *message, IntentChange *change,
        bool permanent, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(message);
        Refusal why = { .code = REFUSAL_NONE };
        const char *action;
        SplitDetails details;
        Selector *selector;
        int r = 0;

        if (permanent)
                r = split_controller_check_permanent(object->config.controller, &why);
        ARRAY_FOREACH(selector, &change->selectors) {
                selector->permanent = permanent;
        }
        if (r >= 0)
                r = engine_check(object->config.engine, change, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        action = action_of(object, change);
        split_details_of_change(
                member, change, permanent, strcmp(action, ACTION_EXCLUDE_OWN) == 0, &details);
        r = authority_check(object->config.authority, message, action, details.pairs, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return submit_change(object, message, change, permanent, error);
}

static int handle_selectors(SplitObject *object, sd_bus_message *message, IntentChangeKind kind,
        uint32_t mask, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Refusal why = { .code = REFUSAL_NONE };
        SplitOptions options;
        uid_t uid;
        int r;

        /* Whose units are meant depends on who asks. */
        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        change.kind = kind;
        r = split_args_read_selectors(message, uid, &change.selectors, &why);
        if (r >= 0)
                r = split_args_read_options(message, mask, "options", &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        change.owner = owner_of(message, uid, options.lifetime);
        change.everybody = options.everybody;
        return handle_change(object, message, &change, options.permanent, error);
}

static int handle_add_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_selectors(userdata, message, INTENT_ADD_SELECTORS,
                SPLIT_OPTION_LIFETIME | SPLIT_OPTION_PERMANENT, error);
}

static int handle_remove_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_selectors(
                userdata, message, INTENT_REMOVE_SELECTORS, SPLIT_OPTION_ALL, error);
}

static int handle_set_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return handle_selectors(userdata, message, INTENT_SET_SELECTORS,
                SPLIT_OPTION_LIFETIME | SPLIT_OPTION_PERMANENT, error);
}

/* SetEnabled, SetMode, SetDns; their first argument is read. */
static int handle_setting(SplitObject *object, sd_bus_message *message, const SplitChange *split,
        int r, Refusal *why, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        SplitOptions options;
        uid_t uid;

        if (r >= 0)
                r = split_args_read_options(
                        message, SPLIT_OPTION_PERMANENT, "options", &options, why);
        if (r < 0)
                return errors_set(error, r, why);
        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        change.kind = INTENT_SET_SPLIT;
        change.split = *split;
        change.owner = owner_of(message, uid, LIFETIME_BOOT);
        return handle_change(object, message, &change, options.permanent, error);
}

static int handle_set_enabled(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        SplitChange split = { .has_enabled = true };
        Refusal why = { .code = REFUSAL_NONE };
        int enabled = 0, r;

        r = sd_bus_message_read_basic(message, 'b', &enabled);
        split.enabled = enabled;
        return handle_setting(userdata, message, &split, r, &why, error);
}

static int handle_set_mode(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        SplitChange split = { .has_mode = true };
        Refusal why = { .code = REFUSAL_NONE };
        int r = split_args_read_mode(message, &split.mode, &why);

        return handle_setting(userdata, message, &split, r, &why, error);
}

static int handle_set_dns(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        SplitChange split = { .has_dns = true };
        Refusal why = { .code = REFUSAL_NONE };
        int r = split_args_read_dns(message, &split.dns, &why);

        return handle_setting(userdata, message, &split, r, &why, error);
}

static int append_selector(
        const SplitObject *object, sd_bus_message *reply, const Selector *selector) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ssa{sv}");
        if (r >= 0)
                r = split_signals_append_selector(reply, selector);
        if (r >= 0)
                r = split_signals_append_state(reply, object->config.controller,
                        engine_intent(object->config.engine), selector);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int handle_list_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        SplitObject *object = userdata;
        const Intent *intent = engine_intent(object->config.engine);
        const Selector *selector;
        uid_t uid;
        int r;

        r = authority_get_uid(object->config.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssa{sv})");
        ARRAY_FOREACH(selector, &intent->split.selectors) {
                if (r >= 0 && (uid == 0 || intent_owner(intent, selector->owner)->uid == uid))
                        r = append_selector(object, reply, selector);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? errors_set(error, r, NULL) : sd_bus_send(NULL, reply, NULL);
}

/* Properties */

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", 1);
}

static int get_serial(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(reply, "t", split_signals_serial(object->signals));
}

static int get_available(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(
                reply, "b", (int)split_controller_is_available(object->config.controller));
}

static int get_enabled(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(
                reply, "b", (int)!engine_intent(object->config.engine)->split.disabled);
}

static int get_word(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;
        const char *word;

        if (strcmp(property, "Mechanism") == 0)
                word = split_controller_mechanism(object->config.controller);
        else if (strcmp(property, "Mode") == 0)
                word = split_mode_name(engine_intent(object->config.engine)->split.mode);
        else
                word = split_dns_name(engine_intent(object->config.engine)->split.dns);
        return sd_bus_message_append(reply, "s", word);
}

static int get_process_count(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(
                reply, "u", (uint32_t)split_controller_count(object->config.controller));
}

/* Names, types and annotations are those of dbus/org.talpid.SplitTunnel.xml: check-interfaces. */

#define CHANGING(member, type, getter)                                                             \
        SD_BUS_PROPERTY(member, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define CONSTANT(member, type, getter)                                                             \
        SD_BUS_PROPERTY(member, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)

/* clang-format off */
static const sd_bus_vtable split_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_ARGS("AddProcess",
                SD_BUS_ARGS("u", pid, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_add_process, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddProcessFd",
                SD_BUS_ARGS("h", pidfd, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_add_process_fd, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveProcess",
                SD_BUS_ARGS("u", pid, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_remove_process, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveProcessFd",
                SD_BUS_ARGS("h", pidfd, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_remove_process_fd, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ClearProcesses",
                SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                handle_clear_processes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListProcesses",
                SD_BUS_ARGS("a{sv}", filter), SD_BUS_RESULT("aa{sv}", processes),
                handle_list_processes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddSelectors",
                SD_BUS_ARGS("a(ss)", selectors, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_add_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveSelectors",
                SD_BUS_ARGS("a(ss)", selectors, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_remove_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetSelectors",
                SD_BUS_ARGS("a(ss)", selectors, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListSelectors",
                SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssa{sv})", selectors),
                handle_list_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetEnabled",
                SD_BUS_ARGS("b", enabled, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_enabled, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetMode",
                SD_BUS_ARGS("s", mode, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_mode, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetDns",
                SD_BUS_ARGS("s", dns, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_dns, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("ProcessExcluded", SD_BUS_ARGS("a{sv}", process), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ProcessIncluded",
                SD_BUS_ARGS("a{sv}", process, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SelectorsChanged",
                SD_BUS_ARGS("a(ss)", added, "a(ss)", removed, "t", serial), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SelectorStateChanged",
                SD_BUS_ARGS("s", kind, "s", value, "a{sv}", state), 0),
        SD_BUS_SIGNAL_WITH_ARGS("MechanismChanged",
                SD_BUS_ARGS("s", old, "s", new, "s", reason), 0),

        CONSTANT("Version", "u", get_version),
        CHANGING("Serial", "t", get_serial),
        CHANGING("Available", "b", get_available),
        CHANGING("Mechanism", "s", get_word),
        CHANGING("Enabled", "b", get_enabled),
        CHANGING("Mode", "s", get_word),
        CHANGING("Dns", "s", get_word),
        SD_BUS_PROPERTY("ProcessCount", "u", get_process_count, 0, 0),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

int split_object_new(const SplitObjectConfig *config, SplitObject **ret) {
        CLEANUP(split_object_free_p) SplitObject *object = calloc(1, sizeof(*object));
        SplitObserver observer;
        int r;

        if (!object)
                return -ENOMEM;
        object->config = *config;

        r = split_signals_new(
                config->bus, config->engine, config->owners, config->controller, &object->signals);
        if (r < 0)
                return r;
        if (config->controller) {
                observer = split_signals_observer(object->signals);
                split_controller_set_observer(config->controller, &observer);
        }
        r = sd_bus_add_object_vtable(
                config->bus, &object->slot, SPLIT_PATH, SPLIT_INTERFACE, split_vtable, object);
        if (r < 0)
                return r;

        *ret = TAKE(object);
        return 0;
}

SplitObject *split_object_free(SplitObject *object) {
        if (!object)
                return NULL;

        sd_bus_slot_unref(object->slot);
        split_signals_free(object->signals);
        free(object);
        return NULL;
}
