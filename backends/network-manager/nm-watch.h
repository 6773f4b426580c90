/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Watches what NetworkManager says of links.
 *
 * Nothing waits and nothing starts NetworkManager: while it is not on the bus
 * nothing is known. Listeners hear from the loop, after all messages that have
 * arrived, and only what changed. Names become numbers by if_nametoindex(3) in
 * the caller's network namespace.
 */

#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"
#include "backends/facts/link-hints.h"

typedef struct NmWatch NmWatch;

/**
 * nm_watch_new() - begin to watch
 * @bus:        a bus connection attached to an event loop; borrowed, and outlives
 *              the watch. After the connection is lost make a new one.
 * @on_hints:   must not free the watch
 *
 * Return: 0; -ENOMEM; what sd-bus gave.
 */
int nm_watch_new(sd_bus *bus, LinkHintsListener on_hints, void *userdata, NmWatch **ret);

/* Tells nobody. */
NmWatch *nm_watch_free(NmWatch *watch);
DEFINE_CLEANUP(NmWatch *, nm_watch_free)

/*
 * Maps names to numbers again in this turn. To be called when links appeared,
 * were renamed or went: a link made again under its name is a new one.
 */
void nm_watch_refresh(NmWatch *watch);
