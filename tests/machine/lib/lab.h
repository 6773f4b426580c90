// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The network around the machine: two ISPs, an internet and a VPN relay.
 *
 *   machine  wan0 ── lan  isp0   world ── isp0  internet
 *            wan1 ── lan  isp1   world ── isp1
 *                         relay  world ── relay
 *
 * An ISP gives addresses by DHCP and router advertisements, resolves who.test
 * to its own address, and masquerades. The internet answers with the address
 * it was asked from, so that an answer tells the way: the public address of
 * isp0, of isp1 or of the relay.
 *
 * A Lab belongs to the Machine; tests borrow it. One process uses it at a
 * time. Functions return 0 or a negative errno. The `_ok` variants end the
 * test with the program's own words when it fails.
 */

#include <net/if.h>
#include <stdint.h>

#include "tests/machine/lib/command.h"

#define LAB_INTERNET_V4 "198.51.100.1"
#define LAB_INTERNET_V6 "2001:db8:ffff::1"
#define LAB_ISP0_V4 "203.0.113.10"
#define LAB_ISP0_V6 "2001:db8:f10::1"
#define LAB_ISP1_V4 "203.0.113.20"
#define LAB_ISP1_V6 "2001:db8:f20::1"
#define LAB_RELAY_V4 "203.0.113.99"
#define LAB_RELAY_V6 "2001:db8:f99::1"
#define LAB_RELAY_PORT 51820

/* What an ISP calls itself on its customers' side: gateway and resolver. */
#define LAB_ISP0_LAN_V4 "192.168.10.1"
#define LAB_ISP0_LAN_V6 "2001:db8:10::1"
#define LAB_ISP1_LAN_V4 "192.168.20.1"
#define LAB_ISP1_LAN_V6 "2001:db8:20::1"

/* The inside of the tunnel: relay (also a resolver) and client. */
#define LAB_TUNNEL_RELAY_V4 "10.64.0.1"
#define LAB_TUNNEL_RELAY_V6 "fd64::1"
#define LAB_TUNNEL_CLIENT_V4 "10.64.0.2"
#define LAB_TUNNEL_CLIENT_V6 "fd64::2"

typedef enum LabSpace {
        LAB_MACHINE,
        LAB_ISP0,
        LAB_ISP1,
        LAB_INTERNET,
        LAB_RELAY,
        LAB_N_SPACES,
} LabSpace;

typedef enum LabProtocol {
        LAB_UDP,
        LAB_TCP,
        LAB_HTTP,
} LabProtocol;

typedef struct Lab Lab;

/* How to ask the internet; zero means "as any program would". */
typedef struct LabQuestion {
        int family; /* AF_INET or AF_INET6 */
        LabProtocol protocol;
        const char *address; /* NULL asks LAB_INTERNET_V4 or _V6 */
        const char *device;  /* SO_BINDTODEVICE; NULL binds to none */
        uint32_t mark;       /* SO_MARK; 0 sets none */
        int timeout_msec;    /* 0 takes two seconds */
} LabQuestion;

/**
 * lab_new() - build the network
 * @agent_fd:   socket of an agent that inherited @netns_fds; borrowed
 * @netns_fds:  one namespace per LabSpace, also named in the agent's
 *              /run/netns by lab_space_name(); borrowed
 */
int lab_new(int agent_fd, const int netns_fds[static LAB_N_SPACES], Lab **ret);

/* Ends no program: the namespaces and the agent's end do. Return: NULL. */
Lab *lab_free(Lab *lab);

const char *lab_space_name(LabSpace space);

/* Descriptor of a network namespace, borrowed. */
int lab_space_fd(const Lab *lab, LabSpace space);

/* Makes a socket in a namespace; the caller closes it. Return: it, or a negative errno. */
int lab_socket(const Lab *lab, LabSpace space, int family, int type, int protocol);

/* Runs argv in a namespace, with the lab's file system. End with NULL. */
int lab_run(Lab *lab, LabSpace space, CommandResult *ret, ...) G_GNUC_NULL_TERMINATED;

/* Return: its stdout, to be freed by the caller. */
char *lab_run_ok(Lab *lab, LabSpace space, ...) G_GNUC_NULL_TERMINATED;

/* The cable of wan0 or wan1, pulled and plugged at the ISP's end. */
int lab_cable_pull(Lab *lab, LabSpace isp);
int lab_cable_plug(Lab *lab, LabSpace isp);

/* DHCP and router advertisements; the resolver goes on. Stopping is silent. */
int lab_dhcp_stop(Lab *lab, LabSpace isp);
int lab_dhcp_start(Lab *lab, LabSpace isp);

/**
 * lab_set_dhcp_option() - hostile options, as in TunnelVision (CVE-2024-3661)
 * @option:     dnsmasq's --dhcp-option, "121,0.0.0.0/1,192.168.10.66"; NULL none
 *
 * Restarts DHCP. The machine sees it at its next request.
 */
int lab_set_dhcp_option(Lab *lab, LabSpace isp, const char *option);

/**
 * lab_set_lan() - call a public network local, as in TunnelCrack (CVE-2023-36672)
 * @network:    first three bytes of a /24, "198.51.100"; NULL for the ISP's own
 *
 * The ISP takes .254 of it and gives out the others. Restarts DHCP.
 */
int lab_set_lan(Lab *lab, LabSpace isp, const char *network);

/**
 * lab_tunnel_up() - WireGuard to the relay, from inside the machine
 * @fwmark:     mark of the encrypted packets; 0 for none
 *
 * Gives the device its addresses; no route, rule or resolver.
 */
int lab_tunnel_up(Lab *lab, const char *ifname, uint32_t fwmark);

/* What `wg setconf` is given for it; caller frees. */
char *lab_tunnel_config(uint32_t fwmark);

int lab_tunnel_down(Lab *lab, const char *ifname);

/**
 * lab_ask() - ask the internet for the address it sees, from this process
 * @ret:        set on success only; caller frees
 *
 * Return: 0; -ETIMEDOUT; what connect(2) or send(2) gave.
 */
int lab_ask(int family, LabProtocol protocol, char **ret);
int lab_ask_question(const LabQuestion *question, char **ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lab, lab_free)
