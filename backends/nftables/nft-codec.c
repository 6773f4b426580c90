// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-codec.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"
#include "backends/nftables/nft-message.h"
#include "backends/nftables/nft-phrase.h"

#define LEVELS 256 /* nft_socket keeps the level in a byte */
#define MARKS_MAX 8
#define SET_NAME_MAX 32
#define COMMENT_MAX 96

/* Priorities by nft's names for them; those of nat and route are bound to their hooks. */
#define PRIORITY_RAW (-300) /* before conntrack and reverse-path filters (-290 at the earliest) */
#define PRIORITY_MANGLE (-150) /* behind conntrack, before routing */
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_FILTER 0
#define PRIORITY_SRCNAT 100

typedef struct Mark {
        uint32_t value;
        uint32_t mask;
} Mark;

/* What the writers of chains share: the facts in the shape rules need. */
typedef struct Table {
        NftBatch *batch;
        NftablesMechanism mechanism;
        NftRule rule;
        const Fact *filters, *groups, *resolvers; /* sorted; borrowed */
        size_t n_filters, n_groups, n_resolvers;
        NftFlows flows; /* of this table and of earlier ones */
        const FilterItem *base;
        size_t n_of[_FILTER_KIND_MAX];
        size_t n_ipv4[_FILTER_KIND_MAX]; /* of n_of, with an IPv4 prefix */
        Mark marks[MARKS_MAX];           /* that groups have */
        size_t n_marks;
        bool levels[LEVELS]; /* that groups stand at */
        bool resolves;
} Table;

static const NftSetType type_name = { 41, IFNAMSIZ, NFT_BYTES_HOST, 0 };  /* ifname */
static const NftSetType type_uid = { 24, 4, NFT_BYTES_HOST, 0 };          /* uid */
static const NftSetType type_ipv4 = { 7, 4, NFT_BYTES_NETWORK, 0 };       /* ipv4_addr */
static const NftSetType type_ipv6 = { 8, 16, NFT_BYTES_NETWORK, 0 };      /* ipv6_addr */
static const NftSetType type_icmpv6 = { 29, 1, NFT_BYTES_NETWORK, 0 };    /* icmpv6_type */
static const NftSetType type_address_type = { 38, 4, NFT_BYTES_HOST, 0 }; /* fib_addrtype */
static const NftSetType type_cgroup2 = { 46, 8, NFT_BYTES_HOST, 0 };      /* cgroupsv2 */
static const NftSetType type_class_id = { 23, 4, NFT_BYTES_HOST, 0 };     /* classid */

uint32_t nft_codec_kinds(NftablesMechanism mechanism) {
        uint32_t kinds = FACT_KIND_BIT(FACT_FILTER);

        if (mechanism != NFTABLES_GUARD_ONLY)
                kinds |= FACT_KIND_BIT(FACT_MARKED_GROUP) | FACT_KIND_BIT(FACT_RESOLVER);
        return kinds;
}

static int refuse(int error, const char *why, const char **ret_why) {
        *ret_why = why;
        return error;
}

static bool is_family(int family) {
        return family == AF_INET || family == AF_INET6;
}

static int check_filter(const FilterItem *item, const char **ret_why) {
        const Prefix *prefix = &item->prefix;

        switch (item->kind) {
        case FILTER_BASE:
                if (item->mark == 0 || ((item->mark | item->included) & ~item->mask))
                        return refuse(-EINVAL, "a mark outside its mask", ret_why);
                if ((item->flags & FILTER_GUARD_INCLUDED) && item->mark == item->included)
                        return refuse(-EINVAL, "one mark for two ways", ret_why);
                return 0;
        case FILTER_TUNNEL:
        case FILTER_UPLINK:
        case FILTER_INTERFACE:
                if (item->name[0] == 0 || !memchr(item->name, 0, sizeof(item->name)))
                        return refuse(-EINVAL, "not a device name", ret_why);
                return 0;
        case FILTER_TUNNEL_ADDRESS:
        case FILTER_LAN:
        case FILTER_AROUND:
        case FILTER_INCLUDED:
                if (!is_family(prefix->family) || prefix->length > family_size_bits(prefix->family))
                        return refuse(-EINVAL, "not a prefix", ret_why);
                if (item->kind == FILTER_TUNNEL_ADDRESS &&
                        prefix->length != family_size_bits(prefix->family))
                        return refuse(-EINVAL, "not the address of one host", ret_why);
                return 0;
        case FILTER_USER:
                return 0;
        case _FILTER_KIND_MAX:
                break;
        }
        return refuse(-EINVAL, "not an item of a filter", ret_why);
}

static int check_group(
        const MarkedGroup *group, NftablesMechanism mechanism, const char **ret_why) {
        if (group->mark == 0 || (group->mark & ~group->mask))
                return refuse(-EINVAL, "a mark outside its mask", ret_why);
        if (mechanism == NFTABLES_CGROUP2 && group->level >= LEVELS)
                return refuse(-ERANGE, "a cgroup too deep for nftables (255 levels)", ret_why);
        if (mechanism == NFTABLES_NET_CLS && group->id > UINT32_MAX)
                return refuse(-ERANGE, "not a class id", ret_why);
        return 0;
}

