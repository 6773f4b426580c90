/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One rule of a chain, phrase by phrase, in the order nft prints them.
 *
 *     rule_begin(rule, "guard-output");
 *     match_name(rule, NFT_META_OIFNAME, "lo");
 *     rule_end(rule, NF_ACCEPT, "loopback");
 *
 * What a phrase says in nft's language stands beside it. Errors stick in the
 * batch. Numbers are in host byte order.
 */

#include <stdbool.h>
#include <stdint.h>

#include "backends/facts/prefix.h"
#include "backends/nftables/nft-batch.h"

typedef struct NftRule {
        NftBatch *batch;
        struct nftnl_rule *rule; /* between begin and end */
        bool counts;             /* every rule gets a counter */
        bool is_counted;
} NftRule;

#define NFT_RULE_NO_VERDICT (-1)

void rule_begin(NftRule *rule, const char *chain);

/* @verdict: NF_ACCEPT, NF_DROP, NFT_RETURN; NFT_RULE_NO_VERDICT when a phrase was the deed. */
void rule_end(NftRule *rule, int verdict, const char *comment);

/* Matches: what of a packet the rule is about. */
void match_family(NftRule *rule, int family);                           /* meta nfproto ipv4 */
void match_protocol(NftRule *rule, uint8_t protocol);                   /* meta l4proto udp */
void match_name(NftRule *rule, uint32_t key, const char *name);         /* oifname "lo" */
void match_other_name(NftRule *rule, uint32_t key, const char *name);   /* oifname != "lo" */
void match_in_set(NftRule *rule, uint32_t key, const char *set);        /* oifname @tunnel */
void match_outside_set(NftRule *rule, uint32_t key, const char *set);   /* oifname != @tunnel */
void match_made_here(NftRule *rule);                                    /* iif 0 */
void match_forwarded(NftRule *rule);                                    /* iif != 0 */
void match_mark(NftRule *rule, uint32_t mark, uint32_t mask);           /* meta mark & M == m */
void match_other_mark(NftRule *rule, uint32_t mark, uint32_t mask);     /* meta mark & M != m */
void match_flow_mark(NftRule *rule, uint32_t mark, uint32_t mask);      /* ct mark & M == m */
void match_flow_start(NftRule *rule);                                   /* ct status ! confirmed */
void match_flow_begun(NftRule *rule);                                   /* ct status confirmed */
void match_flow_not_redirected(NftRule *rule);                          /* ct status ! dnat */
void match_flow_redirected(NftRule *rule);                              /* ct status dnat */
void match_flow_original(NftRule *rule);                                /* ct direction original */
void match_held_socket(NftRule *rule);                                  /* meta skuid != -1 */
void match_destination_set(NftRule *rule, int family, const char *set); /* ip daddr @lan-ipv4 */
void match_source_set(NftRule *rule, int family, const char *set);      /* ip saddr @tunnel-ipv4 */
void match_destination(NftRule *rule, const Prefix *prefix);            /* ip6 daddr fe80::/10 */
void match_ports(NftRule *rule, uint16_t from, uint16_t to);     /* udp sport F udp dport T */
void match_destination_port(NftRule *rule, uint16_t port);       /* udp dport 53 */
void match_connection_begun(NftRule *rule);                      /* tcp flags ! syn */
void match_icmpv6_set(NftRule *rule, const char *set);           /* icmpv6 type @set */
void match_destination_type_set(NftRule *rule, const char *set); /* fib daddr type @set */
void match_source(NftRule *rule, const Prefix *prefix);          /* ip saddr 127.0.0.0/8 */
void match_foreign_source(NftRule *rule);                        /* fib saddr . oif type != local */
void match_udp_flow_set(NftRule *rule, int family, const char *set);
/* ip daddr . udp sport . udp dport @refused-ipv4 */
void match_cgroup2_set(NftRule *rule, uint32_t level, const char *set);
/* socket cgroupv2 level 2 @set */
void match_cgroup2_outside_set(NftRule *rule, uint32_t level, const char *set);
/* socket cgroupv2 level 2 != @set */

/* Deeds. */
void add_udp_flow(NftRule *rule, int family, const char *set);
/* add @refused-ipv4 { ip daddr . udp sport . udp dport } */
void jump_to(NftRule *rule, const char *chain);                  /* jump guard-flows */
void set_mark(NftRule *rule, uint32_t mark, uint32_t mask);      /* meta mark set meta mark | m */
void set_flow_mark(NftRule *rule, uint32_t mark, uint32_t mask); /* ct mark set ct mark | m */
void send_to(NftRule *rule, const Address *address);             /* dnat ip to 10.0.0.1 */
void masquerade(NftRule *rule);                                  /* masquerade fully-random */
