/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The person at a client's screen, whom polkit asks for a password.
 */

#include "tests/lib/bus-client.h"

typedef enum BusAgentAnswer {
        BUS_AGENT_HANGS,     /* the person thinks */
        BUS_AGENT_GRANTS,    /* the right password */
        BUS_AGENT_FAILS,     /* a wrong password */
        BUS_AGENT_DISMISSES, /* the dialog is closed */
} BusAgentAnswer;

/* What a person at the client's screen sees and does. Fields but @answer are for reading. */
typedef struct BusAgent {
        BusAgentAnswer answer;
        unsigned n_begun;
        unsigned n_cancelled;
        char *action;      /* of the last dialog */
        char *message;     /* of the last dialog, $(keys) filled in */
        GVariant *details; /* of the last dialog, a{ss} */

        BusFixture *bus;
        unsigned registration;
        char *path;
        GVariant *subject;
        GPtrArray *invocations; /* dialogs that hang */
} BusAgent;

/* Registers an authentication agent for the process of @client; polkitd must run. */
BusAgent *bus_agent_new(BusFixture *bus, BusClient *client, BusAgentAnswer answer);

/* The person at last types the right password into every dialog that hangs. */
void bus_agent_grant_held(BusAgent *agent);

void bus_agent_free(BusAgent *agent);
