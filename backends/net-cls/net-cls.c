// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/net-cls/net-cls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "backends/proc/mountinfo.h"
#include "backends/proc/proc-file.h"
#include "backends/proc/proc-info.h"

#define MEMBERS_MAX 65536
#define PASSES_MAX 200
#define CLASS_ID_FILE "net_cls.classid"

struct NetCls {
        int root;
        int group;
        int root_members, group_members; /* cgroup.procs, opened as root */
};

/* Return: a descriptor of the root of the hierarchy; -ENODEV; negative errno. */
static int open_root(const char *point) {
        CLEANUP_FD int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct statfs fs;

        if (fd < 0)
                return errno == ENOENT ? -ENODEV : -errno;
        if (fstatfs(fd, &fs) < 0)
                return -errno;
        if (fs.f_type != CGROUP_SUPER_MAGIC || faccessat(fd, CLASS_ID_FILE, F_OK, 0) < 0)
                return -ENODEV;
        return TAKE_FD(fd);
}

static int find_root(void) {
        CLEANUP_FREE char *text = NULL;
        CLEANUP_FREE Mount *mount_found = malloc(sizeof(*mount_found));
        const char *rest;
        int r;

        if (!mount_found)
                return -ENOMEM;
        r = mountinfo_read(&text);
        if (r < 0)
                return r;
        rest = text;
        while ((r = mountinfo_next(&rest, MOUNT_NET_CLS, mount_found)) > 0) {
                int fd = open_root(mount_found->point);

                if (fd >= 0)
                        return fd;
        }
        return r < 0 ? r : -ENODEV;
}

static int mount_root(const char *directory, Fault *fault) {
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return fault_set(fault, -errno, "cannot make %s: %s", directory, strerror(errno));
        if (mount("net_cls", directory, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "net_cls") < 0)
                return fault_set(fault, errno == EINVAL ? -ENODEV : -errno,
                        "cannot mount net_cls at %s: %s", directory, strerror(errno));
        return open_root(directory);
}

