/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The map of resolvers, one a family, which the programs of groups turn
 * questions to: FACT_RESOLVER. It is pinned, and so outlives the process.
 */

#include "backends/cgroup-bpf/program-set.h"
#include "backends/facts/fact-set.h"
#include "backends/facts/operation.h"

/* @resolvers is as the map is, and stays so. Return: 0; negative errno, @fault says what. */
int resolvers_apply(FactSet *resolvers, ProgramMaps *maps, const Pins *pins,
        const Operation *operation, Fault *fault);

/* Reads what is pinned, in place of what @resolvers has. Return: 0; -ENOMEM. */
int resolvers_read(FactSet *resolvers, ProgramMaps *maps, const Pins *pins);
