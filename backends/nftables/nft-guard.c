// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-guard.h"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"

/* What both nft_table_guards say first. */
static void write_unguarded_family(NftTable *table, const char *chain) {
        NftRule *rule = &table->rule;
        uint32_t families = table->base->flags & (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6);

        if (families == (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6))
                return;
        rule_begin(rule, chain);
        match_family(rule, families == FILTER_GUARD_IPV4 ? AF_INET6 : AF_INET);
        rule_end(rule, NF_ACCEPT, "this family is not guarded");
}

static void write_tunnel_exit(NftTable *table, const char *chain) {
        NftRule *rule = &table->rule;

        if (table->n_of[FILTER_TUNNEL] == 0)
                return;
        rule_begin(rule, chain);
        nft_table_match_device(table, NFT_META_OIFNAME, FILTER_TUNNEL);
        rule_end(rule, NF_ACCEPT, "through the tunnel");
}

static void write_loopback_exit(NftTable *table, const char *chain) {
        NftRule *rule = &table->rule;

        rule_begin(rule, chain);
        match_name(rule, NFT_META_OIFNAME, "lo");
        rule_end(rule, NF_ACCEPT, "stays in this machine");
}

/* The ways beside the tunnel. */
static void write_way_by_mark(NftTable *table, const char *chain) {
        NftRule *rule = &table->rule;

        rule_begin(rule, chain);
        match_mark(rule, table->base->mark, table->base->mask);
        rule_end(rule, NF_ACCEPT, "marked to go around: the tunnel's own packets, excluded groups");
}

static void write_ways_by_destination(NftTable *table, const char *chain) {
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

        for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
                if (!nft_table_has_prefixes(table, ways[i].kind, ways[i].family))
                        continue;
                rule_begin(rule, chain);
                match_destination_set(
                        rule, ways[i].family, nft_table_prefix_set(ways[i].kind, ways[i].family));
                rule_end(rule, NF_ACCEPT, ways[i].comment);
        }
}

/* Without these no link gets or keeps an address: RFC 2131, RFC 8415, RFC 4861, RFC 3810. */
static void write_link_needs(NftTable *table, const char *chain) {
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
static void write_guard_output(NftTable *table) {
        static const char *const chain = "guard-output";
        NftRule *rule = &table->rule;

        nft_table_add_chain(table, chain, "filter", NF_INET_POST_ROUTING, PRIORITY_FILTER,
                "nothing leaves this machine beside the tunnel");
        write_way_by_mark(table, chain); /* what most packets are comes first */
        write_tunnel_exit(table, chain);
        write_loopback_exit(table, chain);
        write_unguarded_family(table, chain);
        write_ways_by_destination(table, chain);
        if (table->n_of[FILTER_USER] > 0) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_SKUID, SET_USERS);
                rule_end(rule, NF_ACCEPT, "users whose packets may go around");
        }
        /* Encapsulated packets of other tunnels carry a device here, too: they leave by links
         * outside. */
        if (table->n_of[FILTER_OUTSIDE] > 0) {
                rule_begin(rule, chain);
                match_forwarded(rule);
                nft_table_match_other_device(table, NFT_META_OIFNAME, FILTER_OUTSIDE);
                rule_end(rule, NF_ACCEPT, "forwarded between links inside, see guard-forward");
        }
        write_link_needs(table, chain);
        rule_begin(rule, chain);
        rule_end(rule, NF_DROP, "would leave beside the tunnel");
}

/* Sockets that were connected through the tunnel before: the link is not to learn its addresses. */
static void write_tunnel_sources(NftTable *table, const char *chain) {
        static const int families[] = { AF_INET, AF_INET6 };
        NftRule *rule = &table->rule;

        for (size_t i = 0; table->n_of[FILTER_TUNNEL] > 0 && i < ARRAY_LENGTH(families); i++) {
                if (!nft_table_has_prefixes(table, FILTER_TUNNEL_ADDRESS, families[i]))
                        continue;
                rule_begin(rule, chain);
                match_source_set(rule, families[i],
                        nft_table_prefix_set(FILTER_TUNNEL_ADDRESS, families[i]));
                rule_end(rule, NF_DROP, "from an address of the tunnel beside it");
        }
}

/* Users and destinations are routed into the tunnel without a mark: what is on its way elsewhere.
 */
