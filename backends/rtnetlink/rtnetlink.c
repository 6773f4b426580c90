// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/rtnetlink.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/rtnetlink.h>

#include "backends/base/log.h"
#include "backends/facts/ours.h"
#include "backends/rtnetlink/apply.h"
#include "backends/rtnetlink/dump.h"
#include "backends/rtnetlink/rtnetlink-private.h"

#define RETRY_USEC (200 * USEC_PER_MSEC)
#define CHANGES_MAX 1024 /* reported at once */

void rtnetlink_mark_stale(Rtnetlink *rtnetlink, uint32_t kinds) {
        rtnetlink->stale |= kinds;
        if (rtnetlink->is_started)
                (void)sd_event_source_set_enabled(rtnetlink->deferred, SD_EVENT_ONESHOT);
}

static void report_changes(Rtnetlink *rtnetlink) {
        const BackendSink *sink = &rtnetlink->backend.sink;

        if (rtnetlink->changes.n > 0 && rtnetlink->is_started && sink->on_changes)
                sink->on_changes(rtnetlink->changes.items, rtnetlink->changes.n, sink->userdata);
        rtnetlink->changes.n = 0;
}

void rtnetlink_append_change(Rtnetlink *rtnetlink, const FactChange *change) {
        if (rtnetlink->changes.n >= CHANGES_MAX)
                report_changes(rtnetlink);
        if (!array_append(&rtnetlink->changes, change))
                rtnetlink_mark_stale(rtnetlink, KINDS_REPORTED);
}

void rtnetlink_append_fact(Rtnetlink *rtnetlink, const Fact *fact, bool removed, uint32_t author) {
        const FactChange change = { .fact = *fact, .removed = removed, .author = author };

        rtnetlink_append_change(rtnetlink, &change);
}

bool rtnetlink_table_holds_ours(const Rtnetlink *rtnetlink, uint32_t table) {
        for (size_t i = 0; i < rtnetlink->n_tables; i++)
                if (rtnetlink->tables[i] == table)
                        return true;
        return false;
}

static void note_table(Rtnetlink *rtnetlink, uint32_t table) {
        if (rtnetlink->n_tables < TABLES_MAX && !rtnetlink_table_holds_ours(rtnetlink, table))
                rtnetlink->tables[rtnetlink->n_tables++] = table;
}

static void on_overrun(void *userdata) {
        Rtnetlink *rtnetlink = userdata;

        log_debug("Lost notifications of the kernel, reading everything again");
        rtnetlink_mark_stale(rtnetlink, KINDS_REPORTED);
}

static void on_turn_end(bool is_empty, void *userdata) {
        Rtnetlink *rtnetlink = userdata;

        report_changes(rtnetlink);
        if (is_empty)
                rtnetlink->is_ahead = false;
}

static int read_neighbours(Rtnetlink *rtnetlink, FactSet *ret) {
        Fact fact = { .kind = FACT_NEIGHBOUR };
        int r = 0;

        for (size_t i = 0; i < rtnetlink->neighbours.n && r >= 0; i++)
                if (neighbour_lookup_ask(rtnetlink->request, &rtnetlink->neighbours.wanted[i],
                            &fact.neighbour) > 0)
                        r = fact_set_append(ret, &fact);
        return r;
}

static int read_kinds(
        Rtnetlink *rtnetlink, uint32_t kinds, FactSet *ret, bool *ret_nexthop_objects) {
        NlRequest *request = rtnetlink->request;
        int r = 0;

        if (kinds & FACT_KIND_BIT(FACT_LINK))
                r = dump_links(request, ret);
        if (r >= 0 && (kinds & FACT_KIND_BIT(FACT_LINK_ADDRESS)))
                r = dump_link_addresses(request, ret);
        if (r >= 0 && (kinds & FACT_KIND_BIT(FACT_NEIGHBOUR)))
                r = read_neighbours(rtnetlink, ret);
        if (r >= 0 && (kinds & FACT_KIND_BIT(FACT_ROUTE)))
                r = dump_routes(request, ret, ret_nexthop_objects);
        if (r >= 0 && (kinds & FACT_KIND_BIT(FACT_RULE)))
                r = dump_rules(request, ret);
        return r < 0 ? r : fact_set_sort(ret);
}

static int attach_filter(Rtnetlink *rtnetlink, WatchRoutes routes) {
        struct sock_filter program[WATCH_FILTER_MAX];
        uint32_t ifindexes[NEIGHBOUR_LOOKUP_MAX];
        size_t n;
        int r;

        for (size_t i = 0; i < rtnetlink->neighbours.n; i++)
                ifindexes[i] = rtnetlink->neighbours.wanted[i].ifindex;
        n = watch_filter_build(program, nl_request_port(rtnetlink->request), routes, ifindexes,
                rtnetlink->neighbours.n);
        r = nl_watch_set_filter(rtnetlink->watch, program, n);
        if (r >= 0)
                rtnetlink->watched = routes;
        return r;
}

