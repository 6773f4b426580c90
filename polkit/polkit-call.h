/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The two calls to polkitd as messages.
 *
 * Signatures are those of org.freedesktop.PolicyKit1.Authority, see
 * /usr/share/dbus-1/interfaces or polkit's reference manual.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

typedef struct PolkitAnswer {
        bool authorized;
        bool challenge; /* a password would do, and nobody was asked for it */
        bool dismissed; /* a person closed the dialog */
} PolkitAnswer;

/* Sends CheckAuthorization about the bus name @sender. Waits for ever: people type slowly. */
int polkit_submit_check(sd_bus *bus, sd_bus_slot **ret_slot, sd_bus_message_handler_t on_answer,
        void *userdata, const char *sender, const char *action, const char *const *details,
        bool interactive, const char *cancellation_id);

/* Sends CancelCheckAuthorization, for which no answer is awaited. */
int polkit_cancel_check(sd_bus *bus, const char *cancellation_id);

/* Reads what on_answer got. Return: 0; negative errno, @reply is an error or is not understood. */
int polkit_read_answer(sd_bus_message *reply, PolkitAnswer *ret);
