// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-sets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"

#define COMMENT_MAX 96
#define REFUSED_MSEC 190000
#define REFUSED_MAX 4096

static const NftSetType type_name = { 41, IFNAMSIZ, NFT_BYTES_HOST, 0 };  /* ifname */
static const NftSetType type_uid = { 24, 4, NFT_BYTES_HOST, 0 };          /* uid */
static const NftSetType type_ipv4 = { 7, 4, NFT_BYTES_NETWORK, 0 };       /* ipv4_addr */
static const NftSetType type_ipv6 = { 8, 16, NFT_BYTES_NETWORK, 0 };      /* ipv6_addr */
static const NftSetType type_protocol = { 12, 1, NFT_BYTES_NETWORK, 0 };  /* inet_proto */
static const NftSetType type_icmpv6 = { 29, 1, NFT_BYTES_NETWORK, 0 };    /* icmpv6_type */
static const NftSetType type_address_type = { 38, 4, NFT_BYTES_HOST, 0 }; /* fib_addrtype */
static const NftSetType type_cgroup2 = { 46, 8, NFT_BYTES_HOST, 0 };      /* cgroupsv2 */
static const NftSetType type_class_id = { 23, 4, NFT_BYTES_HOST, 0 };     /* classid */

static void append_element(
        NftTable *table, struct nftnl_set *set, const void *key, size_t size, uint32_t flags) {
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
static struct nftnl_set *open_set(NftTable *table, const char *name, const NftSetType *type,
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

static void close_set(NftTable *table, struct nftnl_set *set) {
        nft_batch_add_elements(table->batch, set);
        nftnl_set_free(set);
}

/* One device needs no set: see nft_table_match_device(). */
static void write_name_set(
        NftTable *table, FilterKind kind, const char *name, const char *comment) {
        struct nftnl_set *set;

        if (table->n_of[kind] <= 1)
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

static void write_users(NftTable *table) {
        struct nftnl_set *set;

        if (table->n_of[FILTER_USER] == 0)
                return;
        set = open_set(table, SET_USERS, &type_uid, 0,
                nft_table_guards_included(table) ? "users who must use the tunnel"
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
static void append_prefixes(NftTable *table, struct nftnl_set *set, FilterKind kind, int family) {
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

static void write_prefix_sets(NftTable *table, FilterKind kind, const char *comment) {
        static const int families[] = { AF_INET, AF_INET6 };

        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                uint32_t flags = kind == FILTER_TUNNEL_ADDRESS ? 0 : NFT_SET_INTERVAL;
                struct nftnl_set *set;

                if (!nft_table_has_prefixes(table, kind, families[i]))
                        continue;
                set = open_set(table, nft_table_prefix_set(kind, families[i]),
                        families[i] == AF_INET ? &type_ipv4 : &type_ipv6, flags, comment);
                if (!set)
                        return;
                append_prefixes(table, set, kind, families[i]);
                close_set(table, set);
        }
}

static void append_group(NftTable *table, struct nftnl_set *set, const MarkedGroup *group) {
        uint32_t class_id = (uint32_t)group->id;

        if (table->mechanism == NFTABLES_CGROUP2)
                append_element(table, set, &group->id, sizeof(group->id), 0);
        else
                append_element(table, set, &class_id, sizeof(class_id), 0);
}

/* Groups of @mark; NULL: those that resolve. */
static void write_group_set(
        NftTable *table, const char *name, const NftMark *mark, const char *comment) {
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

/* All that are known, or those of them that lie above. */
static void write_known_set(NftTable *table, const char *name, bool above, const char *comment) {
        struct nftnl_set *set = open_set(table, name, &type_cgroup2, 0, comment);

        for (size_t i = 0; set && i < table->n_known; i++) {
                const KnownGroup *group = &table->known[i].known_group;

                if (!above || group->is_above)
                        append_element(table, set, &group->id, sizeof(group->id), 0);
        }
        if (set)
                close_set(table, set);
}

static void write_known_sets(NftTable *table) {
        if (!table->new_mark.value)
                return;
        write_known_set(
                table, SET_KNOWN, /* above= */ false, "groups that are known not to be listed");
        write_known_set(table, SET_ABOVE, /* above= */ true, "groups that listed ones are below");
}

static void write_group_sets(NftTable *table) {
        char name[NFT_SET_NAME_MAX], comment[COMMENT_MAX];

        for (size_t i = 0; i < table->n_marks; i++) {
                if (!nft_table_has_groups(table, &table->marks[i]))
                        continue; /* it is the mark of what is new alone */
                (void)snprintf(comment, sizeof(comment), "groups of processes marked 0x%08x",
                        table->marks[i].value);
                write_group_set(table, nft_table_group_set(&table->marks[i], name),
                        &table->marks[i], comment);
        }
        if (table->resolves && table->n_resolvers > 0)
                write_group_set(table, SET_RESOLVING, NULL, "groups that ask another resolver");
}

static void write_former_set(NftTable *table, NftFormer what) {
        struct nftnl_set *set;

        if (!table->has_former[what])
                return;
        set = open_set(table, nft_table_former_set(what), &type_cgroup2, 0,
                what == NFT_FORMER_OURS ? "groups whose open flows go on around the tunnel"
                                        : "groups whose open connections do");
        for (size_t i = 0; set && i < table->n_past; i++)
                if (nft_table_is_former(table, &table->past[i], what))
                        append_group(table, set, &table->past[i]);
        if (set)
                close_set(table, set);
}

/* What encapsulates others' packets is none of them: it carries the socket of who sends inside. */
static void write_protocols(NftTable *table) {
        static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6,
                IPPROTO_SCTP, IPPROTO_UDPLITE };
        struct nftnl_set *set;

        if (!nft_table_guards_flows(table))
                return;
        set = open_set(table, SET_PROTOCOLS, &type_protocol, NFT_SET_CONSTANT,
                "spoken by programs, not by tunnels");
        for (size_t i = 0; set && i < ARRAY_LENGTH(protocols); i++)
                append_element(table, set, &protocols[i], sizeof(protocols[i]), 0);
        if (set)
                close_set(table, set);
}

/* Filled by packets, see nft-guard.c. Longer than flows last (nf_conntrack_udp_timeout_stream). */
static void write_refused(NftTable *table) {
        static const NftSetType types[] = {
                { 7 << 12 | 13 << 6 | 13, 12, NFT_BYTES_NETWORK, NFT_SET_EVAL | NFT_SET_TIMEOUT,
                        .timeout_msec = REFUSED_MSEC, .n_max = REFUSED_MAX },
                { 8 << 12 | 13 << 6 | 13, 24, NFT_BYTES_NETWORK, NFT_SET_EVAL | NFT_SET_TIMEOUT,
                        .timeout_msec = REFUSED_MSEC, .n_max = REFUSED_MAX },
        }; /* ipv4_addr, ipv6_addr . inet_service . inet_service */
        static const char *const comment = "flows that run out, refused until then";

        if (!nft_table_guards_flows(table))
                return;
        nft_batch_add_set(table->batch, SET_REFUSED_IPV4, &types[0], comment);
        nft_batch_add_set(table->batch, SET_REFUSED_IPV6, &types[1], comment);
}

/* RFC 4861 and RFC 3810: what a link needs to know of us. */
static void write_link_icmpv6(NftTable *table) {
        static const uint8_t types[] = { 131, 132, 133, 135, 136, 143 };
        struct nftnl_set *set;

        if (!(table->base->flags & FILTER_GUARD_IPV6) ||
                (nft_table_guards_included(table) && !nft_table_guards_listed(table)))
                return;
        set = open_set(table, SET_LINK_ICMPV6, &type_icmpv6, NFT_SET_CONSTANT,
                "neighbour discovery and multicast reports");
        for (size_t i = 0; set && i < ARRAY_LENGTH(types); i++)
                append_element(table, set, &types[i], sizeof(types[i]), 0);
        if (set)
                close_set(table, set);
}

/* What is forwarded goes its own way: routed without a mark, it enters the tunnel. */
static void write_for_us(NftTable *table) {
        static const uint32_t types[] = { RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST };
        struct nftnl_set *set;

        if (!nft_table_marks_from_uplink(table) && !nft_table_guards_included(table) &&
                !nft_table_guards_flows(table))
                return;
        set = open_set(table, SET_FOR_US, &type_address_type, NFT_SET_CONSTANT,
                "destinations that are this machine");
        for (size_t i = 0; set && i < ARRAY_LENGTH(types); i++)
                append_element(table, set, &types[i], sizeof(types[i]), 0);
        if (set)
                close_set(table, set);
}

void nft_sets_write(NftTable *table) {
        write_name_set(table, FILTER_TUNNEL, SET_TUNNEL, "devices that are inside the tunnel");
        write_prefix_sets(table, FILTER_TUNNEL_ADDRESS, "our addresses in the tunnel");
        write_name_set(table, FILTER_UPLINK, SET_UPLINK, "devices of the best default routes");
        write_name_set(
                table, FILTER_OUTSIDE, SET_OUTSIDE, "devices that lead out beside the tunnel");
        write_prefix_sets(table, FILTER_LAN, "the local network");
        write_prefix_sets(table, FILTER_AROUND, "destinations that go around the tunnel");
        write_prefix_sets(table, FILTER_INCLUDED, "destinations that must use the tunnel");
        write_users(table);
        write_name_set(table, FILTER_INTERFACE, SET_INTERFACES,
                nft_table_guards_included(table) ? "forwarded from these: must use the tunnel"
                                                 : "forwarded from these: goes around the tunnel");
        write_link_icmpv6(table);
        write_for_us(table);
        write_group_sets(table);
        for (NftFormer what = 0; what < _NFT_FORMER_MAX; what++)
                write_former_set(table, what);
        write_protocols(table);
        write_refused(table);
        write_known_sets(table);
}
