// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/group.h"

#define COMPARE(x, y)                                                                              \
        do {                                                                                       \
                if ((x) != (y))                                                                    \
                        return (x) < (y) ? -1 : 1;                                                 \
        } while (0)

int marked_group_compare_key(const MarkedGroup *a, const MarkedGroup *b) {
        COMPARE(a->id, b->id);
        return 0;
}

int marked_group_compare_value(const MarkedGroup *a, const MarkedGroup *b) {
        COMPARE(a->id, b->id);
        COMPARE(a->level, b->level);
        COMPARE(a->mark, b->mark);
        COMPARE(a->mask, b->mask);
        COMPARE(a->resolves, b->resolves);
        COMPARE(a->confined, b->confined);
        return 0;
}

int known_group_compare_key(const KnownGroup *a, const KnownGroup *b) {
        COMPARE(a->id, b->id);
        return 0;
}

int known_group_compare_value(const KnownGroup *a, const KnownGroup *b) {
        COMPARE(a->id, b->id);
        COMPARE(a->level, b->level);
        COMPARE(a->is_above, b->is_above);
        COMPARE(a->mark, b->mark);
        COMPARE(a->mask, b->mask);
        COMPARE(a->resolves, b->resolves);
        COMPARE(a->confined, b->confined);
        return 0;
}

int resolver_compare_key(const Resolver *a, const Resolver *b) {
        COMPARE(a->address.family, b->address.family);
        return 0;
}

int resolver_compare_value(const Resolver *a, const Resolver *b) {
        return address_compare(&a->address, &b->address);
}
