// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/markers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "backends/base/log.h"

#define KINDS                                                                                      \
        (FACT_KIND_BIT(FACT_MARKED_GROUP) | FACT_KIND_BIT(FACT_KNOWN_GROUP) |                      \
                FACT_KIND_BIT(FACT_RESOLVER))

typedef struct FormerMarker {
        Backend *backend;
        FactSet facts;
} FormerMarker;

void markers_init(Markers *markers) {
        *markers = (Markers){ .former = ARRAY_INIT(FormerMarker) };
}

void markers_clear(Markers *markers) {
        FormerMarker *former;

        ARRAY_FOREACH(former, &markers->former) {
                fact_set_clear(&former->facts);
        }
        array_clear(&markers->former);
}

/* One that does nothing but marking leaves the list: its kinds are another's. */
static void leave(Reconciler *reconciler, const Backend *backend) {
        for (size_t i = 0; i < reconciler->backends.n; i++) {
                if (*(Backend **)array_at(&reconciler->backends, i) != backend)
                        continue;
                if (!(backend->interface->kinds & ~KINDS))
                        array_remove(&reconciler->backends, i);
                return;
        }
}

static bool is_in(const Reconciler *reconciler, const Backend *backend) {
        Backend **known;

        ARRAY_FOREACH(known, &reconciler->backends) {
                if (*known == backend)
                        return true;
        }
        return false;
}

int markers_exchange(Markers *markers, Reconciler *reconciler, Backend *former, Backend *next) {
        CLEANUP(fact_set_clear) FactSet facts = FACT_SET_INIT;
        FormerMarker *kept;

        if (array_reserve(&reconciler->backends, 1) < 0 || array_reserve(&markers->former, 1) < 0 ||
                reconciler_forget(reconciler, KINDS, &facts) < 0)
                return -ENOMEM;
        if (former && former != next)
                leave(reconciler, former);
        if (next && !is_in(reconciler, next))
                (void)array_append(&reconciler->backends, &next); /* room is reserved */
        markers->now = next;
        if (!former || facts.facts.n == 0)
                return 0;
        kept = array_append(&markers->former, NULL);
        *kept = (FormerMarker){ .backend = former, .facts = facts };
        facts = FACT_SET_INIT;
        return 0;
}

bool markers_exchanged_for(Markers *markers, const Failure *failure) {
        const MarkerListener *listener = &markers->listener;
        const Operation *operation = &failure->operation;

        return failure->fault.error < 0 && operation->verb != OPERATION_REMOVE &&
               (KINDS & FACT_KIND_BIT(operation->fact.kind)) && listener->on_failed &&
               listener->on_failed(&failure->fault, listener->userdata);
}

bool markers_exchanged(Markers *markers, Reconciler *reconciler) {
        const Failure *failure;

        ARRAY_FOREACH(failure, &reconciler->failures) {
                const Failure copy = *failure; /* an exchange forgets failures */

                if (markers_exchanged_for(markers, &copy))
                        return true;
        }
        return false;
}

static bool has_failed_marks(const Reconciler *reconciler) {
        const Failure *failure;

        ARRAY_FOREACH(failure, &reconciler->failures) {
                if (KINDS & FACT_KIND_BIT(failure->operation.fact.kind))
                        return true;
        }
        return false;
}

/* Leaves what the same backend holds by now for another reason. */
static int remove_marks(
        const Markers *markers, const Reconciler *reconciler, FormerMarker *former) {
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
        CLEANUP_FREE Fault *faults = NULL;
        char text[OPERATION_TEXT_MAX];
        const Fact *fact;

        ARRAY_FOREACH(fact, &former->facts.facts) {
                const Operation operation = { .verb = OPERATION_REMOVE, .fact = *fact };

                if (former->backend == markers->now && fact_set_find(&reconciler->observed, fact))
                        continue;
                if (!array_append(&operations, &operation))
                        return -ENOMEM;
        }
        faults = calloc(operations.n + 1, sizeof(Fault));
        if (!faults)
                return -ENOMEM;
        if (operations.n > 0)
                (void)former->backend->interface->apply(
                        former->backend, operations.items, operations.n, faults);
        for (size_t i = 0; i < operations.n; i++)
                if (faults[i].error < 0)
                        log_warning("Cannot take a mark back by %s: %s: %s",
                                former->backend->interface->name,
                                operation_format(array_at(&operations, i), text),
                                faults[i].text[0] ? faults[i].text : strerror(-faults[i].error));
        return 0;
}

void markers_retire(Markers *markers, Reconciler *reconciler) {
        if (markers->former.n == 0)
                return;
        /* What failed once may be there at the next try; what fails for good never is. */
        if (has_failed_marks(reconciler) && !reconciler_has_lasting_failure(reconciler))
                return;
        while (markers->former.n > 0) {
                FormerMarker *former = array_at(&markers->former, markers->former.n - 1);

                if (remove_marks(markers, reconciler, former) < 0) {
                        log_error("Out of memory for marks that have to go; trying again");
                        reconciler_wake_at(reconciler, clock_now() + USEC_PER_SEC);
                        return;
                }
                fact_set_clear(&former->facts);
                array_remove(&markers->former, markers->former.n - 1);
        }
}
