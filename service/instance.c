// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/instance.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/base/log.h"

#define TRIES 5
#define ENDING_MSEC 200 /* a process that was killed is gone from the kernel within this */
#define WAITERS_MAX 64  /* copies that wait for our end, which are never accepted */

struct Instance {
        int fd; /* ours listens; or it is connected to the other one's, and hangs up with it */
        char other[CULPRIT_MAX];
        sd_event_source *source;
        void (*on_gone)(void *userdata);
        void *userdata;
};

static socklen_t make_address(struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        memcpy(ret->sun_path + 1, INSTANCE_SOCKET, strlen(INSTANCE_SOCKET));
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(INSTANCE_SOCKET));
}

/* Return: the socket; -EADDRINUSE somebody has the name; another negative errno. */
static int take_name(void) {
        struct sockaddr_un address;
        socklen_t size = make_address(&address);
        CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
                listen(fd, WAITERS_MAX) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Return: a socket that hangs up with the holder; -ECONNREFUSED it is gone; another. */
static int connect_to_holder(struct ucred *ret) {
        struct sockaddr_un address;
        socklen_t size = make_address(&address), length = sizeof(*ret);
        CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0 ||
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &length) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/*
 * Its capabilities say nothing: whoever makes a user namespace has them all in
 * it. A pid of 0 is of no process that we can see: outside of the container that
 * we are in.
 */
static bool is_believed(const struct ucred *holder) {
        return holder->uid == 0 || holder->uid == geteuid() || holder->pid == 0;
}

/* Return: 1 it ends, or ended; 0. */
static int wait_for_end(int fd) {
        struct pollfd event = { .fd = fd };

        return poll(&event, 1, ENDING_MSEC) > 0;
}

/* Return: 1 settled; 0 try again; negative errno. */
static int try_to_take(Instance *instance) {
        struct ucred holder;
        CLEANUP_FD int fd = take_name();

        if (fd == -EADDRINUSE) {
                fd = connect_to_holder(&holder);
                if (fd == -ECONNREFUSED)
                        return 0;
                /* Nobody of us lets those who wait fill the queue. */
                if (fd == -EAGAIN || (fd >= 0 && !is_believed(&holder))) {
                        log_warning("Somebody who is no copy of this service holds the socket "
                                    "@" INSTANCE_SOCKET ": copies cannot be told");
                        return 1;
                }
                if (fd < 0)
                        return fd;
                if (wait_for_end(fd) > 0)
                        return 0;
                if (holder.pid != 0)
                        culprit_name_process((uint32_t)holder.pid, instance->other);
                else
                        (void)snprintf(instance->other, sizeof(instance->other),
                                "a talpidd outside of this container");
        }
        if (fd < 0)
                return fd;
        instance->fd = TAKE_FD(fd);
        return 1;
}

int instance_new(Instance **ret) {
        CLEANUP(instance_free_p) Instance *instance = calloc(1, sizeof(*instance));
        int r = 0;

        if (!instance)
                return -ENOMEM;
        instance->fd = -1;
        for (int i = 0; r == 0 && i < TRIES; i++)
                r = try_to_take(instance);
        if (r <= 0)
                return r < 0 ? r : -EBUSY;
        *ret = TAKE(instance);
        return 0;
}

Instance *instance_free(Instance *instance) {
        if (!instance)
                return NULL;

        sd_event_source_disable_unref(instance->source);
        fd_close(instance->fd);
        free(instance);
        return NULL;
}

const char *instance_other(const Instance *instance) {
        return instance->other[0] ? instance->other : NULL;
}

static int on_hang_up(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Instance *instance = userdata;

        instance->source = sd_event_source_disable_unref(instance->source);
        instance->on_gone(instance->userdata);
        return 0;
}

int instance_watch(
        Instance *instance, sd_event *event, void (*on_gone)(void *userdata), void *userdata) {
        instance->on_gone = on_gone;
        instance->userdata = userdata;
        return sd_event_add_io(
                event, &instance->source, instance->fd, EPOLLHUP, on_hang_up, instance);
}
