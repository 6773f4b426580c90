/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Groups of processes whose sockets carry a mark, and the resolvers they ask.
 *
 * A group is named by the kernel's number for it: the inode number of its
 * cgroup2 directory (name_to_handle_at(2) gives the same), or its class id
 * where net_cls does the work. Numbers die with the directory; they are never
 * saved. Marks are in host byte order.
 */

#include <stdbool.h>
#include <stdint.h>

#include "backends/facts/prefix.h"

typedef struct MarkedGroup {
        uint64_t id;    /* cgroup2: inode number; net_cls: class id */
        uint32_t level; /* depth below the root of the hierarchy, which is 0 */
        uint32_t mark;  /* these bits … */
        uint32_t mask;  /* … of those of the socket's mark */
        bool resolves;  /* questions to port 53 go to the resolver of the family instead */
        bool confined;  /* with `resolves`: where there is none, those to resolvers of this
                         * machine, which ask by any link, are refused */
        bool is_ours;   /* who leaves it is moved to another group. No part of the value: no
                         * backend can read it again, and it never changes for an id */
} MarkedGroup;

/*
 * A group beside or above listed ones in include mode, known not to be listed.
 * New groups right below one that lies above, which are not known yet, may be
 * listed ones that start anew: their sockets carry the mark meanwhile.
 */
typedef struct KnownGroup {
        uint64_t id;
        uint32_t level;
        bool is_above; /* something listed is, or may come to be, somewhere below */
        uint32_t mark; /* of what is new below, and the rest, too: as of a MarkedGroup */
        uint32_t mask;
        bool resolves, confined;
} KnownGroup;

/* Where the questions of groups that resolve go; at most one of a family. */
typedef struct Resolver {
        Address address;
} Resolver;

int marked_group_compare_key(const MarkedGroup *a, const MarkedGroup *b);
int marked_group_compare_value(const MarkedGroup *a, const MarkedGroup *b);
int known_group_compare_key(const KnownGroup *a, const KnownGroup *b);
int known_group_compare_value(const KnownGroup *a, const KnownGroup *b);
int resolver_compare_key(const Resolver *a, const Resolver *b);
int resolver_compare_value(const Resolver *a, const Resolver *b);
