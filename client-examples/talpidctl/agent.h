/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * pkttyagent(1), which asks for a password on the terminal that we run on.
 *
 * An Agent is zero before agent_start() and after agent_stop(). An agent that
 * the session has of its own goes before it.
 */

#include <stdbool.h>
#include <sys/types.h>

typedef struct Agent {
        pid_t pid; /* 0: none */
} Agent;

/* On no terminal, and where there is no such program, nothing is started. Returns once polkit
 * knows it. */
void agent_start(Agent *agent);

/* Returns once it has left the terminal as it found it. */
void agent_stop(Agent *agent);
