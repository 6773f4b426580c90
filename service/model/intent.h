/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What clients asked for.
 *
 * An Intent owns its lists; everything in it is a plain value. It changes by
 * IntentChange alone, whole or not at all, and knows nothing of what the
 * kernel holds.
 *
 * Owners: what lives until `client` belongs to a unique bus name and goes with
 * it; what lives until `boot` belongs to a user. Routes of different owners
 * are kept apart; two owners may want the same route, but not two different
 * routes for one slot (table, destination, metric).
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"
#include "backends/facts/ours.h"
#include "backends/facts/route.h"
#include "service/model/refusal.h"
#include "service/model/split.h"

#define INTENT_ROUTES_PER_USER_MAX 65536
#define INTENT_LEASES_PER_USER_MAX 1024
#define INTENT_BYPASS_MAX 1024
#define SETTER_MAX 64
#define BUS_NAME_MAX 256 /* D-Bus specification: 255 and the end */

typedef enum Lifetime {
        LIFETIME_BOOT,   /* until removed or the machine restarts */
        LIFETIME_CLIENT, /* until the client's bus name goes */
        _LIFETIME_MAX,
} Lifetime;

const char *lifetime_name(Lifetime lifetime);
/* Return: a Lifetime; -EINVAL. */
int lifetime_parse(const char *name);

/* Who asks: always from bus credentials. */
typedef struct Owner {
        uid_t uid;
        char name[BUS_NAME_MAX]; /* unique bus name, ":1.42"; "" where the lifetime is boot */
} Owner;

int owner_compare(const Owner *a, const Owner *b);

typedef struct WantedRoute {
        /* type, destination, table, metric, mtu, gateway as asked for; ifindex is not used: the
         * device is followed by name through its re-creations. */
        Route route;
        char device[IFNAMSIZ]; /* "": found by the gateway, or none */
        bool symbolic;         /* node "default": neither device nor gateway */
        uint32_t owner;        /* index into Intent.owners */
} WantedRoute;

typedef enum Carry {
        CARRY_AUTO, /* carried when the device has an address of the family */
        CARRY_YES,
        CARRY_NO,
} Carry;

typedef struct WantedTunnel {
        char device[IFNAMSIZ]; /* "": no tunnel is set */
        Carry ipv4, ipv6;
        uint32_t mtu; /* 0: the device's */
        bool allow_lan;
        bool fail_closed;
        uint32_t owner;          /* index into Intent.owners */
        char setter[SETTER_MAX]; /* the program that set it, for people; "": not known */
        Array bypass;            /* of Prefix, sorted, unique */
} WantedTunnel;

typedef struct Intent {
        Array owners; /* of Owner; entries that nobody uses any more may stay */
        Array routes; /* of WantedRoute, sorted by wanted_route_compare() */
        WantedTunnel tunnel;
        Split split;
        Ours ours; /* what the numbers in it were made for; mark 0: not known */
} Intent;

#define INTENT_INIT                                                                                \
        (Intent) {                                                                                 \
                .owners = ARRAY_INIT(Owner), .routes = ARRAY_INIT(WantedRoute),                    \
                .tunnel = { .bypass = ARRAY_INIT(Prefix) }, .split = SPLIT_INIT,                   \
        }

/* By slot (table, destination, metric), then owner. */
int wanted_route_compare(const void *a, const void *b);

void intent_clear(Intent *intent);

/* Replaces @to by a copy of @from. Return: 0; -ENOMEM, @to is of both, and to be cleared. */
int intent_copy(Intent *to, const Intent *from);
bool intent_is_empty(const Intent *intent);
bool intent_has_tunnel(const Intent *intent);

/* The owner at @index, which must exist. */
const Owner *intent_owner(const Intent *intent, uint32_t index);
Lifetime intent_owner_lifetime(const Intent *intent, uint32_t index);

/* Which routes RemoveRoutes means. */
typedef struct RouteMatch {
        Prefix destination;
        uint32_t table;
        bool any_metric; /* the client named none */
        uint32_t metric;
        bool any_node; /* the client named no gateway, device or node */
        bool symbolic;
        Address gateway;
        char device[IFNAMSIZ];
} RouteMatch;

typedef enum IntentChangeKind {
        INTENT_ADD_ROUTES,
        INTENT_REMOVE_ROUTES,
        INTENT_CLEAR_ROUTES,
        INTENT_SET_TUNNEL,
        INTENT_UNSET_TUNNEL,
        INTENT_DROP_CLIENT, /* the owner's bus name is gone: all that lived until `client` */
        INTENT_ADD_SELECTORS,
        INTENT_REMOVE_SELECTORS,
        INTENT_SET_SELECTORS, /* the owner's user's, all of them */
        INTENT_ADD_GROUP,     /* a group of ours is about to hold processes */
        INTENT_REMOVE_GROUP,  /* the owner needs it no more; with `everybody` nobody does */
        INTENT_SET_SPLIT,     /* Enabled, Mode, Dns */
} IntentChangeKind;

/* Which of the settings of split tunnelling a request names, and what they become. */
typedef struct SplitChange {
        bool has_enabled, enabled;
        bool has_mode, has_dns;
        SplitMode mode;
        SplitDns dns;
} SplitChange;

/*
 * One request, as read from the bus. Owns its lists. The WantedRoute.owner and
 * WantedTunnel.owner inside are filled in by intent_apply().
 */
typedef struct IntentChange {
        IntentChangeKind kind;
        Owner owner;
        bool everybody;   /* option `all`: not only the owner's user's; of a group: all owners */
        bool replace;     /* SET_TUNNEL: take over from another owner */
        bool keep_closed; /* DROP_CLIENT: a fail-closed tunnel stays (the service stops) */
        Array routes;     /* ADD: of WantedRoute */
        Array matches;    /* REMOVE: of RouteMatch */
        WantedTunnel tunnel;
        Array selectors;   /* ADD, REMOVE, SET: of Selector */
        SplitGroup group;  /* ADD, REMOVE: `owner` is not used */
        SplitChange split; /* SET_SPLIT */
} IntentChange;

#define INTENT_CHANGE_INIT                                                                         \
        (IntentChange) {                                                                           \
                .routes = ARRAY_INIT(WantedRoute), .matches = ARRAY_INIT(RouteMatch),              \
                .tunnel = { .bypass = ARRAY_INIT(Prefix) }, .selectors = ARRAY_INIT(Selector),     \
        }

void intent_change_clear(IntentChange *change);

/**
 * intent_apply() - change what is wanted
 * @intent:   changed on success only
 * @change:   borrowed, unchanged
 * @why:      filled when refused
 *
 * What needs knowledge of the system (does the device exist) is checked by
 * desired_check().
 *
 * Return: 1 changed; 0 nothing to do; -EPERM refused; -ENOMEM.
 */
int intent_apply(Intent *intent, const IntentChange *change, Refusal *why);

/* Return: the owner's index; -ENOENT. */
int intent_find_owner(const Intent *intent, const Owner *owner);

/*
 * For the parts of intent_apply(). The owner's index; a new owner takes the
 * place of one that nobody needs. Return: index; -EPERM with @why at the limit
 * of leases; -ENOMEM.
 */
int intent_find_or_add_owner(Intent *intent, const Owner *owner, Refusal *why);

/* The part of intent_apply() that split tunnelling has. Return: as intent_apply(). */
int intent_apply_split(Intent *intent, const IntentChange *change, Refusal *why);

/* Drops selectors and groups of the client in @change. Return: whether there were any. */
bool intent_drop_split_of_client(Intent *intent, const IntentChange *change);
