// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/pins.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "backends/base/cleanup.h"
#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/program-set.h"

#define LOCK_TRIES 200
#define LOCK_PAUSE_MSEC 10
#define REOPEN_TRIES 8

#define NEWCOMERS "newcomers"

static const char *hook_name(BpfHook hook) {
        return bpf_hook_info(hook)->name + strlen(BPF_PROGRAM_PREFIX);
}

void pin_name_format(uint64_t group, BpfHook hook, char ret[static PIN_NAME_MAX]) {
        if (group == PINS_NEWCOMERS)
                (void)snprintf(ret, PIN_NAME_MAX, NEWCOMERS "-%s", hook_name(hook));
        else
                (void)snprintf(ret, PIN_NAME_MAX, "%" PRIu64 "-%s", group, hook_name(hook));
}

int pin_name_parse(const char *text, PinName *ret) {
        char again[PIN_NAME_MAX];
        uint64_t group = PINS_NEWCOMERS;
        const char *end;
        char *behind;

        if (strncmp(text, NEWCOMERS, strlen(NEWCOMERS)) == 0)
                end = text + strlen(NEWCOMERS);
        else if (isdigit((unsigned char)text[0])) {
                group = strtoull(text, &behind, 10);
                end = behind;
        } else
                return -EINVAL;
        for (BpfHook hook = 0; *end == '-' && hook < _BPF_HOOK_MAX; hook++) {
                if (strcmp(end + 1, hook_name(hook)) != 0)
                        continue;
                pin_name_format(group, hook, again); /* one spelling of a number */
                if (strcmp(again, text) != 0)
                        return -EINVAL;
                *ret = (PinName){ group, hook };
                return 0;
        }
        return -EINVAL;
}

static int compare_names(const void *a, const void *b) {
        const PinName *x = a, *y = b;

        if (x->group != y->group)
                return x->group < y->group ? -1 : 1;
        return (x->hook > y->hook) - (x->hook < y->hook);
}

/* The directory */

static bool is_bpf_fs(int fd) {
        struct statfs fs;

        return fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == (uint32_t)BPF_FS_MAGIC;
}

/* Opens what @path lies in, whose last part is @name. */
static int open_parent(const char *path, const char *name, Fault *fault) {
        CLEANUP_FREE char *parent = NULL;
        CLEANUP_FD int fd = -1;

        parent = strndup(path, name - path > 1 ? (size_t)(name - path) - 1 : 1);
        if (!parent)
                return bpf_fault(fault, -ENOMEM, "cannot open %s", path);
        fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
                return bpf_fault(fault, -errno, "cannot open %s", parent);
        if (fd < 0 || !is_bpf_fs(fd)) {
                *fault = (Fault){ .error = -EOPNOTSUPP };
                (void)snprintf(
                        fault->text, sizeof(fault->text), "no BPF file system at %.200s", parent);
                return fault->error;
        }
        return TAKE_FD(fd);
}

static bool may_own(const Pins *pins, uid_t uid) {
        return uid == 0 || uid == geteuid() || uid == pins->owner;
}

static int check_directory(const Pins *pins, const char *path, Fault *fault) {
        struct statvfs fs;
        struct stat st;

        if (fstat(pins->fd, &st) < 0 || fstatvfs(pins->fd, &fs) < 0)
                return bpf_fault(fault, -errno, "cannot look at %s", path);
        if (!may_own(pins, st.st_uid))
                return bpf_fault(fault, -EPERM, "%s belongs to user %u", path, (unsigned)st.st_uid);
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return bpf_fault(fault, -EPERM, "others may write to %s", path);
        if (fs.f_flag & ST_RDONLY)
                return bpf_fault(fault, -EROFS, "cannot pin in %s", path);
        return 0;
}

/* Its last user may have let go of all else already. */
static int lock_directory(const Pins *pins, const char *path, bool waits, Fault *fault) {
        for (int i = 0; flock(pins->fd, LOCK_EX | LOCK_NB) < 0; i++) {
                if (errno != EWOULDBLOCK)
                        return bpf_fault(fault, -errno, "cannot lock %s", path);
                if (!waits || i == LOCK_TRIES)
                        return bpf_fault(fault, -EBUSY,
                                "another process uses %s, choose a place by TALPID_BPF_FS", path);
                (void)poll(NULL, 0, LOCK_PAUSE_MSEC);
        }
        return 0;
}

