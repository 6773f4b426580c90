/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The chains of our table that let packets leave or not, and keep questions
 * from who must not be asked.
 */

#include "backends/nftables/nft-table.h"

void nft_guard_write(NftTable *table);
