/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A machine with an uplink, a tunnel and a container, in one namespace.
 *
 *     up0   10.77.1.2  fd77:1::2   the default route leads here: routing has failed,
 *                                  what stays inside does so because of the guard
 *     tun0  10.77.2.2  fd77:2::2   10.99.0.0/16 and fd99::/16 lead here
 *     box0  10.77.3.1  fd77:3::1   a link inside, to a container at .2
 *
 * Each is a veth whose other end (up1, tun1, box1) has no address: what leaves
 * by up0 is read at up1 with a packet socket, and frames put in at up1 come in
 * by up0. No packet is waited for without a frame behind it that must arrive.
 */

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/nftables/nftables.h"

#define LAB_MARK UINT32_C(0x10000000)
#define LAB_INCLUDED UINT32_C(0x20000000)
#define LAB_MASK UINT32_C(0x30000000)

typedef enum LabLink {
        LAB_UP,
        LAB_TUN,
        LAB_BOX,
        LAB_LO, /* nowhere: stays in the machine */
        _LAB_LINK_MAX,
} LabLink;

#define LAB_NOWHERE LAB_LO

typedef struct Lab {
        sd_event *event;
        Backend *backend;
        FactSet observed; /* what the backend reported */
        unsigned n_changes, n_resyncs;
        FactChange last;
        int far[_LAB_LINK_MAX]; /* packet sockets at the other ends */
} Lab;

/* A packet as a program would send it. */
typedef struct LabPacket {
        const char *to;
        int protocol; /* IPPROTO_UDP, …; ICMP of the family by IPPROTO_ICMP */
        uint16_t from_port, port;
        uint32_t mark;
        unsigned uid;
        const char *from; /* source address; NULL: the kernel's choice */
        uint8_t icmp_type;
        uint32_t acked; /* injected TCP: the sequence number it answers */
} LabPacket;

/* What a frame at a far end was. */
typedef struct LabFrame {
        int protocol;
        uint16_t from_port, port;
        char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
        uint8_t icmp_type, tcp_flags;
        uint32_t sequence; /* TCP */
} LabFrame;

/* Runs a test in a lab of its own. */
void lab_test_add(const char *path, NftablesMechanism mechanism, void (*test)(Lab *lab));

/* Facts. */
Fact lab_base(uint32_t flags);
Fact lab_name(FilterKind kind, const char *name);
Fact lab_prefix(FilterKind kind, const char *prefix);
Fact lab_user(uint32_t uid);
Fact lab_group(uint64_t id, uint32_t level, uint32_t mark, bool resolves);
Fact lab_known(uint64_t id, uint32_t level, bool is_above);
Fact lab_resolver(const char *address);

/* One apply() that adds (or replaces) @facts; all must go well. */
void lab_write(Lab *lab, const Fact *facts, size_t n);
void lab_remove(Lab *lab, const Fact *fact);
#define LAB_WRITE(lab, ...)                                                                        \
        lab_write(lab, (const Fact[]){ __VA_ARGS__ },                                              \
                sizeof((const Fact[]){ __VA_ARGS__ }) / sizeof(Fact))

/* Sends @packet. Return: 0; negative errno of the sender. */
int lab_send(const LabPacket *packet);

/* A socket that could send @packet. */
int lab_socket(const LabPacket *packet);
int lab_send_from(int fd, const LabPacket *packet);

/* The first frame to @port (or of @protocol) that has come to a far end by now. */
bool lab_read(Lab *lab, LabLink link, int protocol, uint16_t port, LabFrame *ret);

/* Sends and looks where it came out: LAB_NOWHERE if it did not. */
LabLink lab_way_of(Lab *lab, const LabPacket *packet);

/*
 * Puts a packet in at the far end of @link, as if from the network there; its
 * source is @packet->from. TCP flags as in the header.
 */
void lab_inject(Lab *lab, LabLink link, const LabPacket *packet, uint8_t tcp_flags);

/* Runs nft; wants it to succeed. Return: what it says. */
char *lab_nft(const char *format, ...) G_GNUC_PRINTF(1, 2);
bool lab_has_nft(void);

/* Delivers what waits now. */
void lab_settle(Lab *lab);

/* Hears what a new backend has to say. */
void lab_listen(Lab *lab);

/* Runs the loop until the backend has reported something. */
void lab_wait_for_report(Lab *lab);
