// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/dump.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "backends/base/log.h"
#include "backends/facts/ours.h"
#include "backends/rtnetlink/link-codec.h"
#include "backends/rtnetlink/nexthop-codec.h"
#include "backends/rtnetlink/rule-codec.h"

#define LINKS_MAX 8192
#define LINK_ADDRESSES_MAX 16384
#define RULES_MAX 8192
#define ROUTES_MAX 262144
#define FOREIGN_ROUTES_MAX 256
#define NEXTHOPS_MAX 64 /* distinct objects under the defaults */

#define QUERY_MAX 128 /* bytes of a dump request */

/* A route whose next hops are known by the id of an object alone. */
typedef struct Unresolved {
        Route route;
        uint32_t nexthop_id;
} Unresolved;

static const uint8_t families[] = { AF_INET, AF_INET6 };

typedef struct Collection {
        FactSet *set;
        size_t n_before;   /* in the set; what comes behind is ours to take back */
        size_t n_max;      /* how many may be added */
        Array unresolved;  /* of Unresolved */
        bool only_foreign; /* ours come from another dump */
        bool nexthop_objects;
} Collection;

#define COLLECTION_INIT(s, max)                                                                    \
        (Collection) {                                                                             \
                .set = (s), .n_before = (s)->facts.n, .n_max = (max),                              \
                .unresolved = ARRAY_INIT(Unresolved)                                               \
        }

static void collection_clear(Collection *collection) {
        array_clear(&collection->unresolved);
}

/* Return: what a dump callback returns. @r: a codec's answer. */
static int collect(Collection *collection, int r, const Fact *fact) {
        if (r < 0)
                log_debug("Skipped a malformed %s of the kernel", fact_kind_name(fact->kind));
        if (r <= 0)
                return 0;
        if (collection->set->facts.n - collection->n_before >= collection->n_max) {
                log_debug("Skipped a %s: there are too many", fact_kind_name(fact->kind));
                return 0;
        }
        return fact_set_append(collection->set, fact);
}

static int start_over(Collection *collection) {
        collection->set->facts.n = collection->n_before;
        collection->unresolved.n = 0;
        collection->nexthop_objects = false;
        return 0;
}

static struct nlmsghdr *encode_dump(
        void *buffer, uint16_t type, uint8_t family, size_t header_size) {
        struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
        uint8_t *header;

        nlh->nlmsg_type = type;
        header = mnl_nlmsg_put_extra_header(nlh, header_size);
        header[0] = family; /* the first byte of all of them, struct rtgenmsg */
        return nlh;
}

static int on_link(const struct nlmsghdr *nlh, void *userdata) {
        Fact fact = { .kind = FACT_LINK };

        if (!nlh)
                return start_over(userdata);
        return collect(userdata, link_decode(nlh, &fact.link), &fact);
}

int dump_links(NlRequest *request, FactSet *ret) {
        uint32_t buffer[QUERY_MAX / sizeof(uint32_t)];
        Collection collection = COLLECTION_INIT(ret, LINKS_MAX);

        return nl_request_dump(request,
                encode_dump(buffer, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg)), on_link,
                &collection, NULL);
}

static int on_link_address(const struct nlmsghdr *nlh, void *userdata) {
        Fact fact = { .kind = FACT_LINK_ADDRESS };

        if (!nlh)
                return start_over(userdata);
        return collect(userdata, link_address_decode(nlh, &fact.link_address), &fact);
}

int dump_link_addresses(NlRequest *request, FactSet *ret) {
        uint32_t buffer[QUERY_MAX / sizeof(uint32_t)];
        Collection collection = COLLECTION_INIT(ret, LINK_ADDRESSES_MAX);

        return nl_request_dump(request,
                encode_dump(buffer, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg)),
                on_link_address, &collection, NULL);
}

static int on_rule(const struct nlmsghdr *nlh, void *userdata) {
        Fact fact = { .kind = FACT_RULE };

        if (!nlh)
                return start_over(userdata);
        return collect(userdata, rule_decode(nlh, &fact.rule), &fact);
}

int dump_rules(NlRequest *request, FactSet *ret) {

        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                uint32_t buffer[QUERY_MAX / sizeof(uint32_t)];
                Collection collection = COLLECTION_INIT(ret, RULES_MAX);
                int r;

                r = nl_request_dump(request,
                        encode_dump(buffer, RTM_GETRULE, families[i], sizeof(struct fib_rule_hdr)),
                        on_rule, &collection, NULL);
                if (r < 0 && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
                        return r;
        }
        return 0;
}

