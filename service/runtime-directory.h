/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The runtime directory: which files are in it, and the lock that keeps it to
 * one instance. What is there outlives the process, but not the boot.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "service/settings.h"

#define RUNTIME_PATH_MAX (SETTINGS_DIRECTORY_MAX + 16)

typedef struct RuntimeDirectory {
        int fd; /* holds the lock; -1: not taken */
        char path[SETTINGS_DIRECTORY_MAX];
        char state[RUNTIME_PATH_MAX];     /* the intent, see engine/state-file.h */
        char mechanism[RUNTIME_PATH_MAX]; /* what told processes apart last, see means/means.h */
        char sysctl[RUNTIME_PATH_MAX];    /* settings as they were before ours */
        char taken[RUNTIME_PATH_MAX];     /* see split/taken.h */
        char restored[RUNTIME_PATH_MAX];  /* what is permanent has been, see split/restore.h */
} RuntimeDirectory;

#define RUNTIME_DIRECTORY_INIT                                                                     \
        (RuntimeDirectory) {                                                                       \
                .fd = -1                                                                           \
        }

/*
 * Names the files of the directory at @path, and takes it. @wait: for the end
 * of an instance that is leaving. Return: 0; -EWOULDBLOCK another one has it;
 * -ENOENT there is no such directory; negative errno.
 */
int runtime_directory_take(RuntimeDirectory *directory, const char *path, bool wait);

/* Gives it back. The files stay. */
void runtime_directory_clear(RuntimeDirectory *directory);

/*
 * Unique names of clients mean nothing on another bus: notes which one @bus is.
 * Return: 1 the same as last time; 0 another, or not known; negative errno.
 */
int runtime_directory_remember_bus(const RuntimeDirectory *directory, sd_bus *bus);

/* Removes what is ours, and the directory where nothing else is in it. Return: 0; negative errno.
 */
int runtime_directory_remove(const RuntimeDirectory *directory);
