// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/nftables/nft-ingress.h"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "backends/base/cleanup.h"

#define CHAIN "ingress"

static void write_guard_loopback(NftTable *table, FilterKind exit) {
        static const Prefix loopback = { AF_INET, 8, { 127 } };
        NftRule *rule = &table->rule;

        if (exit != nft_table_exit(table) || !nft_table_lets_loopback_out(table))
                return;
        rule_begin(rule, CHAIN);
        nft_table_match_device(table, NFT_META_IIFNAME, exit);
        match_destination(rule, &loopback);
        rule_end(rule, NF_DROP, "to loopback from outside, see route_localnet");
        rule_begin(rule, CHAIN);
        nft_table_match_device(table, NFT_META_IIFNAME, exit);
        match_source(rule, &loopback);
        rule_end(rule, NF_DROP, "from loopback outside, see route_localnet");
}

/* What comes from inside passes before these: from the tunnel, and by loopback. */
static void write_guard_addresses(NftTable *table) {
        static const int families[] = { AF_INET, AF_INET6 };
        NftRule *rule = &table->rule;

        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                if (!nft_table_has_prefixes(table, FILTER_TUNNEL_ADDRESS, families[i]))
                        continue;
                rule_begin(rule, CHAIN);
                match_destination_set(rule, families[i],
                        nft_table_prefix_set(FILTER_TUNNEL_ADDRESS, families[i]));
                rule_end(rule, NF_DROP, "to an address of the tunnel from outside it");
        }
}

static void write_from_inside(NftTable *table) {
        NftRule *rule = &table->rule;

        if (nft_table_marks_from_tunnel(table)) {
                rule_begin(rule, CHAIN);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_TUNNEL);
                match_destination_type_set(rule, SET_FOR_US);
                set_mark(rule, table->base->included, table->base->mask);
                rule_end(rule, NFT_RULE_NO_VERDICT, "came in by the tunnel");
        }
        if (table->n_of[FILTER_TUNNEL] > 0) {
                rule_begin(rule, CHAIN);
                nft_table_match_device(table, NFT_META_IIFNAME, FILTER_TUNNEL);
                rule_end(rule, NF_ACCEPT, "through the tunnel");
        }
        rule_begin(rule, CHAIN);
        match_name(rule, NFT_META_IIFNAME, "lo");
        rule_end(rule, NF_ACCEPT, "from this machine");
}

/*
 * Without conntrack; the mark leads reverse-path filters past the tunnel
 * (kernel.md 4), and with it connections are accepted and answers without a
 * socket are sent. In include mode it leads into the tunnel what came by it.
 */
static void write_mark_from_uplink(NftTable *table) {
        NftRule *rule = &table->rule;

        if (!nft_table_marks_from_uplink(table))
                return;
        rule_begin(rule, CHAIN);
        nft_table_match_device(table, NFT_META_IIFNAME, FILTER_UPLINK);
        match_destination_type_set(rule, SET_FOR_US);
        set_mark(rule, table->base->mark, table->base->mask);
        rule_end(rule, NFT_RULE_NO_VERDICT, "came in beside the tunnel");
}

/* One chain, not one for each purpose: each would be paid for by every packet that comes in. */
void nft_ingress_write(NftTable *table) {
        if (table->n_of[FILTER_TUNNEL_ADDRESS] == 0 && !nft_table_lets_loopback_out(table) &&
                !nft_table_marks_from_uplink(table) && !nft_table_marks_from_tunnel(table))
                return;
        nft_table_add_chain(table, CHAIN, "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW,
                "the tunnel's addresses answer inside it only (CVE-2019-14899), all else where it "
                "was asked");
        write_guard_loopback(table, FILTER_TUNNEL);
        write_from_inside(table);
        write_guard_addresses(table);
        write_guard_loopback(table, FILTER_UPLINK);
        write_mark_from_uplink(table);
}
