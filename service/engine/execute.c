// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/execute.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "backends/base/cleanup.h"
#include "backends/base/log.h"
#include "service/model/plan.h"

static Backend *find_backend(const Array *backends, FactKind kind) {
        Backend **backend;

        ARRAY_FOREACH(backend, backends) {
                if ((*backend)->interface->kinds & FACT_KIND_BIT(kind))
                        return *backend;
        }
        return NULL;
}

static int note_result(
        const Operation *operation, const Fault *fault, Array *effects, Array *failures) {
        char text[OPERATION_TEXT_MAX];

        if (fault->error == 0) {
                log_debug("%s", operation_format(operation, text));
                return plan_append_effect(operation, effects);
        }
        log_debug("%s: error %d %s", operation_format(operation, text), -fault->error, fault->text);
        return array_append(failures, &(Failure){ .operation = *operation, .fault = *fault })
                       ? 0
                       : -ENOMEM;
}

/* Runs @n operations that one backend understands. */
static int execute_run(
        Backend *backend, const Operation *operations, size_t n, Array *effects, Array *failures) {
        CLEANUP_FREE Fault *faults = calloc(n, sizeof(Fault));
        int r = 0;

        if (!faults)
                return -ENOMEM;

        if (backend)
                (void)backend->interface->apply(backend, operations, n, faults);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!backend)
                        faults[i] = (Fault){ .error = -EOPNOTSUPP, .text = "no backend for it" };
                r = note_result(&operations[i], &faults[i], effects, failures);
        }
        return r;
}

/*
 * Operations one run holds at most: bounds the memory for their faults. Groups
 * and the filter are bounded by the intent, and the filter is one transaction:
 * they go as a whole.
 */
#define RUN_MAX 1024

static size_t run_limit(FactKind kind) {
        return kind == FACT_ROUTE || kind == FACT_RULE ? RUN_MAX : SIZE_MAX;
}

int execute(const Array *backends, const Array *operations, FactSet *observed, Array *failures) {
        CLEANUP(array_clear) Array effects = ARRAY_INIT(FactChange);
        const Operation *ops = operations->items;
        int r = 0, merged;

        for (size_t i = 0, n; r >= 0 && i < operations->n; i += n) {
                Backend *backend = find_backend(backends, ops[i].fact.kind);
                size_t limit = run_limit(ops[i].fact.kind);

                for (n = 1; i + n < operations->n && n < limit; n++)
                        if (find_backend(backends, ops[i + n].fact.kind) != backend)
                                break;
                r = execute_run(backend, ops + i, n, &effects, failures);
        }
        merged = fact_set_merge(observed, &effects);
        return r < 0 ? r : merged;
}
