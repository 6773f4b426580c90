/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Watches when systemd-logind puts the machine to sleep, and when it woke.
 *
 * Nothing waits and nothing starts logind: while it is not on the bus the
 * machine is awake. So it is when logind goes while the machine falls asleep,
 * and when the end stays out: a lost signal holds nobody up for ever.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"
#include "backends/base/clock.h"

typedef struct SleepWatch SleepWatch;

/*
 * From the loop. True: the machine is about to sleep. False: it woke, or is
 * taken to have; false may come again when the truth comes late.
 */
typedef void (*SleepListener)(bool asleep, void *userdata);

/* Of CLOCK_MONOTONIC, which stands still in sleep: what comes before and after it. */
#define SLEEP_WATCH_BOUND_USEC (60 * USEC_PER_SEC)

/**
 * sleep_watch_new() - begin to watch
 * @bus:         a bus connection attached to @event; both are borrowed and
 *               outlive the watch. After the connection is lost make a new one.
 * @bound_usec:  after which the machine is taken to be awake
 * @on_sleep:    must not free the watch
 *
 * Return: 0; -ENOMEM; what sd-bus gave.
 */
int sleep_watch_new(sd_bus *bus, sd_event *event, usec_t bound_usec, SleepListener on_sleep,
        void *userdata, SleepWatch **ret);

/* Tells nobody. */
SleepWatch *sleep_watch_free(SleepWatch *watch);
DEFINE_CLEANUP(SleepWatch *, sleep_watch_free)