bool dump_keeps_foreign_route(const Route *route) {
        return route->protocol != OURS_PROTOCOL && route->destination.length <= 1 &&
               (route->table == RT_TABLE_MAIN || route->table == RT_TABLE_DEFAULT);
}

/* Counts on behind the hops that already stand in the same slot, among the few foreign ones. */
static int collect_foreign(Collection *collection, const Route *route) {
        Fact fact = fact_of_route(route);
        const Fact *facts = collection->set->facts.items;

        fact.route.hop = 0;
        for (size_t i = collection->n_before; i < collection->set->facts.n; i++)
                if (route_compare_slot(&facts[i].route, route) == 0)
                        fact.route.hop++;
        return collect(collection, 1, &fact);
}

static int on_route(const struct nlmsghdr *nlh, void *userdata) {
        Collection *collection = userdata;
        RouteMessage message;
        Fact fact = { .kind = FACT_ROUTE };
        int r;

        if (!nlh)
                return start_over(collection);
        r = route_decode(nlh, &message);
        if (r <= 0)
                return collect(collection, r, &fact);
        if (message.is_cloned || message.for_source)
                return 0;

        if (!collection->only_foreign) {
                for (size_t i = 0; i < message.n_hops && r >= 0; i++) {
                        fact.route = message.hops[i];
                        /* A kernel that does not filter sends them all. */
                        if (fact.route.protocol == OURS_PROTOCOL)
                                r = collect(collection, 1, &fact);
                }
                return r;
        }

        if (!dump_keeps_foreign_route(&message.hops[0]))
                return 0;
        collection->nexthop_objects |= message.has_nexthop_object;
        if (message.nexthop_id != 0) {
                const Unresolved unresolved = { message.hops[0], message.nexthop_id };

                if (collection->unresolved.n >= NEXTHOPS_MAX)
                        return 0;
                return array_append(&collection->unresolved, &unresolved) ? 0 : -ENOMEM;
        }
        for (size_t i = 0; i < message.n_hops && r >= 0; i++)
                r = collect_foreign(collection, &message.hops[i]);
        return r;
}

static int on_nexthop(const struct nlmsghdr *nlh, void *userdata) {
        return nexthop_decode(nlh, userdata) < 0 ? -EBADMSG : 0;
}

static int get_nexthop(NlRequest *request, uint32_t id, Nexthop *ret) {
        uint32_t buffer[NEXTHOP_MESSAGE_MAX / sizeof(uint32_t)];

        return nl_request_send(request, nexthop_encode_get(buffer, id), on_nexthop, ret, NULL);
}

static int collect_nexthop(Collection *collection, const Route *common, const Nexthop *nexthop) {
        Route route = *common;

        if (nexthop->is_blackhole)
                route.type = RTN_BLACKHOLE;
        else {
                route.ifindex = nexthop->ifindex;
                route.gateway = nexthop->gateway;
                route.onlink = nexthop->onlink;
                route.status = nexthop->status;
        }
        return collect_foreign(collection, &route);
}

/* An object that is gone meanwhile took its routes along; its notification comes next. */
static int resolve(NlRequest *request, Collection *collection, const Unresolved *unresolved) {
        Nexthop nexthop = { 0 }, member;
        int r = 0;

        if (get_nexthop(request, unresolved->nexthop_id, &nexthop) < 0)
                return 0;
        if (nexthop.n_members == 0)
                return collect_nexthop(collection, &unresolved->route, &nexthop);
        for (size_t i = 0; i < nexthop.n_members && r >= 0; i++)
                if (get_nexthop(request, nexthop.members[i], &member) >= 0)
                        r = collect_nexthop(collection, &unresolved->route, &member);
        return r;
}

/* What to ask for; 0: any. */
typedef struct RouteFilter {
        uint32_t table;
        uint32_t ifindex;
        uint8_t protocol;
} RouteFilter;

/* A table that does not exist is empty. */
static int dump_table(NlRequest *request, uint8_t family, const RouteFilter *filter,
        NlReplyCallback on_reply, void *userdata) {
        uint32_t buffer[QUERY_MAX / sizeof(uint32_t)];
        struct nlmsghdr *nlh = encode_dump(buffer, RTM_GETROUTE, family, sizeof(struct rtmsg));
        struct rtmsg *header = mnl_nlmsg_get_payload(nlh);
        int r;

        header->rtm_protocol = filter->protocol;
        if (filter->table != 0)
                mnl_attr_put_u32(nlh, RTA_TABLE, filter->table);
        if (filter->ifindex != 0)
                mnl_attr_put_u32(nlh, RTA_OIF, filter->ifindex);

        r = nl_request_dump(request, nlh, on_reply, userdata, NULL);
        return r == -ENOENT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
}

