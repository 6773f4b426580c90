// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The kernel's own side of a figure: a bare libmnl requester and listener.
 *
 * Requests are synchronous. A Listener hears IPv4 routes and rules from
 * kernel_listener_new() on; the caller owns it. Errors end the program: a
 * bench without its floor means nothing.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct Listener Listener;

/* Which of the heard messages counts. */
typedef struct Wanted {
        uint16_t type;  /* RTM_NEWROUTE, RTM_DELRULE, … */
        int dst_length; /* of a route; -1 any */
        int protocol;   /* rtm_protocol; -1 any */
} Wanted;

Listener *kernel_listener_new(void);
Listener *kernel_listener_free(Listener *listener);

/* Forgets what waits. */
void kernel_listener_drain(Listener *listener);

/*
 * Waits for the @n-th message that counts. Return: when it was received, µs;
 * -1 after @timeout_msec without any message.
 */
int64_t kernel_listener_wait(
        Listener *listener, const Wanted *wanted, unsigned n, int timeout_msec);

/* `ip route replace default via @gateway dev @ifindex metric @metric`. Return: when it was sent. */
int64_t kernel_replace_default(uint32_t gateway_be, unsigned ifindex, uint32_t metric);

/* `ip -4 rule del priority @priority`. */
void kernel_delete_rule(uint32_t priority);

/* Replaces @n /32 routes of 10.128.0.0/9 in @table by batches of 60 kB. Return: µs it took. */
int64_t kernel_replace_routes(unsigned n, uint32_t table, uint32_t gateway_be, unsigned ifindex);
