/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The kernel's facts, read in one go.
 */

#include <stdbool.h>

#include "backends/facts/fact-set.h"
#include "backends/netlink/nl-request.h"
#include "backends/rtnetlink/route-codec.h"

/*
 * Each appends what there is of its kind to @ret, unsorted, up to a bound.
 * Return: 0; negative errno, @ret may hold a part then.
 */
int dump_links(NlRequest *request, FactSet *ret);
int dump_link_addresses(NlRequest *request, FactSet *ret);
int dump_rules(NlRequest *request, FactSet *ret);

/*
 * Ours in every table, and others' defaults and halves of the address space in
 * the main and default tables. Of several routes in one slot all are told,
 * with hops counted on. @ret_nexthop_objects: whether any of the others' stands
 * on nexthop objects.
 */
int dump_routes(NlRequest *request, FactSet *ret, bool *ret_nexthop_objects);

/* Whether others have routes in @table. Return: 1; 0; negative errno. */
int dump_table_is_foreign(NlRequest *request, uint32_t table);

/* Whether others' default route in @table goes by a link. Return: 1; 0; negative errno. */
int dump_table_leads_all(NlRequest *request, uint32_t table, uint32_t ifindex);

/* Whether a route is of those dump_routes() tells though they are not ours. */
bool dump_keeps_foreign_route(const Route *route);
