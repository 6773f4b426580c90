/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A socket that hands whole nftables transactions to the kernel.
 *
 * The kernel reads a transaction from one send, works inside it, and either
 * does all of it or nothing; the answer can be read at once. See nfnetlink.c.
 */

#include <stdint.h>

#include "backends/base/cleanup.h"
#include "backends/facts/operation.h"
#include "backends/nftables/nft-batch.h"

typedef struct NftTransaction NftTransaction;

/* Return: 0, *ret is the caller's; negative errno. */
int nft_transaction_new(NftTransaction **ret);
NftTransaction *nft_transaction_free(NftTransaction *transaction);
DEFINE_CLEANUP(NftTransaction *, nft_transaction_free);

/* The socket's address: nlmsg_pid of the notifications our transactions cause. */
uint32_t nft_transaction_port(const NftTransaction *transaction);

/*
 * Sends a finished @batch. @fault (may be NULL) is the first thing the kernel
 * did not like. Return: 0; negative errno: nothing has changed, but after -EIO
 * (no answer) it may have.
 */
int nft_transaction_send(NftTransaction *transaction, const NftBatch *batch, Fault *fault);
