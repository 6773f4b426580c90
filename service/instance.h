/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One copy of the service works on a network namespace, wherever it runs: on
 * another bus, or in a container that shares the host's network.
 *
 * Whoever holds an abstract socket there, which belongs to the network
 * namespace (unix(7)) and goes with its process, is the one. Anybody may take
 * that name: it counts only for root and for our own user.
 */

#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"
#include "service/engine/culprit.h"

#define INSTANCE_SOCKET "org.talpid.Routing"

typedef struct Instance Instance;

/*
 * Takes the network namespace. Waits, up to a moment, for one that is just
 * ending. Return: 0, *ret is the caller's; negative errno.
 */
int instance_new(Instance **ret);
Instance *instance_free(Instance *instance); /* gives it back */
DEFINE_CLEANUP(Instance *, instance_free)

/* Who holds it instead of us: "talpidd (pid 812)"; NULL: nobody. */
const char *instance_other(const Instance *instance);

/* @on_gone comes once, from the loop, when the other one is gone. Return: 0; negative errno. */
int instance_watch(
        Instance *instance, sd_event *event, void (*on_gone)(void *userdata), void *userdata);
