// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/neighbour-lookup.h"

#include <string.h>

#include "backends/rtnetlink/neighbour-codec.h"

bool neighbour_lookup_wants(const NeighbourLookup *lookup, const Neighbour *neighbour) {
        for (size_t i = 0; i < lookup->n; i++)
                if (neighbour_compare_key(&lookup->wanted[i], neighbour) == 0)
                        return true;
        return false;
}

bool neighbour_lookup_add(NeighbourLookup *lookup, uint32_t ifindex, const Address *address) {
        const Neighbour key = { .ifindex = ifindex, .address = *address };

        if (neighbour_lookup_wants(lookup, &key))
                return false;
        if (lookup->n == NEIGHBOUR_LOOKUP_MAX)
                memmove(&lookup->wanted[0], &lookup->wanted[1],
                        --lookup->n * sizeof(lookup->wanted[0]));
        lookup->wanted[lookup->n++] = key;
        return true;
}

/* The answer is read into a neighbour of its own: a resolved one has a state. */
static int on_neighbour(const struct nlmsghdr *nlh, void *userdata) {
        (void)neighbour_decode(nlh, userdata); /* a malformed one counts as unknown */
        return 0;
}

int neighbour_lookup_ask(NlRequest *request, const Neighbour *key, Neighbour *ret) {
        uint32_t buffer[NEIGHBOUR_MESSAGE_MAX / sizeof(uint32_t)];
        Neighbour found = { 0 };
        int r;

        /* Fails with -ENOENT when there is no entry: then, too, the next message makes one. */
        (void)nl_request_send(request, neighbour_encode_get(buffer, key->ifindex, &key->address),
                on_neighbour, &found, NULL);
        if (neighbour_is_resolved(&found) && neighbour_compare_key(&found, key) == 0) {
                *ret = found;
                return 1;
        }
        r = nl_request_send(request, neighbour_encode_use(buffer, key->ifindex, &key->address),
                NULL, NULL, NULL);
        return r < 0 ? r : 0;
}
