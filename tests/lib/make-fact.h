/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Facts and requests of one line each, for tables of cases.
 *
 * Texts are of the test's own making: what does not parse ends the test.
 */

#include <net/if.h>

#include "backends/facts/fact-set.h"
#include "service/model/intent.h"

#define MAKE_LINK_UP (IFF_UP | IFF_RUNNING)

Prefix make_prefix(const char *text);
Address make_address(const char *text); /* "": none */

/* @kind is IFLA_INFO_KIND, "" for a plain Ethernet link. */
Fact make_link(uint32_t ifindex, const char *name, const char *kind, uint32_t flags);
Fact make_link_address(uint32_t ifindex, const char *address, uint8_t length);
Fact make_neighbour(uint32_t ifindex, const char *address, uint8_t last_byte_of_mac);

/* A foreign unicast route; @gateway "" for none. */
Fact make_route(uint32_t table, const char *destination, uint32_t metric, uint32_t ifindex,
        const char *gateway);

/* The same, ours. */
Fact make_our_route(uint32_t table, const char *destination, uint32_t metric, uint32_t ifindex,
        const char *gateway);

/* Ours, leading nowhere. */
Fact make_our_dead_end(uint32_t table, const char *destination, uint32_t metric, uint8_t type);
Fact make_our_rule(int family, const Ours *ours);

/* Wanted: by gateway and device, either may be "". */
WantedRoute make_wanted(uint32_t table, const char *destination, uint32_t metric,
        const char *gateway, const char *device);
WantedRoute make_symbolic(uint32_t table, const char *destination, uint32_t metric);

/* Adds to a set; without memory the test ends. */
void make_put(FactSet *set, Fact fact);
