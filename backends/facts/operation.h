/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One step of a plan: add, replace or remove one fact.
 */

#include <stddef.h>

#include "backends/facts/fact.h"

#define OPERATION_TEXT_MAX (FACT_TEXT_MAX + 16)
#define FAULT_TEXT_MAX 256

typedef enum OperationVerb {
        OPERATION_ADD, /* the slot must be free: -EEXIST otherwise, nobody's fact is overwritten */
        OPERATION_REPLACE, /* the slot holds an older fact of ours */
        OPERATION_REMOVE,  /* by the whole value, protocol included; already gone is success */
} OperationVerb;

typedef struct Operation {
        OperationVerb verb;
        Fact fact;
        Fact old; /* REPLACE: what is in the slot now; otherwise undefined */
} Operation;

/* What went wrong with one operation: errno and the kernel's extended ack, if any. */
typedef struct Fault {
        int error; /* negative errno; 0: nothing went wrong */
        char text[FAULT_TEXT_MAX];
} Fault;

/* Fills @fault, which may be NULL; a long text is cut. Return: @error. */
int fault_set(Fault *fault, int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

const char *operation_format(const Operation *operation, char text[static OPERATION_TEXT_MAX]);
