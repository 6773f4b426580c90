/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * In include mode, what is new beside listed groups: it may be a listed unit
 * that starts anew, so it uses the tunnel until it is known.
 *
 * Whatever turns out not to be listed gets the mark of its first sockets taken
 * off again. By nftables there is none on them: flows keep to their way.
 */

#include "service/split/controller.h"

/* Watches around @wanted (of GroupPlace) as @split says: in include mode, or nothing. */
void newcomers_watch(SplitController *controller, const Split *split, const Array *wanted);
void newcomers_watch_nothing(SplitController *controller);

/* Once, after engine_start(): what came while no service ran. */
void newcomers_start(SplitController *controller);

/* Before the controller goes. */
void newcomers_forget(SplitController *controller);
