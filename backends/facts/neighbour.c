// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/neighbour.h"

#include <string.h>

int neighbour_compare_key(const Neighbour *a, const Neighbour *b) {
        if (a->ifindex != b->ifindex)
                return a->ifindex < b->ifindex ? -1 : 1;
        return address_compare(&a->address, &b->address);
}

/* The state moves between reachable and stale all the time: it is not part of the value. */
int neighbour_compare_value(const Neighbour *a, const Neighbour *b) {
        int c = neighbour_compare_key(a, b);

        return c != 0 ? c : memcmp(&a->mac, &b->mac, sizeof(a->mac));
}
