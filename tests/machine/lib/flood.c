// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/lib/flood.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"

#define RECONNECT_ROUNDS 64
#define PAUSE_NSEC 200000 /* between rounds */

static socklen_t internet_address(int slot, struct sockaddr_storage *ret) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

        if (slot == 0) {
                *v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(FLOOD_PORT) };
                g_assert_cmpint(inet_pton(AF_INET, LAB_INTERNET_V4, &v4->sin_addr), ==, 1);
                return sizeof(*v4);
        }
        *v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(FLOOD_PORT) };
        g_assert_cmpint(inet_pton(AF_INET6, LAB_INTERNET_V6, &v6->sin6_addr), ==, 1);
        return sizeof(*v6);
}

static void flood_once(const Flood *flood, int round) {
        static const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
        struct sockaddr_storage to;

        for (int slot = 0; slot < 2; slot++) {
                socklen_t n = internet_address(slot, &to);

                for (int how = 0; how < N_CONNECTED; how++) {
                        int fd = flood->fds[slot][how];

                        if (how == CONNECTED_AGAIN && round % RECONNECT_ROUNDS == 0) {
                                (void)connect(fd, &nowhere, sizeof(nowhere));
                                (void)connect(fd, (struct sockaddr *)&to, n);
                        }
                        /* Refused is what most of them are to be. */
                        if (how == CONNECTED_NEVER)
                                (void)sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&to, n);
                        else
                                (void)send(fd, "x", 1, MSG_DONTWAIT);
                }
        }
}

static void *flood_run(void *user) {
        static const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
        Flood *flood = user;

        while (!g_atomic_int_get(&flood->is_over)) {
                flood_once(flood, g_atomic_int_add(&flood->n_rounds, 1));
                (void)ppoll(NULL, 0, &pause, NULL); /* the pace of the traffic */
        }
        return NULL;
}

void flood_start(Flood *flood) {
        struct sockaddr_storage to, own;

        *flood = (Flood){ 0 };
        for (int slot = 0; slot < 2; slot++) {
                socklen_t n = internet_address(slot, &to), n_own = sizeof(own);

                for (int how = 0; how < N_CONNECTED; how++) {
                        int *fd = &flood->fds[slot][how];

                        *fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                        g_assert_cmpint(*fd, >=, 0);
                        if (how == CONNECTED_BOUND) {
                                CHECK_OK(getsockname(flood->fds[slot][CONNECTED_ONCE],
                                        (struct sockaddr *)&own, &n_own));
                                if (slot == 0)
                                        ((struct sockaddr_in *)&own)->sin_port = 0;
                                else
                                        ((struct sockaddr_in6 *)&own)->sin6_port = 0;
                                CHECK_OK(bind(*fd, (struct sockaddr *)&own, n_own));
                        }
                        if (how != CONNECTED_NEVER)
                                CHECK_OK(connect(*fd, (struct sockaddr *)&to, n));
                }
        }
        flood->thread = g_thread_new("flood", flood_run, flood);
}

void flood_stop(Flood *flood) {
        g_atomic_int_set(&flood->is_over, 1);
        g_thread_join(flood->thread);
        for (int slot = 0; slot < 2; slot++)
                for (int how = 0; how < N_CONNECTED; how++)
                        close(flood->fds[slot][how]);
}

typedef struct FloodWait {
        Flood *flood;
        int until;
} FloodWait;

static gboolean flood_is_there(void *user) {
        FloodWait *wait = user;

        if (g_atomic_int_get(&wait->flood->n_rounds) - wait->until < 0)
                return G_SOURCE_CONTINUE;
        wait->flood = NULL;
        return G_SOURCE_REMOVE;
}

void flood_wait(Flood *flood, int n) {
        FloodWait wait = { flood, g_atomic_int_get(&flood->n_rounds) + n };

        (void)g_timeout_add(1, flood_is_there, &wait);
        while (wait.flood)
                (void)g_main_context_iteration(NULL, TRUE);
}
