/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Facts to the one transaction that writes table `inet talpid`, pure.
 *
 * The table is always written whole: added (so that deleting cannot fail),
 * deleted and added again with all it holds. The kernel changes generations in
 * one step, so every packet sees the old table or the new one. See nft(8);
 * tests/fixtures/nft/ shows whole tables.
 */

#include "backends/facts/fact-set.h"
#include "backends/nftables/nft-batch.h"

/* Who marks the sockets of groups. */
typedef enum NftablesMechanism {
        NFTABLES_GUARD_ONLY, /* somebody else: groups and resolvers are none of our kinds */
        NFTABLES_CGROUP2,    /* `socket cgroupv2`: MarkedGroup.id is an inode number */
        NFTABLES_NET_CLS,    /* `meta cgroup`: MarkedGroup.id is a class id of cgroup v1 */
} NftablesMechanism;

/* Kinds of facts a table of @mechanism is made of, as FACT_KIND_BITs. */
uint32_t nft_codec_kinds(NftablesMechanism mechanism);

/*
 * Whether @fact can be part of a table. Return: 0; -EINVAL, -ERANGE with a sentence in *ret_why.
 */
int nft_codec_check(const Fact *fact, NftablesMechanism mechanism, const char **ret_why);

/* Whose flows there may be still, though the facts tell of none to come. */
typedef enum NftFlows {
        NFT_FLOWS_OF_GROUPS = 1 << 0,
        NFT_FLOWS_FORWARDED = 1 << 1,
} NftFlows;

/* Flows that a table of @facts gives a mark to. */
NftFlows nft_codec_flows(const FactSet *facts, NftablesMechanism mechanism);

/* Of a group in an earlier table: looked for at levels that groups usually stand at. */
#define NFT_LEVEL_UNKNOWN UINT32_MAX

/* What earlier tables did, and goes on the way it went. */
typedef struct NftPast {
        NftFlows flows;
        const MarkedGroup *groups; /* no two with one id; some may be in the facts; borrowed */
        size_t n_groups;
        bool redirects_nothing; /* this kernel has no NAT: what would be sent elsewhere is refused
                                 */
} NftPast;

/*
 * Writes the table of @facts, each of which passed the check, into the empty
 * @batch; without a FILTER_BASE, its removal. @past: may be NULL. @generation: see
 * nft_batch_begin(). Return: 0; -ENOMEM; -EINVAL marks that cannot be told apart; -E2BIG too many
 * marks.
 */
int nft_codec_encode(const FactSet *facts, NftablesMechanism mechanism, const NftPast *past,
        uint32_t generation, NftBatch *batch);

/*
 * Writes a table with every expression @mechanism uses, and what following
 * @flows takes, under another name, in a transaction that is checked and never
 * takes effect. Return: 0; negative errno.
 */
int nft_codec_encode_probe(NftablesMechanism mechanism, NftFlows flows, NftBatch *batch);
