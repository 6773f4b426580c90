// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "backends/base/cleanup.h"
#include "backends/base/log.h"

static int make_directory(const char *path, uid_t uid, gid_t gid) {
        CLEANUP_FD int fd = -1;
        struct stat status;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDONLY);
        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (status.st_uid != uid && status.st_uid != 0 && geteuid() != 0)
                return -EPERM;

        if (status.st_uid != uid && fchown(fd, uid, gid) < 0)
                return -errno;
        if ((status.st_mode & 0777) != 0700 && fchmod(fd, 0700) < 0)
                return -errno;
        return 0;
}

/*
 * Routes, rules, firewall and marks; the rest is split tunnelling's: control
 * groups of others, their processes and sockets, programs that mark.
 */
static const uint32_t kept[] = { CAP_NET_ADMIN, CAP_DAC_OVERRIDE, CAP_SYS_PTRACE, CAP_BPF,
        CAP_PERFMON };

static bool is_kept(unsigned long capability) {
        for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
                if (kept[i] == capability)
                        return true;
        return false;
}

/* capset(2) has no wrapper in the C library. */
static int keep_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { { 0 } };

        for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
                data[kept[i] / 32].permitted |= UINT32_C(1) << (kept[i] % 32);
        for (size_t i = 0; i < ARRAY_LENGTH(data); i++)
                data[i].effective = data[i].permitted;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int drop_bounding_set(void) {
        for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
                capability++)
                if (!is_kept(capability) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
                        return -errno;
        return 0;
}

static int become(const struct passwd *entry) {
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
                setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
                setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
                return -errno;
        return 0;
}

uid_t privileges_find_user(const char *user) {
        const struct passwd *entry = getpwnam(user);

        return entry ? entry->pw_uid : 0;
}

int privileges_drop(const char *user, const char *directory) {
        const struct passwd *entry = NULL;
        int r;

        if (geteuid() != 0) {
                r = make_directory(directory, geteuid(), getegid());
                if (r < 0)
                        log_error("Cannot use the directory %s: %s. Only root and the user %s run "
                                  "this; others call it, which starts it",
                                directory, strerror(-r), user);
                return r;
        }

        entry = getpwnam(user);
        r = make_directory(directory, entry ? entry->pw_uid : 0, entry ? entry->pw_gid : 0);
        if (r < 0) {
                log_error("Cannot make the directory %s: %s", directory, strerror(-r));
                return r;
        }

        r = drop_bounding_set();
        if (r >= 0 && entry)
                r = become(entry);
        if (r >= 0)
                r = keep_capabilities();
        if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                r = -errno;
        if (r < 0)
                log_error("Cannot give up the powers of root: %s", strerror(-r));
        return r;
}
