/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Runs a plan: each operation by the backend of its kind, in order.
 */

#include "backends/backend.h"
#include "backends/base/array.h"

/* One operation that failed, and how. */
typedef struct Failure {
        Operation operation;
        Fault fault;
} Failure;

/**
 * execute() - apply operations and note what became of them
 * @backends:    Array of Backend *
 * @operations:  Array of Operation
 * @observed:    takes what succeeded
 * @failures:    Array of Failure, appended to
 *
 * Goes on after a failure.
 *
 * Return: 0 whether or not operations failed; -ENOMEM.
 */
int execute(const Array *backends, const Array *operations, FactSet *observed, Array *failures);