static void write_guard_listed(NftTable *table, const char *chain) {
        static const int families[] = { AF_INET, AF_INET6 };
        NftRule *rule = &table->rule;

        if (!nft_table_guards_listed(table))
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
                if (!nft_table_has_prefixes(table, FILTER_INCLUDED, families[i]))
                        continue;
                rule_begin(rule, chain);
                match_destination_set(
                        rule, families[i], nft_table_prefix_set(FILTER_INCLUDED, families[i]));
                rule_end(rule, NF_DROP, "to where the tunnel alone leads, beside it");
        }
}

/* The tunnel's own packets: kernel tunnels leave the mark of what is inside on the outside. */
static void write_guard_included(NftTable *table) {
        static const char *const chain = "guard-output";
        NftRule *rule = &table->rule;

        nft_table_add_chain(table, chain, "filter", NF_INET_POST_ROUTING, PRIORITY_FILTER,
                "what must use the tunnel never leaves beside it");
        write_tunnel_exit(table, chain);
        write_loopback_exit(table, chain);
        write_unguarded_family(table, chain);
        write_tunnel_sources(table, chain);
        if (table->n_of[FILTER_TUNNEL] > 0) {
                rule_begin(rule, chain);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_TUNNEL);
                rule_end(rule, NF_ACCEPT, "the tunnel's own packets");
        }
        write_guard_listed(table, chain);
        rule_begin(rule, chain);
        match_other_mark(rule, table->base->included, table->base->mask);
        rule_end(rule, NF_ACCEPT, "need not use the tunnel");
        rule_begin(rule, chain);
        rule_end(rule, NF_DROP, "would leave beside the tunnel");
}

/* With no link outside known nothing tells inside from outside: then all is outside. */
static void write_guard_forward(NftTable *table) {
        static const char *const chain = "guard-forward";
        NftRule *rule = &table->rule;

        nft_table_add_chain(table, chain, "filter", NF_INET_FORWARD, PRIORITY_FILTER,
                "nothing is forwarded out beside the tunnel");
        write_unguarded_family(table, chain);
        write_tunnel_exit(table, chain);
        if (table->n_of[FILTER_OUTSIDE] > 0) {
                rule_begin(rule, chain);
                nft_table_match_other_device(table, NFT_META_OIFNAME, FILTER_OUTSIDE);
                rule_end(rule, NF_ACCEPT, "not out of this machine: containers, other links");
        }
        write_way_by_mark(table, chain);
        write_ways_by_destination(table, chain);
        rule_begin(rule, chain);
        rule_end(rule, NF_DROP, "would leave beside the tunnel");
}

/*
 * A flow that came in beside the tunnel would be answered there, first of all
 * by SYN-ACKs, which belong to no group. So what must use the tunnel is not
 * asked beside it. Class ids say nothing of who listens.
 */
static void write_guard_questions(NftTable *table) {
        const NftMark included = { table->base->included, table->base->mask };
        static const char *const chain = "guard-questions";
        NftRule *rule = &table->rule;
        char name[NFT_SET_NAME_MAX];

        if (!nft_table_guards_included(table) || table->mechanism != NFTABLES_CGROUP2 ||
                !nft_table_marks_from_uplink(table))
                return;
        nft_table_add_chain(table, chain, "filter", NF_INET_LOCAL_IN, PRIORITY_FILTER,
                "what must use the tunnel is not asked beside it");
        for (unsigned level = 0; level < NFT_LEVELS; level++) {
                if (!table->levels[level] || !nft_table_has_groups_at(table, level, &included))
                        continue;
                rule_begin(rule, chain);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_UPLINK);
                match_flow_start(rule);
                nft_table_match_groups(table, level, nft_table_group_set(&included, name));
                rule_end(rule, NF_DROP, "its answer would leave beside the tunnel");
        }
        for (unsigned level = 0; level + 1 < NFT_LEVELS; level++) {
                if (!table->above[level])
                        continue;
                rule_begin(rule, chain);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_UPLINK);
                match_flow_start(rule);
                nft_table_match_new_groups(table, level);
                rule_end(rule, NF_DROP, "a new group, which may be a listed one");
        }
}

static void end_guard_names(NftRule *rule, uint8_t protocol) {
        match_destination_type_set(rule, SET_FOR_US);
        match_protocol(rule, protocol);
        match_destination_port(rule, 53);
        rule_end(rule, NF_DROP, "its name would leave beside the tunnel");
}

