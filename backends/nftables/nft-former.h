/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Groups that were marked once: flows that they have open go on around the
 * tunnel. An Array of MarkedGroup, the latest last, no two with one id. Some may
 * be marked again. The latest 1,024 are kept.
 */

#include "backends/base/array.h"
#include "backends/facts/fact-set.h"
#include "backends/netlink/nl-request.h"

/*
 * Adds the groups that are in @before and not in @after; none as ours that has
 * members still, since more sockets are born there. Return: 0; -ENOMEM.
 */
int nft_former_note(Array *former, const FactSet *before, const FactSet *after);

/*
 * Adds the groups that our table in the kernel, of an earlier run, says were or
 * are marked as @base would, their levels unknown. What cannot be read is none.
 * Return: 0; -ENOMEM.
 */
int nft_former_read(Array *former, const FilterItem *base, NlRequest *request);
