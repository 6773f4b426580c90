/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The resolvers of links, read from D-Bus messages of systemd-resolved:
 * org.freedesktop.resolve1(5), property DNS of the manager.
 *
 * Pure: messages to an Array of LinkHints, sorted by ifindex, of which only
 * the ifindex and the resolvers are set. Servers without a link, of unknown
 * families or of wrong sizes are left out, as are links past the limit.
 */

#include <systemd/sd-bus.h>

#include "backends/base/array.h"
#include "backends/facts/link-hints.h"

#define RESOLVED_NAME "org.freedesktop.resolve1"
#define RESOLVED_PATH "/org/freedesktop/resolve1"
#define RESOLVED_MANAGER "org.freedesktop.resolve1.Manager"
#define RESOLVED_DNS "DNS"

#define RESOLVED_LINKS_MAX 256

/*
 * Reads the reply to Properties.Get of the property (v: a(iiay)).
 *
 * Return: 0; -EBADMSG, -ENXIO the message is not of this form; -ENOMEM.
 * @hints is left as it was on failure.
 */
int resolved_read_reply(sd_bus_message *message, Array *hints);

typedef enum ResolvedChange {
        RESOLVED_UNCHANGED,
        RESOLVED_CHANGED,     /* @hints is new */
        RESOLVED_INVALIDATED, /* has to be asked for */
} ResolvedChange;

/* Reads the signal PropertiesChanged (sa{sv}as). Return: a ResolvedChange; negative errno. */
int resolved_read_changed(sd_bus_message *message, Array *hints);
