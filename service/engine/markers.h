/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Which backend marks groups, while that may change at run time.
 *
 * The next one marks everything first; then the marks of the one before go, so
 * that no group is without in between.
 */

#include "backends/backend.h"
#include "service/engine/reconcile.h"

/*
 * Whoever exchanges one for another, by engine_exchange_marker(), which may be
 * called from here too.
 */
typedef struct MarkerListener {
        /* A group cannot be marked. Return: whether another one has to try from now on. */
        bool (*on_failed)(const Fault *fault, void *userdata);

        /* Somebody asked to look afresh. */
        void (*on_refresh)(void *userdata);

        void *userdata;
} MarkerListener;

typedef struct Markers {
        MarkerListener listener;
        Backend *now; /* since the last exchange; borrowed */
        Array former; /* of FormerMarker: their marks have to go */
} Markers;

void markers_init(Markers *markers);
void markers_clear(Markers *markers);

/* As engine_exchange_marker(). */
int markers_exchange(Markers *markers, Reconciler *reconciler, Backend *former, Backend *next);

/* Tells the listener of a failure if it is one of a mark. Return: whether all is to be tried again.
 */
bool markers_exchanged_for(Markers *markers, const Failure *failure);

/* The same for what could not be had in the last turn. */
bool markers_exchanged(Markers *markers, Reconciler *reconciler);

/* After all that is wanted was tried: removes former marks, unless it is too early. */
void markers_retire(Markers *markers, Reconciler *reconciler);