/* By the flow of another a question has no mark. */
static void write_guard_names_of_groups(NftTable *table, const char *chain, uint8_t protocol) {
        const NftMark included = { table->base->included, table->base->mask };
        uint32_t settled = ours_settled_mark(table->base->mark, table->base->mask);
        NftRule *rule = &table->rule;
        char name[NFT_SET_NAME_MAX];

        for (unsigned level = 0; level < NFT_LEVELS; level++) {
                if (!table->levels[level] || !nft_table_has_groups_at(table, level, &included))
                        continue;
                rule_begin(rule, chain);
                if (settled)
                        match_other_mark(rule, settled, table->base->mask);
                nft_table_match_groups(table, level, nft_table_group_set(&included, name));
                end_guard_names(rule, protocol);
        }
}

/*
 * A resolver of this machine asks by any link, for whoever asked it. What goes
 * to the tunnel's resolver instead was redirected before: see resolve-output
 * and backends/cgroup-bpf.
 */
static void write_guard_names(NftTable *table) {
        static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
        static const char *const chain = "guard-names";
        NftRule *rule = &table->rule;

        if (!nft_table_guards_included(table))
                return;
        nft_table_add_chain(table, chain, "filter", NF_INET_LOCAL_OUT, PRIORITY_FILTER,
                "what must use the tunnel asks no resolver that uses others");
        for (size_t i = 0; i < ARRAY_LENGTH(protocols); i++) {
                rule_begin(rule, chain);
                match_mark(rule, table->base->included, table->base->mask);
                end_guard_names(rule, protocols[i]);
                write_guard_names_of_groups(table, chain, protocols[i]);
                if (table->n_of[FILTER_USER] > 0) {
                        rule_begin(rule, chain);
                        match_in_set(rule, NFT_META_SKUID, SET_USERS);
                        match_other_mark(rule, table->base->mark, table->base->mask);
                        end_guard_names(rule, protocols[i]);
                }
        }
        if (table->n_of[FILTER_INTERFACE] == 0)
                return;
        nft_table_add_chain(table, "guard-forwarded-names", "filter", NF_INET_LOCAL_IN,
                PRIORITY_FILTER, "nor do those who are forwarded");
        for (size_t i = 0; i < ARRAY_LENGTH(protocols); i++) {
                rule_begin(rule, "guard-forwarded-names");
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_INTERFACE);
                end_guard_names(rule, protocols[i]);
        }
}

/*
 * What was born in a group of ours was so before it was none. In others sockets
 * are born on, and only a connection shows that it is not new.
 */
static void write_flows_of_former(NftTable *table, unsigned level, NftFormer what) {
        NftRule *rule = &table->rule;

        if (!table->former_levels[what][level])
                return;
        rule_begin(rule, CHAIN_GUARD_FLOWS);
        if (what == NFT_FORMER_OTHERS)
                match_connection_begun(rule);
        match_cgroup2_set(rule, level, nft_table_former_set(what));
        rule_end(rule, NFT_RETURN,
                what == NFT_FORMER_OURS ? "of a group before: open flows keep their way"
                                        : "of a group before: open connections do");
}

static void write_flows_of_around(NftTable *table) {
        const NftMark around = { table->base->mark, table->base->mask };
        NftRule *rule = &table->rule;
        char name[NFT_SET_NAME_MAX];

        for (unsigned level = 0; level < NFT_LEVELS; level++) {
                if (table->levels[level] && nft_table_has_groups_at(table, level, &around)) {
                        rule_begin(rule, CHAIN_GUARD_FLOWS);
                        match_cgroup2_set(rule, level, nft_table_group_set(&around, name));
                        rule_end(rule, NFT_RETURN, "of a group");
                }
                for (NftFormer what = 0; what < _NFT_FORMER_MAX; what++)
                        write_flows_of_former(table, level, what);
        }
        rule_begin(rule, CHAIN_GUARD_FLOWS);
        match_mark(rule, around.value, around.mask);
        rule_end(rule, NFT_RETURN, "marked to go around by itself");
        if (table->n_of[FILTER_USER] > 0) {
                rule_begin(rule, CHAIN_GUARD_FLOWS);
                match_in_set(rule, NFT_META_SKUID, SET_USERS);
                rule_end(rule, NFT_RETURN, "users whose packets may go around");
        }
}

