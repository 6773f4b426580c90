/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What refusals and faults are called on the bus.
 *
 * One table each way. org.freedesktop.DBus.Error.Failed is never used: it says
 * nothing, and sd-bus clients read it as EACCES.
 */

#include <systemd/sd-bus.h>

#include "service/model/refusal.h"

/* Lets sd-bus translate our names to errnos and back. Once, before any bus use. */
int errors_register(void);

/*
 * What a handler returns when @r came from something that may refuse: @why is
 * looked at for -EPERM with a code alone. Return: always negative.
 */
int errors_set(sd_bus_error *error, int r, const Refusal *why);

/* The name of a refusal on the bus. */
const char *errors_refusal_name(RefusalCode code);
