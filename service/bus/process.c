// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/cleanup.h"

/*
 * The owner of /proc/PID would be root for a process that is not dumpable; the
 * status file tells the truth. One open file: no other process of the same
 * number can slip in between.
 */
int process_get_uid(uint32_t pid, uid_t *ret) {
        CLEANUP_FD int fd = -1;
        char path[32], status[2048];
        unsigned filesystem_uid;
        const char *line;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%u/status", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -ESRCH;

        n = read(fd, status, sizeof(status) - 1);
        if (n <= 0)
                return -ESRCH;
        status[n] = '\0';

        line = strstr(status, "\nUid:");
        if (!line || sscanf(line, "\nUid: %*u %*u %*u %u", &filesystem_uid) != 1)
                return -ESRCH;

        *ret = filesystem_uid;
        return 0;
}
