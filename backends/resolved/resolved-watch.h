/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Watches which resolvers systemd-resolved asks for each link.
 *
 * Nothing waits and nothing starts resolved: while it is not on the bus
 * nothing is known. Listeners hear from the loop, after all messages that have
 * arrived, and only what changed. Of the hints only resolvers are set.
 */

#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "backends/facts/link-hints.h"

typedef struct ResolvedWatch ResolvedWatch;

/**
 * resolved_watch_new() - begin to watch
 * @bus:        a bus connection attached to an event loop; borrowed, and outlives
 *              the watch. After the connection is lost make a new one.
 * @on_hints:   must not free the watch
 *
 * Return: 0; -ENOMEM; what sd-bus gave.
 */
int resolved_watch_new(
        sd_bus *bus, LinkHintsListener on_hints, void *userdata, ResolvedWatch **ret);

/* Tells nobody. */
ResolvedWatch *resolved_watch_free(ResolvedWatch *watch);
DEFINE_CLEANUP(ResolvedWatch *, resolved_watch_free)