/* Which routes have to pass the filter: tables up to 255 can be told apart only once here. */
static WatchRoutes needed_routes(const Rtnetlink *rtnetlink) {
        if (rtnetlink->on_foreign)
                return WATCH_ROUTES_ALL;
        for (size_t i = 0; i < rtnetlink->n_tables; i++)
                if (rtnetlink->tables[i] <= UINT8_MAX)
                        return WATCH_ROUTES_REPLACED;
        return WATCH_ROUTES_FEW;
}

static void update_filter(Rtnetlink *rtnetlink) {
        WatchRoutes routes = needed_routes(rtnetlink);

        if (routes != rtnetlink->watched && attach_filter(rtnetlink, routes) < 0)
                log_debug("Cannot change the filter of notifications, the old one stands");
}

/* Keeps of what was read the little that later notifications are compared with. */
static int remember(Rtnetlink *rtnetlink, uint32_t kinds, const FactSet *facts) {
        const Fact *fact;
        int r = 0;

        if (kinds & FACT_KIND_BIT(FACT_LINK))
                fact_set_clear(&rtnetlink->links);
        if (kinds & FACT_KIND_BIT(FACT_ROUTE)) {
                fact_set_clear(&rtnetlink->foreign);
                rtnetlink->n_tables = 0;
        }

        ARRAY_FOREACH(fact, &facts->facts) {
                if (fact->kind == FACT_LINK)
                        r = fact_set_append(&rtnetlink->links, fact); /* in order already */
                else if (fact->kind == FACT_ROUTE && fact_is_ours(fact))
                        note_table(rtnetlink, fact->route.table);
                else if (fact->kind == FACT_ROUTE)
                        r = fact_set_append(&rtnetlink->foreign, fact);
                if (r < 0)
                        return r;
        }
        update_filter(rtnetlink);
        return 0;
}

/*
 * Reads what is stale. Notifications that wait are older than what is read and
 * come first; those that arrive meanwhile are delivered after it, in order.
 */
static int refresh(Rtnetlink *rtnetlink) {
        CLEANUP(fact_set_clear) FactSet facts = FACT_SET_INIT;
        const BackendSink *sink = &rtnetlink->backend.sink;
        bool nexthop_objects = rtnetlink->foreign_on_nexthops;
        uint32_t kinds;
        int r;

        nl_watch_drain(rtnetlink->watch);
        report_changes(rtnetlink);

        kinds = rtnetlink->stale;
        if (kinds == 0)
                return 0;
        r = read_kinds(rtnetlink, kinds, &facts, &nexthop_objects);
        if (r >= 0)
                r = remember(rtnetlink, kinds, &facts);
        if (r < 0)
                return r;

        rtnetlink->stale &= ~kinds;
        rtnetlink->foreign_on_nexthops = nexthop_objects;
        if (sink->on_resync)
                sink->on_resync(kinds, &facts, sink->userdata);
        return 0;
}

static int on_deferred(sd_event_source *source, void *userdata) {
        Rtnetlink *rtnetlink = userdata;
        int r;

        r = refresh(rtnetlink);
        if (r < 0) {
                log_debug("Cannot read the kernel's state, trying again: errno %d", -r);
                (void)sd_event_source_set_time_relative(rtnetlink->retry, RETRY_USEC);
                (void)sd_event_source_set_enabled(rtnetlink->retry, SD_EVENT_ONESHOT);
        }
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        return on_deferred(source, userdata);
}

static int rtnetlink_resync(Backend *backend) {
        Rtnetlink *rtnetlink = (Rtnetlink *)backend;

        rtnetlink->is_started = true;
        rtnetlink->stale = KINDS_REPORTED;
        return refresh(rtnetlink);
}

static size_t rtnetlink_apply(
        Backend *backend, const Operation *operations, size_t n, Fault *faults) {
        Rtnetlink *rtnetlink = (Rtnetlink *)backend;
        size_t n_failed;

        for (size_t i = 0; i < n; i++)
                if (operations[i].fact.kind == FACT_ROUTE)
                        note_table(rtnetlink, operations[i].fact.route.table);
        update_filter(rtnetlink);
        n_failed = apply_operations(rtnetlink->request, operations, n, faults);

        if (!nl_watch_is_empty(rtnetlink->watch))
                rtnetlink->is_ahead = true;
        return n_failed;
}

static void rtnetlink_resolve_neighbour(
        Backend *backend, uint32_t ifindex, const Address *address) {
        Rtnetlink *rtnetlink = (Rtnetlink *)backend;
        const Neighbour key = { .ifindex = ifindex, .address = *address };
        Fact fact = { .kind = FACT_NEIGHBOUR };
        int r = 0;

        if (neighbour_lookup_add(&rtnetlink->neighbours, ifindex, address))
                r = attach_filter(rtnetlink, rtnetlink->watched);
        if (r >= 0) /* joining once more is harmless */
                r = nl_watch_join(rtnetlink->watch, RTNLGRP_NEIGH);
        if (r >= 0)
                r = neighbour_lookup_ask(rtnetlink->request, &key, &fact.neighbour);
        if (r > 0)
                rtnetlink_append_fact(rtnetlink, &fact, /* removed= */ false, /* author= */ 0);
        if (r > 0 && rtnetlink->is_started) /* report it from the loop */
                (void)sd_event_source_set_enabled(rtnetlink->deferred, SD_EVENT_ONESHOT);
        if (r < 0)
                log_debug("Cannot look for a neighbour on link %u: errno %d", ifindex, -r);
}

