/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One internet socket as NETLINK_SOCK_DIAG names it, and its requests.
 *
 * A SocketName is a plain value; ports are in host byte order. With the cookie
 * the kernel hits this very socket or none, never a listener of the same port
 * or a later socket of the same addresses. See sock_diag(7).
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "backends/facts/prefix.h"

#define DIAG_MESSAGE_MAX 128 /* bytes of a request */

typedef struct SocketName {
        uint8_t protocol; /* IPPROTO_TCP, … */
        uint8_t state;    /* decoded: TCP_ESTABLISHED … of tcp_states.h; not encoded */
        Address local, remote;
        uint16_t local_port, remote_port;
        uint32_t ifindex; /* bound to; 0 */
        uint64_t cookie;  /* SO_COOKIE */
        uint64_t cgroup;  /* decoded: cgroup2 directory it was born in; 0 not told (Linux 5.8) */
} SocketName;

/* Writes into @buffer of DIAG_MESSAGE_MAX aligned bytes. */
struct nlmsghdr *diag_encode_destroy(void *buffer, const SocketName *name);
struct nlmsghdr *diag_encode_get(void *buffer, const SocketName *name);

/* Reads an answer. Return: 1; 0 of another kind; -EBADMSG. The protocol is not in it. */
int diag_decode(const struct nlmsghdr *nlh, SocketName *ret);
