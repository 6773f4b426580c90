// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup2/cgroup-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "backends/base/cleanup.h"
#include "backends/cgroup2/cgroup-path.h"
#include "backends/proc/mountinfo.h"
#include "backends/proc/proc-file.h"

#define FILE_SIZE_MAX 4096

static int open_mount(const char *point) {
        CLEANUP_FD int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct statfs fs;

        if (fd < 0)
                return -errno;
        if (fstatfs(fd, &fs) < 0)
                return -errno;
        return fs.f_type == CGROUP2_SUPER_MAGIC ? TAKE_FD(fd) : -ENODEV;
}

/* The first one that can be opened as such: a later mount may hide one. */
static int find_mount(void) {
        CLEANUP_FREE char *text = NULL;
        CLEANUP_FREE Mount *mount = malloc(sizeof(*mount));
        const char *rest;
        int r;

        if (!mount)
                return -ENOMEM;
        r = mountinfo_read(&text);
        if (r < 0)
                return r;
        rest = text;
        while ((r = mountinfo_next(&rest, MOUNT_CGROUP2, mount)) > 0) {
                int fd = open_mount(mount->point);

                if (fd >= 0)
                        return fd;
        }
        return r < 0 ? r : -ENODEV;
}

int cgroup_tree_open_root(const char *mount) {
        return mount ? open_mount(mount) : find_mount();
}

/*
 * One part of a canonical path: no link is followed, and nothing mounted there.
 * openat2(2) would do a whole path at once, but RestrictSUIDSGID= of
 * systemd.exec(5) takes it away, since its filter cannot look into its argument.
 */
static int open_part(int directory, const char *name, int flags) {
        CLEANUP_FD int fd = -1;
        struct stat above, here;

        do
                fd = openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        if (fd < 0 || fstat(directory, &above) < 0 || fstat(fd, &here) < 0)
                return -errno;
        return above.st_dev == here.st_dev ? TAKE_FD(fd) : -EXDEV;
}

int cgroup_tree_open(int directory, const char *path) {
        CLEANUP_FD int group = -1;
        int r = cgroup_path_check(path);

        if (r < 0)
                return r;
        group = open_part(directory, ".", O_RDONLY | O_DIRECTORY);
        while (group >= 0 && *path) {
                char name[NAME_MAX + 1];
                size_t length = strcspn(path, "/");
                int next;

                if (length > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, path, length);
                name[length] = '\0';
                next = open_part(group, name, O_RDONLY | O_DIRECTORY);
                (void)close(group);
                group = next;
                path += length + (path[length] == '/');
        }
        return group < 0 ? group : TAKE_FD(group);
}

int cgroup_tree_id(int group, uint64_t *ret) {
        struct stat st;

        if (fstat(group, &st) < 0)
                return -errno;
        *ret = st.st_ino;
        return 0;
}

bool cgroup_tree_is_own(int group, uid_t also) {
        struct stat st;

        return fstat(group, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == also);
}

/* Files appear after their directory and go before it: then the group is as good as removed. */
static ssize_t read_control(int group, const char *name, char *buffer, size_t size) {
        return proc_file_read_into(group, name, buffer, size);
}

int cgroup_tree_type(int group) {
        static const char *const names[] = {
                [CGROUP_DOMAIN] = "domain\n",
                [CGROUP_DOMAIN_THREADED] = "domain threaded\n",
                [CGROUP_DOMAIN_INVALID] = "domain invalid\n",
                [CGROUP_THREADED] = "threaded\n",
        };
        char text[64];
        ssize_t n = read_control(group, "cgroup.type", text, sizeof(text));

        if (n == -ENOENT) /* the root has no such file */
                return faccessat(group, "cgroup.procs", F_OK, 0) == 0 ? CGROUP_DOMAIN : -ENODEV;
        if (n < 0)
                return (int)n;
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                if (strcmp(text, names[i]) == 0)
                        return (int)i;
        return -EBADMSG;
}

