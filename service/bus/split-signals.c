// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/bus/split-answers.h"
#include "service/bus/split-object.h"
#include "service/bus/text.h"

struct SplitSignals {
        sd_bus *bus;
        Engine *engine;
        Owners *owners;
        SplitController *controller;
        uint64_t serial;
};

/* Signals to subscribers of one user and root. */

typedef int (*Fill)(SplitSignals *signals, sd_bus_message *signal, const void *what);

static void tell(
        SplitSignals *signals, const char *member, uid_t uid, Fill fill, const void *what) {
        const char *name;
        size_t position = 0;

        while ((name = owners_next_subscriber_of(signals->owners, uid, &position))) {
                CLEANUP(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
                int r;

                r = sd_bus_message_new_signal(
                        signals->bus, &signal, SPLIT_PATH, SPLIT_INTERFACE, member);
                if (r >= 0)
                        r = fill(signals, signal, what);
                if (r >= 0)
                        r = sd_bus_send_to(signals->bus, signal, name, NULL);
                if (r < 0)
                        log_warning("Cannot send %s to %s: %s", member, name, strerror(-r));
        }
}

typedef struct Told {
        const SplitMember *member;
        const char *reason;
} Told;

static int fill_process(SplitSignals *signals, sd_bus_message *signal, const void *what) {
        const Told *told = what;
        int r = split_answers_append_member(signal, told->member, /* full= */ false);

        if (r >= 0 && told->reason)
                r = sd_bus_message_append(signal, "s", told->reason);
        return r;
}

static void on_excluded(const SplitMember *process, void *userdata) {
        const Told told = { .member = process };

        tell(userdata, "ProcessExcluded", process->uid, fill_process, &told);
}

static void on_included(const SplitMember *process, const char *reason, void *userdata) {
        const Told told = { .member = process, .reason = reason };

        tell(userdata, "ProcessIncluded", process->uid, fill_process, &told);
}

static int fill_state(SplitSignals *signals, sd_bus_message *signal, const void *what) {
        const Selector *selector = what;
        int r = split_answers_append_selector(signal, selector);

        if (r < 0)
                return r;
        return split_answers_append_state(
                signal, signals->controller, engine_intent(signals->engine), selector);
}

static void on_selector_state(const Selector *selector, void *userdata) {
        SplitSignals *signals = userdata;
        const Intent *intent = engine_intent(signals->engine);

        tell(signals, "SelectorStateChanged", intent_owner(intent, selector->owner)->uid,
                fill_state, selector);
}

/* SelectorsChanged */

typedef struct Difference {
        uid_t uid;
        Array added, removed; /* of Selector */
} Difference;

static bool has(const Intent *intent, const Split *split, const Selector *wanted, uid_t uid) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &split->selectors) {
                if (selector->kind == wanted->kind && selector->uid == wanted->uid &&
                        strcmp(selector->value, wanted->value) == 0 &&
                        intent_owner(intent, selector->owner)->uid == uid)
                        return true;
        }
        return false;
}

static Difference *find_difference(Array *differences, uid_t uid) {
        Difference *difference;

        ARRAY_FOREACH(difference, differences) {
                if (difference->uid == uid)
                        return difference;
        }
        return array_append(differences, &(Difference){ .uid = uid,
                                                 .added = ARRAY_INIT(Selector),
                                                 .removed = ARRAY_INIT(Selector) });
}

/* What @to has and @from has not, into one list of each user. */
static int collect(Array *differences, const Intent *from, const Intent *to, bool is_added) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &to->split.selectors) {
                uid_t uid = intent_owner(to, selector->owner)->uid;
                Difference *difference;

                if (has(from, &from->split, selector, uid))
                        continue;
                difference = find_difference(differences, uid);
                if (!difference ||
                        !array_append(
                                is_added ? &difference->added : &difference->removed, selector))
                        return -ENOMEM;
        }
        return 0;
}

