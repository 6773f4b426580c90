// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/proc/proc-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "backends/base/cleanup.h"

static ssize_t read_some(int fd, char *buffer, size_t size) {
        ssize_t n;

        do
                n = read(fd, buffer, size);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

ssize_t proc_file_read_into(int dirfd, const char *path, char *buffer, size_t size) {
        CLEANUP_FD int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        size_t used = 0;

        if (fd < 0)
                return -errno;
        while (used + 1 < size) {
                ssize_t n = read_some(fd, buffer + used, size - used - 1);

                if (n < 0)
                        return n;
                if (n == 0)
                        break;
                used += (size_t)n;
        }
        buffer[used] = '\0';
        return (ssize_t)used;
}

int proc_file_read(int dirfd, const char *path, size_t size_max, char **ret) {
        CLEANUP_FD int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        CLEANUP_FREE char *text = NULL;
        size_t used = 0, size = 0;

        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n;

                if (size - used < 2) {
                        char *more;

                        if (size >= size_max)
                                break;
                        size = size ? size * 2 : 4096;
                        if (size > size_max)
                                size = size_max;
                        more = realloc(text, size + 1);
                        if (!more)
                                return -ENOMEM;
                        text = more;
                }
                n = read_some(fd, text + used, size - used);
                if (n < 0)
                        return (int)n;
                if (n == 0)
                        break;
                used += (size_t)n;
        }
        text[used] = '\0';
        *ret = TAKE(text);
        return 0;
}
