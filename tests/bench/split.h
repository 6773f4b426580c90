// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "tests/machine/lib/machine.h"

/*
 * Figures of split tunnelling, for machine_main() of an offline machine: what
 * it costs those that are excluded and all others, and what a call takes.
 */
int bench_split(Machine *machine, int argc, char **argv, void *user);
