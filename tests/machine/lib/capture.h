// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The packets seen on one link: proof that something was sent, or was not.
 *
 * The kernel collects from capture_start() on, in a socket buffer; packets are
 * parsed and kept as values when one of the functions below looks at them, at
 * most CAPTURE_PACKETS_MAX. What does not fit is an error, never a silence.
 *
 * The caller owns the Capture. Ports and types are in host order, addresses in
 * network order. Functions return >= 0 or a negative errno.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/machine/lib/lab.h"

#define CAPTURE_PACKETS_MAX 65536
#define CAPTURE_BUFFER_BYTES (32 * 1024 * 1024)

typedef struct Capture Capture;

typedef struct Packet {
        int family; /* AF_INET, AF_INET6, or AF_UNSPEC for other ethertypes */
        uint16_t ethertype;
        uint8_t protocol;                       /* IPPROTO_…, after IPv6 extension headers */
        bool outgoing;                          /* sent by the namespace of the capture */
        bool fragment;                          /* a later one: has no ports */
        uint8_t source[16], destination[16];    /* IPv4 in the first four bytes */
        uint16_t source_port, destination_port; /* UDP and TCP, else 0 */
        uint8_t icmp_type;                      /* ICMP and ICMPv6, else 0 */
} Packet;

typedef bool (*CapturePredicate)(const Packet *packet, void *user);

/**
 * capture_start() - collect what passes a link, both ways
 * @space:      where the link is; "wan0" in LAB_MACHINE, "lan" and "world"
 *              at an ISP
 *
 * Return: 0; -ENODEV no such link.
 */
int capture_start(Lab *lab, LabSpace space, const char *ifname, Capture **ret);

/**
 * capture_narrow() - collect only what goes to one of two addresses from now on
 * @v4, @v6:    in text form
 *
 * The kernel leaves out the rest, so that floods of it fill no buffer.
 */
int capture_narrow(Capture *capture, const char *v4, const char *v6);

/**
 * capture_sync() - wait until everything sent so far has been collected
 *
 * Sends a frame of the experimental ethertype along the link and waits for it.
 * A link without carrier sends nothing, so nothing is waited for.
 *
 * Return: 0; -ETIMEDOUT after two seconds; -ENOBUFS packets were lost.
 */
int capture_sync(Capture *capture);

/**
 * capture_count() - sync, then count the packets for which @predicate holds
 * @predicate:  NULL counts all
 *
 * Return: the number, or what capture_sync() gave.
 */
int capture_count(Capture *capture, CapturePredicate predicate, void *user);

/* Counts packets to or from an address in text form. */
int capture_count_to(Capture *capture, const char *address);
int capture_count_from(Capture *capture, const char *address);

/* Forgets what was seen, after a sync. */
int capture_clear(Capture *capture);

/* Tells what was seen on stderr, one packet a line. */
void capture_print(Capture *capture);

/* NULL is fine. Return: NULL. */
Capture *capture_stop(Capture *capture);

/**
 * packet_parse() - read a packet from its network header on
 * @ret:        set in any case; what is not there stays zero
 */
void packet_parse(uint16_t ethertype, const uint8_t *bytes, size_t n_bytes, Packet *ret);

bool packet_is_to(const Packet *packet, const char *address);
bool packet_is_from(const Packet *packet, const char *address);

/* Return: "udp 192.168.10.100:4242 > 198.51.100.1:7 out"; caller frees. */
char *packet_format(const Packet *packet);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Capture, capture_stop)
