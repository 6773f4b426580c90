/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Operations on routes and rules, carried out in few sends.
 */

#include <stddef.h>

#include "backends/facts/operation.h"
#include "backends/netlink/nl-request.h"

/* As BackendInterface.apply. Facts of other kinds fail with -EOPNOTSUPP. */
size_t apply_operations(NlRequest *request, const Operation *operations, size_t n, Fault *faults);