int nft_codec_check(const Fact *fact, NftablesMechanism mechanism, const char **ret_why) {
        if (fact->kind >= _FACT_KIND_MAX ||
                !(nft_codec_kinds(mechanism) & FACT_KIND_BIT(fact->kind)))
                return refuse(-EOPNOTSUPP, "not a kind for this firewall table", ret_why);
        if (fact->kind == FACT_FILTER)
                return check_filter(&fact->filter, ret_why);
        if (fact->kind == FACT_MARKED_GROUP)
                return check_group(&fact->marked_group, mechanism, ret_why);
        if (!is_family(fact->resolver.address.family))
                return refuse(-EINVAL, "not an address", ret_why);
        return 0;
}

/* Gathering. */

static int gather_mark(Table *table, const MarkedGroup *group) {
        for (size_t i = 0; i < table->n_marks; i++)
                if (table->marks[i].value == group->mark && table->marks[i].mask == group->mask)
                        return 0;
        if (table->n_marks == MARKS_MAX)
                return -E2BIG;
        table->marks[table->n_marks++] = (Mark){ group->mark, group->mask };
        return 0;
}

static void gather_filters(Table *table) {
        for (size_t i = 0; i < table->n_filters; i++) {
                const FilterItem *item = &table->filters[i].filter;

                table->n_of[item->kind]++;
                table->n_ipv4[item->kind] += item->prefix.family == AF_INET;
                if (item->kind == FILTER_BASE)
                        table->base = item;
        }
}

static int gather(Table *table, const FactSet *facts) {
        table->filters = fact_set_of_kind(facts, FACT_FILTER, &table->n_filters);
        gather_filters(table);
        if (table->mechanism == NFTABLES_GUARD_ONLY)
                return 0;

        table->groups = fact_set_of_kind(facts, FACT_MARKED_GROUP, &table->n_groups);
        table->resolvers = fact_set_of_kind(facts, FACT_RESOLVER, &table->n_resolvers);
        for (size_t i = 0; i < table->n_groups; i++) {
                const MarkedGroup *group = &table->groups[i].marked_group;
                int r = gather_mark(table, group);

                if (r < 0)
                        return r;
                table->levels[table->mechanism == NFTABLES_CGROUP2 ? group->level : 0] = true;
                table->resolves |= group->resolves;
        }
        return 0;
}

static bool has_prefixes(const Table *table, FilterKind kind, int family) {
        size_t n =
                family == AF_INET ? table->n_ipv4[kind] : table->n_of[kind] - table->n_ipv4[kind];

        return n > 0;
}

/* Conntrack costs everybody: only where flows have to be remembered (kernel.md 3). */
NftFlows nft_codec_flows(const FactSet *facts, NftablesMechanism mechanism) {
        const Fact *filters;
        NftFlows flows = 0;
        size_t n;

        (void)fact_set_of_kind(facts, FACT_MARKED_GROUP, &n);
        if (n > 0 && mechanism != NFTABLES_GUARD_ONLY)
                flows |= NFT_FLOWS_OF_GROUPS;
        filters = fact_set_of_kind(facts, FACT_FILTER, &n);
        for (size_t i = 0; i < n; i++)
                if (filters[i].filter.kind == FILTER_INTERFACE)
                        flows |= NFT_FLOWS_FORWARDED;
        return flows;
}

static bool guards(const Table *table) {
        return table->base->flags & (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6);
}

static bool guards_included(const Table *table) {
        return table->base->flags & FILTER_GUARD_INCLUDED;
}

/* Who must use the tunnel and has no mark that says so. */
static bool guards_listed(const Table *table) {
        return table->n_of[FILTER_USER] + table->n_of[FILTER_INCLUDED] > 0;
}

static bool marks_from_uplink(const Table *table) {
        return table->n_of[FILTER_UPLINK] > 0;
}

/* Answers to what is forwarded have our address until later, and would go back into the tunnel. */
static bool marks_from_tunnel(const Table *table) {
        return guards_included(table) && table->n_of[FILTER_TUNNEL] > 0 &&
               table->n_of[FILTER_INTERFACE] == 0;
}

/* Names of sets; each is written and looked up under the same. */

#define SET_TUNNEL "tunnel"
#define SET_UPLINK "uplink"
#define SET_INTERFACES "interfaces"
#define SET_USERS "users"
#define SET_LINK_ICMPV6 "link-icmpv6"
#define SET_RESOLVING "resolving-groups"
#define SET_FOR_US "for-us"

static const char *prefix_set_name(FilterKind kind, int family) {
        switch (kind) {
        case FILTER_TUNNEL_ADDRESS:
                return family == AF_INET ? "tunnel-ipv4" : "tunnel-ipv6";
        case FILTER_LAN:
                return family == AF_INET ? "lan-ipv4" : "lan-ipv6";
        case FILTER_AROUND:
                return family == AF_INET ? "around-ipv4" : "around-ipv6";
        case FILTER_INCLUDED:
                return family == AF_INET ? "included-ipv4" : "included-ipv6";
        case FILTER_BASE:
        case FILTER_TUNNEL:
        case FILTER_UPLINK:
        case FILTER_USER:
        case FILTER_INTERFACE:
        case _FILTER_KIND_MAX:
                break;
        }
        assert(false);
        return NULL;
}

static const char *group_set_name(const Mark *mark, char name[static SET_NAME_MAX]) {
        (void)snprintf(name, SET_NAME_MAX, "groups-0x%08x", mark->value);
        return name;
}

/* Sets. */

