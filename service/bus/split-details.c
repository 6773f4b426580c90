// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-details.h"

#include <assert.h>
#include <stdio.h>

#include "polkit/actions.h"
#include "service/bus/text.h"

static void append(SplitDetails *details, const char *key, const char *value) {
        size_t n = 0;

        while (details->pairs[n])
                n++;
        assert(n + 2 < SPLIT_DETAILS_MAX);
        details->pairs[n] = key;
        details->pairs[n + 1] = value;
}

static void begin(const char *method, uid_t uid, SplitDetails *ret) {
        *ret = (SplitDetails){ 0 };
        append(ret, DETAIL_METHOD, method);
        (void)snprintf(ret->uid, sizeof(ret->uid), "%u", (unsigned)uid);
        append(ret, DETAIL_UID, ret->uid);
}

/* NULL: that of the .policy file. */
static void append_message(
        SplitMode mode, const char *of_exclude, const char *of_include, SplitDetails *ret) {
        const char *message = mode == SPLIT_INCLUDE ? of_include : of_exclude;

        if (message)
                append(ret, DETAIL_MESSAGE, message);
}

static const char *lifetime_text(Lifetime lifetime, bool permanent) {
        return permanent ? "permanent" : lifetime_name(lifetime);
}

void split_details_of_process(const char *method, uid_t uid, const SplitProcess *process,
        const char *executable, bool is_exclude, const SplitOptions *options, SplitMode mode,
        SplitDetails *ret) {
        bool is_own = process->uid == uid;

        begin(method, uid, ret);
        (void)snprintf(ret->pid, sizeof(ret->pid), "%d", (int)process->pid);
        (void)snprintf(ret->owner, sizeof(ret->owner), "%u", (unsigned)process->uid);
        (void)snprintf(ret->start_time, sizeof(ret->start_time), "%llu",
                (unsigned long long)process->start_time);
        append(ret, DETAIL_PID, ret->pid);
        append(ret, DETAIL_OWNER, ret->owner);
        append(ret, DETAIL_START_TIME, ret->start_time);
        append(ret, DETAIL_EXECUTABLE,
                text_clean(executable, ret->executable, sizeof(ret->executable)));
        if (is_exclude) {
                append(ret, DETAIL_LIFETIME, lifetime_text(options->lifetime, false));
                append_message(
                        mode, NULL, is_own ? MESSAGE_INCLUDE_OWN : MESSAGE_INCLUDE_OTHER, ret);
        } else if (is_own) {
                append_message(mode, MESSAGE_RETURN_OWN, MESSAGE_INCLUDE_RETURN_OWN, ret);
        } else {
                append_message(mode, MESSAGE_RETURN_OTHER, MESSAGE_INCLUDE_RETURN_OTHER, ret);
        }
}

void split_details_of_all(
        const char *method, uid_t uid, bool is_list, SplitMode mode, SplitDetails *ret) {
        begin(method, uid, ret);
        append(ret, DETAIL_EXECUTABLE, "several");
        append(ret, DETAIL_OWNER, "several");
        if (is_list)
                append_message(mode, MESSAGE_LIST_PROCESSES, MESSAGE_INCLUDE_LIST_PROCESSES, ret);
        else
                append_message(mode, MESSAGE_CLEAR_PROCESSES, MESSAGE_INCLUDE_CLEAR_PROCESSES, ret);
}

/* "user 1000", or "user 1000 and 3 more". */
static void append_selectors(const Array *selectors, SplitDetails *ret) {
        const Selector *first = selectors->items;
        char text[SELECTOR_VALUE_MAX + 64];

        if (selectors->n == 0)
                (void)snprintf(text, sizeof(text), "nothing");
        else if (selectors->n == 1)
                (void)snprintf(
                        text, sizeof(text), "%s %s", selector_kind_name(first->kind), first->value);
        else
                (void)snprintf(text, sizeof(text), "%s %s and %zu more",
                        selector_kind_name(first->kind), first->value, selectors->n - 1);
        append(ret, DETAIL_SELECTORS, text_clean(text, ret->selectors, sizeof(ret->selectors)));
}

static void append_setting(const SplitChange *split, SplitDetails *ret) {
        const char *text = ret->setting;

        if (split->has_enabled)
                (void)snprintf(ret->setting, sizeof(ret->setting), "enabled=%s",
                        split->enabled ? "true" : "false");
        else if (split->has_mode)
                (void)snprintf(ret->setting, sizeof(ret->setting), "mode=%s",
                        split_mode_name(split->mode));
        else
                (void)snprintf(
                        ret->setting, sizeof(ret->setting), "dns=%s", split_dns_name(split->dns));
        append(ret, DETAIL_SETTING, text);
        append(ret, DETAIL_SELECTORS, "");
        append(ret, DETAIL_MESSAGE, MESSAGE_SET_SPLIT);
}

void split_details_of_change(const char *method, const IntentChange *change, bool permanent,
        bool own, SplitMode mode, SplitDetails *ret) {
        begin(method, change->owner.uid, ret);
        if (own)
                append(ret, DETAIL_EXECUTABLE, "several");

        switch (change->kind) {
        case INTENT_ADD_SELECTORS:
                append_selectors(&change->selectors, ret);
                append_message(mode, MESSAGE_ADD_SELECTORS, MESSAGE_INCLUDE_ADD_SELECTORS, ret);
                break;
        case INTENT_REMOVE_SELECTORS:
                append_selectors(&change->selectors, ret);
                append_message(
                        mode, MESSAGE_REMOVE_SELECTORS, MESSAGE_INCLUDE_REMOVE_SELECTORS, ret);
                return;
        case INTENT_SET_SELECTORS:
                append_selectors(&change->selectors, ret);
                append_message(mode, MESSAGE_SET_SELECTORS, MESSAGE_INCLUDE_SET_SELECTORS, ret);
                break;
        case INTENT_SET_SPLIT:
                append_setting(&change->split, ret);
                break;
        default:
                assert(false); /* nobody asks for it here */
        }
        append(ret, DETAIL_LIFETIME,
                lifetime_text(change->owner.name[0] ? LIFETIME_CLIENT : LIFETIME_BOOT, permanent));
}
