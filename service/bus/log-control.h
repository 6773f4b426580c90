/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * org.freedesktop.LogControl1(5): `systemctl service-log-level` for us.
 */

#include <systemd/sd-bus.h>

/* Adds the object to @bus; @ret_slot takes it away again. */
int log_control_add(sd_bus *bus, sd_bus_slot **ret_slot);

/* Level names of syslog(3), "err" and "error" alike. Return: LOG_EMERG … LOG_DEBUG; -EINVAL. */
int log_level_parse(const char *name);
