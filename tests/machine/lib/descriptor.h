// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * File descriptors that close themselves.
 *
 * A closed descriptor is −1. Descriptors are CLOEXEC from birth.
 */

#include <unistd.h>

static inline int fd_close(int fd) {
        if (fd >= 0)
                (void)close(fd);
        return -1;
}

static inline void fd_close_at_end(int *fd) {
        *fd = fd_close(*fd);
}

#define _cleanup_fd_ __attribute__((cleanup(fd_close_at_end)))

#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int taken_ = fd;                                                                   \
                fd = -1;                                                                           \
                taken_;                                                                            \
        })
