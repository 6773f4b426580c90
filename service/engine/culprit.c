// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/culprit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/cleanup.h"

/* Reads proc(5) comm, which its owner may fill with any bytes: clients get printable ones. */
static void read_comm(uint32_t pid, char comm[static 32]) {
        CLEANUP_FD int fd = -1;
        char path[32];
        ssize_t n = 0;

        (void)snprintf(path, sizeof(path), "/proc/%u/comm", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                n = read(fd, comm, 31);
        if (n > 0 && comm[n - 1] == '\n')
                n--;
        comm[n > 0 ? n : 0] = '\0';

        for (char *c = comm; *c; c++)
                if (*c < ' ' || *c > '~')
                        *c = '?';
}

void culprit_name_process(uint32_t pid, char name[static CULPRIT_MAX]) {
        char comm[32] = "";

        read_comm(pid, comm);
        if (comm[0])
                (void)snprintf(name, CULPRIT_MAX, "%s (pid %u)", comm, pid);
        else
                (void)snprintf(name, CULPRIT_MAX, "a process that is gone (pid %u)", pid);
}

void culprit_find(Culprit *culprit, uint32_t author) {
        if (culprit->is_found && culprit->author == author)
                return;
        culprit->is_found = true;
        culprit->author = author;

        if (author == 0) {
                (void)snprintf(culprit->name, sizeof(culprit->name), "kernel");
                return;
        }
        culprit_name_process(author, culprit->name);
}

void culprit_set_unknown(Culprit *culprit) {
        *culprit = (Culprit){ .name = "unknown" };
}

void culprit_forget_author(Culprit *culprit) {
        culprit->is_found = false;
}
