// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A tunnel and routes of each kind, and whether the kernel has them as they
 * were before somebody disturbed.
 *
 * The fixture owns its client and its text. healing_open() and healing_close()
 * come in pairs; in between the internet sees the relay.
 */

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

typedef struct Healing {
        Machine *machine;
        Lab *lab;
        Client *client;
        char *wanted; /* what is ours in the kernel while nobody disturbs */
} Healing;

void healing_open(Healing *healing, Machine *machine);
void healing_close(Healing *healing);

/* All of ours is back and carries traffic, now or soon. */
void healing_check(Healing *healing);

/*
 * wireguard-go goes on by the link that its last answer came by until a route
 * changes, and no rule does; the kernel's WireGuard looks at both.
 */
void healing_move_sockets(void);

/* Runs a shell script in the machine, which has to succeed. */
void healing_disturb(const char *script);
