/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The backend for our firewall table: `inet talpid`.
 *
 * It applies filter items, and groups and resolvers where it marks them itself.
 * Each apply() writes the whole table in one transaction; when that fails, the
 * old table stands and all operations of the call have failed. Operations that
 * cannot be part of any table fail alone.
 *
 * Watched is every change of the table by others. It is told as the loss of
 * all facts, with the author, since nothing is known of what is left; adding
 * them again puts a whole table in place of the damaged one.
 *
 * resync() reports what was written last, if nobody changed it since. A table
 * of an earlier run of ours is reported as a lone FILTER_BASE without mark and
 * mask, unlike any other: to be replaced, or removed, in one transaction.
 *
 * It has to run in the network namespace it guards and, for NFTABLES_CGROUP2,
 * in the cgroup namespace that levels are counted in. Questions to a loopback
 * address (127.0.0.53) reach a RESOLVER only where route_localnet is on for
 * the link they leave by; backends/sysctl sets that, while the table drops
 * what others send to loopback.
 */

#include <systemd/sd-event.h>

#include "backends/backend.h"
#include "backends/base/cleanup.h"
#include "backends/nftables/nft-codec.h"

/* @event is referenced. Return: 0, *ret is the caller's; negative errno. */
int nftables_new(sd_event *event, NftablesMechanism mechanism, Backend **ret);

/*
 * Marks groups of another sort from now on, or none, and offers the kinds of
 * facts that go with it. Groups and resolvers of before are forgotten, and stand
 * in the table until it is written anew.
 */
void nftables_set_mechanism(Backend *backend, NftablesMechanism mechanism);

/* The table stays: it guards on without us. */
Backend *nftables_free(Backend *backend);
DEFINE_CLEANUP(Backend *, nftables_free);

/*
 * Whether this kernel has all that @mechanism needs; changes nothing. @fault
 * (may be NULL): what is missing. Return: 1; 0; negative errno when it cannot be told.
 */
int nftables_probe(NftablesMechanism mechanism, Fault *fault);