static int dump_foreign(
        NlRequest *request, FactSet *ret, uint8_t family, uint32_t table, bool *nexthop_objects) {
        CLEANUP(collection_clear)
        Collection collection = COLLECTION_INIT(ret, FOREIGN_ROUTES_MAX);
        const Unresolved *unresolved;
        int r;

        collection.only_foreign = true;
        r = dump_table(request, family, &(RouteFilter){ .table = table }, on_route, &collection);
        ARRAY_FOREACH(unresolved, &collection.unresolved)
                if (r >= 0)
                        r = resolve(request, &collection, unresolved);
        *nexthop_objects |= collection.nexthop_objects;
        return r;
}

/*
 * The kernel tells that an address or a link goes before it takes the IPv4
 * routes along, and since Linux 6.9 a dump does not wait until it is done
 * (__inet_del_ifa(), RTNL_FLAG_DUMP_UNLOCKED of inet_dump_fib()). Who changes
 * IPv4 routes does wait: here by the removal of a route of a type that none has.
 */
static void wait_for_removals(NlRequest *request) {
        const Route none = { .destination = { .family = AF_INET },
                .type = RTN_XRESOLVE,
                .protocol = OURS_PROTOCOL,
                .table = RT_TABLE_MAIN };
        uint32_t buffer[ROUTE_MESSAGE_MAX / sizeof(uint32_t)];

        /* That there is none is the answer. */
        (void)nl_request_send(
                request, route_encode(buffer, OPERATION_REMOVE, &none), NULL, NULL, NULL);
}

int dump_routes(NlRequest *request, FactSet *ret, bool *ret_nexthop_objects) {
        bool nexthop_objects = false;

        wait_for_removals(request);
        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                Collection ours = COLLECTION_INIT(ret, ROUTES_MAX);
                int r;

                r = dump_table(request, families[i], &(RouteFilter){ .protocol = OURS_PROTOCOL },
                        on_route, &ours);
                if (r >= 0)
                        r = dump_foreign(
                                request, ret, families[i], RT_TABLE_MAIN, &nexthop_objects);
                if (r >= 0)
                        r = dump_foreign(
                                request, ret, families[i], RT_TABLE_DEFAULT, &nexthop_objects);
                if (r < 0)
                        return r;
        }
        *ret_nexthop_objects = nexthop_objects;
        return 0;
}

typedef struct TableQuestion {
        uint32_t table;
        bool is_foreign;
} TableQuestion;

/* A kernel that does not filter sends the routes of all tables. */
static int on_table_route(const struct nlmsghdr *nlh, void *userdata) {
        TableQuestion *question = userdata;
        RouteMessage message;

        if (nlh && route_decode(nlh, &message) > 0 && message.hops[0].table == question->table &&
                message.hops[0].protocol != OURS_PROTOCOL)
                question->is_foreign = true;
        return 0;
}

int dump_table_is_foreign(NlRequest *request, uint32_t table) {
        TableQuestion question = { .table = table };

        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                int r = dump_table(request, families[i], &(RouteFilter){ .table = table },
                        on_table_route, &question);

                if (r < 0)
                        return r;
        }
        return question.is_foreign;
}

typedef struct LeadQuestion {
        uint32_t table;
        uint32_t ifindex;
        bool leads;
} LeadQuestion;

static int on_lead_route(const struct nlmsghdr *nlh, void *userdata) {
        LeadQuestion *question = userdata;
        RouteMessage message;

        if (!nlh || route_decode(nlh, &message) <= 0)
                return 0;
        for (size_t i = 0; i < message.n_hops; i++) {
                const Route *hop = &message.hops[i];

                question->leads |= hop->table == question->table &&
                                   hop->ifindex == question->ifindex &&
                                   hop->destination.length == 0 && hop->protocol != OURS_PROTOCOL;
        }
        return 0;
}

int dump_table_leads_all(NlRequest *request, uint32_t table, uint32_t ifindex) {
        LeadQuestion question = { .table = table, .ifindex = ifindex };

        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                const RouteFilter filter = { .table = table, .ifindex = ifindex };
                int r = dump_table(request, families[i], &filter, on_lead_route, &question);

                if (r < 0)
                        return r;
        }
        return question.leads;
}
