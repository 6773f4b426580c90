/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Open sockets of all that is listed follow the mode: those of sockets that
 * were born in the other one carry its mark. What cannot change its path stays
 * in the tunnel in mode "exclude", and is cut in mode "include".
 */

#include "service/split/controller.h"

/* The intent as it is now is what sockets follow already. */
void turn_start(SplitController *controller);

/* To be called when the intent changed and is in force, before that is answered. */
void turn_follow_intent(SplitController *controller);
