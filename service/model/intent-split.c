// SPDX-License-Identifier: GPL-3.0-or-later

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/model/intent.h"

static bool is_of_user(const Intent *intent, uint32_t owner, uid_t uid) {
        return intent_owner(intent, owner)->uid == uid;
}

static size_t count_selectors_of_user(const Intent *intent, uid_t uid) {
        const Selector *selector;
        size_t n = 0;

        ARRAY_FOREACH(selector, &intent->split.selectors) {
                n += is_of_user(intent, selector->owner, uid);
        }
        return n;
}

static int add_selectors(Intent *intent, const IntentChange *change, Refusal *why) {
        Array *selectors = &intent->split.selectors;
        const Selector *asked;
        bool changed = false;
        int owner;

        if (change->selectors.n == 0)
                return 0;
        owner = intent_find_or_add_owner(intent, &change->owner, why);
        if (owner < 0)
                return owner;

        ARRAY_FOREACH(asked, &change->selectors) {
                Selector wanted = *asked, *known;
                size_t index;

                wanted.owner = (uint32_t)owner;
                known = array_search(selectors, &wanted, selector_compare, &index);
                if (known) {
                        changed = changed || known->permanent != wanted.permanent;
                        known->permanent = wanted.permanent;
                        continue;
                }
                if (!array_insert(selectors, index, &wanted))
                        return -ENOMEM;
                changed = true;
        }

        if (count_selectors_of_user(intent, change->owner.uid) > SPLIT_SELECTORS_PER_USER_MAX)
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "user %u would have more than %u selectors: remove some first",
                        change->owner.uid, SPLIT_SELECTORS_PER_USER_MAX);
        return changed;
}

/* Whether @selector is what @asked names, and the caller's to remove. */
static bool is_meant(const Intent *intent, const Selector *selector, const Selector *asked,
        const IntentChange *change) {
        return selector->kind == asked->kind && selector->uid == asked->uid &&
               strcmp(selector->value, asked->value) == 0 &&
               (change->everybody || is_of_user(intent, selector->owner, change->owner.uid));
}

static int remove_selectors(Intent *intent, const IntentChange *change, Refusal *why) {
        Array *selectors = &intent->split.selectors;
        const Selector *asked;

        ARRAY_FOREACH(asked, &change->selectors) {
                bool found = false;

                for (size_t i = selectors->n; i > 0; i--) {
                        if (!is_meant(intent, array_at(selectors, i - 1), asked, change))
                                continue;
                        array_remove(selectors, i - 1);
                        found = true;
                }
                if (!found)
                        return refusal_set(why, REFUSAL_NO_SUCH_SELECTOR,
                                "no selector %s '%.128s' of user %u: see ListSelectors",
                                selector_kind_name(asked->kind), asked->value, change->owner.uid);
        }
        return change->selectors.n > 0;
}

static bool is_wanted(const Array *wanted, const Selector *selector) {
        const Selector *asked;

        ARRAY_FOREACH(asked, wanted) {
                if (selector->kind == asked->kind && selector->uid == asked->uid &&
                        strcmp(selector->value, asked->value) == 0)
                        return true;
        }
        return false;
}

static int set_selectors(Intent *intent, const IntentChange *change, Refusal *why) {
        Array *selectors = &intent->split.selectors;
        bool removed = false;
        int r;

        for (size_t i = selectors->n; i > 0; i--) {
                const Selector *selector = array_at(selectors, i - 1);

                if (!is_of_user(intent, selector->owner, change->owner.uid) ||
                        is_wanted(&change->selectors, selector))
                        continue;
                array_remove(selectors, i - 1);
                removed = true;
        }
        r = add_selectors(intent, change, why);
        return r < 0 ? r : removed || r > 0;
}

static size_t count_groups_of_user(const Intent *intent, uid_t uid) {
        const SplitGroup *group;
        size_t n = 0;

        ARRAY_FOREACH(group, &intent->split.groups) {
                n += is_of_user(intent, group->owner, uid);
        }
        return n;
}

