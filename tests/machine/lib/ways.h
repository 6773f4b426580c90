// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Which way packets to the internet went: out by an ISP's line or into the
 * tunnel, and whether each carried an address of that way.
 *
 * Eyes are on both ISPs' lines and on the tunnel device, from ways_open() on.
 * The caller owns the Ways, a value. Functions end the test when a capture
 * fails.
 */

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"

typedef struct Ways {
        Lab *lab;
        Capture *isps[2];
        Capture *tunnel; /* NULL: no tunnel device is looked at */
        int protocol;    /* IPPROTO_UDP counts that alone; 0 all */
        uint16_t port;   /* counts what goes to that alone; 0 all */
} Ways;

typedef struct WaysSeen {
        int n_open;   /* sent out by an ISP's line */
        int n_tunnel; /* sent into the tunnel */
        int n_forged; /* of those, with an address of another way */
} WaysSeen;

void ways_open(Ways *ways, Lab *lab);
void ways_close(Ways *ways);

/* Looks at a tunnel device of the machine from now on, in place of the last. NULL looks at none. */
void ways_watch(Ways *ways, const char *device);

/* Packets to the internet since the last look, and nothing of them is remembered. */
WaysSeen ways_look(Ways *ways);

/*
 * The same as one letter: 'O' all by the open network, 'T' all by the tunnel,
 * '-' none, 'B' by both, 'F' some with an address of another way.
 */
char ways_letter(const WaysSeen *seen);
