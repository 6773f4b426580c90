/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What can be told of the intent from the kernel alone, where the saved one is
 * lost: a tunnel that was closed stays closed.
 */

#include "backends/facts/fact-set.h"
#include "backends/facts/ours.h"
#include "service/model/intent.h"

/**
 * adopt_tunnel() - read our tunnel back from its rules and table
 * @observed:  what the kernel holds
 * @ours:      our marks
 * @intent:    has none; gets the tunnel, owned by root until boot
 *
 * A tunnel whose device is gone cannot be named; then the fail-closed rules
 * stand for a device that may come, called `lost`.
 *
 * Return: 1 there was one; 0 there was none; -ENOMEM.
 */
int adopt_tunnel(const FactSet *observed, const Ours *ours, Intent *intent);

#define ADOPT_LOST_DEVICE "lost"
