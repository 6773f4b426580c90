// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Programs that do nothing but use the network, and what they send to.
 *
 * A Worker is a process of its own, so that it can be put anywhere; it opens
 * new sockets for each measurement. The caller owns it. Errors end the
 * program: a bench that cannot measure means nothing.
 */

#include <sys/types.h>

#define TRAFFIC_ADDRESS "10.77.9.9" /* of the server */

typedef enum TrafficKind {
        TRAFFIC_PACKETS,     /* small datagrams sent, unconnected */
        TRAFFIC_CONNECTIONS, /* TCP: connected and closed */
        TRAFFIC_BYTES,       /* TCP: one connection */
        TRAFFIC_N_KINDS,
} TrafficKind;

typedef struct Worker Worker;

/* Serves all kinds in the named network namespace until this process ends. */
void traffic_serve(const char *netns);

Worker *worker_start(void);
Worker *worker_stop(Worker *worker); /* Return: NULL */
pid_t worker_pid(const Worker *worker);

/*
 * Measures for a twentieth of a second. Return: so many in a second of its processor
 * time, so that what else this computer does changes little.
 */
double worker_measure(Worker *worker, TrafficKind kind);
