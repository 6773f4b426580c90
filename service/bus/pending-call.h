/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A method call that waits for the engine, and is answered exactly once.
 *
 * The list owns its calls. A caller that goes does not matter: its answer is
 * sent and the bus drops it. What still waits when the list is freed is
 * answered with an error.
 */

#include <stddef.h>
#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "service/model/refusal.h"

typedef struct PendingCalls PendingCalls;

int pending_calls_new(PendingCalls **ret);
PendingCalls *pending_calls_free(PendingCalls *calls);
DEFINE_CLEANUP(PendingCalls *, pending_calls_free)

size_t pending_calls_count(const PendingCalls *calls);

typedef struct PendingCall PendingCall;

/* Owned by @calls; a reference to @message is kept. Return: 0; -ENOMEM. */
int pending_call_new(PendingCalls *calls, sd_bus_message *message, PendingCall **ret);

/* What is to be answered; for those that answer with more than nothing. Borrowed. */
sd_bus_message *pending_call_message(const PendingCall *call);

/* Forgets the call: its handler returned an error instead, or it is answered. Return: NULL. */
PendingCall *pending_call_free(PendingCall *call);
DEFINE_CLEANUP(PendingCall *, pending_call_free)

/*
 * An EngineDone: answers with nothing or with the error, and frees the call.
 * The engine must be given it last, for it is not to be called after
 * pending_calls_free().
 */
void pending_call_on_done(int result, const Refusal *why, void *userdata);
