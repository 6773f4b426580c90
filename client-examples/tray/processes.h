// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * The processes that run now, as /proc tells.
 *
 * process_read_status() and process_read_group() are pure; the others read files. Processes that
 * end meanwhile, kernel threads and the caller itself are left out. Source: proc(5).
 */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#define PROCESSES_MAX 16384

typedef struct Process {
        pid_t pid, parent;
        uid_t uid;     /* the real one */
        char *group;   /* control group, "/user.slice/…" */
        char *program; /* name of the executable; where that is not told, of the process */
} Process;

/* Return: an array of Process that frees its elements. */
GPtrArray *processes_new(void);
void processes_add(GPtrArray *processes, const Process *process); /* copies */

/* Return: what runs now, sorted by pid, PROCESSES_MAX at most. */
GPtrArray *processes_read(void);

/* @text: of /proc/PID/status. Takes name, parent and uid; the caller frees the name. */
bool process_read_status(const char *text, char **ret_name, pid_t *ret_parent, uid_t *ret_uid);

/* @text: of /proc/PID/cgroup, also of hybrid hierarchies. Return: the group; NULL. */
char *process_read_group(const char *text);
