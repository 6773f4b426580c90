/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What both kinds of netlink sockets have in common: open and receive.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Opens a non-blocking socket of @protocol (NETLINK_ROUTE, …) bound to an
 * address of the kernel's choice, with @queue_size bytes for what is received
 * (less without CAP_NET_ADMIN). Return: 0, *ret_fd is the caller's; negative errno.
 */
int nl_socket_open(int protocol, int queue_size, int *ret_fd, uint32_t *ret_port);

/*
 * Receives one datagram of the kernel; those of other senders are thrown away.
 * Return: its size; -EAGAIN none is there; -EMSGSIZE it did not fit; -ENOBUFS
 * some were lost; negative errno.
 */
ssize_t nl_socket_receive(int fd, void *buffer, size_t size);
