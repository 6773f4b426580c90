/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Where the control group hierarchies are mounted.
 *
 * A pure reader of the text of /proc/self/mountinfo, see proc_pid_mountinfo(5),
 * and one function that fetches it. A Mount is a plain value. The environment
 * is not looked at: whoever honours TALPID_CGROUP2_FS or
 * TALPID_NET_CLS_MOUNT_DIR hands the path on. A mount may be hidden by a later
 * one over it, so whoever opens `point` has to see by statfs(2) what it got.
 */

#include <limits.h>
#include <stdbool.h>

#define MOUNTINFO_SIZE_MAX (4u * 1024 * 1024) /* bytes read; what follows is ignored */

typedef enum MountKind {
        MOUNT_OTHER,
        MOUNT_CGROUP2,
        MOUNT_NET_CLS, /* cgroup v1 with the net_cls controller, alone or with others */
} MountKind;

typedef struct Mount {
        MountKind kind;
        bool is_whole; /* the root of the hierarchy, not a part of it */
        bool is_read_only;
        char point[PATH_MAX]; /* unescaped */
} Mount;

/* Reads one line without its end. Return: 0; -EBADMSG not a line of mountinfo; -ENAMETOOLONG. */
int mountinfo_parse_line(const char *line, Mount *ret);

/*
 * Takes lines from *text until one is a whole hierarchy of @kind. Malformed
 * lines are skipped. Return: 1, *text stands behind it; 0 there is none; -ENOMEM.
 */
int mountinfo_next(const char **text, MountKind kind, Mount *ret);

/* Reads /proc/self/mountinfo. Return: 0, *ret is the caller's to free(); negative errno. */
int mountinfo_read(char **ret);