static void append_element(
        Table *table, struct nftnl_set *set, const void *key, size_t size, uint32_t flags) {
        struct nftnl_set_elem *element = nftnl_set_elem_alloc();

        if (!element) {
                nft_batch_fail(table->batch, -ENOMEM);
                return;
        }
        nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key, (uint32_t)size);
        if (flags)
                nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_FLAGS, flags);
        nftnl_set_elem_add(set, element);
}

/* Opens a set for elements; the kernel sees it at close_set(). Return: NULL, the error sticks. */
static struct nftnl_set *open_set(Table *table, const char *name, const NftSetType *type,
        uint32_t flags, const char *comment) {
        NftSetType flagged = *type;
        struct nftnl_set *set = nftnl_set_alloc();

        flagged.flags |= flags;
        nft_batch_add_set(table->batch, name, &flagged, comment);
        if (set)
                nftnl_set_set_str(set, NFTNL_SET_NAME, name);
        else
                nft_batch_fail(table->batch, -ENOMEM);
        return set;
}

static void close_set(Table *table, struct nftnl_set *set) {
        nft_batch_add_elements(table->batch, set);
        nftnl_set_free(set);
}

static void write_name_set(Table *table, FilterKind kind, const char *name, const char *comment) {
        struct nftnl_set *set;

        if (table->n_of[kind] == 0)
                return;
        set = open_set(table, name, &type_name, 0, comment);
        for (size_t i = 0; set && i < table->n_filters; i++) {
                const FilterItem *item = &table->filters[i].filter;
                char padded[IFNAMSIZ] = "";

                if (item->kind != kind)
                        continue;
                memcpy(padded, item->name, strnlen(item->name, IFNAMSIZ - 1));
                append_element(table, set, padded, sizeof(padded), 0);
        }
        if (set)
                close_set(table, set);
}

static void write_users(Table *table) {
        struct nftnl_set *set;

        if (table->n_of[FILTER_USER] == 0)
                return;
        set = open_set(table, SET_USERS, &type_uid, 0,
                guards_included(table) ? "users who must use the tunnel"
                                       : "users whose packets may go around");
        for (size_t i = 0; set && i < table->n_filters; i++) {
                const FilterItem *item = &table->filters[i].filter;

                if (item->kind == FILTER_USER)
                        append_element(table, set, &item->number, sizeof(item->number), 0);
        }
        if (set)
                close_set(table, set);
}

/* The address behind the last one of @prefix. Return: false when there is none. */
static bool prefix_end(const Prefix *prefix, uint8_t end[static 16]) {
        unsigned carry = 1;

        memcpy(end, prefix->bytes, sizeof(prefix->bytes));
        if (prefix->length == 0)
                return false;
        for (unsigned i = (prefix->length - 1u) / 8 + 1; i-- > 0 && carry;) {
                unsigned step =
                        i == (prefix->length - 1u) / 8 ? 0x80u >> (prefix->length - 1u) % 8 : 1;
                unsigned sum = end[i] + step;

                end[i] = (uint8_t)sum;
                carry = sum > UINT8_MAX;
        }
        return !carry;
}

/* Intervals must not overlap. Prefixes nest or are apart; sorted, the outer one comes first. */
static void append_prefixes(Table *table, struct nftnl_set *set, FilterKind kind, int family) {
        size_t size = family_size_bytes(family);
        const Prefix *outer = NULL;

        for (size_t i = 0; i < table->n_filters; i++) {
                const FilterItem *item = &table->filters[i].filter;
                uint8_t end[16];

                if (item->kind != kind || item->prefix.family != family ||
                        (outer && prefix_covers(outer, &item->prefix)))
                        continue;
                outer = &item->prefix;
                append_element(table, set, outer->bytes, size, 0);
                if (kind != FILTER_TUNNEL_ADDRESS && prefix_end(outer, end))
                        append_element(table, set, end, size, NFT_SET_ELEM_INTERVAL_END);
        }
}

static void write_prefix_sets(Table *table, FilterKind kind, const char *comment) {
        static const int families[] = { AF_INET, AF_INET6 };

        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                uint32_t flags = kind == FILTER_TUNNEL_ADDRESS ? 0 : NFT_SET_INTERVAL;
                struct nftnl_set *set;

                if (!has_prefixes(table, kind, families[i]))
                        continue;
                set = open_set(table, prefix_set_name(kind, families[i]),
                        families[i] == AF_INET ? &type_ipv4 : &type_ipv6, flags, comment);
                if (!set)
                        return;
                append_prefixes(table, set, kind, families[i]);
                close_set(table, set);
        }
}

static void append_group(Table *table, struct nftnl_set *set, const MarkedGroup *group) {
        uint32_t class_id = (uint32_t)group->id;

        if (table->mechanism == NFTABLES_CGROUP2)
                append_element(table, set, &group->id, sizeof(group->id), 0);
        else
                append_element(table, set, &class_id, sizeof(class_id), 0);
}

/* Groups of @mark; NULL: those that resolve. */
static void write_group_set(Table *table, const char *name, const Mark *mark, const char *comment) {
        bool is_cgroup2 = table->mechanism == NFTABLES_CGROUP2;
        struct nftnl_set *set =
                open_set(table, name, is_cgroup2 ? &type_cgroup2 : &type_class_id, 0, comment);

        for (size_t i = 0; set && i < table->n_groups; i++) {
                const MarkedGroup *group = &table->groups[i].marked_group;

                if (mark ? group->mark == mark->value && group->mask == mark->mask
                         : group->resolves)
                        append_group(table, set, group);
        }
        if (set)
                close_set(table, set);
}

