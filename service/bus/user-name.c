// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/user-name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/base/cleanup.h"

#define FILE_MAX_BYTES (8 << 20) /* some hundred thousand users */

static void close_p(FILE **file) {
        if (*file)
                (void)fclose(*file);
}

static int parse_number(const char *text, uint32_t *ret) {
        unsigned long long value;
        char *end;

        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno || *end != ':' || value >= UINT32_MAX)
                return -EINVAL;
        *ret = (uint32_t)value;
        return 0;
}

/* name:password:uid:…; the first line with the name counts, as for getpwnam(3). */
static bool line_names(const char *line, const char *name, uint32_t *ret) {
        size_t length = strlen(name);
        const char *password = line + length + 1, *end;

        if (strncmp(line, name, length) != 0 || line[length] != ':')
                return false;
        end = strchr(password, ':');
        return end && parse_number(end + 1, ret) >= 0;
}

/* A regular file that is not too large; others would block, or have no end. */
static int open_file(const char *path, FILE **ret) {
        CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat status;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return -EINVAL;
        if (status.st_size > FILE_MAX_BYTES)
                return -EFBIG;
        *ret = fdopen(fd, "re");
        if (!*ret)
                return -errno;
        (void)TAKE_FD(fd);
        return 0;
}

int user_name_find(const char *path, const char *name, uint32_t *ret) {
        CLEANUP(close_p) FILE *file = NULL;
        CLEANUP_FREE char *line = NULL;
        size_t size = 0;
        int r;

        /* "+" and "-" are of NIS: passwd(5), nsswitch.conf(5). */
        if (!*name || strpbrk(name, ":\n") || name[0] == '+' || name[0] == '-')
                return -ENOENT;
        r = open_file(path, &file);
        if (r < 0)
                return r;
        while (getline(&line, &size, file) >= 0)
                if (line_names(line, name, ret))
                        return 0;
        return ferror(file) ? -EIO : -ENOENT;
}
