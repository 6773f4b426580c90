/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * When the service is ready, when it leaves, and how it does so without losing
 * a call.
 *
 * Leaving: tell systemd (STOPPING), give the names up, and serve what had been
 * sent before the bus confirmed that. A call that comes later starts the next
 * instance. If one of the last calls gave us something to look after, we come
 * back: by taking the names again, or, where systemd counts us as stopping
 * already, by asking it for a restart with LIFECYCLE_EXIT_AGAIN.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "backends/base/cleanup.h"
#include "backends/base/clock.h"
#include "service/bus/owners.h"
#include "service/engine/engine.h"

#define LIFECYCLE_EXIT_AGAIN 75 /* EX_TEMPFAIL of <sysexits.h>: Restart=on-failure */

typedef struct Lifecycle Lifecycle;

/* Everything is borrowed and outlives the lifecycle. */
typedef struct LifecycleConfig {
        sd_event *event;
        sd_bus *bus;
        Engine *engine;
        Owners *owners;
        usec_t idle_timeout_usec; /* USEC_INFINITY: never */
        bool waits;               /* something wanted of earlier is not looked after yet */

        /* Calls that are under way: answers to give, people who type a password. */
        bool (*has_calls)(void *userdata);
        void *userdata;
} LifecycleConfig;

/*
 * Installs the signal handlers and the watchdog. Blocks the signals it handles:
 * before anything starts a thread.
 */
int lifecycle_new(const LifecycleConfig *config, Lifecycle **ret);
Lifecycle *lifecycle_free(Lifecycle *lifecycle);
DEFINE_CLEANUP(Lifecycle *, lifecycle_free)

/* Everything is in place and the names are ours: tell systemd, start to count idle time. */
void lifecycle_ready(Lifecycle *lifecycle);

/* Leaves, and asks for a restart where somebody needs us. */
void lifecycle_start_over(Lifecycle *lifecycle);
