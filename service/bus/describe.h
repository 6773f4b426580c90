/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The whole state as JSON, for bug reports.
 */

#include "service/bus/json.h"
#include "service/engine/engine.h"

void describe_write(Json *json, const Engine *engine);
