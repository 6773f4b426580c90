/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The next hops somebody asked about, and how the kernel is asked.
 *
 * A plain value, all zeroes when empty. It is short: past the bound the oldest
 * question is forgotten.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/facts/neighbour.h"
#include "backends/netlink/nl-request.h"

#define NEIGHBOUR_LOOKUP_MAX 32

typedef struct NeighbourLookup {
        size_t n;
        Neighbour wanted[NEIGHBOUR_LOOKUP_MAX]; /* keys only; the oldest first */
} NeighbourLookup;

/* Return: whether it is new. */
bool neighbour_lookup_add(NeighbourLookup *lookup, uint32_t ifindex, const Address *address);

/* Whether somebody asked about the key of @neighbour. */
bool neighbour_lookup_wants(const NeighbourLookup *lookup, const Neighbour *neighbour);

/**
 * neighbour_lookup_ask() - see what the kernel knows, and make it find out
 * @key:      link and address
 * @ret:      set on 1
 *
 * Return: 1 it is resolved; 0 the kernel looks for it, a notification will
 * tell; negative errno.
 */
int neighbour_lookup_ask(NlRequest *request, const Neighbour *key, Neighbour *ret);
