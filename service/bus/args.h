/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What clients send as text and dictionaries → values of the model.
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
#include "service/model/desired.h"
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

/* Which routes ListRoutes is to show. */
typedef struct RouteFilter {
        int family; /* 0: any */
        bool has_table;
        uint32_t table;
        char device[IFNAMSIZ]; /* "": any */
        bool has_state;
        WantedState state;
        bool own; /* the caller's alone */
} RouteFilter;

int args_read_filter(sd_bus_message *message, const Ours *ours, RouteFilter *ret, Refusal *why);

/* GetRoute and GetMtu. */
typedef struct LookupRequest {
        Address destination;
        bool has_mark, has_uid, has_pid;
        uint32_t mark, uid, pid;
        char device[IFNAMSIZ]; /* "": any */
} LookupRequest;

int args_read_lookup(sd_bus_message *message, LookupRequest *ret, Refusal *why);

/* Subscribe: words → Subscription bits. */
int args_read_subscription(sd_bus_message *message, uint32_t *ret_what, Refusal *why);

/* "main", "tunnel", "excluded"; other tables as number in @buffer. */
const char *args_table_name(uint32_t table, const Ours *ours, char buffer[static 16]);
