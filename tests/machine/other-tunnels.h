/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Tunnels to the relay that others set up and route themselves, all by a
 * device wg0, and by the real programs where the machine has them.
 */

#include "tests/machine/lib/machine.h"

typedef struct OtherTunnel {
        uint32_t fwmark;       /* of the encrypted packets; 0: their own choice, or none */
        const char *up, *down; /* shell */
} OtherTunnel;

/* Its WireGuard with a table and rules of its own, as ip4-auto-default-route makes them. */
extern const OtherTunnel other_nm_wireguard;
/* Its VPN plugins: a better default route in the main table. */
extern const OtherTunnel other_nm_vpn;
extern const OtherTunnel other_wg_quick;
/* As OpenVPN's redirect-gateway def1. */
extern const OtherTunnel other_halves;

/* The internet sees the relay when it returns. */
void other_tunnel_up(Machine *machine, const OtherTunnel *other);

/* The internet sees the first ISP when it returns. */
void other_tunnel_down(Machine *machine, const OtherTunnel *other);
