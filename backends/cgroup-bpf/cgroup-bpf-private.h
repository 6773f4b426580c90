/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the files of the backend share, and nobody else.
 */

#include "backends/backend.h"
#include "backends/cgroup-bpf/pins.h"

/* Borrowed. */
const Pins *cgroup_bpf_pins(const Backend *backend);
