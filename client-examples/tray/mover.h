// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Takes one application out, or brings it back: its processes one call after the other, so that a
 * person types a password once at most. Open connections are made anew on the other way.
 *
 * Processes are named by descriptors. polkit may ask its questions; the calls wait as long as that
 * takes. This is what starts the service when it is not there.
 */

#include <gio/gio.h>

#include "client-examples/tray/apps.h"

/* @error: NULL when it worked. Called once, never from within the call that began it. */
typedef void (*MoverDone)(const char *title, const GError *error, void *user);

/* Both copy what they need of @app. @cancellable: ends it without a word. */
void mover_take_out(GDBusConnection *bus, const App *app, GCancellable *cancellable, MoverDone done,
        void *user);
void mover_bring_back(GDBusConnection *bus, const App *app, GCancellable *cancellable,
        MoverDone done, void *user);
