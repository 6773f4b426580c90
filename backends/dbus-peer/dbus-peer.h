/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Another service on the bus: asked what it knows, heard when that changes,
 * followed through its restarts.
 *
 * Nothing waits and nothing starts it. One question tells all; it is asked at
 * the start, whenever the name gets an owner, and again when asked for or when
 * an answer stayed out. Signals count from the owner of the name alone, and
 * only once it has answered: what they change was told by then.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "backends/base/cleanup.h"

typedef struct DbusPeer DbusPeer;

/* Texts are borrowed and outlive the peer. No callback may free it. */
typedef struct DbusPeerConfig {
        sd_bus *bus; /* attached to an event loop; borrowed. After it is lost make a new peer */
        const char *name;  /* well-known bus name */
        const char *title; /* what the log calls it */

        const char *path, *interface, *member; /* the question */
        const char *types;                     /* "" or "ss" … */
        const char *arguments[2];              /* of those types */

        /* Reads the answer, in place of all that was known. Return: negative errno: not readable.
         */
        int (*on_answer)(sd_bus_message *reply, void *userdata);
        /* It is gone, or another: nothing is known. */
        void (*on_gone)(void *userdata);
        /* After dbus_peer_mark_changed(), when all that waits on the bus was read. NULL: nothing is
         * marked. */
        void (*on_turn)(void *userdata);
        void *userdata;
} DbusPeerConfig;

/* Return: 0; -ENOMEM; what sd-bus gave. */
int dbus_peer_new(const DbusPeerConfig *config, DbusPeer **ret);

/* Tells nobody. */
DbusPeer *dbus_peer_free(DbusPeer *peer);
DEFINE_CLEANUP(DbusPeer *, dbus_peer_free)

/* @on_signal hears of what @match lets through, where it counts. Return: as dbus_peer_new(). */
int dbus_peer_add_match(DbusPeer *peer, const char *match,
        void (*on_signal)(sd_bus_message *signal, void *userdata));

/*
 * Asks the question, once after all matches are added, so that no change falls
 * between, and whenever what is known may be wrong. Return: 0; what sd-bus gave;
 * it is asked again then when the peer speaks.
 */
int dbus_peer_ask(DbusPeer *peer);

/* What is known is another: a burst of messages is told as one, by on_turn. */
void dbus_peer_mark_changed(DbusPeer *peer);

/* Whether it is there and has told what it knows. */
bool dbus_peer_is_ready(const DbusPeer *peer);