static void write_group_sets(Table *table) {
        char name[SET_NAME_MAX], comment[COMMENT_MAX];

        for (size_t i = 0; i < table->n_marks; i++) {
                (void)snprintf(comment, sizeof(comment), "groups of processes marked 0x%08x",
                        table->marks[i].value);
                write_group_set(
                        table, group_set_name(&table->marks[i], name), &table->marks[i], comment);
        }
        if (table->resolves && table->n_resolvers > 0)
                write_group_set(table, SET_RESOLVING, NULL, "groups that ask another resolver");
}

/* RFC 4861 and RFC 3810: what a link needs to know of us. */
static void write_link_icmpv6(Table *table) {
        static const uint8_t types[] = { 131, 132, 133, 135, 136, 143 };
        struct nftnl_set *set;

        if (!(table->base->flags & FILTER_GUARD_IPV6) ||
                (guards_included(table) && !guards_listed(table)))
                return;
        set = open_set(table, SET_LINK_ICMPV6, &type_icmpv6, NFT_SET_CONSTANT,
                "neighbour discovery and multicast reports");
        for (size_t i = 0; set && i < ARRAY_LENGTH(types); i++)
                append_element(table, set, &types[i], sizeof(types[i]), 0);
        if (set)
                close_set(table, set);
}

/* What is forwarded goes its own way: routed without a mark, it enters the tunnel. */
static void write_for_us(Table *table) {
        static const uint32_t types[] = { RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST };
        struct nftnl_set *set;

        if (!marks_from_uplink(table) && !marks_from_tunnel(table))
                return;
        set = open_set(table, SET_FOR_US, &type_address_type, NFT_SET_CONSTANT,
                "destinations that are this machine");
        for (size_t i = 0; set && i < ARRAY_LENGTH(types); i++)
                append_element(table, set, &types[i], sizeof(types[i]), 0);
        if (set)
                close_set(table, set);
}

static void write_sets(Table *table) {
        write_name_set(table, FILTER_TUNNEL, SET_TUNNEL, "devices that are inside the tunnel");
        write_prefix_sets(table, FILTER_TUNNEL_ADDRESS, "our addresses in the tunnel");
        write_name_set(table, FILTER_UPLINK, SET_UPLINK, "devices that lead out beside the tunnel");
        write_prefix_sets(table, FILTER_LAN, "the local network");
        write_prefix_sets(table, FILTER_AROUND, "destinations that go around the tunnel");
        write_prefix_sets(table, FILTER_INCLUDED, "destinations that must use the tunnel");
        write_users(table);
        write_name_set(table, FILTER_INTERFACE, SET_INTERFACES,
                guards_included(table) ? "forwarded from these: must use the tunnel"
                                       : "forwarded from these: goes around the tunnel");
        write_link_icmpv6(table);
        write_for_us(table);
        write_group_sets(table);
}

/* Chains. */

static void add_chain(Table *table, const char *name, const char *type, uint32_t hook,
        int32_t priority, const char *comment) {
        const NftHook where = { type, hook, priority };

        nft_batch_add_chain(table->batch, name, &where, comment);
}

/* What both guards say first. */
static void write_unguarded_family(Table *table, const char *chain) {
        NftRule *rule = &table->rule;
        uint32_t families = table->base->flags & (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6);

        if (families == (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6))
                return;
        rule_begin(rule, chain);
        match_family(rule, families == FILTER_GUARD_IPV4 ? AF_INET6 : AF_INET);
        rule_end(rule, NF_ACCEPT, "this family is not guarded");
}

static void write_tunnel_exit(Table *table, const char *chain) {
        NftRule *rule = &table->rule;

        if (table->n_of[FILTER_TUNNEL] == 0)
                return;
        rule_begin(rule, chain);
        match_in_set(rule, NFT_META_OIFNAME, SET_TUNNEL);
        rule_end(rule, NF_ACCEPT, "through the tunnel");
}

static void write_loopback_exit(Table *table, const char *chain) {
        NftRule *rule = &table->rule;

        rule_begin(rule, chain);
        match_name(rule, NFT_META_OIFNAME, "lo");
        rule_end(rule, NF_ACCEPT, "stays in this machine");
}

/* The ways beside the tunnel: by mark and by destination. */
static void write_ways_around(Table *table, const char *chain) {
        static const struct {
                FilterKind kind;
                int family;
                const char *comment;
        } ways[] = {
                { FILTER_LAN, AF_INET, "the local network" },
                { FILTER_LAN, AF_INET6, "the local network" },
                { FILTER_AROUND, AF_INET, "destinations that go around the tunnel" },
                { FILTER_AROUND, AF_INET6, "destinations that go around the tunnel" },
        };
        NftRule *rule = &table->rule;

        rule_begin(rule, chain);
        match_mark(rule, table->base->mark, table->base->mask);
        rule_end(rule, NF_ACCEPT, "marked to go around: the tunnel's own packets, excluded groups");

        for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
                if (!has_prefixes(table, ways[i].kind, ways[i].family))
                        continue;
                rule_begin(rule, chain);
                match_destination_set(
                        rule, ways[i].family, prefix_set_name(ways[i].kind, ways[i].family));
                rule_end(rule, NF_ACCEPT, ways[i].comment);
        }
}

