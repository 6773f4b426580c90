// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The machine sleeps and wakes, by the real logind and systemd-sleep, that
 * write to a file in the kernel's place: this kernel goes on. While it sleeps,
 * a hook of systemd-sleep waits for wake_up().
 *
 * Both end the test when that fails.
 */

#include "tests/machine/lib/machine.h"

/* When it returns, everybody on the bus has been told. */
void fall_asleep(Machine *machine);

void wake_up(void);
