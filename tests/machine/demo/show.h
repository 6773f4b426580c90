// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * How the demo tells what it sees: a claim on the left, its proof beside it.
 *
 * A Demo borrows the machine and counts the claims that did not hold. Texts
 * that are returned belong to the caller (g_free).
 */

#include <stdbool.h>

#include "tests/machine/lib/client.h"

typedef struct Demo {
        Machine *machine;
        Lab *lab;
        Client *client;
        bool by_bpf; /* not by the firewall, which can do less */
        unsigned n_wrong;
} Demo;

void show_heading(const char *text);

/* One claim and its proof. */
void show(Demo *demo, bool holds, const char *claim, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* What this machine's mechanism cannot do, as README says. */
void show_limit(const char *claim);

/* Asks the internet from this process. */
void show_answer(Demo *demo, const char *claim, int family, const char *expected);

/* Asks it by a command of the shell that prints the answer. */
void show_seen(Demo *demo, const char *claim, const char *command, const char *expected);

/* What a shell command prints, without the last line end; "" when it fails. */
char *show_run(const char *command);

/* What a VPN may have changed on this machine, as text to compare. */
char *show_snapshot(void);

/* Takes a snapshot, and compares. */
void show_unchanged(Demo *demo, const char *before);
