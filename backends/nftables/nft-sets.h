/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The sets of our table; rules look them up by the names in nft-table.h.
 */

#include "backends/nftables/nft-table.h"

void nft_sets_write(NftTable *table);
