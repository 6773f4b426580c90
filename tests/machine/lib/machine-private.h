// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The Machine as its own files see it; tests use machine.h.
 */

#include "tests/machine/lib/machine.h"

/* The lab is borrowed. */
Machine *machine_new(Lab *lab);
Machine *machine_free(Machine *machine);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free)
