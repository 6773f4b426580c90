// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/cgroup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/machine/lib/descriptor.h"

#define REMOVE_TIMEOUT_MSEC 5000
#define DEPTH_MAX 32

/* Fields of proc_pid_mountinfo(5): 4 is the root, 5 the mount point, the type follows "-". */
static char *mountinfo_find_cgroup2(const char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++) {
                g_auto(GStrv) fields = g_strsplit(*line, " ", -1);

                if (g_strv_length(fields) > 5 && strstr(*line, " - cgroup2 ") &&
                        g_str_equal(fields[3], "/"))
                        return g_strdup(fields[4]);
        }
        return NULL;
}

static char *membership_find_cgroup2(const char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++)
                if (g_str_has_prefix(*line, "0::/"))
                        return g_strdup(*line + strlen("0::"));
        return NULL;
}

int cgroup_find_mount(char **ret) {
        g_autofree char *mountinfo = NULL;
        char *mount;

        assert(ret);

        if (!g_file_get_contents("/proc/self/mountinfo", &mountinfo, NULL, NULL))
                return -EIO;
        mount = mountinfo_find_cgroup2(mountinfo);
        if (!mount)
                return -ENOENT;
        *ret = mount;
        return 0;
}

int cgroup_find_own(char **ret) {
        g_autofree char *membership = NULL, *mount = NULL, *own = NULL;
        int r;

        assert(ret);

        r = cgroup_find_mount(&mount);
        if (r < 0)
                return r;
        if (!g_file_get_contents("/proc/self/cgroup", &membership, NULL, NULL))
                return -EIO;
        own = membership_find_cgroup2(membership);
        if (!own)
                return -ENOENT;
        /* A process outside the root of its cgroup namespace sees "/.."; the mount is all it has.
         */
        *ret = g_str_equal(own, "/") || g_str_has_prefix(own, "/..")
                       ? g_steal_pointer(&mount)
                       : g_strconcat(mount, own, NULL);
        return 0;
}

int cgroup_make(const char *parent, const char *name, char **ret) {
        g_autofree char *path = g_build_filename(parent, name, NULL);

        assert(ret);

        if (mkdir(path, 0755) < 0)
                return -errno;
        *ret = g_steal_pointer(&path);
        return 0;
}

int cgroup_enter(const char *path) {
        g_autofree char *procs = g_build_filename(path, "cgroup.procs", NULL);
        _cleanup_fd_ int fd = open(procs, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, "0", 1) < 0 ? -errno : 0;
}

/* cgroup.events wakes a poller whenever "populated" changes, see cgroups(7). */
static int cgroup_wait_empty(const char *path) {
        g_autofree char *events = g_build_filename(path, "cgroup.events", NULL);
        int64_t deadline = g_get_monotonic_time() + REMOVE_TIMEOUT_MSEC * 1000;
        _cleanup_fd_ int fd = open(events, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        for (;;) {
                struct pollfd poller = { .fd = fd, .events = POLLPRI };
                int64_t left = (deadline - g_get_monotonic_time()) / 1000;
                char text[256] = "";

                if (pread(fd, text, sizeof(text) - 1, 0) < 0)
                        return -errno;
                if (strstr(text, "populated 0"))
                        return 0;
                if (left <= 0)
                        return -EBUSY;
                (void)poll(&poller, 1, (int)left);
        }
}

static int remove_visit(const char *path, const struct stat *info, int type, struct FTW *position) {
        (void)info;
        (void)position;
        return type == FTW_DP && rmdir(path) < 0 ? -errno : 0;
}

int cgroup_remove(const char *path) {
        int r;

        r = cgroup_wait_empty(path);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return nftw(path, remove_visit, DEPTH_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

#define NET_CLS "/mnt"

int cgroup_hold_net_cls(void) {
        if (geteuid() != 0)
                return 0; /* the machine says so */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                mount("net_cls", NET_CLS, "cgroup", 0, "net_cls") < 0) {
                g_printerr("cannot mount net_cls: %s\n", g_strerror(errno));
                return -errno;
        }
        return 0;
}

int cgroup_release_net_cls(const char *name) {
        g_autofree char *group = g_build_filename(NET_CLS, name, NULL);
        int r = 0;

        if (geteuid() != 0)
                return 0;
        if (rmdir(group) < 0 && errno != ENOENT)
                r = -errno;
        return umount(NET_CLS) < 0 && r == 0 ? -errno : r;
}
