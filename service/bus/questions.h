/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What clients ask, as dictionaries → values of the model. Rules as in
 * "service/bus/args.h".
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "backends/facts/ours.h"
#include "backends/facts/prefix.h"
#include "service/model/desired.h"
#include "service/model/refusal.h"

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

int questions_read_filter(
        sd_bus_message *message, const Ours *ours, RouteFilter *ret, Refusal *why);

/* GetRoute and GetMtu. */
typedef struct LookupRequest {
        Address destination;
        bool has_mark, has_uid, has_pid;
        uint32_t mark, uid, pid;
        char device[IFNAMSIZ]; /* "": any */
} LookupRequest;

int questions_read_lookup(sd_bus_message *message, LookupRequest *ret, Refusal *why);

/* Subscribe: words → Subscription bits. */
int questions_read_subscription(sd_bus_message *message, uint32_t *ret_what, Refusal *why);
