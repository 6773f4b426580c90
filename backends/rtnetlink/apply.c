// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/rtnetlink/apply.h"

#include <errno.h>

#include <linux/netlink.h>

#include "backends/netlink/nl-error.h"
#include "backends/rtnetlink/route-codec.h"
#include "backends/rtnetlink/rule-codec.h"

/* A replace may take two messages; the tag of a message says which of them it is. */
enum {
        PART_ONLY,
        PART_OLD, /* removes what the other part replaces */
        PART_NEW,
        _PARTS,
};

typedef struct Application {
        const Operation *operations;
        Fault *faults;
} Application;

/* What is gone already is what we wanted; ENODEV: the routes went with their device. */
static bool is_gone(int error) {
        return error == -ESRCH || error == -ENOENT || error == -ENODEV;
}

static void on_fault(size_t tag, const Fault *fault, void *userdata) {
        Application *application = userdata;
        const Operation *operation = &application->operations[tag / _PARTS];
        unsigned part = tag % _PARTS;
        bool is_removal = part == PART_OLD || operation->verb == OPERATION_REMOVE;

        if (is_removal && is_gone(fault->error))
                return;
        /* The kernel found the rule of the same value that the plan replaces by itself. */
        if (part == PART_NEW && fault->error == -EEXIST && operation->fact.kind == FACT_RULE &&
                fact_equals(&operation->fact, &operation->old))
                return;
        if (application->faults[tag / _PARTS].error == 0) /* the first one tells why */
                application->faults[tag / _PARTS] = *fault;
}

static void append_route(NlBatch *batch, OperationVerb verb, const Route *route, size_t tag) {
        uint32_t buffer[ROUTE_MESSAGE_MAX / sizeof(uint32_t)];

        nl_batch_append(batch, route_encode(buffer, verb, route), tag);
}

static void append_rule(NlBatch *batch, OperationVerb verb, const Rule *rule, size_t tag) {
        uint32_t buffer[RULE_MESSAGE_MAX / sizeof(uint32_t)];

        nl_batch_append(batch, rule_encode(buffer, verb, rule), tag);
}

/*
 * The kernel replaces in place, across types and gateways too, and so that no
 * packet finds the slot empty. But a replaced hop takes all its siblings along.
 */
static void append_route_operation(NlBatch *batch, const Operation *operation, size_t tag) {
        const Route *route = &operation->fact.route;

        if (operation->verb == OPERATION_REPLACE && route->hop != 0) {
                append_route(batch, OPERATION_REMOVE, &operation->old.route, tag + PART_OLD);
                append_route(batch, OPERATION_ADD, route, tag + PART_NEW);
        } else
                append_route(batch, operation->verb, route, tag + PART_ONLY);
}

/* Rules cannot be replaced: the new one comes first, so that one of them always stands. */
static void append_rule_operation(NlBatch *batch, const Operation *operation, size_t tag) {
        const Rule *rule = &operation->fact.rule;

        if (operation->verb != OPERATION_REPLACE) {
                append_rule(batch, operation->verb, rule, tag + PART_ONLY);
                return;
        }
        append_rule(batch, OPERATION_ADD, rule, tag + PART_NEW);
        if (!fact_equals(&operation->fact, &operation->old))
                append_rule(batch, OPERATION_REMOVE, &operation->old.rule, tag + PART_OLD);
}

static size_t fail_all(Fault *faults, size_t n, int error) {
        for (size_t i = 0; i < n; i++)
                (void)nl_fault_set(&faults[i], error, NULL);
        return n;
}

size_t apply_operations(NlRequest *request, const Operation *operations, size_t n, Fault *faults) {
        Application application = { .operations = operations, .faults = faults };
        CLEANUP(nl_batch_free_p) NlBatch *batch = NULL;
        size_t n_failed = 0;

        if (nl_batch_new(request, on_fault, &application, &batch) < 0)
                return fail_all(faults, n, -ENOMEM);

        for (size_t i = 0; i < n; i++)
                faults[i] = (Fault){ 0 };
        for (size_t i = 0; i < n; i++) {
                FactKind kind = operations[i].fact.kind;

                if (kind == FACT_ROUTE)
                        append_route_operation(batch, &operations[i], i * _PARTS);
                else if (kind == FACT_RULE && !operations[i].fact.rule.exotic)
                        append_rule_operation(batch, &operations[i], i * _PARTS);
                else
                        (void)nl_fault_set(&faults[i], -EOPNOTSUPP, NULL);
        }
        nl_batch_flush(batch);

        for (size_t i = 0; i < n; i++)
                n_failed += faults[i].error != 0;
        return n_failed;
}
