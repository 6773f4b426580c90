/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Calls that move processes: prepare, mark, move, sweep twice, answer once.
 */

#include "service/split/controller.h"

/* Whether one that is under way needs the group. */
bool requests_are_at(const SplitController *controller, const char *path);

/*
 * Whether @uid may have so many processes more outside: those that are being
 * moved there are counted. Of children it is not known yet how many there are.
 */
bool requests_leave_room(const SplitController *controller, uid_t uid, size_t n_more);

/* Nobody is answered any more. */
void requests_forget(SplitController *controller);
