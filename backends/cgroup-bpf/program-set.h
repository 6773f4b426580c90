/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Programs loaded into the kernel: one set for each (mark, mask, resolves, confined).
 *
 * A set serves any number of groups. Freeing it closes file descriptors; what
 * is attached stays.
 */

#include "backends/base/array.h"
#include "backends/base/cleanup.h"
#include "backends/cgroup-bpf/pins.h"
#include "backends/facts/group.h"
#include "backends/facts/operation.h"

/*
 * The maps that all sets share; -1: not made. They are pinned, so that what a
 * socket asked before a restart of ours is known when the answer comes.
 */
typedef struct ProgramMaps {
        int resolver; /* int AF_INET/AF_INET6 → BpfResolver, changed in place */
        int asked;    /* storage on sockets → BpfAsked */
        int known;    /* uint64_t, the number of a group → BpfKnown */
} ProgramMaps;

#define PROGRAM_MAPS_INIT                                                                          \
        (ProgramMaps) {                                                                            \
                .resolver = -1, .asked = -1, .known = -1                                           \
        }

typedef struct ProgramSet {
        uint32_t mark;
        uint32_t mask;
        bool resolves, confined;
        unsigned n_groups;           /* that have it, of program_sets_acquire() */
        int programs[_BPF_HOOK_MAX]; /* -1: none at this hook */
} ProgramSet;

/*
 * Opens the maps that are pinned in @pins (NULL: maps without a name), or makes
 * them. Return: 0, also when they are open already; negative errno, @fault filled.
 */
int program_maps_open(ProgramMaps *maps, const Pins *pins, Fault *fault);
void program_maps_close(ProgramMaps *maps);

/* Opens the map of resolvers where it is pinned. */
void program_maps_find(ProgramMaps *maps, const Pins *pins);

/* The same for the map of known groups, which is for newcomers alone. */
#define PROGRAM_KNOWN_MAX 32768 /* those that were and those that come, while they change */
int program_maps_open_known(ProgramMaps *maps, const Pins *pins, Fault *fault);
void program_maps_find_known(ProgramMaps *maps, const Pins *pins);
void program_maps_leave_known(ProgramMaps *maps, const Pins *pins); /* its name goes, too */

/* Gives those that are open a name in another place. */
void program_maps_pin(const ProgramMaps *maps, const Pins *pins);

/* Takes the names of the maps away. */
void program_maps_unpin(const Pins *pins);

/**
 * program_set_load() - build and load the programs of groups like @group
 * @only_unmarked:  see BpfProgramParameters
 *
 * Programs that are optional may be missing afterwards.
 *
 * Return: 0, *ret is the caller's; negative errno, @fault filled.
 */
int program_set_load(const MarkedGroup *group, bool only_unmarked, const ProgramMaps *maps,
        ProgramSet **ret, Fault *fault);

/* As above, the programs for what is new, which is to be like @group. */
int program_set_load_for_newcomers(
        const MarkedGroup *group, const ProgramMaps *maps, ProgramSet **ret, Fault *fault);
ProgramSet *program_set_free(ProgramSet *set);
DEFINE_CLEANUP(ProgramSet *, program_set_free);

bool program_set_fits(const ProgramSet *set, const MarkedGroup *group);

/*
 * Of those in @sets, an array of ProgramSet *, the one that fits, or a new one:
 * for one group more. @maps are open. Return: 0, *ret is to be released; negative
 * errno, @fault filled.
 */
int program_sets_acquire(Array *sets, const MarkedGroup *group, bool only_unmarked,
        const ProgramMaps *maps, ProgramSet **ret, Fault *fault);

/* For one group less; the last one frees it. NULL is fine. */
void program_sets_release(Array *sets, ProgramSet *set);
void program_sets_clear(Array *sets);
