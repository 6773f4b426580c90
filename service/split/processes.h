/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the controller needs of processes, groups and sockets, and who does it.
 *
 * Groups are those of GroupPlace: paths below the root of the hierarchy. All
 * functions are given @userdata last. Where a Fault is filled, its text is a
 * sentence for people.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"
#include "backends/facts/operation.h"
#include "backends/facts/prefix.h"
#include "service/model/split.h"

/* A running process that cannot be mistaken for another; owns its pidfd. */
typedef struct SplitProcess {
        int pidfd; /* -1: none */
        pid_t pid, parent;
        uint64_t start_time; /* clock ticks since boot */
        uint64_t unique_id;
        uid_t uid, fs_uid; /* real */
        bool is_kernel_thread;
} SplitProcess;

#define SPLIT_PROCESS_NONE                                                                         \
        (SplitProcess) {                                                                           \
                .pidfd = -1                                                                        \
        }

void split_process_clear(SplitProcess *process);

typedef enum SplitSockets {
        SPLIT_SOCKETS_KEEP,
        SPLIT_SOCKETS_MIGRATE,
        SPLIT_SOCKETS_RESET,
        _SPLIT_SOCKETS_MAX,
} SplitSockets;

/* Return: the value; -EINVAL. */
int split_sockets_parse(const char *name);

typedef struct SplitSocketCounts {
        unsigned n_marked, n_reconnected, n_reset;
        unsigned n_left; /* stay on the path they have */
} SplitSocketCounts;

typedef struct SplitSweep {
        SplitSockets policy;
        uint32_t mark, mask;
        uint32_t former_mark;     /* 0: whatever it was; else only sockets that have it */
        const Array *old_sources; /* of Address: of the path that is left */
        const Array *old_groups;  /* of uint64_t: born in one of these, it was on that path */
        bool any_group;           /* sockets do not tell in which they were born */
} SplitSweep;

typedef struct SplitProcesses {
        /* Return: 0; -ESRCH there is none, or it ended; -EBADF not a pidfd; -EINVAL a thread. */
        int (*open)(uint32_t pid, SplitProcess *ret, void *userdata);
        int (*open_pidfd)(int pidfd, SplitProcess *ret, void *userdata);

        /* The file it runs; "" where that cannot be seen. */
        void (*read_executable)(
                const SplitProcess *process, char ret[static PATH_MAX], void *userdata);

        /*
         * Makes the groups of ours that @process, and with @children what it
         * started, will be moved to; nobody is moved. Appends a GroupPlace for
         * each. Return: 0; negative errno and @fault, no new group is left.
         */
        int (*prepare)(const SplitProcess *process, bool children, Array *places, Fault *fault,
                void *userdata);

        /*
         * Moves into those groups, until nothing is outside. Appends pid_t of
         * all that are inside and GroupPlace of where that is, the place of
         * @process first; *ret_moved counts those that were not there before.
         */
        int (*exclude)(const SplitProcess *process, bool children, Array *pids, Array *places,
                unsigned *ret_moved, Fault *fault, void *userdata);

        /* Moves to the groups above. Appends those that were moved. */
        int (*include)(const SplitProcess *process, bool children, Array *pids, Fault *fault,
                void *userdata);

        /* Moves the members of a group of ours out, and removes it. Return: 0; -ENOENT; -EBUSY. */
        int (*dissolve)(const char *path, Fault *fault, void *userdata);

        /* Appends pid_t of the members of a group and of those below. */
        int (*list_members)(const char *path, Array *pids, void *userdata);

        /* Appends a GroupPlace for each group of ours; empty ones are removed. */
        int (*list_groups)(Array *places, void *userdata);

        /*
         * Tells from now on where @path is. Return: 1 it is there, *ret is set;
         * 0; negative. Both NULL: groups of others cannot be marked.
         */
        int (*follow)(const char *path, GroupPlace *ret, void *userdata);
        void (*unfollow)(const char *path, void *userdata);

        /*
         * Knows from now on which groups beside and above @paths (of const char
         * *) are none of them; split_controller_on_known() is told of changes
         * from the loop. Return: 1 that is another list already; 0; negative
         * errno. All three NULL: as above.
         */
        int (*watch)(const Array *paths, void *userdata);
        const Array *(*known)(void *userdata); /* of KnownGroup, sorted by id, without marks */
        int (*list_known_members)(uint64_t id, Array *pids, void *userdata); /* appends pid_t */

        /* Adds to *counts. */
        int (*sweep)(const Array *pids, const SplitSweep *sweep, SplitSocketCounts *counts,
                Fault *fault, void *userdata);

        void *userdata;
} SplitProcesses;