/* Without these no link gets or keeps an address: RFC 2131, RFC 8415, RFC 4861, RFC 3810. */
static void write_link_needs(Table *table, const char *chain) {
        static const Prefix multicast = { AF_INET, 4, { 224 } };
        static const Prefix link_local = { AF_INET6, 10, { 0xfe, 0x80 } };
        static const Prefix servers = { AF_INET6, 128, { 0xff, 0x02, [13] = 1, [15] = 2 } };
        NftRule *rule = &table->rule;

        if (table->base->flags & FILTER_GUARD_IPV4) {
                rule_begin(rule, chain);
                match_family(rule, AF_INET);
                match_protocol(rule, IPPROTO_UDP);
                match_ports(rule, 68, 67);
                rule_end(rule, NF_ACCEPT, "a link's address: DHCP");
                rule_begin(rule, chain);
                match_destination(rule, &multicast);
                match_protocol(rule, IPPROTO_IGMP); /* RFC 3376: the kernel's own, TTL 1 */
                rule_end(rule, NF_ACCEPT, "a link's multicast: IGMP");
        }
        if (table->base->flags & FILTER_GUARD_IPV6) {
                rule_begin(rule, chain);
                match_destination(rule, &link_local);
                match_protocol(rule, IPPROTO_UDP);
                match_ports(rule, 546, 547);
                rule_end(rule, NF_ACCEPT, "a link's address: DHCPv6");
                rule_begin(rule, chain);
                match_destination(rule, &servers);
                match_protocol(rule, IPPROTO_UDP);
                match_ports(rule, 546, 547);
                rule_end(rule, NF_ACCEPT, "a link's address: DHCPv6");
                rule_begin(rule, chain);
                match_icmpv6_set(rule, SET_LINK_ICMPV6);
                rule_end(rule, NF_ACCEPT, "a link's neighbours and multicast");
        }
}

/*
 * At postrouting, not at output: there a packet that was routed once more
 * (route hooks, destination NAT) still shows the device of its first route
 * (nf_hook_state.out), and the guard would judge the wrong one.
 */
static void write_guard_output(Table *table) {
        static const char *const chain = "guard-output";
        NftRule *rule = &table->rule;

        add_chain(table, chain, "filter", NF_INET_POST_ROUTING, PRIORITY_FILTER,
                "nothing leaves this machine beside the tunnel");
        write_unguarded_family(table, chain);
        write_loopback_exit(table, chain);
        write_tunnel_exit(table, chain);
        write_ways_around(table, chain);
        if (table->n_of[FILTER_USER] > 0) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_SKUID, SET_USERS);
                rule_end(rule, NF_ACCEPT, "users whose packets may go around");
        }
        /* Encapsulated packets of other tunnels carry a device here, too: they leave by uplinks. */
        if (table->n_of[FILTER_UPLINK] > 0) {
                rule_begin(rule, chain);
                match_forwarded(rule);
                match_outside_set(rule, NFT_META_OIFNAME, SET_UPLINK);
                rule_end(rule, NF_ACCEPT, "forwarded between links inside, see guard-forward");
        }
        write_link_needs(table, chain);
        rule_begin(rule, chain);
        rule_end(rule, NF_DROP, "would leave beside the tunnel");
}

/* Sockets that were connected through the tunnel before: the link is not to learn its addresses. */
static void write_tunnel_sources(Table *table, const char *chain) {
        static const int families[] = { AF_INET, AF_INET6 };
        NftRule *rule = &table->rule;

        for (size_t i = 0; table->n_of[FILTER_TUNNEL] > 0 && i < ARRAY_LENGTH(families); i++) {
                if (!has_prefixes(table, FILTER_TUNNEL_ADDRESS, families[i]))
                        continue;
                rule_begin(rule, chain);
                match_other_name(rule, NFT_META_OIFNAME, "lo");
                match_outside_set(rule, NFT_META_OIFNAME, SET_TUNNEL);
                match_source_set(
                        rule, families[i], prefix_set_name(FILTER_TUNNEL_ADDRESS, families[i]));
                rule_end(rule, NF_DROP, "from an address of the tunnel beside it");
        }
}

/* Users and destinations are routed into the tunnel without a mark: what is on its way elsewhere.
 */
static void write_guard_listed(Table *table, const char *chain) {
        static const int families[] = { AF_INET, AF_INET6 };
        NftRule *rule = &table->rule;

        if (!guards_listed(table))
                return;
        rule_begin(rule, chain);
        match_mark(rule, table->base->mark, table->base->mask);
        rule_end(rule, NF_ACCEPT, "marked to go around: the tunnel's own packets");
        write_link_needs(table, chain);
        if (table->n_of[FILTER_USER] > 0) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_SKUID, SET_USERS);
                rule_end(rule, NF_DROP, "of a user who must use the tunnel, beside it");
        }
        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                if (!has_prefixes(table, FILTER_INCLUDED, families[i]))
                        continue;
                rule_begin(rule, chain);
                match_destination_set(
                        rule, families[i], prefix_set_name(FILTER_INCLUDED, families[i]));
                rule_end(rule, NF_DROP, "to where the tunnel alone leads, beside it");
        }
}