static void write_flows_of_included(NftTable *table) {
        const NftMark included = { table->base->included, table->base->mask };
        NftRule *rule = &table->rule;
        char name[NFT_SET_NAME_MAX];

        for (unsigned level = 0; level < NFT_LEVELS; level++) {
                if (!table->levels[level] || !nft_table_has_groups_at(table, level, &included))
                        continue;
                rule_begin(rule, CHAIN_GUARD_FLOWS);
                match_cgroup2_set(rule, level, nft_table_group_set(&included, name));
                jump_to(rule, CHAIN_REFUSE_FLOW);
                rule_end(rule, NFT_RULE_NO_VERDICT, "the flow of who need not use the tunnel");
        }
        for (unsigned level = 0; level + 1 < NFT_LEVELS; level++) {
                if (!table->above[level])
                        continue;
                rule_begin(rule, CHAIN_GUARD_FLOWS);
                nft_table_match_new_groups(table, level);
                jump_to(rule, CHAIN_REFUSE_FLOW);
                rule_end(rule, NFT_RULE_NO_VERDICT, "a new group, which may be a listed one");
        }
}

static const struct {
        int family;
        const char *set;
} refused[] = { { AF_INET, SET_REFUSED_IPV4 }, { AF_INET6, SET_REFUSED_IPV6 } };

/*
 * Conntrack would let a flow last as long as somebody tries, refused or not, and
 * who keeps to its port (UDP) would never be let go its own way: what was
 * refused once is refused before conntrack sees it, until the flow has run out.
 */
static void write_refuse_flow(NftTable *table) {
        NftRule *rule = &table->rule;

        nft_batch_add_chain(table->batch, CHAIN_REFUSE_FLOW, NULL, "its program is told");
        rule_begin(rule, CHAIN_REFUSE_FLOW);
        match_flow_not_redirected(rule);
        match_destination_type_set(rule, SET_FOR_US);
        rule_end(rule, NFT_RETURN, "stays in this machine or on its links");
        for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
                rule_begin(rule, CHAIN_REFUSE_FLOW);
                add_udp_flow(rule, refused[i].family, refused[i].set);
                rule_end(rule, NFT_RULE_NO_VERDICT, "is let run out");
        }
        rule_begin(rule, CHAIN_REFUSE_FLOW);
        rule_end(rule, NF_DROP, "would leave beside the tunnel");
}

static void write_guard_refused(NftTable *table) {
        static const char *const chain = "guard-refused";
        NftRule *rule = &table->rule;

        nft_table_add_chain(table, chain, "filter", NF_INET_LOCAL_OUT, PRIORITY_RAW,
                "what was refused does not keep its flow alive");
        for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
                rule_begin(rule, chain);
                match_udp_flow_set(rule, refused[i].family, refused[i].set);
                match_mark(rule, 0, table->base->mask);
                match_held_socket(rule);
                jump_to(rule, CHAIN_GUARD_FLOWS);
                rule_end(rule, NFT_RULE_NO_VERDICT, "its flow runs out");
        }
}

/*
 * A flow is known by addresses and ports, and outlives its socket by half a
 * minute and more. Who gets the same port meanwhile would be led where the last
 * one went, and cannot go its own way: masquerading does not begin later. So
 * what must not leave beside the tunnel is refused, and its program told
 * (EPERM). The other way round, into the tunnel, it does no harm.
 */
static void write_guard_flows(NftTable *table) {
        NftRule *rule = &table->rule;

        if (!nft_table_guards_flows(table))
                return;
        write_refuse_flow(table);
        nft_batch_add_chain(table->batch, CHAIN_GUARD_FLOWS, NULL,
                "nobody leaves beside the tunnel by the flow of another");
        if (nft_table_guards_included(table))
                write_flows_of_included(table);
        else {
                write_flows_of_around(table);
                rule_begin(rule, CHAIN_GUARD_FLOWS);
                jump_to(rule, CHAIN_REFUSE_FLOW);
                rule_end(rule, NFT_RULE_NO_VERDICT,
                        "the flow of an excluded program, its port in other hands");
        }
        write_guard_refused(table);
}

void nft_guard_write(NftTable *table) {
        if (nft_table_guards(table) && nft_table_guards_included(table))
                write_guard_included(table);
        else if (nft_table_guards(table)) {
                write_guard_output(table);
                write_guard_forward(table);
        }
        write_guard_questions(table);
        write_guard_names(table);
        write_guard_flows(table);
}
