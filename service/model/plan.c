// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/plan.h"

#include <assert.h>
#include <errno.h>

#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"

typedef enum Phase {
        PHASE_FILL_TABLES,
        PHASE_ADD_RULES,
        PHASE_MARK_GROUPS, /* what is marked is routed from its first packet on */
        PHASE_CLOSE_FILTER,
        PHASE_SET_SYSCTLS, /* some open what only the filter closes */
        PHASE_RESTORE_SYSCTLS,
        PHASE_UNMARK_GROUPS,
        PHASE_REMOVE_RULES,
        PHASE_EMPTY_TABLES,
        PHASE_OPEN_FILTER,
} Phase;

static Phase operation_phase(const Operation *operation) {
        bool removes = operation->verb == OPERATION_REMOVE;

        switch (operation->fact.kind) {
        case FACT_RULE:
                return removes ? PHASE_REMOVE_RULES : PHASE_ADD_RULES;
        case FACT_MARKED_GROUP:
        case FACT_KNOWN_GROUP:
        case FACT_RESOLVER:
                return removes ? PHASE_UNMARK_GROUPS : PHASE_MARK_GROUPS;
        case FACT_FILTER:
                return removes ? PHASE_OPEN_FILTER : PHASE_CLOSE_FILTER;
        case FACT_SYSCTL:
                return removes ? PHASE_RESTORE_SYSCTLS : PHASE_SET_SYSCTLS;
        case FACT_ROUTE:
        case FACT_LINK:
        case FACT_LINK_ADDRESS:
        case FACT_NEIGHBOUR:
        case _FACT_KIND_MAX:
                break;
        }
        return removes ? PHASE_EMPTY_TABLES : PHASE_FILL_TABLES;
}

/*
 * Order inside a phase that fills: the fail-closed route, what else leads
 * nowhere, what is on-link, what needs a gateway.
 */
static int route_rank(const Route *route) {
        if (route_type_is_dead_end(route->type))
                return route->metric == OURS_FAIL_CLOSED_METRIC ? 0 : 1;
        return address_is_set(&route->gateway) ? 3 : 2;
}

static int operation_compare(const void *a, const void *b) {
        const Operation *x = a, *y = b;
        Phase phase_x = operation_phase(x), phase_y = operation_phase(y);
        int rank_x, rank_y;

        if (phase_x != phase_y)
                return phase_x < phase_y ? -1 : 1;
        /* The filter closes by its base once all that may pass is there, and opens by it first. */
        if (phase_x == PHASE_CLOSE_FILTER || phase_x == PHASE_OPEN_FILTER) {
                rank_x = x->fact.filter.kind == FILTER_BASE;
                rank_y = y->fact.filter.kind == FILTER_BASE;
                return phase_x == PHASE_OPEN_FILTER ? rank_y - rank_x : rank_x - rank_y;
        }
        if (x->fact.kind != FACT_ROUTE)
                return 0;
        rank_x = route_rank(&x->fact.route);
        rank_y = route_rank(&y->fact.route);
        return phase_x == PHASE_EMPTY_TABLES ? rank_y - rank_x : rank_x - rank_y;
}

/* Whether @observed is what @desired asks for; the kernel picks the device of a lone gateway. */
static bool is_satisfied(const Fact *desired, const Fact *observed) {
        Fact any_device = *observed;

        if (desired->kind == FACT_ROUTE && desired->route.ifindex == 0 &&
                address_is_set(&desired->route.gateway))
                any_device.route.ifindex = 0;
        return fact_equals(desired, &any_device);
}

static int append_operation(
        Array *operations, OperationVerb verb, const Fact *fact, const Fact *old) {
        Operation *operation = array_append(operations, NULL);

        if (!operation)
                return -ENOMEM;
        operation->verb = verb;
        operation->fact = *fact;
        if (old)
                operation->old = *old;
        return 0;
}

int plan_make(const FactSet *desired, const FactSet *observed, Array *ret) {
        const Fact *wanted, *there;
        FactWalk walk = { 0 };
        int r = 0;

        assert(ret->item_size == sizeof(Operation));

        ret->n = 0;
        while (r >= 0 && fact_walk_next(&walk, desired, observed, &wanted, &there)) {
                assert(!wanted || fact_is_ours(wanted));

                if (!wanted) {
                        if (fact_is_ours(there))
                                r = append_operation(ret, OPERATION_REMOVE, there, NULL);
                } else if (!there)
                        r = append_operation(ret, OPERATION_ADD, wanted, NULL);
                else if (!is_satisfied(wanted, there))
                        r = append_operation(ret, OPERATION_REPLACE, wanted, there);
        }
        return r < 0 ? r : array_sort(ret, operation_compare);
}

bool plan_is_satisfied(const Fact *desired, const FactSet *observed) {
        const Fact *there = fact_set_find(observed, desired);

        return there && is_satisfied(desired, there);
}

int plan_append_effect(const Operation *operation, Array *changes) {
        FactChange change = { .fact = operation->fact, .by_us = true };

        change.removed = operation->verb == OPERATION_REMOVE;
        change.takes_slot = operation->verb == OPERATION_REPLACE &&
                            operation->old.kind == FACT_ROUTE && !fact_is_ours(&operation->old);
        return array_append(changes, &change) ? 0 : -ENOMEM;
}
