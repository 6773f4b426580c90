// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-selector-calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/clock.h"
#include "polkit/actions.h"
#include "service/bus/errors.h"
#include "service/bus/split-answers.h"
#include "service/bus/split-args.h"
#include "service/bus/split-details.h"

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

static int submit_kept(const SplitObjectConfig *config, sd_bus_message *message,
        IntentChange *change, sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        CLEANUP_FREE Keeping *keeping = calloc(1, sizeof(*keeping));
        int r = keeping ? 0 : -ENOMEM;

        if (r >= 0)
                r = pending_call_new(config->parts.pending, message, &call);
        if (r >= 0) {
                *keeping = (Keeping){
                        .controller = config->controller, .change = change->split, .call = call
                };
                r = engine_submit(config->parts.engine, change, on_kept, keeping);
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

static const char *action_of(const SplitObjectConfig *config, const IntentChange *change) {
        uid_t uid = change->owner.uid;
        bool own = are_own_units(&change->selectors, uid) && !change->everybody;

        switch (change->kind) {
        case INTENT_ADD_SELECTORS:
        case INTENT_REMOVE_SELECTORS:
                return own ? ACTION_EXCLUDE_OWN : ACTION_MANAGE_SELECTORS;
        case INTENT_SET_SELECTORS:
                return own && has_only_own_units(engine_intent(config->parts.engine), uid)
                               ? ACTION_EXCLUDE_OWN
                               : ACTION_MANAGE_SELECTORS;
        default:
                return ACTION_MANAGE_SELECTORS;
        }
}

/* What every change of the intent does once its arguments are read. */
static int handle_change(const SplitObjectConfig *config, sd_bus_message *message,
        IntentChange *change, bool permanent, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(message);
        Refusal why = { .code = REFUSAL_NONE };
        const uint64_t now = clock_real_now();
        const char *action;
        SplitDetails details;
        Selector *selector;
        int r = 0;

        if (permanent)
                r = split_controller_check_permanent(config->controller, &why);
        ARRAY_FOREACH(selector, &change->selectors) {
                selector->permanent = permanent;
                selector->since_usec = now;
        }
        if (r >= 0)
                r = engine_check(config->parts.engine, change, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        action = action_of(config, change);
        split_details_of_change(member, change, permanent, strcmp(action, ACTION_EXCLUDE_OWN) == 0,
                engine_intent(config->parts.engine)->split.mode, &details);
        r = authority_check(config->parts.authority, message, action, details.pairs, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (permanent && change->kind == INTENT_SET_SPLIT)
                return submit_kept(config, message, change, error);
        return object_submit(&config->parts, message, change, error);
}

int split_selector_calls_change(const SplitObjectConfig *config, sd_bus_message *message,
        IntentChangeKind kind, uint32_t mask, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Refusal why = { .code = REFUSAL_NONE };
        SplitOptions options;
        uid_t uid;
        int r;

        /* Whose units are meant depends on who asks. */
        r = authority_get_uid(config->parts.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        change.kind = kind;
        r = split_args_read_selectors(message, uid, &change.selectors, &why);
        if (r >= 0)
                r = split_args_read_options(message, mask, "options", &options, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        change.owner = object_owner(message, uid, options.lifetime);
        change.everybody = options.everybody;
        return handle_change(config, message, &change, options.permanent, error);
}

int split_selector_calls_set(const SplitObjectConfig *config, sd_bus_message *message,
        const SplitChange *split, int r, Refusal *why, sd_bus_error *error) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        SplitOptions options;
        uid_t uid;

        if (r >= 0)
                r = split_args_read_options(
                        message, SPLIT_OPTION_PERMANENT, "options", &options, why);
        if (r < 0)
                return errors_set(error, r, why);
        r = authority_get_uid(config->parts.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        change.kind = INTENT_SET_SPLIT;
        change.split = *split;
        change.owner = object_owner(message, uid, LIFETIME_BOOT);
        return handle_change(config, message, &change, options.permanent, error);
}

static int append_selector(
        const SplitObjectConfig *config, sd_bus_message *reply, const Selector *selector) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ssa{sv}");
        if (r >= 0)
                r = split_answers_append_selector(reply, selector);
        if (r >= 0)
                r = split_answers_append_state(
                        reply, config->controller, engine_intent(config->parts.engine), selector);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int split_selector_calls_list(
        const SplitObjectConfig *config, sd_bus_message *message, sd_bus_error *error) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Intent *intent = engine_intent(config->parts.engine);
        const Selector *selector;
        uid_t uid;
        int r;

        r = authority_get_uid(config->parts.authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = object_open_list(message, "(ssa{sv})", &reply);
        ARRAY_FOREACH(selector, &intent->split.selectors) {
                if (r >= 0 && (uid == 0 || intent_owner(intent, selector->owner)->uid == uid))
                        r = append_selector(config, reply, selector);
        }
        return object_send_list(reply, r, error);
}
