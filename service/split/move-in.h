/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Takes processes out of the tunnel: groups are prepared and marked before
 * anybody is in them, then the processes are moved. What fails is undone.
 */

#include "service/split/request.h"

/*
 * The request goes on by itself, to its answer. Return: 0; -EPERM and @why, or another negative
 * errno: nothing is left of it but the request.
 */
int move_in_start(Request *request, Refusal *why);
