/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Methods of org.talpid.SplitTunnel about selectors and settings.
 */

#include "service/bus/split-object.h"

/* AddSelectors, RemoveSelectors, SetSelectors; @mask of SplitOption. Return: as a handler. */
int split_selector_calls_change(const SplitObjectConfig *config, sd_bus_message *message,
        IntentChangeKind kind, uint32_t mask, sd_bus_error *error);

/* SetEnabled, SetMode, SetDns; @r and @why: what reading their first argument came to. */
int split_selector_calls_set(const SplitObjectConfig *config, sd_bus_message *message,
        const SplitChange *split, int r, Refusal *why, sd_bus_error *error);

int split_selector_calls_list(
        const SplitObjectConfig *config, sd_bus_message *message, sd_bus_error *error);