/* Makes the group with its class id. Return: a descriptor; negative errno. */
static int open_group(int root, Fault *fault) {
        CLEANUP_FD int group = -1, file = -1;
        char text[16];
        int length = snprintf(text, sizeof(text), "%u\n", NET_CLS_CLASS_ID);

        if (mkdirat(root, NET_CLS_GROUP, 0755) < 0 && errno != EEXIST)
                return fault_set(fault, -errno, "cannot make the net_cls group %s: %s",
                        NET_CLS_GROUP, strerror(errno));
        group = openat(root, NET_CLS_GROUP, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (group < 0)
                return fault_set(
                        fault, -errno, "cannot open the net_cls group: %s", strerror(errno));
        file = openat(group, CLASS_ID_FILE, O_WRONLY | O_CLOEXEC);
        if (file < 0 || write(file, text, (size_t)length) < 0)
                return fault_set(fault, -errno, "cannot set the class id of the net_cls group: %s",
                        strerror(errno));
        return TAKE_FD(group);
}

static int open_members(int group, int *ret, Fault *fault) {
        *ret = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return *ret >= 0 ? 0
                         : fault_set(fault, -errno, "cannot open a net_cls group: %s",
                                   strerror(errno));
}

int net_cls_open(const char *directory, NetClsFlags flags, NetCls **ret, Fault *fault) {
        CLEANUP(net_cls_free_p) NetCls *net_cls = malloc(sizeof(*net_cls));
        int r;

        if (!net_cls)
                return fault_set(fault, -ENOMEM, "no memory");
        *net_cls = (NetCls){ .root = -1, .group = -1, .root_members = -1, .group_members = -1 };
        if (!directory)
                directory = NET_CLS_MOUNT_DIRECTORY;
        if (geteuid() != 0)
                return fault_set(fault, -EPERM,
                        "on cgroup v1 only root may move processes: let the service start as "
                        "root, which it gives up, by its drop-in 20-net-cls.conf");

        net_cls->root = open_root(directory);
        if (net_cls->root == -ENODEV)
                net_cls->root = find_root();
        if (net_cls->root == -ENODEV && (flags & NET_CLS_MAY_MOUNT)) {
                net_cls->root = mount_root(directory, fault);
                if (net_cls->root < 0)
                        return net_cls->root;
        }
        if (net_cls->root < 0)
                return fault_set(fault, net_cls->root,
                        "it is not mounted, and TALPID_NET_CLS_MOUNT_DIR does not ask for it");
        net_cls->group = open_group(net_cls->root, fault);
        if (net_cls->group < 0)
                return net_cls->group;
        r = open_members(net_cls->root, &net_cls->root_members, fault);
        if (r >= 0)
                r = open_members(net_cls->group, &net_cls->group_members, fault);
        if (r < 0)
                return r;
        *ret = TAKE(net_cls);
        return 0;
}

NetCls *net_cls_free(NetCls *net_cls) {
        if (!net_cls)
                return NULL;
        net_cls->group_members = fd_close(net_cls->group_members);
        net_cls->root_members = fd_close(net_cls->root_members);
        net_cls->group = fd_close(net_cls->group);
        net_cls->root = fd_close(net_cls->root);
        free(net_cls);
        return NULL;
}

typedef enum Place {
        PLACE_ROOT,
        PLACE_OURS, /* our group or one below it */
        PLACE_OTHER,
} Place;

/* Return: a Place; -ESRCH; negative errno. */
static int find_place(const Process *process) {
        static const char ours[] = "/" NET_CLS_GROUP;
        CLEANUP_FD int directory = process_open_directory(process);
        char path[PROC_CGROUP_MAX];
        size_t length = strlen(ours);
        int r;

        if (directory < 0)
                return directory;
        r = proc_read_cgroup(directory, "net_cls", path);
        if (r < 0)
                return r == -ESTALE ? -ESRCH : r;
        if (strcmp(path, "/") == 0)
                return PLACE_ROOT;
        if (strncmp(path, ours, length) == 0 && (path[length] == '\0' || path[length] == '/'))
                return PLACE_OURS;
        return PLACE_OTHER;
}

/* Moves to the group whose members @file lists. Return: 0; -ESRCH; negative errno. */
static int move(int file, const Process *process, Place place) {
        char text[16];
        int length = snprintf(text, sizeof(text), "%d\n", process->pid);
        int r;

        r = process_check(process);
        if (r < 0)
                return r;
        if (write(file, text, (size_t)length) < 0)
                return -errno;
        r = find_place(process); /* checks that it lives still, so that it was the one */
        return r < 0 ? r : r == (int)place ? 0 : -EAGAIN;
}

static int check_process(const Process *process, Fault *fault) {
        int r;

        if (process->pid == 1)
                return fault_set(fault, -EPERM, "the first process is not moved");
        if (process->pid == getpid())
                return fault_set(fault, -EPERM, "this service does not move itself");
        if (process->is_kernel_thread)
                return fault_set(fault, -EPERM, "%d is a thread of the kernel", process->pid);
        r = process_check(process);
        return r < 0 ? fault_set(fault, r, "process %d has ended", process->pid) : 0;
}

static int move_from(NetCls *net_cls, const Process *process, Place from, Place to, Fault *fault) {
        int r;

        r = check_process(process, fault);
        if (r < 0)
                return r;
        r = find_place(process);
        if (r == PLACE_OTHER && to == PLACE_OURS)
                return fault_set(
                        fault, -EBUSY, "process %d is in a net_cls group of others", process->pid);
        if (r >= 0 && r != (int)from)
                return 0;
        if (r >= 0)
                r = move(to == PLACE_OURS ? net_cls->group_members : net_cls->root_members, process,
                        to);
        if (r < 0)
                return fault_set(fault, r, "cannot move process %d on net_cls: %s", process->pid,
                        strerror(-r));
        return 1;
}

int net_cls_exclude_process(NetCls *net_cls, const Process *process, Fault *fault) {
        return move_from(net_cls, process, PLACE_ROOT, PLACE_OURS, fault);
}

int net_cls_return_process(NetCls *net_cls, const Process *process, Fault *fault) {
        return move_from(net_cls, process, PLACE_OURS, PLACE_ROOT, fault);
}

int net_cls_list_members(NetCls *net_cls, Array *pids) {
        CLEANUP_FREE char *text = NULL;
        char *save = NULL;
        size_t n = 0;
        int r;

        r = proc_file_read(net_cls->group, "cgroup.procs", (size_t)12 * MEMBERS_MAX, &text);
        if (r < 0)
                return r;
        for (char *word = strtok_r(text, "\n", &save); word; word = strtok_r(NULL, "\n", &save)) {
                pid_t pid = (pid_t)atoi(word);

                if (pid <= 0) /* outside of our pid namespace */
                        continue;
                if (++n > MEMBERS_MAX)
                        return -E2BIG;
                if (!array_append(pids, &pid))
                        return -ENOMEM;
        }
        return 0;
}

static int return_members(NetCls *net_cls, Fault *fault) {
        CLEANUP(array_clear) Array pids = ARRAY_INIT(pid_t);
        const pid_t *pid;
        int r = net_cls_list_members(net_cls, &pids), error = 0;

        if (r < 0 && r != -E2BIG)
                return fault_set(fault, r, "cannot list the members of the net_cls group");
        ARRAY_FOREACH(pid, &pids) {
                Process member;

                if (process_open(*pid, &member) < 0)
                        continue;
                r = net_cls_return_process(net_cls, &member, fault);
                if (r < 0 && r != -ESRCH)
                        error = r;
                process_clear(&member);
        }
        return error ? error : (int)pids.n;
}

int net_cls_return_all(NetCls *net_cls, Fault *fault) {
        int r = 1;

        for (unsigned i = 0; i < PASSES_MAX && r > 0; i++)
                r = return_members(net_cls, fault);
        return r > 0 ? fault_set(fault, -EAGAIN, "they fork faster than they are moved") : r;
}

int net_cls_remove(NetCls *net_cls, Fault *fault) {
        if (unlinkat(net_cls->root, NET_CLS_GROUP, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return fault_set(fault, errno == EBUSY ? -EAGAIN : -errno,
                        "cannot remove the net_cls group: %s", strerror(errno));
        return 0;
}
