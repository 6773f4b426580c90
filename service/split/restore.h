/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Saves what is permanent, and brings it back once after the machine started.
 */

#include "service/split/controller.h"

void restore_save(SplitController *controller, const Intent *intent);

/* What was changed since the first time stands. Return: 0; negative errno. */
int restore_once(SplitController *controller);
