/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The programs that mark whatever is new beside listed groups, and the map of
 * what is known there, which is FACT_KNOWN_GROUP.
 *
 * They are attached to the group that lies above all the others (level 0). The
 * map is filled before they are, and emptied after they went; a group that
 * lies above others is put behind what it has below. Links and map are pinned.
 */

#include <stddef.h>

#include "backends/base/cleanup.h"
#include "backends/cgroup-bpf/attachment.h"
#include "backends/cgroup-bpf/program-set.h"
#include "backends/facts/fact-set.h"
#include "backends/facts/operation.h"

typedef struct Newcomers {
        FactSet known;   /* as the map is */
        ProgramSet *set; /* attached; NULL: nothing is, or an earlier process did it */
} Newcomers;

#define NEWCOMERS_INIT                                                                             \
        (Newcomers) {                                                                              \
                .known = FACT_SET_INIT                                                             \
        }

/* What is attached stays attached. */
void newcomers_clear(Newcomers *newcomers);

/* What the backend lends for a call. */
typedef struct NewcomersContext {
        Attachment attachment; /* of PINS_NEWCOMERS */
        ProgramMaps *maps;
        int (*open_group)(uint64_t id, void *userdata); /* see CgroupBpfConfig */
        void *userdata;
} NewcomersContext;

/*
 * Runs those of @operations that are about known groups, in an order in which
 * nothing known is ever taken for new. @faults of the others are left alone.
 * Return: how many failed.
 */
size_t newcomers_apply(Newcomers *newcomers, const NewcomersContext *context,
        const Operation *operations, size_t n, Fault *faults);

/*
 * Reads what is pinned. As long as the programs are not of this process, the
 * uppermost group is read without a mark, so that whoever wants it replaces
 * them. Return: 0; -ENOMEM.
 */
int newcomers_read(Newcomers *newcomers, const NewcomersContext *context);
