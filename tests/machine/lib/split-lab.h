// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A WireGuard tunnel that is set, a client, and eyes on every way out: where
 * tests of split tunnelling begin and end.
 *
 * A value whose members tests use; split_lab_open() and split_lab_close() come
 * in pairs. Afterwards nothing is listed, no tunnel is set and both links are
 * as before.
 */

#include "tests/machine/lib/client.h"
#include "tests/machine/lib/ways.h"

typedef enum SplitMechanism {
        SPLIT_BPF,
        SPLIT_NFTABLES,
        SPLIT_NET_CLS,
        SPLIT_N_MECHANISMS,
} SplitMechanism;

typedef struct SplitLab {
        Machine *machine;
        Lab *lab;
        Client *client;
        Ways ways;
        uint32_t mark;            /* of packets that go around */
        SplitMechanism mechanism; /* in force */
} SplitLab;

void split_lab_open(SplitLab *s, Machine *machine);
void split_lab_close(SplitLab *s);

/* The same without a tunnel: neither device nor SetTunnel. */
void split_lab_open_bare(SplitLab *s, Machine *machine);
void split_lab_close_bare(SplitLab *s);

const char *split_mechanism_name(SplitMechanism mechanism);
