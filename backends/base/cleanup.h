/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Ownership of locals.
 *
 * A local that owns something carries a cleanup attribute from its
 * declaration; ownership leaves it by TAKE(). Cleanup functions cope with the
 * empty value (NULL, -1).
 */

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Gives @x away: yields its value and leaves NULL behind. */
#define TAKE(x)                                                                                    \
        ({                                                                                         \
                __typeof__(x) take_value = (x);                                                    \
                (x) = NULL;                                                                        \
                take_value;                                                                        \
        })

/* Gives a file descriptor away and leaves -1 behind. */
#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int take_fd = (fd);                                                                \
                (fd) = -1;                                                                         \
                take_fd;                                                                           \
        })

/* Makes `name_p()`, fit for CLEANUP(), of a destructor that returns NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
        static inline void fn##_p(type *value) {                                                   \
                if (*value)                                                                        \
                        *value = fn(*value);                                                       \
        }

static inline void free_p(void *value) {
        free(*(void **)value);
}

/* Closes @fd if it is open. Return: -1, to be assigned back. */
static inline int fd_close(int fd) {
        if (fd >= 0)
                (void)close(fd); /* nothing can be done about an error here */
        return -1;
}

static inline void fd_close_p(int *fd) {
        *fd = fd_close(*fd);
}

#define CLEANUP_FREE CLEANUP(free_p)
#define CLEANUP_FD CLEANUP(fd_close_p)

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
