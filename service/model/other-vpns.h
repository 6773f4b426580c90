/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Other VPNs on this machine, told by the rules and routes that each of them
 * makes.
 *
 * The marks are those of their sources: wg-quick(8), NetworkManager's
 * nm-device-wireguard.c, Tailscale's router_linux.go, Mullvad's
 * mullvad-types/src/lib.rs, ip-rule(8) of strongSwan's table 220, OpenVPN's
 * redirect-gateway def1.
 */

#include "backends/base/array.h"
#include "backends/facts/fact-set.h"
#include "backends/facts/link-hints.h"
#include "backends/facts/ours.h"
#include "service/model/intent.h"
#include "service/model/refusal.h"

#define OTHER_VPN_NAME_MAX 48

/* One of them, whatever it has. A plain value. */
typedef struct OtherVpn {
        char name[OTHER_VPN_NAME_MAX]; /* "Tailscale", "OpenVPN or alike (tun0)" */
        /* Of its first rule that takes all that is not its own; 0: it has no such rule. */
        uint32_t takes_all_priority;
        bool takes_halves; /* of the address space, in the main table */
} OtherVpn;

/* The VPN whose rule this is. Return: its name; NULL: none that is known. */
const char *other_vpn_of_rule(const Rule *rule);

/* Whether it is one of theirs, for all of a family that is not its own. */
bool other_vpn_rule_takes_all(const Rule *rule);

/*
 * Appends to @ret (Array of OtherVpn), one for each name. @tunnel_device is
 * our tunnel's, "" for none: its routes are nobody else's. Return: 0; -ENOMEM.
 */
int other_vpns_find(const FactSet *observed, const char *tunnel_device, Array *ret);

/* Whether a rule of one of them takes all of a family that is not its own. */
bool other_vpns_take_all(const FactSet *observed, int family);

/* Tells whether others' default route of a table goes by a link. */
typedef struct LeadsAll {
        bool (*ask)(uint32_t table, uint32_t ifindex, void *userdata);
        void *userdata;
} LeadsAll;

/*
 * Whether @tunnel can be ours while another VPN leads all into its device. It
 * cannot where the packets that this VPN encrypted would come back to it: they
 * carry a mark that is not ours, and no bypass names where they go. @hints of
 * the device may be NULL. Return: 0; -EPERM and @why.
 */
int other_vpns_check_tunnel(const FactSet *observed, const Ours *ours, const WantedTunnel *tunnel,
        const LinkHints *hints, const LeadsAll *leads, Refusal *why);
