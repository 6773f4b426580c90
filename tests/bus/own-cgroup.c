// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/bus/own-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

/* Where cgroup2 is mounted; NULL: nowhere. */
static char *find_mount(void) {
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
                return NULL;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", -1);

                if (strstr(*line, " - cgroup2 ") && g_strv_length(words) > 4)
                        return g_strdup(words[4]);
        }
        return NULL;
}

/* Our group below it, with its slash. */
static char *find_group(void) {
        g_autofree char *text = NULL;
        const char *line;

        if (!g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL))
                return NULL;
        line = strstr(text, "0::/");
        return line ? g_strndup(line + 3, strcspn(line + 3, "\n")) : NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at) {
        if (type == FTW_DP)
                (void)rmdir(path);
        return 0;
}

/* Waits until nobody is in the group or below it, and removes all. */
static void clean_up(const char *path) {
        g_autofree char *events = g_build_filename(path, "cgroup.events", NULL);
        int fd = open(events, O_RDONLY | O_CLOEXEC);
        char text[256] = "";

        while (fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0 && strstr(text, "populated 1")) {
                struct pollfd change = { .fd = fd, .events = POLLPRI };

                (void)poll(&change, 1, -1);
        }
        (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Outside of the group, and without anything that somebody else waits for. Where all groups are
 * seen is its working directory, for the mount will be another. */
static void start_cleaner(const char *parent, const char *name) {
        int directory = open(parent, O_DIRECTORY | O_CLOEXEC), ends[2];
        char byte;

        g_assert_cmpint(directory, >=, 0);
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        if (fork() != 0) {
                (void)close(directory);
                (void)close(ends[0]);
                return; /* the other end goes with us */
        }
        (void)setsid();
        if (fchdir(directory) < 0)
                _exit(1);
        for (int fd = 0; fd < 3; fd++)
                (void)close(fd);
        (void)close(ends[1]);
        (void)read(ends[0], &byte, 1);
        clean_up(name);
        _exit(0);
}

static bool put(const char *path, const char *file, const char *text) {
        g_autofree char *full = g_build_filename(path, file, NULL);
        int fd = open(full, O_WRONLY | O_CLOEXEC);
        bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

        (void)close(fd);
        return done;
}

bool own_cgroup_enter(void) {
        g_autofree char *mount_path = find_mount(), *group = find_group();
        g_autofree char *parent = NULL, *name = NULL, *path = NULL;

        if (!mount_path || !group)
                return false;
        parent = g_strconcat(mount_path, group, NULL);
        name = g_strdup_printf("talpid-test-%d", (int)getpid());
        path = g_build_filename(parent, name, NULL);
        if (g_mkdir(path, 0755) < 0)
                return false;
        start_cleaner(parent, name);
        return put(path, "cgroup.procs", "0") && unshare(CLONE_NEWCGROUP) == 0 &&
               umount2(mount_path, MNT_DETACH) == 0 &&
               mount("cgroup2", mount_path, "cgroup2", 0, NULL) == 0;
}

static char *path_of(const char *name) {
        g_autofree char *mount_path = find_mount();

        return g_build_filename(mount_path, name, NULL);
}

void own_cgroup_make(const char *name) {
        g_autofree char *path = path_of(name);

        g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
}

void own_cgroup_write(const char *name, const char *file, const char *text) {
        g_autofree char *path = path_of(name);

        if (!put(path, file, text))
                g_error("cannot write \"%s\" to %s/%s: %s", text, path, file, g_strerror(errno));
}

void own_cgroup_move(const char *name, pid_t pid) {
        g_autofree char *number = g_strdup_printf("%d", (int)pid);

        own_cgroup_write(name, "cgroup.procs", number);
}

void own_cgroup_remove(const char *name) {
        g_autofree char *path = path_of(name);

        g_assert_cmpint(rmdir(path), ==, 0);
}
