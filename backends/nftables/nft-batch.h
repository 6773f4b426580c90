/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The messages of one nftables transaction on our table, as bytes.
 *
 * An error sticks: what follows does nothing, and nft_batch_finish() returns
 * it. So the writer of a table reads like the table. See nfnetlink_rcv_batch()
 * in net/netfilter/nfnetlink.c for what the kernel does with it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#define NFT_TABLE_NAME "talpid"

typedef struct NftBatch {
        const char *table;
        uint8_t *bytes; /* owned */
        size_t size;
        size_t n_allocated;
        size_t last;       /* where the last message starts */
        uint32_t sequence; /* of the last message; the first has 1 */
        int error;         /* the first one; negative errno */
} NftBatch;

#define NFT_BATCH_INIT                                                                             \
        (NftBatch) {                                                                               \
                .table = NFT_TABLE_NAME                                                            \
        }

typedef enum NftByteOrder { /* as nft writes them into the user data of sets */
        NFT_BYTES_HOST = 1,
        NFT_BYTES_NETWORK = 2,
} NftByteOrder;

typedef struct NftSetType {
        uint32_t nft_type; /* nft's number of the data type; the kernel keeps it unread */
        uint32_t key_size;
        NftByteOrder order;
        uint32_t flags;        /* NFT_SET_ */
        uint64_t timeout_msec; /* of elements that rules add; 0: they stay */
        uint32_t n_max;        /* 0: no bound */
} NftSetType;

typedef struct NftHook {
        const char *type; /* "filter", "nat", "route" */
        uint32_t hook;    /* NF_INET_ */
        int32_t priority;
} NftHook;

void nft_batch_clear(NftBatch *batch);

/* @generation: the ruleset it was made for; -ERESTART when that has passed. 0: any. */
void nft_batch_begin(NftBatch *batch, uint32_t generation);

/* The table itself; adding one that exists is no error and changes nothing. */
void nft_batch_add_table(NftBatch *batch, const char *comment);
void nft_batch_delete_table(NftBatch *batch);

/* @hook: NULL for a chain that rules of others jump to. */
void nft_batch_add_chain(
        NftBatch *batch, const char *name, const NftHook *hook, const char *comment);
void nft_batch_add_set(
        NftBatch *batch, const char *name, const NftSetType *type, const char *comment);

/* Elements of the set @elements is named after; as many messages as it takes. */
void nft_batch_add_elements(NftBatch *batch, struct nftnl_set *elements);

/* Appends @rule, which names its chain. */
void nft_batch_add_rule(NftBatch *batch, struct nftnl_rule *rule, const char *comment);

/* Ends a transaction that takes effect. Return: 0; the error that stuck. */
int nft_batch_finish(NftBatch *batch);

/*
 * Ends without the word that commits: the kernel checks it all and forgets it
 * (as nft -c does). Return: as above.
 */
int nft_batch_finish_dry(NftBatch *batch);

/* Keeps the first error. */
void nft_batch_fail(NftBatch *batch, int error);
