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

int permanent_update(Intent *ret, const Intent *intent, const Split *settings) {
        CLEANUP(intent_clear) Intent now = INTENT_INIT;
        const Selector *selector;
        bool same;

        copy_settings(&now.split, settings);
        ARRAY_FOREACH(selector, &intent->split.selectors) {
                const Owner owner = { .uid = intent_owner(intent, selector->owner)->uid };
                Selector kept = *selector;
                int index;

                if (!selector->permanent)
                        continue;
                index = intent_find_owner(&now, &owner);
                if (index < 0) {
                        if (!array_append(&now.owners, &owner))
                                return -ENOMEM;
                        index = (int)now.owners.n - 1;
                }
                kept.owner = (uint32_t)index;
                if (!array_append(&now.split.selectors, &kept))
                        return -ENOMEM;
        }
        /* Owners are numbered anew, and their order is that of equal selectors. */
        if (array_sort(&now.split.selectors, selector_compare) < 0)
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
