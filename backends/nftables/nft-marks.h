/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The chains of our table that mark flows and packets, and send those of groups
 * elsewhere.
 */

#include "backends/nftables/nft-table.h"

void nft_marks_write(NftTable *table);
