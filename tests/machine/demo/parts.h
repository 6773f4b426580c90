// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/* The parts of the demo. Each leaves the machine as it found it. */

#include "tests/machine/demo/show.h"

/* Two ISPs and a tunnel: pulled cables, a killed service. Leaves wg0 there. */
void show_routing(Demo *demo);

/* Programs and containers around the tunnel wg0. */
void show_split(Demo *demo);

/* Whose resolver each kind of question reaches, while a tunnel is set. */
void show_names(Demo *demo);
