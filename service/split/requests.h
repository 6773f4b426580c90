/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Calls that move processes: prepare, mark, move, sweep twice, answer once.
 */

#include "service/split/controller.h"

/* Whether one that is under way needs the group. */
bool requests_are_at(const SplitController *controller, const char *path);

/* Nobody is answered any more. */
void requests_forget(SplitController *controller);
