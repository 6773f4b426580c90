/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Desired × observed → operations in a safe order.
 *
 * A rule comes after its table is filled and goes before it is emptied; groups
 * are marked after that, and the filter closes last and opens last;
 * routes without a gateway come before those with one; the fail-closed route
 * comes first and goes last. A foreign fact is never touched: a desired fact
 * whose slot is held by one is planned as ADD, which the kernel refuses.
 */

#include "backends/facts/fact-set.h"
#include "backends/facts/operation.h"

/*
 * @ret (an Array of Operation) is replaced. Return: 0; -ENOMEM.
 */
int plan_make(const FactSet *desired, const FactSet *observed, Array *ret);

/* What @observed becomes when @operation succeeds, as changes (Array of FactChange). */
int plan_append_effect(const Operation *operation, Array *changes);

/* Whether @observed holds what @desired asks for. */
bool plan_is_satisfied(const Fact *desired, const FactSet *observed);
