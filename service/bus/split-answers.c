// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-answers.h"

#include "service/bus/text.h"

static int append_text(sd_bus_message *message, const char *key, const char *value) {
        char text[PATH_MAX];

        return sd_bus_message_append(
                message, "{sv}", key, "s", text_clean(value, text, sizeof(text)));
}

int split_answers_append_member(sd_bus_message *message, const SplitMember *member, bool full) {
        const Selector *selector = member->selector;
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}{sv}", "pid", "u", (uint32_t)member->pid,
                        "uid", "u", (uint32_t)member->uid);
        if (r >= 0)
                r = append_text(message, "group", member->group);
        if (r >= 0 && member->executable[0])
                r = append_text(message, "executable", member->executable);
        if (r >= 0 && full && member->since_usec)
                r = sd_bus_message_append(message, "{sv}", "since", "t", member->since_usec);
        if (r >= 0 && full)
                r = append_text(
                        message, "by", selector ? selector_kind_name(selector->kind) : "process");
        if (r >= 0 && full && selector)
                r = append_text(message, "value", selector->value);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

int split_answers_append_selector(sd_bus_message *message, const Selector *selector) {
        char text[SELECTOR_VALUE_MAX];

        return sd_bus_message_append(message, "ss", selector_kind_name(selector->kind),
                text_clean(selector->value, text, sizeof(text)));
}

int split_answers_append_state(sd_bus_message *message, const SplitController *controller,
        const Intent *intent, const Selector *selector) {
        const Owner *owner = intent_owner(intent, selector->owner);
        const char *reason;
        bool active = split_controller_selector_is_active(controller, selector, &reason);
        size_t n = 0;
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(
                        message, "{sv}", "state", "s", active ? "active" : "waiting");
        if (r >= 0 && !active)
                r = append_text(message, "reason", reason);
        if (r >= 0 && split_controller_count_of(controller, selector, &n))
                r = sd_bus_message_append(message, "{sv}", "processes", "u", (uint32_t)n);
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}{sv}", "owner-uid", "u",
                        (uint32_t)owner->uid, "lifetime", "s",
                        selector->permanent
                                ? "permanent"
                                : lifetime_name(intent_owner_lifetime(intent, selector->owner)));
        return r < 0 ? r : sd_bus_message_close_container(message);
}
