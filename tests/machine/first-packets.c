// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Sends a datagram and begins a connection to a port of the internet, by IPv4
 * and IPv6, before it does anything else, and ends.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/lab.h"

static void send_first(int family, int type, int port) {
        int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

        (void)inet_pton(AF_INET, LAB_INTERNET_V4, &v4.sin_addr);
        (void)inet_pton(AF_INET6, LAB_INTERNET_V6, &v6.sin6_addr);
        if (family == AF_INET)
                (void)connect(fd, (struct sockaddr *)&v4, sizeof(v4));
        else
                (void)connect(fd, (struct sockaddr *)&v6, sizeof(v6));
        if (type == SOCK_DGRAM)
                (void)send(fd, "first", 5, MSG_NOSIGNAL);
        (void)close(fd);
}

int main(int argc, char **argv) {
        int port = argc == 2 ? atoi(argv[1]) : 0;

        if (port == 0)
                return EXIT_FAILURE;
        send_first(AF_INET, SOCK_DGRAM, port);
        send_first(AF_INET6, SOCK_DGRAM, port);
        send_first(AF_INET, SOCK_STREAM, port);
        send_first(AF_INET6, SOCK_STREAM, port);
        return EXIT_SUCCESS;
}
