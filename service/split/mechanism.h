/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * By what processes are told apart, best first, and which one is to be taken.
 *
 * A mechanism is made of parts; whether this machine has one is found out by
 * trying, which is the caller's. All else here is pure.
 */

#include <stdbool.h>
#include <stdint.h>

typedef enum Mechanism {
        MECHANISM_BPF,      /* programs of cgroup2 groups mark sockets at birth */
        MECHANISM_NFTABLES, /* the firewall marks packets of cgroup2 groups */
        MECHANISM_NET_CLS,  /* the firewall marks packets of a class, cgroup v1 */
        MECHANISM_NONE,
        _MECHANISM_MAX,
} Mechanism;

typedef enum MechanismPart {
        MECHANISM_PART_CGROUP2,        /* groups can be made on cgroup2 */
        MECHANISM_PART_BPF,            /* programs can be attached to them */
        MECHANISM_PART_NFTABLES,       /* the firewall matches them */
        MECHANISM_PART_NET_CLS,        /* the hierarchy is there, processes can be moved */
        MECHANISM_PART_NFTABLES_CLASS, /* the firewall matches the class */
        _MECHANISM_PART_MAX,
} MechanismPart;

#define MECHANISM_REASON_MAX 512

const char *mechanism_name(Mechanism mechanism);

/* Return: a Mechanism; -EINVAL. */
int mechanism_parse(const char *name);

/* Whether the groups of units and other people are matched where they are. */
bool mechanism_matches_groups(Mechanism mechanism);

/*
 * Tries one part. Return: whether it is there; otherwise @why is a sentence,
 * which lives as long as the call that asked.
 */
typedef bool (*MechanismTry)(MechanismPart part, const char **why, void *userdata);

#define MECHANISM_BIT(mechanism) (UINT32_C(1) << (mechanism))
#define MECHANISM_ALL (MECHANISM_BIT(MECHANISM_NONE) - 1)

/* Those behind @mechanism: what can come after it failed. */
uint32_t mechanism_below(Mechanism mechanism);

/**
 * mechanism_choose() - the best one that works
 * @allowed:    MECHANISM_BIT of those that may be taken
 * @try_part:   asked once a part at most, and for no more than is needed
 * @reason:     why not those that were tried and are not taken; "" if none was
 *
 * Return: what to take; MECHANISM_NONE.
 */
Mechanism mechanism_choose(uint32_t allowed, MechanismTry try_part, void *userdata,
        char reason[static MECHANISM_REASON_MAX]);

/*
 * What may be taken while somebody is listed and @before was in force. Sockets
 * made under it may have no mark of their own, which a better one would leave
 * without: so nothing climbs, but from none in exclude mode, where they stay in
 * the tunnel.
 */
uint32_t mechanism_after(Mechanism before, bool is_include);

/*
 * Whether what went wrong with marking a group says that the mechanism does not
 * do, not that the group is gone, or is none that could be marked, or that
 * memory is short: negative errno.
 */
bool mechanism_is_at_fault(Mechanism mechanism, int error);