static int add_group(Intent *intent, const IntentChange *change, Refusal *why) {
        Array *groups = &intent->split.groups;
        SplitGroup group = change->group;
        size_t index;
        int owner;

        assert(group_path_is_valid(group.path));

        owner = intent_find_or_add_owner(intent, &change->owner, why);
        if (owner < 0)
                return owner;
        group.owner = (uint32_t)owner;
        if (array_search(groups, &group, split_group_compare, &index))
                return 0;
        if (count_groups_of_user(intent, change->owner.uid) >= SPLIT_GROUPS_PER_USER_MAX)
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "%u groups hold excluded processes of user %u already",
                        SPLIT_GROUPS_PER_USER_MAX, change->owner.uid);
        return array_insert(groups, index, &group) ? 1 : -ENOMEM;
}

static int remove_group(Intent *intent, const IntentChange *change) {
        Array *groups = &intent->split.groups;
        size_t n = groups->n;

        for (size_t i = n; i > 0; i--) {
                const SplitGroup *group = array_at(groups, i - 1);

                if (strcmp(group->path, change->group.path) == 0 &&
                        (change->everybody || owner_compare(intent_owner(intent, group->owner),
                                                      &change->owner) == 0))
                        array_remove(groups, i - 1);
        }
        return groups->n < n;
}

static int set_split(Intent *intent, const SplitChange *asked) {
        Split *split = &intent->split;
        Split before = *split;

        if (asked->has_enabled)
                split->disabled = !asked->enabled;
        if (asked->has_mode)
                split->mode = asked->mode;
        if (asked->has_dns)
                split->dns = asked->dns;
        return split->disabled != before.disabled || split->mode != before.mode ||
               split->dns != before.dns;
}

static int apply(Intent *intent, const IntentChange *change, Refusal *why) {
        switch (change->kind) {
        case INTENT_ADD_SELECTORS:
                return add_selectors(intent, change, why);
        case INTENT_REMOVE_SELECTORS:
                return remove_selectors(intent, change, why);
        case INTENT_SET_SELECTORS:
                return set_selectors(intent, change, why);
        case INTENT_ADD_GROUP:
                return add_group(intent, change, why);
        case INTENT_REMOVE_GROUP:
                return remove_group(intent, change);
        case INTENT_SET_SPLIT:
                return set_split(intent, &change->split);
        case INTENT_ADD_ROUTES:
        case INTENT_REMOVE_ROUTES:
        case INTENT_CLEAR_ROUTES:
        case INTENT_SET_TUNNEL:
        case INTENT_UNSET_TUNNEL:
        case INTENT_DROP_CLIENT:
                break;
        }
        assert(false);
        return -EINVAL;
}

int intent_apply_split(Intent *intent, const IntentChange *change, Refusal *why) {
        CLEANUP(split_clear) Split before = SPLIT_INIT;
        int r;

        if (split_copy(&before, &intent->split) < 0)
                return -ENOMEM;
        r = apply(intent, change, why);
        if (r < 0) {
                Split half = intent->split;

                intent->split = before;
                before = half;
        }
        return r;
}

/* What a client took out of the tunnel for as long as it lives goes back with it. */
bool intent_drop_split_of_client(Intent *intent, const IntentChange *change) {
        Array *selectors = &intent->split.selectors, *groups = &intent->split.groups;
        size_t n = selectors->n + groups->n;

        for (size_t i = selectors->n; i > 0; i--) {
                const Selector *selector = array_at(selectors, i - 1);

                if (strcmp(intent_owner(intent, selector->owner)->name, change->owner.name) == 0)
                        array_remove(selectors, i - 1);
        }
        for (size_t i = groups->n; i > 0; i--) {
                const SplitGroup *group = array_at(groups, i - 1);

                if (strcmp(intent_owner(intent, group->owner)->name, change->owner.name) == 0)
                        array_remove(groups, i - 1);
        }
        return selectors->n + groups->n < n;
}