/* The tunnel's own packets: kernel tunnels leave the mark of what is inside on the outside. */
static void write_guard_included(Table *table) {
        static const char *const chain = "guard-output";
        NftRule *rule = &table->rule;

        add_chain(table, chain, "filter", NF_INET_POST_ROUTING, PRIORITY_FILTER,
                "what must use the tunnel never leaves beside it");
        write_unguarded_family(table, chain);
        write_tunnel_sources(table, chain);
        write_loopback_exit(table, chain);
        write_tunnel_exit(table, chain);
        if (table->n_of[FILTER_TUNNEL] > 0) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_IIFNAME, SET_TUNNEL);
                rule_end(rule, NF_ACCEPT, "the tunnel's own packets");
        }
        write_guard_listed(table, chain);
        rule_begin(rule, chain);
        match_other_mark(rule, table->base->included, table->base->mask);
        rule_end(rule, NF_ACCEPT, "need not use the tunnel");
        rule_begin(rule, chain);
        rule_end(rule, NF_DROP, "would leave beside the tunnel");
}

/* With no uplink known nothing tells inside from outside: then all is outside. */
static void write_guard_forward(Table *table) {
        static const char *const chain = "guard-forward";
        NftRule *rule = &table->rule;

        add_chain(table, chain, "filter", NF_INET_FORWARD, PRIORITY_FILTER,
                "nothing is forwarded out beside the tunnel");
        write_unguarded_family(table, chain);
        write_tunnel_exit(table, chain);
        if (table->n_of[FILTER_UPLINK] > 0) {
                rule_begin(rule, chain);
                match_outside_set(rule, NFT_META_OIFNAME, SET_UPLINK);
                rule_end(rule, NF_ACCEPT, "not out of this machine: containers, other links");
        }
        write_ways_around(table, chain);
        rule_begin(rule, chain);
        rule_end(rule, NF_DROP, "would leave beside the tunnel");
}

/* Where resolve-output sends questions of loopback addresses out, route_localnet lets others in. */
static bool lets_loopback_out(const Table *table) {
        return table->n_of[FILTER_UPLINK] > 0 && table->n_resolvers > 0 &&
               table->resolvers[0].resolver.address.family == AF_INET; /* sorted */
}

static void write_guard_loopback(Table *table, const char *chain) {
        static const Prefix loopback = { AF_INET, 8, { 127 } };
        NftRule *rule = &table->rule;

        rule_begin(rule, chain);
        match_in_set(rule, NFT_META_IIFNAME, SET_UPLINK);
        match_destination(rule, &loopback);
        rule_end(rule, NF_DROP, "to loopback from outside, see route_localnet");
        rule_begin(rule, chain);
        match_in_set(rule, NFT_META_IIFNAME, SET_UPLINK);
        match_source(rule, &loopback);
        rule_end(rule, NF_DROP, "from loopback outside, see route_localnet");
}

static void write_guard_input(Table *table) {
        static const int families[] = { AF_INET, AF_INET6 };
        static const char *const chain = "guard-input";
        NftRule *rule = &table->rule;

        if (table->n_of[FILTER_TUNNEL_ADDRESS] == 0 && !lets_loopback_out(table))
                return;
        add_chain(table, chain, "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW,
                "the tunnel's addresses answer inside it only (CVE-2019-14899)");
        if (lets_loopback_out(table))
                write_guard_loopback(table, chain);
        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                if (!has_prefixes(table, FILTER_TUNNEL_ADDRESS, families[i]))
                        continue;
                rule_begin(rule, chain);
                match_other_name(rule, NFT_META_IIFNAME, "lo");
                if (table->n_of[FILTER_TUNNEL] > 0)
                        match_outside_set(rule, NFT_META_IIFNAME, SET_TUNNEL);
                match_destination_set(
                        rule, families[i], prefix_set_name(FILTER_TUNNEL_ADDRESS, families[i]));
                rule_end(rule, NF_DROP, "to an address of the tunnel from outside it");
        }
}

/*
 * Without conntrack; the mark leads reverse-path filters past the tunnel
 * (kernel.md 4), and with it connections are accepted and answers without a
 * socket are sent. In include mode it leads into the tunnel what came by it.
 */
static void write_mark_ingress(Table *table) {
        static const char *const chain = "mark-ingress";
        NftRule *rule = &table->rule;

        if (!marks_from_uplink(table) && !marks_from_tunnel(table))
                return;
        add_chain(table, chain, "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW,
                "what comes in is answered where it came from");
        if (marks_from_uplink(table)) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_IIFNAME, SET_UPLINK);
                match_destination_type_set(rule, SET_FOR_US);
                set_mark(rule, table->base->mark, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "came in beside the tunnel");
        }
        if (marks_from_tunnel(table)) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_IIFNAME, SET_TUNNEL);
                match_destination_type_set(rule, SET_FOR_US);
                set_mark(rule, table->base->included, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "came in by the tunnel");
        }
}

/*
 * Gives packets the mark of their flow, for each mark a flow can have. What
 * went around before include mode may have to use the tunnel now.
 */
