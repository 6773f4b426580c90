/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Follows the service while it comes and goes: neither starts it nor keeps it,
 * and asks nothing while nothing happens.
 */

#include "ctl.h"

typedef struct WatchListener {
        /* A signal of the service. */
        void (*on_signal)(void *user, const char *interface, const char *name, GVariant *arguments);
        /* It runs, also when it did before; or does not. */
        void (*on_service)(void *user, bool is_there);
        void *user;
} WatchListener;

/**
 * watch_run() - call the listener until the program is interrupted
 *
 * Return: -1 and @error, when the bus went away. Otherwise the program ends by
 * its signal.
 */
int watch_run(Ctl *ctl, const WatchListener *listener, GError **error);

/* "2026-11-22 20:48:01.123", local time; caller frees. */
char *watch_time(void);
