// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/rtnetlink-private.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"
#include "backends/rtnetlink/dump.h"
#include "backends/rtnetlink/link-codec.h"
#include "backends/rtnetlink/neighbour-codec.h"
#include "backends/rtnetlink/route-codec.h"
#include "backends/rtnetlink/rule-codec.h"

static bool is_stale(const Rtnetlink *rtnetlink, FactKind kind) {
        return rtnetlink->stale & FACT_KIND_BIT(kind);
}

/*
 * IPv4 routes lose and regain their next hops with the link's state, and go
 * with the link, without a word (fib_sync_down_dev(), fib_sync_up()). With the
 * carrier the kernel forgets neighbours: reading them again asks for them anew.
 */
static void handle_link(Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const Fact *fact) {
        bool removed = nlh->nlmsg_type == RTM_DELLINK;
        const Fact *known = fact_set_find(&rtnetlink->links, fact);
        uint32_t changed = known ? known->link.flags ^ fact->link.flags : 0;

        if (!removed && known && fact_equals(known, fact))
                return;
        if (removed || (changed & (IFF_UP | IFF_RUNNING)))
                rtnetlink_mark_stale(
                        rtnetlink, FACT_KIND_BIT(FACT_ROUTE) | FACT_KIND_BIT(FACT_NEIGHBOUR));

        if (removed)
                (void)fact_set_remove(&rtnetlink->links, fact); /* unknown is fine, too */
        else if (fact_set_put(&rtnetlink->links, fact) < 0)
                rtnetlink_mark_stale(rtnetlink, KINDS_REPORTED);
        rtnetlink_append_fact(rtnetlink, fact, removed, nlh->nlmsg_pid);
}

/* Silently with an address go the IPv4 routes that prefer it; with the last one, all of the link.
 */
static void handle_link_address(
        Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const Fact *fact) {
        bool removed = nlh->nlmsg_type == RTM_DELADDR;

        if (removed)
                rtnetlink_mark_stale(rtnetlink, FACT_KIND_BIT(FACT_ROUTE));
        rtnetlink_append_fact(rtnetlink, fact, removed, nlh->nlmsg_pid);
}

/* Two equal rules can exist: that one is gone does not say that none is left. */
static void handle_rule(Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const Fact *fact) {
        bool removed = nlh->nlmsg_type == RTM_DELRULE;

        if (nlh->nlmsg_pid == nl_request_port(rtnetlink->request))
                return;
        if (removed || rtnetlink->is_ahead)
                rtnetlink_mark_stale(rtnetlink, FACT_KIND_BIT(FACT_RULE));
        if (!rtnetlink->is_ahead)
                rtnetlink_append_fact(rtnetlink, fact, removed, nlh->nlmsg_pid);
}

static void handle_neighbour(Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const Fact *fact) {
        bool removed = nlh->nlmsg_type == RTM_DELNEIGH || (fact->neighbour.state & NUD_FAILED);

        if (!neighbour_lookup_wants(&rtnetlink->neighbours, &fact->neighbour))
                return;
        if (removed || neighbour_is_resolved(&fact->neighbour))
                rtnetlink_append_fact(rtnetlink, fact, removed, nlh->nlmsg_pid);
}

/* Others' route in the slot of @route. *ret_n: how many share it. */
static const Fact *find_in_slot(const Rtnetlink *rtnetlink, const Route *route, size_t *ret_n) {
        const Fact *fact, *found = NULL;
        size_t n = 0;

        ARRAY_FOREACH(fact, &rtnetlink->foreign.facts)
                if (route_compare_slot(&fact->route, route) == 0) {
                        found = fact;
                        n++;
                }
        *ret_n = n;
        return found;
}

static bool is_replacement(const struct nlmsghdr *nlh) {
        return nlh->nlmsg_type == RTM_NEWROUTE && (nlh->nlmsg_flags & NLM_F_REPLACE);
}

/*
 * A message says all there is to know when it has one next hop and nobody else
 * shares the slot. Both families let several routes of others stand in one
 * slot (`ip route append`), which one notification does not show.
 */
static void handle_foreign_route(
        Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const RouteMessage *message) {
        FactChange change = {
                .fact = fact_of_route(&message->hops[0]),
                .removed = nlh->nlmsg_type == RTM_DELROUTE,
                .takes_slot = is_replacement(nlh),
                .author = nlh->nlmsg_pid,
        };
        size_t n;
        const Fact *known = find_in_slot(rtnetlink, &message->hops[0], &n);

        if (message->n_hops != 1 || message->has_nexthop_object || n > 1 ||
                (known && !change.takes_slot && !fact_equals(known, &change.fact))) {
                rtnetlink_mark_stale(rtnetlink, FACT_KIND_BIT(FACT_ROUTE));
                return;
        }
        if (change.removed && !known)
                return;
        if (known)
                (void)fact_set_remove(&rtnetlink->foreign, known); /* it is there */
        if (!change.removed && fact_set_put(&rtnetlink->foreign, &change.fact) < 0)
                rtnetlink_mark_stale(rtnetlink, FACT_KIND_BIT(FACT_ROUTE));
        rtnetlink_append_change(rtnetlink, &change);
}

