/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What split tunnelling is asked for: who goes around the tunnel, or, in
 * include mode, who alone goes through it.
 *
 * Plain values in lists that a Split owns. Selectors name units, groups,
 * users, destinations or interfaces where they are; groups are ours, made
 * below the groups of processes that were taken one by one.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"
#include "backends/facts/prefix.h"
#include "service/model/refusal.h"
#include "service/model/unit-path.h"

#define SELECTOR_VALUE_MAX 256
#define SPLIT_SELECTORS_PER_USER_MAX 1024
#define SPLIT_GROUPS_PER_USER_MAX 4096

typedef enum SelectorKind {
        SELECTOR_UNIT,
        SELECTOR_CGROUP,
        SELECTOR_USER,
        SELECTOR_NETWORK,
        SELECTOR_INTERFACE,
        SELECTOR_EXECUTABLE, /* the last three are not supported yet */
        SELECTOR_APP,
        SELECTOR_DOMAIN,
        _SELECTOR_KIND_MAX,
} SelectorKind;

typedef enum SplitMode {
        SPLIT_EXCLUDE, /* what is listed goes around the tunnel */
        SPLIT_INCLUDE, /* what is listed goes through it, and never without it */
        _SPLIT_MODE_MAX,
} SplitMode;

typedef enum SplitDns {
        SPLIT_DNS_SYSTEM, /* excluded processes ask the resolvers of the link they leave by */
        SPLIT_DNS_TUNNEL,
        _SPLIT_DNS_MAX,
} SplitDns;

typedef struct Selector {
        SelectorKind kind;
        char value[SELECTOR_VALUE_MAX]; /* canonical text: what lists show */
        uint32_t uid;                   /* USER: whom; UNIT: whose manager, 0 the system's */
        Prefix prefix;                  /* NETWORK */
        bool permanent;                 /* restored after a reboot */
        uint64_t since_usec; /* CLOCK_REALTIME of its adding, when it was first asked for */
        uint32_t owner;      /* index into Intent.owners */
} Selector;

/*
 * A group of ours with processes that were taken one by one, and one of those
 * who put some there: it has an entry for each, and ends when the last one goes.
 */
typedef struct SplitGroup {
        char path[GROUP_PATH_MAX];
        uint32_t owner; /* index into Intent.owners */
} SplitGroup;

typedef struct Split {
        bool disabled; /* property Enabled is its opposite */
        SplitMode mode;
        SplitDns dns;
        Array selectors; /* of Selector, sorted by selector_compare() */
        Array groups;    /* of SplitGroup, sorted by split_group_compare() */
} Split;

#define SPLIT_INIT                                                                                 \
        (Split) {                                                                                  \
                .selectors = ARRAY_INIT(Selector), .groups = ARRAY_INIT(SplitGroup)                \
        }

/* Where a group that somebody selects or we made is now. Told by the cgroup backend. */
typedef struct GroupPlace {
        char path[GROUP_PATH_MAX];
        uint64_t id; /* and level: as of a MarkedGroup */
        uint32_t level;
} GroupPlace;

int group_place_compare(const void *a, const void *b);

const char *selector_kind_name(SelectorKind kind);
const char *split_mode_name(SplitMode mode);
const char *split_dns_name(SplitDns dns);
/* Return: the value; -EINVAL. */
int split_mode_parse(const char *name);
int split_dns_parse(const char *name);

/* By kind, value, uid, owner. */
int selector_compare(const void *a, const void *b);

/* By path, owner. */
int split_group_compare(const void *a, const void *b);

/**
 * selector_parse() - read a selector as clients write it
 * @kind, @value:  as on the bus
 * @uid:           of the caller: whose manager a unit is looked for in, 0 the system's
 * @ret:           set on success only; owner and permanent are left to the caller
 *
 * A user is taken by number here; names are for the caller to look up.
 *
 * Return: 0; -EPERM and @why (InvalidArgs, or NotSupported by the kind's name).
 */
int selector_parse(const char *kind, const char *value, uid_t uid, Selector *ret, Refusal *why);

/*
 * The groups a unit's or group's selector may stand for, best first. Return:
 * how many were written; 0 for other kinds.
 */
size_t selector_paths(const Selector *selector, char paths[static UNIT_PATHS_MAX][GROUP_PATH_MAX]);

/* Whether @path could be a group: relative, no "." or "..", no empty part, printable. */
bool group_path_is_valid(const char *path);

void split_clear(Split *split);

/* Replaces @to by a copy of @from. Return: 0; -ENOMEM. */
int split_copy(Split *to, const Split *from);

/* Walks groups by path, each once. @last: the one before; NULL: none. Return: NULL behind the last.
 */
const SplitGroup *split_next_group(const Split *split, const SplitGroup *last);

/* Nobody is listed and all is as it comes. */
bool split_is_empty(const Split *split);

/* Whether anybody is listed who has to be told apart by groups. */
bool split_lists_groups(const Split *split);

/* Whether anything has to be done for it: somebody listed, not disabled. */
bool split_is_active(const Split *split);
