// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The server that stands for the internet: tells every client the address it
 * was asked from, which shows the way the question took.
 *
 * UDP: a datagram is answered by one. TCP: the answer comes right after the
 * connection. HTTP: the answer is the body. Talk: TCP that stays, whatever is
 * said is answered. IPv4 and IPv6, text without a line end.
 */

#define INTERNET_PORT 7
#define INTERNET_HTTP_PORT 80
#define INTERNET_TALK_PORT 1007

/**
 * internet_serve() - open the sockets in the current namespace and serve
 * @ready_fd:   closed once questions can be asked
 *
 * Return: only on failure, a negative errno.
 */
int internet_serve(int ready_fd);
