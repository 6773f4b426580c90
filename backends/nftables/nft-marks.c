// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-marks.h"

#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"

/*
 * Gives packets the mark of their flow, for each mark a flow can have. What
 * went around before include mode may have to use the tunnel now.
 */
static void write_recall(NftTable *table, const char *chain, bool except_from_tunnel) {
        NftMark marks[NFT_MARKS_MAX + 2];
        NftRule *rule = &table->rule;
        size_t n = 0;

        if (except_from_tunnel || !nft_table_guards_included(table))
                marks[n++] = (NftMark){ table->base->mark, table->base->mask };
        if (nft_table_guards_included(table))
                marks[n++] = (NftMark){ table->base->included, table->base->mask };
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
                        nft_table_match_other_device(table, NFT_META_IIFNAME, FILTER_TUNNEL);
                match_flow_mark(rule, marks[i].value, marks[i].mask);
                set_mark(rule, marks[i].value, marks[i].mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "keeps to the way of its flow");
        }
}

/*
 * What comes in by the tunnel gets no mark back: it goes to somebody inside,
 * and in include mode the mark would send it into the tunnel again.
 */
static void write_mark_flows(NftTable *table) {
        static const char *const chain = "mark-flows";
        NftRule *rule = &table->rule;
        uint32_t mark =
                nft_table_guards_included(table) ? table->base->included : table->base->mark;

        if (table->flows == 0)
                return;
        nft_table_add_chain(table, chain, "filter", NF_INET_PRE_ROUTING, PRIORITY_MANGLE,
                "flows keep to the way of their first packet");
        if (table->n_of[FILTER_UPLINK] > 0) {
                rule_begin(rule, chain);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_UPLINK);
                match_flow_start(rule);
                set_flow_mark(rule, table->base->mark, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "came in beside the tunnel: answers, too");
                rule_begin(rule, chain);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_UPLINK);
                match_flow_original(rule);
                rule_end(rule, NF_ACCEPT, "forwarded as any packet, into the tunnel; see ingress");
        }
        write_recall(table, chain, /* except_from_tunnel= */ true);
        if (table->n_of[FILTER_INTERFACE] > 0) {
                rule_begin(rule, chain);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_INTERFACE);
                if (nft_table_guards_included(table))
                        match_flow_original(rule); /* open ones follow, or are cut */
                else
                        match_flow_start(rule);
                set_mark(rule, mark, table->base->mask);
                set_flow_mark(rule, mark, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "forwarded from an interface of ours to mark");
        }
}

/* Sockets keep the group of their birth: those that were brought back say so by their mark. */
static void write_settled(NftTable *table, const char *chain) {
        uint32_t settled = ours_settled_mark(table->base->mark, table->base->mask);
        NftRule *rule = &table->rule;

        if (!settled)
                return;
        rule_begin(rule, chain);
        match_mark(rule, settled, table->base->mask);
        rule_end(rule, NF_ACCEPT, "brought back from a group");
}

/* Packets of flows that a program began, and that one has in hand. */
static void write_check_of_hands(NftTable *table, const char *chain) {
        bool included = nft_table_guards_included(table);
        NftRule *rule = &table->rule;

        if (!nft_table_guards_flows(table))
                return;
        rule_begin(rule, chain);
        if (included) {
                match_mark(rule, 0, table->base->mask);
                match_flow_begun(rule);
        } else
                match_flow_mark(rule, table->base->mark, table->base->mask);
        match_flow_original(rule);
        match_in_set(rule, NFT_META_L4PROTO, SET_PROTOCOLS);
        match_held_socket(rule);
        jump_to(rule, CHAIN_GUARD_FLOWS);
        rule_end(rule, NFT_RULE_NO_VERDICT,
                included ? "left to the open network by its flow" : "led around by its flow");
}

/*
 * A group that was made since somebody last looked may be one that is listed.
 * Whoever chose a way by a mark of their own, such as the tunnel's transport, keeps it.
 */
