// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <stdlib.h>

#include "backends/base/cleanup.h"
#include "service/model/intent.h"

int intent_find_owner(const Intent *intent, const Owner *owner) {
        for (size_t i = 0; i < intent->owners.n; i++)
                if (owner_compare(array_at(&intent->owners, i), owner) == 0)
                        return (int)i;
        return -ENOENT;
}

/* Return: an array that says of each owner whether anything is theirs; NULL without memory. */
static bool *owners_in_use(const Intent *intent) {
        bool *used = calloc(intent->owners.n + 1, sizeof(bool));
        const WantedRoute *wanted;
        const Selector *selector;
        const SplitGroup *group;

        if (!used)
                return NULL;
        if (intent_has_tunnel(intent))
                used[intent->tunnel.owner] = true;
        ARRAY_FOREACH(wanted, &intent->routes) {
                used[wanted->owner] = true;
        }
        ARRAY_FOREACH(selector, &intent->split.selectors) {
                used[selector->owner] = true;
        }
        ARRAY_FOREACH(group, &intent->split.groups) {
                used[group->owner] = true;
        }
        return used;
}

int intent_find_or_add_owner(Intent *intent, const Owner *owner, Refusal *why) {
        CLEANUP_FREE bool *used = NULL;
        int index = intent_find_owner(intent, owner), unused = -1;
        uint32_t n_leases = 0;

        used = owners_in_use(intent);
        if (!used)
                return -ENOMEM;
        if (index >= 0 && used[index])
                return index;

        for (size_t i = 0; i < intent->owners.n; i++) {
                const Owner *known = intent_owner(intent, (uint32_t)i);

                if (!used[i])
                        unused = (int)i;
                else if (known->name[0] && known->uid == owner->uid)
                        n_leases++;
        }

        if (owner->name[0] && n_leases >= INTENT_LEASES_PER_USER_MAX)
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "user %u holds %u client leases already: end some, or use lifetime 'boot'",
                        owner->uid, n_leases);

        if (index >= 0)
                return index;
        if (unused >= 0) {
                *(Owner *)array_at(&intent->owners, (size_t)unused) = *owner;
                return unused;
        }
        return array_append(&intent->owners, owner) ? (int)intent->owners.n - 1 : -ENOMEM;
}
