// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/processes.h"

#include <errno.h>
#include <string.h>

#include "backends/base/cleanup.h"

void split_process_clear(SplitProcess *process) {
        process->pidfd = fd_close(process->pidfd);
}

int split_sockets_parse(const char *name) {
        static const char *const names[_SPLIT_SOCKETS_MAX] = {
                [SPLIT_SOCKETS_KEEP] = "keep",
                [SPLIT_SOCKETS_MIGRATE] = "migrate",
                [SPLIT_SOCKETS_RESET] = "reset",
        };

        for (int i = 0; i < _SPLIT_SOCKETS_MAX; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -EINVAL;
}