static void write_new_groups(NftTable *table, const char *chain) {
        const NftMark *mark = &table->new_mark;
        NftRule *rule = &table->rule;

        for (unsigned level = 0; level + 1 < NFT_LEVELS; level++) {
                if (!table->above[level])
                        continue;
                rule_begin(rule, chain);
                match_flow_start(rule);
                match_mark(rule, 0, mark->mask);
                nft_table_match_new_groups(table, level);
                set_mark(rule, mark->value, mark->mask);
                set_flow_mark(rule, mark->value, mark->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "a new group, which may be a listed one");
        }
}

/*
 * A flow's first packet decides, not one more before an answer (`ct state new`):
 * masquerading cannot begin later. The deepest
 * group comes last and wins. Packets without a full socket (SYN-ACK, RST and
 * what follows an exit) have only their flow.
 */
static void write_mark_output(NftTable *table) {
        static const char *const chain = "mark-output";
        NftRule *rule = &table->rule;
        char name[NFT_SET_NAME_MAX];

        if (!(table->flows & NFT_FLOWS_OF_GROUPS))
                return;
        nft_table_add_chain(table, chain, "route", NF_INET_LOCAL_OUT, PRIORITY_MANGLE,
                "packets of groups get their mark and are routed once more");
        write_settled(table, chain);
        if (!nft_table_guards_included(table)) /* while the mark is the socket's own */
                write_check_of_hands(table, chain);
        write_recall(table, chain, /* except_from_tunnel= */ false);
        if (nft_table_guards_included(table))
                write_check_of_hands(table, chain);
        write_new_groups(table, chain);
        for (unsigned level = 0; level < NFT_LEVELS; level++)
                for (size_t i = 0; table->levels[level] && i < table->n_marks; i++) {
                        const NftMark *mark = &table->marks[i];

                        if (!nft_table_has_groups_at(table, level, mark))
                                continue;
                        rule_begin(rule, chain);
                        match_flow_start(rule);
                        nft_table_match_groups(table, level, nft_table_group_set(mark, name));
                        set_mark(rule, mark->value, mark->mask);
                        set_flow_mark(rule, mark->value, mark->mask);
                        rule_end(rule, NFT_RULE_NO_VERDICT, "a group's new flow");
                }
}

static void write_resolve_rule(
        NftTable *table, unsigned level, const Address *resolver, uint8_t protocol) {
        NftRule *rule = &table->rule;

        rule_begin(rule, "resolve-output");
        match_family(rule, resolver->family);
        nft_table_match_groups(table, level, SET_RESOLVING);
        match_protocol(rule, protocol);
        match_destination_port(rule, 53);
        send_to(rule, resolver);
        rule_end(rule, NFT_RULE_NO_VERDICT, "a group's questions");
}

/* Questions to 127.0.0.53 leave only with route_localnet=1 on the link: see write_guard_loopback().
 */
