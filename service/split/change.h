/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the controller does when another mechanism comes into force:
 * split_controller_change_mechanism().
 */

#include "service/split/controller.h"

/* Why no better mechanism is in force. Copied. */
void change_set_reason(SplitController *controller, const char *reason);

/* Tells of it from the loop, and ends the groups that were left. */
void change_finish(SplitController *controller);

/*
 * Moves who is in the group @path of the intent, one of @from (NULL: it is
 * gone), to groups of the mechanism in force: one may become several, and the
 * paths of two mechanisms differ. The intent names those then, or, when nobody
 * was moved, none.
 */
void change_carry_group(SplitController *controller, const SplitProcesses *from, const char *path);