static int open_directory(Pins *pins, int parent, const char *path, bool waits, Fault *fault) {
        const char *name = strrchr(path, '/') + 1;
        int r;

        if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
                return bpf_fault(fault, -errno, "cannot make %s", path);
        pins->fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (pins->fd < 0)
                return bpf_fault(fault, -errno, "cannot open %s", path);
        r = check_directory(pins, path, fault);
        return r < 0 ? r : lock_directory(pins, path, waits, fault);
}

int pins_open(const char *path, uid_t owner, bool waits, Pins *ret, Fault *fault) {
        CLEANUP(pins_close) Pins pins = { .fd = -1, .owner = owner };
        CLEANUP_FD int parent = -1;
        int r;

        parent = open_parent(path, strrchr(path, '/') + 1, fault);
        if (parent < 0)
                return parent;
        r = open_directory(&pins, parent, path, waits, fault);
        /* Whoever had it before may have taken it away at the end. */
        for (int i = 0; r >= 0 && !pins_are_at(&pins, path); i++) {
                if (i == REOPEN_TRIES)
                        return bpf_fault(fault, -EBUSY, "somebody keeps removing %s", path);
                pins_close(&pins);
                r = open_directory(&pins, parent, path, waits, fault);
        }
        if (r < 0)
                return r;
        *ret = (Pins){ TAKE_FD(pins.fd), owner };
        return 0;
}

void pins_close(Pins *pins) {
        pins->fd = fd_close(pins->fd);
}

bool pins_are_at(const Pins *pins, const char *path) {
        struct stat here, there;

        return fstat(pins->fd, &here) == 0 && stat(path, &there) == 0 &&
               here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* What is in it */

int pins_move(const Pins *from, const Pins *to) {
        CLEANUP(array_clear) Array names = ARRAY_INIT(PinName);
        const PinName *name;
        int r;

        r = pins_list(from, &names);
        ARRAY_FOREACH(name, &names) {
                char text[PIN_NAME_MAX];
                CLEANUP_FD int object = -1;

                pin_name_format(name->group, name->hook, text);
                object = pins_get(from, text);
                if (object >= 0 && pins_put(to, text, object) >= 0)
                        (void)pins_remove(from, text); /* a second name does no harm */
        }
        return r;
}

/* bpf(2) takes paths below a descriptor since kernel 6.5 only. */
static void path_of(const Pins *pins, const char *name, char ret[static PIN_NAME_MAX * 2]) {
        (void)snprintf(ret, PIN_NAME_MAX * 2, "/proc/self/fd/%d/%s", pins->fd, name);
}

static int check_pin(const Pins *pins, const char *name) {
        struct stat st;

        if (fstatat(pins->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return S_ISREG(st.st_mode) && may_own(pins, st.st_uid) ? 0 : -EPERM;
}

int pins_get(const Pins *pins, const char *name) {
        char path[PIN_NAME_MAX * 2];
        int r = check_pin(pins, name);

        if (r < 0)
                return r;
        path_of(pins, name, path);
        return bpf_call_get(path);
}

int pins_put(const Pins *pins, const char *name, int object) {
        char path[PIN_NAME_MAX * 2];
        int r;

        path_of(pins, name, path);
        r = bpf_call_pin(object, path);
        return r == -EEXIST ? -EPERM : r;
}

int pins_remove(const Pins *pins, const char *name) {
        int r = check_pin(pins, name);

        if (r < 0)
                return r;
        return unlinkat(pins->fd, name, 0) < 0 ? -errno : 0;
}

int pins_list(const Pins *pins, Array *ret) {
        int fd = openat(pins->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        const struct dirent *entry;
        DIR *directory;

        if (fd < 0)
                return -errno;
        directory = fdopendir(fd);
        if (!directory) {
                (void)fd_close(fd);
                return -ENOMEM;
        }
        for (size_t n = 0; r == 0 && (entry = readdir(directory)); n++) {
                PinName name;

                if (n == PINS_MAX)
                        r = -E2BIG;
                else if (pin_name_parse(entry->d_name, &name) == 0 && !array_append(ret, &name))
                        r = -ENOMEM;
        }
        (void)closedir(directory);
        return r < 0 ? r : array_sort(ret, compare_names);
}
