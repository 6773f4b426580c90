/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Turns bytes, broken ones too, into the sd_bus_message that a peer on a bus
 * would make of them: through a socket pair, without a bus daemon.
 */

#include <gio/gio.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

typedef struct RawBus RawBus;

RawBus *raw_bus_new(void);
RawBus *raw_bus_free(RawBus *raw);

/* A signal with the body @text of the tuple type @type, in GVariant text form. */
GBytes *raw_bus_signal(const char *path, const char *type, const char *text);

/* … at once as a message. */
sd_bus_message *raw_bus_say(RawBus *raw, const char *path, const char *type, const char *text);

/*
 * Calls @heed with messages made from @seed by changing some of its bytes, all
 * the same in each run. Return: how many sd-bus let through.
 */
unsigned raw_bus_mutate(RawBus *raw, GBytes *seed, unsigned n,
        void (*heed)(sd_bus_message *message, void *userdata), void *userdata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RawBus, raw_bus_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)
