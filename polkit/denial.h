/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What a caller reads who is refused: the name of the error, what stands in
 * the way, and the remedy.
 *
 * Return, of all: the negative errno that stands for the error.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "polkit/polkit-call.h"

/* polkitd answered, and not with a yes. @is_interactive: the message let it ask a person. */
int denial_by_polkit(
        sd_bus_error *error, const char *action, const PolkitAnswer *answer, bool is_interactive);

/* @peer, polkit or the bus, did not answer. @action NULL: about the caller itself. */
int denial_unchecked(sd_bus_error *error, const char *action, const char *peer, const char *reason);

/* The question was another one the second time. */
int denial_changed(sd_bus_error *error, const char *action);

/* The second pass comes too early, or a second time. */
int denial_unfinished(sd_bus_error *error);

int denial_too_many(sd_bus_error *error, uid_t uid);
int denial_too_fast(sd_bus_error *error, const char *sender);
int denial_no_sender(sd_bus_error *error);
int denial_not_identified(sd_bus_error *error, int r);
int denial_no_memory(sd_bus_error *error);
