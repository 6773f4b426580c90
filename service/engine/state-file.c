// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/base/cleanup.h"
#include "service/model/intent-text.h"

/* Reads up to @size bytes. Return: how many; negative errno. */
static ssize_t read_all(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n < size) {
                ssize_t r = read(fd, buffer + n, size - n);

                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r == 0)
                        break;
                if (r > 0)
                        n += (size_t)r;
        }
        return (ssize_t)n;
}

int state_file_read(const char *path, Intent *ret) {
        CLEANUP_FREE char *text = NULL;
        CLEANUP_FD int fd = -1;
        struct stat status;
        ssize_t n;
        int r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode) || status.st_size > STATE_FILE_SIZE_MAX)
                return -EBADMSG;

        text = malloc((size_t)status.st_size + 1);
        if (!text)
                return -ENOMEM;
        n = read_all(fd, text, (size_t)status.st_size);
        if (n < 0)
                return (int)n;
        text[n] = '\0';
        if (strlen(text) != (size_t)n)
                return -EBADMSG;

        r = intent_text_parse(text, ret);
        return r < 0 ? r : 1;
}

static int write_all(int fd, const char *buffer, size_t size) {
        while (size > 0) {
                ssize_t r = write(fd, buffer, size);

                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r > 0) {
                        buffer += r;
                        size -= (size_t)r;
                }
        }
        return 0;
}

/* What happened to the names in the directory of @path outlives a power cut. */
static int sync_directory(const char *path) {
        const char *slash = strrchr(path, '/');
        CLEANUP_FREE char *directory =
                slash > path ? strndup(path, (size_t)(slash - path)) : strdup(slash ? "/" : ".");
        CLEANUP_FD int fd = -1;

        if (!directory)
                return -ENOMEM;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int remove_file(const char *path) {
        if (unlink(path) < 0)
                return errno == ENOENT ? 0 : -errno;
        return sync_directory(path);
}

int state_file_write(const char *path, const Intent *intent) {
        CLEANUP_FREE char *text = NULL, *temporary = NULL;
        CLEANUP_FD int fd = -1;
        int r;

        if (intent_is_empty(intent))
                return remove_file(path);

        if (asprintf(&temporary, "%s.new", path) < 0)
                return -ENOMEM;
        r = intent_text_format(intent, &text);
        if (r < 0)
                return r;

        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, strlen(text));
        if (r >= 0 && fsync(fd) < 0) /* before it has the name: else that may come back empty */
                r = -errno;
        if (r < 0 || rename(temporary, path) < 0) {
                r = r < 0 ? r : -errno;
                (void)unlink(temporary); /* half a file is of no use */
                return r;
        }
        return sync_directory(path);
}
