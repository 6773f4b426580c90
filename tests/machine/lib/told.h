// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The properties as a tray applet knows them: read once, then followed by
 * PropertiesChanged alone.
 *
 * A value; told_open() and told_close() come in pairs. The client is borrowed,
 * and what it heard is still there: call told_check() before client_forget().
 */

#include "tests/machine/lib/client.h"

#define TOLD_PROPERTIES_MAX 5

typedef struct Told {
        Machine *machine;
        Client *client;
        GVariant *values[TOLD_PROPERTIES_MAX];
} Told;

void told_open(Told *told, Machine *machine, Client *client);
void told_close(Told *told);

/* Reads all of them again, as a tray does when the service is a new one. */
void told_read(Told *told);

/* What was told is what is there, now or soon; else the test ends, with @step in its words. */
void told_check(Told *told, const char *step);
