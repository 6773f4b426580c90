/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One network interface, and one address on it: rtnetlink(7), RTM_NEWLINK and
 * RTM_NEWADDR.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/facts/prefix.h"

#define LINK_KIND_MAX 16
#define MAC_MAX 8 /* Ethernet has 6; longer ones are not kept */
#define MAC_TEXT_MAX (3 * MAC_MAX)

typedef struct Mac {
        uint8_t length; /* 0: none */
        uint8_t bytes[MAC_MAX];
} Mac;

typedef struct Link {
        uint32_t ifindex;
        uint32_t flags; /* IFF_ of <net/if.h> */
        uint32_t mtu;
        uint16_t type; /* ARPHRD_ of <linux/if_arp.h> */
        char name[IFNAMSIZ];
        char kind[LINK_KIND_MAX]; /* IFLA_INFO_KIND: "wireguard", "tun", "veth", … */
        Mac mac;
} Link;

typedef struct LinkAddress {
        uint32_t ifindex;
        Address address; /* IFA_LOCAL where there is one */
        uint8_t length;  /* of the on-link prefix, bits */
        uint8_t scope;   /* RT_SCOPE_ of <linux/rtnetlink.h> */
        uint32_t flags;  /* IFA_F_ of <linux/if_addr.h> */
        Address peer;    /* the other end, where it differs: then the on-link prefix is around it */
} LinkAddress;

/* How sure we are that what leaves by a link is inside somebody's tunnel. */
typedef enum LinkTunnel {
        LINK_TUNNEL_NO,
        LINK_TUNNEL_MAYBE, /* ppp: a VPN, or how this machine reaches the internet at all */
        LINK_TUNNEL_YES,
} LinkTunnel;

LinkTunnel link_is_tunnel(const Link *link);

/* Whether packets can leave now: up, with carrier (IFF_RUNNING), RFC 2863 "up". */
bool link_is_usable(const Link *link);

/* Whether a name could be an interface's: dev_valid_name() of the kernel, no control bytes. */
bool link_name_is_valid(const char *name);

int link_compare_value(const Link *a, const Link *b);
int link_address_compare_key(const LinkAddress *a, const LinkAddress *b);
int link_address_compare_value(const LinkAddress *a, const LinkAddress *b);

/* The prefix that is on-link through @address. */
Prefix link_address_prefix(const LinkAddress *address);

const char *mac_format(const Mac *mac, char text[static MAC_TEXT_MAX]);
