/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What tests of groups share: real cgroups below the root of cgroup2, and routes
 * that lead into the tunnel but for the mark.
 */

#include "tests/netns/test-nftables-lab.h"

#define FAR4 "198.51.100.7"
#define FAR6 "2001:db8:7::7"
#define GUARD_BOTH (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6)

#define TABLE(flags)                                                                               \
        lab_base(flags), lab_name(FILTER_TUNNEL, "tun0"), lab_name(FILTER_UPLINK, "up0"),          \
                lab_prefix(FILTER_TUNNEL_ADDRESS, "10.77.2.2"),                                    \
                lab_prefix(FILTER_TUNNEL_ADDRESS, "fd77:2::2")

/* root/talpid-test-PID/inner: levels 1 and 2. */
typedef struct Groups {
        char *outer, *inner;
        uint64_t outer_id, inner_id;
} Groups;

/* Return: false, and the test is skipped, where no cgroup can be made. */
bool groups_make(Groups *groups);

/* Back to where this process was, and nothing stays. */
void groups_remove(Groups *groups);

/* Moves this process. @directory: NULL for where it was. */
void groups_enter(const char *directory);

void groups_route_by_mark(void);

/* New ports every time: each is a new flow. */
uint16_t groups_next_port(void);
