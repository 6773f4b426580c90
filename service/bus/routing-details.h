/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What polkit rules and password dialogs are told about a change of routes.
 *
 * A pure function of the request and of the tunnel that is set: the second pass
 * of a message must come to the same details, so what a person agreed to do to
 * one tunnel is never done to another.
 */

#include "backends/facts/ours.h"
#include "service/model/intent.h"

#define ROUTING_DETAILS_MAX 24

typedef struct RoutingDetails {
        const char *pairs[ROUTING_DETAILS_MAX]; /* key, value, …, NULL */
        char destination[PREFIX_TEXT_MAX + 32];
        char gateway[ADDRESS_TEXT_MAX];
        char table[16];
        char uid[16];
} RoutingDetails;

/*
 * @ret points into itself, @change and @method: it must not be moved, nor
 * outlive them. @tunnel_device: the one that is set, "" for none.
 */
void routing_details_fill(const char *method, const IntentChange *change, const Ours *ours,
        const char *tunnel_device, RoutingDetails *ret);