static void write_recall(Table *table, const char *chain, bool except_from_tunnel) {
        Mark marks[MARKS_MAX + 2];
        NftRule *rule = &table->rule;
        size_t n = 0;

        if (except_from_tunnel || !guards_included(table))
                marks[n++] = (Mark){ table->base->mark, table->base->mask };
        if (guards_included(table))
                marks[n++] = (Mark){ table->base->included, table->base->mask };
        for (size_t i = 0; i < table->n_marks; i++) {
                bool known = false;

                for (size_t k = 0; k < n; k++)
                        known |= marks[k].value == table->marks[i].value &&
                                 marks[k].mask == table->marks[i].mask;
                if (!known)
                        marks[n++] = table->marks[i];
        }
        for (size_t i = 0; i < n; i++) {
                rule_begin(rule, chain);
                if (except_from_tunnel && table->n_of[FILTER_TUNNEL] > 0)
                        match_outside_set(rule, NFT_META_IIFNAME, SET_TUNNEL);
                match_flow_mark(rule, marks[i].value, marks[i].mask);
                set_mark(rule, marks[i].value, marks[i].mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "keeps to the way of its flow");
        }
}

/*
 * What comes in by the tunnel gets no mark back: it goes to somebody inside,
 * and in include mode the mark would send it into the tunnel again.
 */
static void write_mark_flows(Table *table) {
        static const char *const chain = "mark-flows";
        NftRule *rule = &table->rule;
        uint32_t mark = guards_included(table) ? table->base->included : table->base->mark;

        if (table->flows == 0)
                return;
        add_chain(table, chain, "filter", NF_INET_PRE_ROUTING, PRIORITY_MANGLE,
                "flows keep to the way of their first packet");
        if (table->n_of[FILTER_UPLINK] > 0) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_IIFNAME, SET_UPLINK);
                match_flow_start(rule);
                set_flow_mark(rule, table->base->mark, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "came in beside the tunnel: answers, too");
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_IIFNAME, SET_UPLINK);
                match_flow_original(rule);
                rule_end(rule, NF_ACCEPT,
                        "forwarded as any packet, into the tunnel; see mark-ingress");
        }
        write_recall(table, chain, /* except_from_tunnel= */ true);
        if (table->n_of[FILTER_INTERFACE] > 0) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_IIFNAME, SET_INTERFACES);
                if (guards_included(table))
                        match_flow_original(rule); /* open ones follow, or are cut */
                else
                        match_flow_start(rule);
                set_mark(rule, mark, table->base->mask);
                set_flow_mark(rule, mark, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "forwarded from an interface of ours to mark");
        }
}

static bool has_groups_at(const Table *table, unsigned level, const Mark *mark) {
        for (size_t i = 0; i < table->n_groups; i++) {
                const MarkedGroup *group = &table->groups[i].marked_group;
                bool at_level = table->mechanism != NFTABLES_CGROUP2 || group->level == level;

                if (at_level && (mark ? group->mark == mark->value && group->mask == mark->mask
                                      : group->resolves))
                        return true;
        }
        return false;
}

static void match_groups(Table *table, unsigned level, const char *set) {
        if (table->mechanism == NFTABLES_CGROUP2)
                match_cgroup2_set(&table->rule, level, set);
        else
                match_in_set(&table->rule, NFT_META_CGROUP, set);
}

/* Sockets keep the group of their birth: those that were brought back say so by their mark. */
static void write_settled(Table *table, const char *chain) {
        uint32_t settled = ours_settled_mark(table->base->mark, table->base->mask);
        NftRule *rule = &table->rule;

        if (!settled)
                return;
        rule_begin(rule, chain);
        match_mark(rule, settled, table->base->mask);
        rule_end(rule, NF_ACCEPT, "brought back from a group");
}

/*
 * A flow's first packet decides, not one more before an answer (`ct state new`):
 * masquerading cannot begin later. The deepest
 * group comes last and wins. Packets without a full socket (SYN-ACK, RST and
 * what follows an exit) have only their flow.
 */
static void write_mark_output(Table *table) {
        static const char *const chain = "mark-output";
        NftRule *rule = &table->rule;
        char name[SET_NAME_MAX];

        if (!(table->flows & NFT_FLOWS_OF_GROUPS))
                return;
        add_chain(table, chain, "route", NF_INET_LOCAL_OUT, PRIORITY_MANGLE,
                "packets of groups get their mark and are routed once more");
        write_settled(table, chain);
        write_recall(table, chain, /* except_from_tunnel= */ false);
        for (unsigned level = 0; level < LEVELS; level++)
                for (size_t i = 0; table->levels[level] && i < table->n_marks; i++) {
                        const Mark *mark = &table->marks[i];

                        if (!has_groups_at(table, level, mark))
                                continue;
                        rule_begin(rule, chain);
                        match_flow_start(rule);
                        match_groups(table, level, group_set_name(mark, name));
                        set_mark(rule, mark->value, mark->mask);
                        set_flow_mark(rule, mark->value, mark->mask);
                        rule_end(rule, NFT_RULE_NO_VERDICT, "a group's new flow");
                }
}

/*
 * A flow that came in beside the tunnel would be answered there, first of all
 * by SYN-ACKs, which belong to no group. So what must use the tunnel is not
 * asked beside it. Class ids say nothing of who listens.
 */
