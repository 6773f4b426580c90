/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the files of the backend share, and nobody else: rtnetlink.c reads and
 * applies, -notice understands what the kernel tells unasked.
 */

#include "backends/base/clock.h"
#include "backends/netlink/nl-watch.h"
#include "backends/rtnetlink/neighbour-lookup.h"
#include "backends/rtnetlink/rtnetlink.h"
#include "backends/rtnetlink/watch-filter.h"

#define KINDS_APPLIED (FACT_KIND_BIT(FACT_ROUTE) | FACT_KIND_BIT(FACT_RULE))
#define KINDS_REPORTED                                                                             \
        (KINDS_APPLIED | FACT_KIND_BIT(FACT_LINK) | FACT_KIND_BIT(FACT_LINK_ADDRESS) |             \
                FACT_KIND_BIT(FACT_NEIGHBOUR))

#define TABLES_MAX 16

typedef struct Rtnetlink {
        Backend backend; /* first: a Backend is all that callers see */
        NlRequest *request;
        NlWatch *watch;
        sd_event_source *deferred; /* reads again what is stale, reports what waits */
        sd_event_source *retry;    /* after a read that failed */
        bool is_started;           /* a resync was asked for: reports are wanted */

        /* Kinds that have to be read again; until then their notifications tell nothing. */
        uint32_t stale;
        Array changes; /* of FactChange, not reported yet */

        FactSet links;   /* as reported: tells which notification is news */
        FactSet foreign; /* others' routes, as reported: tells which slots are shared */
        bool foreign_on_nexthops;

        /* Where a route of others with NLM_F_REPLACE may have taken the place of ours. */
        uint32_t tables[TABLES_MAX];
        size_t n_tables;
        WatchRoutes watched; /* what the filter lets through */

        /*
         * apply() ran while notifications of earlier changes were waiting: what
         * they say about ours may be older than what apply() did.
         */
        bool is_ahead;

        NeighbourLookup neighbours;
        RtnetlinkForeignCallback on_foreign;
        void *foreign_userdata;
} Rtnetlink;

/* @kinds are read again from the loop. */
void rtnetlink_mark_stale(Rtnetlink *rtnetlink, uint32_t kinds);

/* The sink is told when the turn ends, or when a lot waits. @author: a netlink port, or 0. */
void rtnetlink_append_change(Rtnetlink *rtnetlink, const FactChange *change);
void rtnetlink_append_fact(Rtnetlink *rtnetlink, const Fact *fact, bool removed, uint32_t author);

/* Whether routes of ours are in it, or were. */
bool rtnetlink_table_holds_ours(const Rtnetlink *rtnetlink, uint32_t table);

/* What a watch calls, with the Rtnetlink as userdata. */
void rtnetlink_on_message(const struct nlmsghdr *nlh, void *userdata);
