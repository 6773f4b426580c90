/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Programs loaded into the kernel: one set for each (mark, mask, resolves).
 *
 * A set serves any number of groups. Freeing it closes file descriptors; what
 * is attached stays with its directories.
 */

#include "backends/base/cleanup.h"
#include "backends/cgroup-bpf/bpf-program.h"
#include "backends/facts/group.h"
#include "backends/facts/operation.h"

#define PROGRAM_SET_RECORD_MAP "talpid_group"
#define PROGRAM_SET_RESOLVER_MAP "talpid_resolver"

/* The maps that all sets of one backend share; -1: not made. */
typedef struct ProgramMaps {
        int resolver; /* int AF_INET/AF_INET6 → BpfResolver, changed in place */
        int asked;    /* storage on sockets → BpfAsked */
} ProgramMaps;

#define PROGRAM_MAPS_INIT                                                                          \
        (ProgramMaps) {                                                                            \
                .resolver = -1, .asked = -1                                                        \
        }

typedef struct ProgramSet {
        uint32_t mark;
        uint32_t mask;
        bool resolves;
        unsigned n_groups; /* of the caller, who frees the set with its last group */
        int record_map;
        int programs[_BPF_HOOK_MAX]; /* -1: none at this hook */
} ProgramSet;

/* Fills @fault with a sentence and the error's name. Return: @error. */
int program_fault(Fault *fault, int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Return: 0; negative errno, @fault filled. */
int program_maps_open(ProgramMaps *maps, Fault *fault);
void program_maps_close(ProgramMaps *maps);

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
ProgramSet *program_set_free(ProgramSet *set);
DEFINE_CLEANUP(ProgramSet *, program_set_free);

bool program_set_fits(const ProgramSet *set, const MarkedGroup *group);
