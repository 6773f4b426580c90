// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/permanent.h"

#include <errno.h>
#include <string.h>

#include "backends/base/cleanup.h"

static bool same_selectors(const Intent *a, const Intent *b) {
        if (a->split.selectors.n != b->split.selectors.n)
                return false;
        for (size_t i = 0; i < a->split.selectors.n; i++) {
                const Selector *x = array_at(&a->split.selectors, i);
                const Selector *y = array_at(&b->split.selectors, i);

                if (x->kind != y->kind || strcmp(x->value, y->value) != 0 || x->uid != y->uid ||
                        intent_owner(a, x->owner)->uid != intent_owner(b, y->owner)->uid)
                        return false;
        }
        return true;
}

/* Settings that are as they come need no line. */
static void copy_settings(Split *to, const Split *from) {
        to->disabled = from->disabled;
        to->mode = from->mode;
        to->dns = from->dns;
}

static Owner user_of(const Intent *intent, const Selector *selector) {
        return (Owner){ .uid = intent_owner(intent, selector->owner)->uid };
}

static int compare_owners(const void *a, const void *b) {
        return owner_compare(a, b);
}

/* In the order of their numbers, so that the same is always written the same. */
static int collect_users(const Intent *intent, Array *users) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &intent->split.selectors) {
                const Owner user = user_of(intent, selector);
                size_t index;

                if (selector->permanent && !array_search(users, &user, compare_owners, &index) &&
                        !array_insert(users, index, &user))
                        return -ENOMEM;
        }
        return 0;
}

static int collect_selectors(const Intent *intent, Intent *ret) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &intent->split.selectors) {
                const Owner user = user_of(intent, selector);
                Selector kept = *selector;
                int index = intent_find_owner(ret, &user);

                if (!selector->permanent || index < 0)
                        continue;
                kept.owner = (uint32_t)index;
                if (!array_append(&ret->split.selectors, &kept))
                        return -ENOMEM;
        }
        return array_sort(&ret->split.selectors, selector_compare);
}

int permanent_update(Intent *ret, const Intent *intent, const Split *settings) {
        CLEANUP(intent_clear) Intent now = INTENT_INIT;
        bool same;

        copy_settings(&now.split, settings);
        if (collect_users(intent, &now.owners) < 0 || collect_selectors(intent, &now) < 0)
                return -ENOMEM;

        same = same_selectors(ret, &now) && ret->split.disabled == now.split.disabled &&
               ret->split.mode == now.split.mode && ret->split.dns == now.split.dns;
        intent_clear(ret);
        *ret = now;
        now = INTENT_INIT;
        return !same;
}

static int append_selectors_of(const Intent *permanent, uint32_t owner, Array *changes) {
        IntentChange change = INTENT_CHANGE_INIT;
        const Selector *selector;

        change.kind = INTENT_ADD_SELECTORS;
        change.owner = *intent_owner(permanent, owner);
        ARRAY_FOREACH(selector, &permanent->split.selectors) {
                if (selector->owner == owner && !array_append(&change.selectors, selector))
                        goto no_memory;
        }
        if (change.selectors.n == 0)
                return 0;
        if (array_append(changes, &change))
                return 0;
no_memory:
        intent_change_clear(&change);
        return -ENOMEM;
}

int permanent_make_changes(const Intent *permanent, Array *changes) {
        IntentChange settings = INTENT_CHANGE_INIT;

        settings.kind = INTENT_SET_SPLIT;
        settings.split = (SplitChange){ .has_enabled = true,
                .enabled = !permanent->split.disabled,
                .has_mode = true,
                .mode = permanent->split.mode,
                .has_dns = true,
                .dns = permanent->split.dns };
        if (!array_append(changes, &settings))
                return -ENOMEM;

        for (uint32_t i = 0; i < permanent->owners.n; i++)
                if (append_selectors_of(permanent, i, changes) < 0)
                        return -ENOMEM;
        return 0;
}
