/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The chain of our table that sees what comes in, before conntrack and
 * reverse-path filters do.
 */

#include "backends/nftables/nft-table.h"

void nft_ingress_write(NftTable *table);
