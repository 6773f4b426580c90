/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What every backend offers the engine, and the sink it reports to.
 *
 * A backend applies operations of some kinds of facts and reports the facts
 * the system holds; it decides nothing. Two kinds exist of each: the real one
 * and the fake of the tests.
 *
 * Reports are never made from inside apply(): they come from the event loop,
 * or from inside resync(). What apply() did successfully is not reported (the
 * caller knows it); a backend leaves out the echoes of its own requests.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/facts/fact-set.h"
#include "backends/facts/operation.h"

typedef struct Backend Backend;

typedef struct BackendSink {
        /* Facts changed, in this order. @changes is borrowed for the call. */
        void (*on_changes)(const FactChange *changes, size_t n, void *userdata);

        /*
         * A resync is complete: @facts are all there are of the kinds in @kinds
         * (FACT_KIND_BIT), whatever was reported before. The callee may take
         * the content of @facts.
         */
        void (*on_resync)(uint32_t kinds, FactSet *facts, void *userdata);

        void *userdata;
} BackendSink;

typedef struct BackendInterface {
        const char *name;
        uint32_t kinds; /* FACT_KIND_BIT of what apply() understands */

        /* Reads everything and calls on_resync. Return: 0; negative errno, nothing reported. */
        int (*resync)(Backend *backend);

        /*
         * Applies @operations in their order, going on after a fault.
         * faults[i] tells how operation i went. Return: how many failed.
         */
        size_t (*apply)(Backend *backend, const Operation *operations, size_t n, Fault *faults);

        /*
         * Reports what changed of that which the system tells nobody; called at
         * the beginning of each turn, so it has to be cheap. May be NULL.
         */
        void (*look)(Backend *backend);

        /*
         * Asks for the link-layer address of a next hop to be found; the answer
         * is a neighbour fact. Harmless when it is known already. May be NULL.
         */
        void (*resolve_neighbour)(Backend *backend, uint32_t ifindex, const Address *address);

        /* Whether a default route of somebody else's in @table goes by a link. May be NULL. */
        bool (*leads_all)(Backend *backend, uint32_t table, uint32_t ifindex);
} BackendInterface;

/* Backends embed this as their first member. */
struct Backend {
        const BackendInterface *interface;
        BackendSink sink;
};