/* Somebody else changed a route of ours. We make none with several hops. */
static void handle_our_route(
        Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const RouteMessage *message) {
        const FactChange change = {
                .fact = fact_of_route(&message->hops[0]),
                .removed = nlh->nlmsg_type == RTM_DELROUTE,
                .takes_slot = is_replacement(nlh),
                .author = nlh->nlmsg_pid,
        };
        size_t n;

        /* In the slot of somebody's default it takes that away without a word, too. */
        if (rtnetlink->is_ahead || message->n_hops != 1 || message->has_nexthop_object ||
                find_in_slot(rtnetlink, &message->hops[0], &n))
                rtnetlink_mark_stale(rtnetlink, FACT_KIND_BIT(FACT_ROUTE));
        else
                rtnetlink_append_change(rtnetlink, &change);
}

/* A route that is none of our business, but for what may have been in its place. */
static void handle_taken_slot(
        Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const RouteMessage *message) {
        const FactChange change = {
                .fact = fact_of_route(&message->hops[0]),
                .removed = true,
                .takes_slot = true,
                .author = nlh->nlmsg_pid,
        };

        if (rtnetlink->is_ahead)
                rtnetlink_mark_stale(rtnetlink, FACT_KIND_BIT(FACT_ROUTE));
        else
                rtnetlink_append_change(rtnetlink, &change);
}

static void tell_foreign_callback(
        Rtnetlink *rtnetlink, const struct nlmsghdr *nlh, const RouteMessage *message) {
        for (size_t i = 0; i < message->n_hops; i++) {
                const FactChange change = {
                        .fact = fact_of_route(&message->hops[i]),
                        .removed = nlh->nlmsg_type == RTM_DELROUTE,
                        .author = nlh->nlmsg_pid,
                };

                rtnetlink->on_foreign(&change, rtnetlink->foreign_userdata);
        }
}

static void handle_route(Rtnetlink *rtnetlink, const struct nlmsghdr *nlh) {
        RouteMessage message;
        bool is_ours;

        if (nlh->nlmsg_pid == nl_request_port(rtnetlink->request) ||
                route_decode(nlh, &message) <= 0 || message.is_cloned || message.for_source)
                return;

        is_ours = message.hops[0].protocol == OURS_PROTOCOL;
        if (rtnetlink->on_foreign && !is_ours)
                tell_foreign_callback(rtnetlink, nlh, &message);
        if (is_stale(rtnetlink, FACT_ROUTE))
                return;

        if (is_ours)
                handle_our_route(rtnetlink, nlh, &message);
        else if (dump_keeps_foreign_route(&message.hops[0]))
                handle_foreign_route(rtnetlink, nlh, &message);
        else if (is_replacement(nlh) &&
                 rtnetlink_table_holds_ours(rtnetlink, message.hops[0].table))
                handle_taken_slot(rtnetlink, nlh, &message);
}

/* An object that changes changes the routes on it, and takes them along, without a word. */
static void handle_nexthop(Rtnetlink *rtnetlink) {
        if (rtnetlink->foreign_on_nexthops)
                rtnetlink_mark_stale(rtnetlink, FACT_KIND_BIT(FACT_ROUTE));
}

void rtnetlink_on_message(const struct nlmsghdr *nlh, void *userdata) {
        Rtnetlink *rtnetlink = userdata;
        Fact fact;

        switch (nlh->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
                fact.kind = FACT_LINK;
                if (!is_stale(rtnetlink, FACT_LINK) && link_decode(nlh, &fact.link) > 0)
                        handle_link(rtnetlink, nlh, &fact);
                break;
        case RTM_NEWADDR:
        case RTM_DELADDR:
                fact.kind = FACT_LINK_ADDRESS;
                if (!is_stale(rtnetlink, FACT_LINK_ADDRESS) &&
                        link_address_decode(nlh, &fact.link_address) > 0)
                        handle_link_address(rtnetlink, nlh, &fact);
                break;
        case RTM_NEWRULE:
        case RTM_DELRULE:
                fact.kind = FACT_RULE;
                if (!is_stale(rtnetlink, FACT_RULE) && rule_decode(nlh, &fact.rule) > 0)
                        handle_rule(rtnetlink, nlh, &fact);
                break;
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
                fact.kind = FACT_NEIGHBOUR;
                if (!is_stale(rtnetlink, FACT_NEIGHBOUR) &&
                        neighbour_decode(nlh, &fact.neighbour) > 0)
                        handle_neighbour(rtnetlink, nlh, &fact);
                break;
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
                handle_route(rtnetlink, nlh);
                break;
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP:
                handle_nexthop(rtnetlink);
                break;
        default: /* the kernel's numbers: nothing we joined for */
                break;
        }
}