static int append_selectors(sd_bus_message *signal, const Array *selectors) {
        const Selector *selector;
        int r;

        r = sd_bus_message_open_container(signal, 'a', "(ss)");
        ARRAY_FOREACH(selector, selectors) {
                char text[SELECTOR_VALUE_MAX];

                if (r >= 0)
                        r = sd_bus_message_append(signal, "(ss)",
                                selector_kind_name(selector->kind),
                                text_clean(selector->value, text, sizeof(text)));
        }
        return r < 0 ? r : sd_bus_message_close_container(signal);
}

static int fill_difference(SplitSignals *signals, sd_bus_message *signal, const void *what) {
        const Difference *difference = what;
        int r = append_selectors(signal, &difference->added);

        if (r >= 0)
                r = append_selectors(signal, &difference->removed);
        return r < 0 ? r : sd_bus_message_append(signal, "t", signals->serial);
}

static void tell_selectors(SplitSignals *signals, const Intent *before, const Intent *now) {
        CLEANUP(array_clear) Array differences = ARRAY_INIT(Difference);
        Difference *difference;

        if (collect(&differences, before, now, /* is_added= */ true) < 0 ||
                collect(&differences, now, before, /* is_added= */ false) < 0)
                log_error("Out of memory for what changed of selectors");
        ARRAY_FOREACH(difference, &differences) {
                signals->serial++;
                tell(signals, "SelectorsChanged", difference->uid, fill_difference, difference);
                array_clear(&difference->added);
                array_clear(&difference->removed);
        }
}

static void on_split(const Split *before, const Intent *intent_before, void *userdata) {
        SplitSignals *signals = userdata;
        const Intent *intent = engine_intent(signals->engine);
        const Split *now = &intent->split;
        uint64_t serial = signals->serial;
        const char *names[5] = { NULL };
        size_t n = 0;
        int r;

        tell_selectors(signals, intent_before, intent);
        if (signals->serial != serial)
                names[n++] = "Serial";
        if (before->disabled != now->disabled)
                names[n++] = "Enabled";
        if (before->mode != now->mode)
                names[n++] = "Mode";
        if (before->dns != now->dns)
                names[n++] = "Dns";
        if (n == 0)
                return;
        r = sd_bus_emit_properties_changed_strv(
                signals->bus, SPLIT_PATH, SPLIT_INTERFACE, (char **)names);
        if (r < 0)
                log_warning("Cannot tell of changed properties: %s", strerror(-r));
}

static void on_mechanism(const char *before, const char *now, const char *reason, void *userdata) {
        SplitSignals *signals = userdata;
        char text[REFUSAL_TEXT_MAX];
        int r;

        r = sd_bus_emit_signal(signals->bus, SPLIT_PATH, SPLIT_INTERFACE, "MechanismChanged", "sss",
                before, now, text_clean(reason, text, sizeof(text)));
        if (r >= 0)
                r = sd_bus_emit_properties_changed(
                        signals->bus, SPLIT_PATH, SPLIT_INTERFACE, "Available", "Mechanism", NULL);
        if (r < 0)
                log_warning("Cannot send MechanismChanged: %s", strerror(-r));
}

SplitObserver split_signals_observer(SplitSignals *signals) {
        return (SplitObserver){
                .on_excluded = on_excluded,
                .on_included = on_included,
                .on_selector_state = on_selector_state,
                .on_split = on_split,
                .on_mechanism = on_mechanism,
                .userdata = signals,
        };
}

uint64_t split_signals_serial(const SplitSignals *signals) {
        return signals->serial;
}

int split_signals_new(sd_bus *bus, Engine *engine, Owners *owners, SplitController *controller,
        SplitSignals **ret) {
        SplitSignals *signals = calloc(1, sizeof(*signals));

        if (!signals)
                return -ENOMEM;
        signals->bus = bus;
        signals->engine = engine;
        signals->owners = owners;
        signals->controller = controller;
        signals->serial = object_first_serial();
        *ret = signals;
        return 0;
}

SplitSignals *split_signals_free(SplitSignals *signals) {
        free(signals);
        return NULL;
}
