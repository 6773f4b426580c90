/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What split tunnelling does, as dictionaries of the bus.
 */

#include <systemd/sd-bus.h>

#include "service/split/controller.h"

/* One a{sv}; what only lists have is there with @full. Return: 0; negative errno. */
int split_answers_append_member(sd_bus_message *message, const SplitMember *member, bool full);

/* Kind and value: "ss". */
int split_answers_append_selector(sd_bus_message *message, const Selector *selector);

/* One a{sv} with its state. */
int split_answers_append_state(sd_bus_message *message, const SplitController *controller,
        const Intent *intent, const Selector *selector);