/* Where that cannot be asked it is no. */
static bool rtnetlink_leads_all(Backend *backend, uint32_t table, uint32_t ifindex) {
        return dump_table_leads_all(((Rtnetlink *)backend)->request, table, ifindex) > 0;
}

int rtnetlink_get_route(Backend *backend, const RouteQuery *query, RouteAnswer *ret, Fault *fault) {
        return route_query_run(((Rtnetlink *)backend)->request, query, ret, fault);
}

int rtnetlink_table_is_foreign(Backend *backend, uint32_t table) {
        return dump_table_is_foreign(((Rtnetlink *)backend)->request, table);
}

int rtnetlink_watch_foreign(Backend *backend, RtnetlinkForeignCallback callback, void *userdata) {
        Rtnetlink *rtnetlink = (Rtnetlink *)backend;
        int r = callback ? attach_filter(rtnetlink, WATCH_ROUTES_ALL) : 0;

        if (r < 0)
                return r;
        rtnetlink->on_foreign = callback;
        rtnetlink->foreign_userdata = userdata;
        update_filter(rtnetlink);
        return 0;
}

static int join_groups(NlWatch *watch) {
        static const unsigned groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };

        for (size_t i = 0; i < ARRAY_LENGTH(groups); i++) {
                int r = nl_watch_join(watch, groups[i]);

                if (r < 0)
                        return r;
        }
        (void)nl_watch_join(watch, RTNLGRP_NEXTHOP); /* without it before Linux 5.3: no objects */
        return 0;
}

static int add_sources(Rtnetlink *rtnetlink, sd_event *event) {
        int r;

        r = sd_event_add_defer(event, &rtnetlink->deferred, on_deferred, rtnetlink);
        if (r >= 0)
                r = sd_event_source_set_enabled(rtnetlink->deferred, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &rtnetlink->retry, CLOCK_MONOTONIC,
                        RETRY_USEC, 0, on_retry, rtnetlink);
        if (r >= 0)
                r = sd_event_source_set_enabled(rtnetlink->retry, SD_EVENT_OFF);
        return r;
}

static const BackendInterface rtnetlink_interface = {
        .name = "rtnetlink",
        .kinds = KINDS_APPLIED,
        .resync = rtnetlink_resync,
        .apply = rtnetlink_apply,
        .resolve_neighbour = rtnetlink_resolve_neighbour,
        .leads_all = rtnetlink_leads_all,
};

static Rtnetlink *rtnetlink_unmake(Rtnetlink *rtnetlink) {
        if (!rtnetlink)
                return NULL;
        rtnetlink->retry = sd_event_source_disable_unref(rtnetlink->retry);
        rtnetlink->deferred = sd_event_source_disable_unref(rtnetlink->deferred);
        rtnetlink->watch = nl_watch_free(rtnetlink->watch);
        rtnetlink->request = nl_request_free(rtnetlink->request);
        fact_set_clear(&rtnetlink->foreign);
        fact_set_clear(&rtnetlink->links);
        array_clear(&rtnetlink->changes);
        free(rtnetlink);
        return NULL;
}
DEFINE_CLEANUP(Rtnetlink *, rtnetlink_unmake);

int rtnetlink_new(sd_event *event, Backend **ret) {
        CLEANUP(rtnetlink_unmake_p) Rtnetlink *rtnetlink = calloc(1, sizeof(*rtnetlink));
        NlWatchListener listener = { rtnetlink_on_message, on_overrun, on_turn_end, rtnetlink };
        int r;

        if (!rtnetlink)
                return -ENOMEM;
        rtnetlink->backend.interface = &rtnetlink_interface;
        rtnetlink->changes = ARRAY_INIT(FactChange);
        rtnetlink->links = rtnetlink->foreign = FACT_SET_INIT;
        rtnetlink->stale = KINDS_REPORTED;

        r = nl_request_new(NETLINK_ROUTE, &rtnetlink->request);
        if (r >= 0)
                r = nl_watch_new(event, NETLINK_ROUTE, &listener, &rtnetlink->watch);
        if (r >= 0)
                r = add_sources(rtnetlink, event);
        if (r >= 0) /* before the first group, so that a flood cannot overtake it */
                r = attach_filter(rtnetlink, WATCH_ROUTES_FEW);
        if (r >= 0)
                r = join_groups(rtnetlink->watch);
        if (r < 0)
                return r;

        *ret = &TAKE(rtnetlink)->backend;
        return 0;
}

Backend *rtnetlink_free(Backend *backend) {
        (void)rtnetlink_unmake((Rtnetlink *)backend);
        return NULL;
}
