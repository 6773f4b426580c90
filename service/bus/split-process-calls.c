// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-process-calls.h"

#include <errno.h>

#include "polkit/actions.h"
#include "service/bus/errors.h"
#include "service/bus/split-answers.h"
#include "service/bus/split-args.h"
#include "service/bus/split-details.h"

#define PROCESS_OPTIONS (SPLIT_OPTION_CHILDREN | SPLIT_OPTION_SOCKETS)

static int open_process(const SplitObjectConfig *config, bool by_fd, uint32_t pid, int fd,
        SplitProcess *ret, sd_bus_error *error) {
        const SplitProcesses *processes = split_controller_processes(config->controller);
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

static int check_process(const SplitObjectConfig *config, sd_bus_message *message, uid_t uid,
        const SplitProcess *process, bool is_exclude, const SplitOptions *options,
        sd_bus_error *error) {
        const SplitProcesses *processes = split_controller_processes(config->controller);
        char executable[PATH_MAX];
        SplitDetails details;

        processes->read_executable(process, executable, processes->userdata);
        split_details_of_process(sd_bus_message_get_member(message), uid, process, executable,
                is_exclude, options, engine_intent(config->parts.engine)->split.mode, &details);
        return authority_check(config->parts.authority, message,
                process->uid == uid ? ACTION_EXCLUDE_OWN : ACTION_EXCLUDE_OTHER, details.pairs,
                error);
}

static int submit_process(const SplitObjectConfig *config, sd_bus_message *message,
        SplitRequest *request, bool is_exclude, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        SplitController *controller = config->controller;
        Refusal why = { .code = REFUSAL_NONE };
        int r;

        r = pending_call_new(config->parts.pending, message, &call);
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
int split_process_calls_move(const SplitObjectConfig *config, sd_bus_message *message, bool by_fd,
        bool is_exclude, sd_bus_error *error) {
        CLEANUP(split_process_clear) SplitProcess process = SPLIT_PROCESS_NONE;
        uint32_t mask = PROCESS_OPTIONS | (is_exclude ? SPLIT_OPTION_LIFETIME : 0), pid = 0;
        SplitController *controller = config->controller;
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

        r = authority_get_uid(config->parts.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = open_process(config, by_fd, pid, fd, &process, error);
        if (r < 0)
                return r;
        r = split_controller_check_process(controller, &process, &why);
        if (r >= 0 && is_exclude)
                r = split_controller_check_room(controller, &process, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        r = check_process(config, message, uid, &process, is_exclude, &options, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        request = (SplitRequest){ .process = process,
                .owner = object_owner(message, uid, options.lifetime),
                .children = options.children,
                .sockets = options.sockets };
        process = SPLIT_PROCESS_NONE;
        r = submit_process(config, message, &request, is_exclude, error);
        split_process_clear(&request.process); /* where it was not taken */
        return r;
}

/* Return: as authority_check(). */
static int check_all(const SplitObjectConfig *config, sd_bus_message *message, uid_t uid,
        bool everybody, bool is_list, sd_bus_error *error) {
        SplitDetails details;

        split_details_of_all(sd_bus_message_get_member(message), uid, is_list,
                engine_intent(config->parts.engine)->split.mode, &details);
        return authority_check(config->parts.authority, message,
                everybody ? ACTION_EXCLUDE_OTHER : ACTION_EXCLUDE_OWN, details.pairs, error);
}

int split_process_calls_clear(
        const SplitObjectConfig *config, sd_bus_message *message, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        Refusal why = { .code = REFUSAL_NONE };
        SplitOptions options;
        uid_t uid;
        int r;

        r = split_args_read_options(
                message, SPLIT_OPTION_ALL | SPLIT_OPTION_SOCKETS, "options", &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        r = authority_get_uid(config->parts.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = check_all(config, message, uid, options.everybody, /* is_list= */ false, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = pending_call_new(config->parts.pending, message, &call);
        if (r >= 0)
                r = split_controller_clear(config->controller, uid, options.everybody,
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
        return split_answers_append_member(listing->reply, member, /* full= */ true);
}

int split_process_calls_list(
        const SplitObjectConfig *config, sd_bus_message *message, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Refusal why = { .code = REFUSAL_NONE };
        SplitOptions options;
        Listing listing;
        uid_t uid;
        int r;

        r = split_args_read_options(
                message, SPLIT_OPTION_ALL | SPLIT_OPTION_PID, "filter", &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        r = authority_get_uid(config->parts.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (options.everybody) {
                r = check_all(config, message, uid, true, /* is_list= */ true, error);
                if (r <= 0)
                        return r < 0 ? r : 1;
        }

        r = object_open_list(message, "a{sv}", &reply);
        listing = (Listing){
                .reply = reply, .everybody = options.everybody, .uid = uid, .pid = options.pid
        };
        if (r >= 0)
                r = split_controller_list(config->controller, list_member, &listing);
        return object_send_list(reply, r, error);
}
