// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/runtime-directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "backends/base/array.h"
#include "backends/base/cleanup.h"
#include "backends/base/log.h"

#define BUS_FILE "bus"

static void name_files(RuntimeDirectory *directory, const char *path) {
        (void)snprintf(directory->path, sizeof(directory->path), "%s", path);
        (void)snprintf(directory->state, RUNTIME_PATH_MAX, "%s/state", path);
        (void)snprintf(directory->mechanism, RUNTIME_PATH_MAX, "%s/mechanism", path);
        (void)snprintf(directory->sysctl, RUNTIME_PATH_MAX, "%s/sysctl", path);
        (void)snprintf(directory->taken, RUNTIME_PATH_MAX, "%s/taken", path);
        (void)snprintf(directory->restored, RUNTIME_PATH_MAX, "%s/restored", path);
}

int runtime_directory_take(RuntimeDirectory *directory, const char *path, bool wait) {
        CLEANUP_FD int fd = -1;

        name_files(directory, path);
        fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK || !wait)
                        return -errno;
                log_info("Another instance still runs, waiting for its end");
                if (flock(fd, LOCK_EX) < 0)
                        return -errno;
        }
        directory->fd = TAKE_FD(fd);
        return 0;
}

void runtime_directory_clear(RuntimeDirectory *directory) {
        directory->fd = fd_close(directory->fd);
}

int runtime_directory_remember_bus(const RuntimeDirectory *directory, sd_bus *bus) {
        char known[SD_ID128_STRING_MAX] = "", now[SD_ID128_STRING_MAX];
        CLEANUP_FD int fd = -1;
        sd_id128_t id;
        int r;

        r = sd_bus_get_bus_id(bus, &id);
        if (r < 0)
                return r;
        (void)sd_id128_to_string(id, now);

        fd = openat(directory->fd, BUS_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        if (read(fd, known, sizeof(known) - 1) < 0)
                return -errno;
        if (strcmp(known, now) == 0)
                return 1;
        if (ftruncate(fd, 0) < 0 || pwrite(fd, now, strlen(now), 0) != (ssize_t)strlen(now))
                return -EIO;
        return 0;
}

int runtime_directory_remove(const RuntimeDirectory *directory) {
        static const char *const names[] = { "state", BUS_FILE, "restored", "sysctl", "mechanism",
                "taken" };

        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                if (unlinkat(directory->fd, names[i], 0) < 0 && errno != ENOENT)
                        return -errno;
        (void)rmdir(directory->path); /* systemd's, or not empty: then it stays */
        return 0;
}