static void write_guard_questions(Table *table) {
        const Mark included = { table->base->included, table->base->mask };
        static const char *const chain = "guard-questions";
        NftRule *rule = &table->rule;
        char name[SET_NAME_MAX];

        if (!guards_included(table) || table->mechanism != NFTABLES_CGROUP2 ||
                !marks_from_uplink(table))
                return;
        add_chain(table, chain, "filter", NF_INET_LOCAL_IN, PRIORITY_FILTER,
                "what must use the tunnel is not asked beside it");
        for (unsigned level = 0; level < LEVELS; level++) {
                if (!table->levels[level] || !has_groups_at(table, level, &included))
                        continue;
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_IIFNAME, SET_UPLINK);
                match_flow_start(rule);
                match_groups(table, level, group_set_name(&included, name));
                rule_end(rule, NF_DROP, "its answer would leave beside the tunnel");
        }
}

static void write_resolve_rule(
        Table *table, unsigned level, const Address *resolver, uint8_t protocol) {
        NftRule *rule = &table->rule;

        rule_begin(rule, "resolve-output");
        match_family(rule, resolver->family);
        match_groups(table, level, SET_RESOLVING);
        match_protocol(rule, protocol);
        match_destination_port(rule, 53);
        send_to(rule, resolver);
        rule_end(rule, NFT_RULE_NO_VERDICT, "a group's questions");
}

/* Questions to 127.0.0.53 leave only with route_localnet=1 on the link: see write_guard_loopback().
 */
static void write_resolve_output(Table *table) {
        if (!table->resolves || table->n_resolvers == 0)
                return;
        add_chain(table, "resolve-output", "nat", NF_INET_LOCAL_OUT, PRIORITY_DSTNAT,
                "questions of groups go to their resolver");
        write_settled(table, "resolve-output");
        for (unsigned level = 0; level < LEVELS; level++) {
                if (!table->levels[level] || !has_groups_at(table, level, NULL))
                        continue;
                for (size_t i = 0; i < table->n_resolvers; i++) {
                        const Address *resolver = &table->resolvers[i].resolver.address;

                        write_resolve_rule(table, level, resolver, IPPROTO_UDP);
                        write_resolve_rule(table, level, resolver, IPPROTO_TCP);
                }
        }
}

/*
 * A packet routed once more keeps the source of its first route: the tunnel's,
 * or loopback's. Without the chain, packets of flows that are masqueraded
 * already would keep it too.
 */
static void write_masquerade_output(Table *table) {
        static const char *const chain = "masquerade-output";
        NftRule *rule = &table->rule;

        if (!(table->flows & NFT_FLOWS_OF_GROUPS))
                return;
        add_chain(table, chain, "nat", NF_INET_POST_ROUTING, PRIORITY_SRCNAT,
                "packets of groups leave with an address of their link");
        for (size_t i = 0; i < table->n_marks; i++) {
                rule_begin(rule, chain);
                match_made_here(rule);
                match_other_name(rule, NFT_META_OIFNAME, "lo");
                match_mark(rule, table->marks[i].value, table->marks[i].mask);
                match_foreign_source(rule);
                masquerade(rule);
                rule_end(rule, NFT_RULE_NO_VERDICT, "source is not of the link it leaves by");
        }
}

static void write_chains(Table *table) {
        if (guards(table) && guards_included(table))
                write_guard_included(table);
        else if (guards(table)) {
                write_guard_output(table);
                write_guard_forward(table);
        }
        write_guard_input(table);
        write_mark_ingress(table);
        write_mark_flows(table);
        write_mark_output(table);
        write_guard_questions(table);
        write_resolve_output(table);
        write_masquerade_output(table);
}

static void write_table(Table *table) {
        table->rule =
                (NftRule){ .batch = table->batch, .counts = table->base->flags & FILTER_COUNT };
        nft_batch_add_table(table->batch, NFT_TABLE_COMMENT);
        write_sets(table);
        write_chains(table);
}

int nft_codec_encode(const FactSet *facts, NftablesMechanism mechanism, NftFlows kept,
        uint32_t generation, NftBatch *batch) {
        Table table = { .batch = batch,
                .mechanism = mechanism,
                .flows = kept | nft_codec_flows(facts, mechanism) };
        int r = gather(&table, facts);

        if (r < 0)
                return r;
        nft_batch_begin(batch, generation);
        nft_batch_add_table(batch, NULL);
        nft_batch_delete_table(batch);
        if (table.base)
                write_table(&table);
        return nft_batch_finish(batch);
}

int nft_codec_encode_probe(NftablesMechanism mechanism, NftBatch *batch) {
        static const Fact facts[] = {
                { .kind = FACT_MARKED_GROUP,
                        .marked_group = { .id = 1, .mark = 1, .mask = 1, .resolves = true } },
                { .kind = FACT_RESOLVER,
                        .resolver = { .address = { .family = AF_INET,
                                              .bytes = { 127, 0, 0, 1 } } } },
                { .kind = FACT_FILTER,
                        .filter = { .kind = FILTER_BASE,
                                .flags = FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6,
                                .mark = 1,
                                .mask = 1 } },
                { .kind = FACT_FILTER, .filter = { .kind = FILTER_UPLINK, .name = "none" } },
        };
        CLEANUP(fact_set_clear) FactSet set = FACT_SET_INIT;
        Table table = { .batch = batch, .mechanism = mechanism };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_LENGTH(facts); i++)
                r = fact_set_put(&set, &facts[i]);
        if (r >= 0)
                r = gather(&table, &set);
        if (r < 0)
                return r;
        table.flows = nft_codec_flows(&set, mechanism);
        batch->table = NFT_TABLE_NAME "-probe";
        nft_batch_begin(batch, 0);
        write_table(&table);
        return nft_batch_finish_dry(batch);
}