static void write_resolve_output(NftTable *table) {
        if (!table->resolves || table->n_resolvers == 0)
                return;
        nft_table_add_chain(table, "resolve-output", "nat", NF_INET_LOCAL_OUT, PRIORITY_DSTNAT,
                "questions of groups go to their resolver");
        write_settled(table, "resolve-output");
        for (unsigned level = 0; level < NFT_LEVELS; level++) {
                if (!table->levels[level] || !nft_table_has_groups_at(table, level, NULL))
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
static void write_masquerade_output(NftTable *table) {
        static const char *const chain = "masquerade-output";
        NftRule *rule = &table->rule;

        if (!(table->flows & NFT_FLOWS_OF_GROUPS))
                return;
        nft_table_add_chain(table, chain, "nat", NF_INET_POST_ROUTING, PRIORITY_SRCNAT,
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

static const uint8_t name_protocols[] = { IPPROTO_UDP, IPPROTO_TCP };

static void send_questions(
        NftTable *table, uint8_t protocol, const Prefix *resolver, const char *comment) {
        NftRule *rule = &table->rule;
        Address address = { .family = resolver->family };

        memcpy(address.bytes, resolver->bytes, sizeof(address.bytes));
        match_family(rule, address.family);
        match_destination_type_set(rule, SET_FOR_US);
        match_protocol(rule, protocol);
        match_destination_port(rule, 53);
        send_to(rule, &address);
        rule_end(rule, NFT_RULE_NO_VERDICT, comment);
}

/* A packet that is redirected is routed once more, and then no rule knows its user. */
static void write_mark_questions(NftTable *table) {
        static const char *const chain = "mark-questions";
        NftRule *rule = &table->rule;

        nft_table_add_chain(table, chain, "filter", NF_INET_LOCAL_OUT, PRIORITY_MANGLE,
                "questions of users go into the tunnel");
        for (size_t i = 0; i < ARRAY_LENGTH(name_protocols); i++) {
                rule_begin(rule, chain);
                match_in_set(rule, NFT_META_SKUID, SET_USERS);
                match_other_mark(rule, table->base->mark, table->base->mask);
                match_destination_type_set(rule, SET_FOR_US);
                match_protocol(rule, name_protocols[i]);
                match_destination_port(rule, 53);
                set_mark(rule, table->base->included, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "a user's questions");
        }
}

/*
 * Users and interfaces have no group: what they ask this machine is asked by its
 * resolver, which uses any link. Other servers they reach through the tunnel.
 */
static void write_resolve_listed(NftTable *table) {
        static const char *const users = "resolve-users", *const forwarded = "resolve-forwarded";
        bool has_users = table->n_of[FILTER_USER] > 0;
        bool has_interfaces = table->n_of[FILTER_INTERFACE] > 0;
        NftRule *rule = &table->rule;

        if (!nft_table_redirects_listed(table))
                return;
        if (has_users)
                write_mark_questions(table);
        if (has_users)
                nft_table_add_chain(table, users, "nat", NF_INET_LOCAL_OUT, PRIORITY_DSTNAT,
                        "questions of users go to the tunnel's resolver");
        if (has_interfaces)
                nft_table_add_chain(table, forwarded, "nat", NF_INET_PRE_ROUTING, PRIORITY_DSTNAT,
                        "questions from interfaces go to the tunnel's resolver");
        for (size_t i = 0; i < 2 * table->n_filters; i++) {
                const FilterItem *item = &table->filters[i / 2].filter;

                if (item->kind != FILTER_RESOLVER)
                        continue;
                if (has_users) {
                        rule_begin(rule, users);
                        match_in_set(rule, NFT_META_SKUID, SET_USERS);
                        match_other_mark(rule, table->base->mark, table->base->mask);
                        send_questions(
                                table, name_protocols[i % 2], &item->prefix, "a user's questions");
                }
                if (has_interfaces) {
                        rule_begin(rule, forwarded);
                        nft_table_match_device(table, NFT_META_IIFNAME, FILTER_INTERFACE);
                        send_questions(table, name_protocols[i % 2], &item->prefix,
                                "questions from an interface");
                }
        }
        if (!has_users)
                return;
        nft_table_add_chain(table, "masquerade-users", "nat", NF_INET_POST_ROUTING, PRIORITY_SRCNAT,
                "they leave with an address of the tunnel");
        rule_begin(rule, "masquerade-users");
        match_in_set(rule, NFT_META_SKUID, SET_USERS);
        match_other_name(rule, NFT_META_OIFNAME, "lo");
        match_flow_redirected(rule);
        match_foreign_source(rule);
        masquerade(rule);
        rule_end(rule, NFT_RULE_NO_VERDICT, "source is not of the link it leaves by");
}

void nft_marks_write(NftTable *table) {
        write_mark_flows(table);
        write_mark_output(table);
        write_resolve_output(table);
        write_resolve_listed(table);
        write_masquerade_output(table);
}
