/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Intent + observed links, addresses and defaults → the facts we want.
 */

#include <sys/socket.h>

#include "backends/facts/fact-set.h"
#include "backends/facts/ours.h"
#include "service/model/default-route.h"
#include "service/model/intent.h"

/* What the intent becomes facts by. Borrowed. */
typedef struct DesiredInput {
        const Intent *intent;
        const FactSet *observed;
        Ours ours;
        const Array *groups; /* of GroupPlace, sorted: where groups are now; NULL: none are known */
        const Array *known;  /* of KnownGroup, without marks; NULL: nobody looked */
        Address resolvers[2];     /* whom groups ask, of the link they leave by, where known */
        bool has_filter;          /* somebody holds FACT_FILTER */
        bool has_groups;          /* somebody holds FACT_MARKED_GROUP and FACT_RESOLVER */
        bool has_own_groups_only; /* … and cannot mark those of others where they are */
        bool firewall_marks;      /* … the same that holds FACT_FILTER: by nftables, not by BPF */
        uint32_t sysctls;         /* SYSCTL_KEY_BITs of settings that can be written */
        bool counts;              /* counters on every rule of the filter */
} DesiredInput;

/* What becomes of a family while a tunnel is set. */
typedef enum TunnelFamily {
        TUNNEL_FAMILY_OPEN,    /* left alone */
        TUNNEL_FAMILY_CARRIED, /* through the tunnel */
        TUNNEL_FAMILY_BLOCKED, /* unreachable: fail-closed */
} TunnelFamily;

const char *tunnel_family_name(TunnelFamily family);

/* What is looked up once; a value that keeps its input borrowed. [0] is IPv4, [1] IPv6. */
typedef struct DesiredView {
        DesiredInput input;
        bool has_tunnel_link;
        Link tunnel_link;
        DefaultRoute best[2];
        bool overridden[2]; /* main does not lead to the best: default_route_is_overridden() */
        TunnelFamily tunnel[2];
} DesiredView;

DesiredView desired_view(const DesiredInput *input);

/* The index of a family in the arrays above. */
static inline int family_slot(int family) {
        return family == AF_INET6;
}

/*
 * @ret is replaced by the desired facts (all carry our protocol).
 * Return: 0; -ENOMEM.
 */
int desired_build(const DesiredView *view, FactSet *ret);

/*
 * The parts of desired_build(). What split tunnelling wants of rules, routes
 * and groups; and, made of all that was put before, the firewall that stands
 * behind it. Return: 0; -ENOMEM.
 */
int desired_put_split(const DesiredView *view, FactSet *facts);
int desired_put_guard(const DesiredView *view, FactSet *facts);

/* The index of the link by which listed groups leave: that of the best default, in include mode of
 * the tunnel; 0 none. */
uint32_t desired_group_link(const DesiredView *view, int slot);

/* The rule that leads a family into the tunnel table: all but what goes around, or in include mode
 * what is listed alone. */
Rule desired_tunnel_rule(const DesiredView *view, int family);

/*
 * Whether the system can do what @change asks for right now: the devices it
 * names exist. Return: 0; -EPERM and @why.
 */
int desired_check(const FactSet *observed, const IntentChange *change, Refusal *why);

typedef enum WantedState {
        WANTED_INSTALLED,
        WANTED_WAITING,
        WANTED_CONFLICT, /* somebody else holds the slot, or fights over it */
} WantedState;

const char *wanted_state_name(WantedState state);

#define STATE_REASON_MAX 128

/* How a wanted route stands; @reason is "" when installed. */
WantedState desired_route_state(
        const DesiredView *view, const WantedRoute *wanted, char reason[static STATE_REASON_MAX]);

/*
 * Include mode: whether groups are listed that ask resolvers of this machine in
 * vain, since none of the tunnel's link is known.
 */
bool desired_refuses_names(const DesiredView *view);

/* The link of that name; NULL. */
const Link *desired_find_link(const FactSet *observed, const char *name);
const Link *desired_find_link_by_index(const FactSet *observed, uint32_t ifindex);
