/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The chains of our table that drop packets. None of them marks one.
 */

#include "backends/nftables/nft-table.h"

void nft_guard_write(NftTable *table);
