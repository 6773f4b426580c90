// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A flood of packets to the internet, UDP of both families, by a thread: some
 * thousand packets a second, of which those that are refused count as sent.
 *
 * A Flood is a value; flood_start() and flood_stop() come in pairs. Both
 * families need a way to the internet when it starts.
 */

#include <glib.h>

#define FLOOD_PORT 9

/* One way to send: connected once and for all, again and again, or never. */
typedef enum Connected {
        CONNECTED_ONCE,
        CONNECTED_AGAIN,
        CONNECTED_NEVER,
        CONNECTED_BOUND, /* once, from the address the ISP gave */
        N_CONNECTED,
} Connected;

typedef struct Flood {
        GThread *thread;
        int fds[2][N_CONNECTED];
        gint n_rounds, is_over; /* atomic */
} Flood;

void flood_start(Flood *flood);
void flood_stop(Flood *flood);

/* Lets @n rounds of packets go by; the main loop turns meanwhile. */
void flood_wait(Flood *flood, int n);
