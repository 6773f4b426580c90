/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What clients want changed, as dictionaries → values of the model.
 *
 * Syntax alone is checked here: whatever could never be granted is refused
 * before anything is asked of the system, or of the user. Refusals name the
 * offender and where it stands. Every reader returns 0; -EPERM and @why; or
 * another negative errno.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "backends/facts/ours.h"
#include "service/bus/options.h"
#include "service/model/intent.h"

/* aa{sv} of AddRoutes → WantedRoute, appended to @routes. */
int args_read_routes(sd_bus_message *message, const Ours *ours, Array *routes, Refusal *why);

/* aa{sv} of RemoveRoutes → RouteMatch, appended to @matches. */
int args_read_matches(sd_bus_message *message, const Ours *ours, Array *matches, Refusal *why);

/* What the options of changing methods can say. */
typedef struct ChangeOptions {
        Lifetime lifetime;
        bool everybody;
} ChangeOptions;

/* Which of them a method takes. */
typedef enum ChangeOptionsMask {
        CHANGE_OPTION_LIFETIME = 1 << 0,
        CHANGE_OPTION_ALL = 1 << 1,
} ChangeOptionsMask;

int args_read_change_options(
        sd_bus_message *message, uint32_t mask, ChangeOptions *ret, Refusal *why);

/* SetTunnel's device and options; the lists of @tunnel are filled. */
int args_read_tunnel(sd_bus_message *message, WantedTunnel *tunnel, bool *ret_replace,
        Lifetime *ret_lifetime, Refusal *why);
