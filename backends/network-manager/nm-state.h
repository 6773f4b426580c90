/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The objects of NetworkManager that concern links, and the hints they give.
 *
 * Pure: fed by the codec, bounded whatever it says. The state owns its memory.
 */

#include "backends/network-manager/nm-codec.h"

#define NM_OBJECTS_MAX 256 /* of each kind; a managed device pushes out one that is not */

typedef struct NmState {
        Array objects[NM_DNS]; /* of NmObject, by kind, sorted by path */
        Array dns;             /* of NmDnsEntry */
        NmObject stranger;     /* what a device says that was left out */
        bool left_out;         /* some device was */
} NmState;

void nm_state_init(NmState *state);
void nm_state_clear(NmState *state);

/* A reader that writes to @state, valid as long as it. */
NmReader nm_state_reader(NmState *state);

void nm_state_remove(NmState *state, const char *path);

/* Whether a device that was left out has become managed since: read all again. Asking clears it. */
bool nm_state_take_stranger(NmState *state);

/*
 * Hints of all devices that exist, sorted by ifindex, those that say nothing
 * left out. @index_of_name is if_nametoindex(3) or a stand-in for it.
 *
 * Return: 0; -ENOMEM. @hints is an Array of LinkHints and replaced.
 */
int nm_state_hints(const NmState *state, unsigned (*index_of_name)(const char *name), Array *hints);