int cgroup_tree_has_subtree_control(int group) {
        char text[FILE_SIZE_MAX];
        ssize_t n = read_control(group, "cgroup.subtree_control", text, sizeof(text));

        if (n < 0)
                return n == -ENOENT ? -ENODEV : (int)n;
        return text[strspn(text, " \n")] != '\0';
}

int cgroup_tree_is_populated(int group) {
        char text[FILE_SIZE_MAX];
        ssize_t n = read_control(group, "cgroup.events", text, sizeof(text));

        if (n < 0)
                return n == -ENOENT ? -ENODEV : (int)n;
        return strstr(text, "populated 1") != NULL;
}

int cgroup_tree_move(int group, pid_t pid) {
        char text[16];
        int length = snprintf(text, sizeof(text), "%d\n", pid);
        CLEANUP_FD int fd = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return errno == ENOENT ? -ENODEV : -errno;
        do
                n = write(fd, text, (size_t)length);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int cgroup_tree_list_members(int group, Array *pids) {
        CLEANUP_FREE char *text = NULL;
        char *save = NULL;
        size_t n = 0;
        int r;

        r = proc_file_read(group, "cgroup.procs", (size_t)12 * CGROUP_TREE_MEMBERS_MAX, &text);
        if (r < 0)
                return r == -ENOENT ? -ENODEV : r;
        for (char *word = strtok_r(text, "\n", &save); word; word = strtok_r(NULL, "\n", &save)) {
                pid_t pid = (pid_t)atoi(word);

                if (pid <= 0)
                        continue;
                if (++n > CGROUP_TREE_MEMBERS_MAX)
                        return -E2BIG;
                if (!array_append(pids, &pid))
                        return -ENOMEM;
        }
        return 0;
}

static inline void close_dir_p(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

/* Appends the paths below @path to the list of those to visit. */
static int append_below(int group, const char *path, Array *paths, size_t n_max) {
        CLEANUP(close_dir_p) DIR *directory = NULL;
        CLEANUP_FD int copy = fcntl(group, F_DUPFD_CLOEXEC, 3);
        const struct dirent *entry;

        if (copy < 0)
                return -errno;
        directory = fdopendir(copy);
        if (!directory)
                return -errno;
        (void)TAKE_FD(copy);
        rewinddir(directory); /* the position is shared with the descriptor we copied */
        while ((entry = readdir(directory))) {
                CLEANUP_FREE char *below = NULL;
                char joined[PATH_MAX];

                if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
                        strcmp(entry->d_name, "..") == 0)
                        continue;
                if (paths->n >= n_max)
                        return -E2BIG;
                if (cgroup_path_join(path, entry->d_name, joined) < 0 ||
                        cgroup_path_check(joined) < 0)
                        continue;
                below = strdup(joined);
                if (!below || !array_append(paths, &below))
                        return -ENOMEM;
                (void)TAKE(below);
        }
        return 0;
}

static void clear_paths(Array *paths) {
        char **path;

        ARRAY_FOREACH(path, paths)
                free(*path);
        array_clear(paths);
}

int cgroup_tree_walk(int root, const char *path, CgroupVisit visit, void *userdata) {
        CLEANUP(clear_paths) Array paths = ARRAY_INIT(char *);
        CLEANUP_FREE char *first = strdup(path);
        bool is_cut = false;

        if (!first || !array_append(&paths, &first))
                return -ENOMEM;
        (void)TAKE(first);

        for (size_t i = 0; i < paths.n; i++) {
                const char *here = *(char **)array_at(&paths, i);
                CLEANUP_FD int group = cgroup_tree_open(root, here);
                int r;

                if (group < 0) {
                        if (i == 0)
                                return group;
                        continue; /* removed meanwhile */
                }
                r = visit(group, here, userdata);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                r = append_below(group, here, &paths, CGROUP_TREE_DIRECTORIES_MAX);
                if (r == -ENOMEM)
                        return r;
                is_cut |= r == -E2BIG;
        }
        return is_cut ? -E2BIG : 0;
}
