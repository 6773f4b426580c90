/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The link-layer address of a next hop: rtnetlink(7), RTM_NEWNEIGH.
 */

#include <stdint.h>

#include "backends/facts/link.h"
#include "backends/facts/prefix.h"

typedef struct Neighbour {
        uint32_t ifindex;
        Address address;
        uint16_t state; /* NUD_ of <linux/neighbour.h> */
        Mac mac;        /* empty while unresolved */
} Neighbour;

int neighbour_compare_key(const Neighbour *a, const Neighbour *b);
int neighbour_compare_value(const Neighbour *a, const Neighbour *b);
