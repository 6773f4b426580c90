/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the writers of our table share, and nobody else: the facts in the shape
 * that sets and rules need, and what follows from them. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/facts/fact-set.h"
#include "backends/nftables/nft-codec.h"
#include "backends/nftables/nft-phrase.h"

#define NFT_LEVELS 256 /* nft_socket keeps the level in a byte */
#define NFT_MARKS_MAX 8

/* Priorities by nft's names for them; those of nat and route are bound to their hooks. */
#define PRIORITY_RAW (-300) /* before conntrack and reverse-path filters (-290 at the earliest) */
#define PRIORITY_MANGLE (-150) /* behind conntrack, before routing */
#define PRIORITY_DSTNAT (-100)
#define PRIORITY_FILTER 0
#define PRIORITY_SRCNAT 100

typedef struct NftMark {
        uint32_t value;
        uint32_t mask;
} NftMark;

/* Groups whose open flows go on. */
typedef enum NftFormer {
        NFT_FORMER_OURS,   /* nobody is in them: what was born there was open before */
        NFT_FORMER_OTHERS, /* more may be born there: connections alone are told apart */
        _NFT_FORMER_MAX,
} NftFormer;

typedef struct NftTable {
        NftBatch *batch;
        NftablesMechanism mechanism;
        NftRule rule;
        const MarkedGroup *past; /* of earlier tables; borrowed */
        size_t n_past;
        const Fact *filters, *groups, *known, *resolvers; /* sorted; borrowed */
        size_t n_filters, n_groups, n_known, n_resolvers;
        NftFlows flows; /* of this table and of earlier ones */
        const FilterItem *base;
        size_t n_of[_FILTER_KIND_MAX];
        size_t n_ipv4[_FILTER_KIND_MAX]; /* of n_of, with an IPv4 prefix */
        NftMark marks[NFT_MARKS_MAX];    /* that groups have */
        size_t n_marks;
        bool levels[NFT_LEVELS];                         /* that groups stand at */
        bool former_levels[_NFT_FORMER_MAX][NFT_LEVELS]; /* … and perhaps former ones */
        bool has_former[_NFT_FORMER_MAX];
        bool above[NFT_LEVELS]; /* at which something lies above listed groups */
        NftMark new_mark;       /* of what is new below those; 0: there are none */
        bool resolves;
        bool redirects_nothing;
} NftTable;

/* Sorts out @facts for @table, which has its batch, mechanism and flows. Return: 0; -E2BIG. */
int nft_table_gather(NftTable *table, const FactSet *facts);

/* What follows from facts with a FILTER_BASE. */
bool nft_table_has_prefixes(const NftTable *table, FilterKind kind, int family);
bool nft_table_guards(const NftTable *table);
bool nft_table_guards_included(const NftTable *table);
bool nft_table_guards_listed(const NftTable *table);
bool nft_table_marks_from_uplink(const NftTable *table);
bool nft_table_marks_from_tunnel(const NftTable *table);
bool nft_table_redirects_listed(const NftTable *table); /* questions of users and interfaces */
bool nft_table_lets_loopback_out(const NftTable *table);

/* The devices by which groups leave. */
FilterKind nft_table_exit(const NftTable *table);

/* Whether groups of @mark stand at @level; NULL: groups that resolve. */
bool nft_table_has_groups_at(const NftTable *table, unsigned level, const NftMark *mark);

/* Whether flows of programs may get into hands that they must not lead out, or not in. */
bool nft_table_guards_flows(const NftTable *table);

/* Whether @group of an earlier table is of none now, and its flows go around still. */
bool nft_table_is_former(const NftTable *table, const MarkedGroup *group, NftFormer what);
const char *nft_table_former_set(NftFormer what);

/*
 * The phrases "a device of @kind" and "of none": one device is named, which
 * costs a packet less than looking into a set.
 */
void nft_table_match_device(NftTable *table, uint32_t key, FilterKind kind);
void nft_table_match_other_device(NftTable *table, uint32_t key, FilterKind kind);

/* Whether there are groups of @mark at all. */
bool nft_table_has_groups(const NftTable *table, const NftMark *mark);

/* Names of sets; each is written and looked up under the same. */
#define SET_TUNNEL "tunnel"
#define SET_UPLINK "uplink"
#define SET_OUTSIDE "outside"
#define SET_INTERFACES "interfaces"
#define SET_USERS "users"
#define SET_LINK_ICMPV6 "link-icmpv6"
#define SET_RESOLVING "resolving-groups"
#define SET_FOR_US "for-us"
#define SET_FORMER "former-groups"
#define SET_FORMER_OTHERS "unlisted-groups"
#define SET_PROTOCOLS "protocols"
#define SET_REFUSED_IPV4 "refused-ipv4"
#define SET_REFUSED_IPV6 "refused-ipv6"
#define SET_KNOWN "known-groups"
#define SET_ABOVE "above-groups"
#define NFT_SET_NAME_MAX 32
const char *nft_table_prefix_set(FilterKind kind, int family);
const char *nft_table_group_set(const NftMark *mark, char name[static NFT_SET_NAME_MAX]);

/* Those that rules jump to. */
#define CHAIN_GUARD_FLOWS "guard-flows"
#define CHAIN_REFUSE_FLOW "refuse-flow"

void nft_table_add_chain(NftTable *table, const char *name, const char *type, uint32_t hook,
        int32_t priority, const char *comment);

/* The phrase that says "of a group in @set", whatever groups are known by. */
void nft_table_match_groups(NftTable *table, unsigned level, const char *set);

/* "of a group that is new right below one at @level". */
void nft_table_match_new_groups(NftTable *table, unsigned level);
