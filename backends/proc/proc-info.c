// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/proc/proc-info.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/base/cleanup.h"
#include "backends/proc/proc-file.h"

#define FILE_SIZE_MAX ((size_t)64 * 1024)
/* include/linux/sched.h */
#define PF_EXITING UINT64_C(0x00000004)
#define PF_KTHREAD UINT64_C(0x00200000)

#define DELETED " (deleted)"

/* Takes one number and the blanks before it. */
static bool take_number(const char **text, uint64_t *ret) {
        uint64_t value = 0;
        const char *p = *text + strspn(*text, " \t");

        if (*p < '0' || *p > '9')
                return false;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, 10u, &value) ||
                        __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return false;
        *text = p;
        *ret = value;
        return true;
}

static bool take_pid(const char **text, pid_t *ret) {
        const char *p = *text;
        uint64_t value;

        if (!take_number(&p, &value) || value > INT32_MAX)
                return false;
        *text = p;
        *ret = (pid_t)value;
        return true;
}

/* Steps over @n words. */
static bool skip_words(const char **text, unsigned n) {
        for (; n > 0; n--) {
                size_t length;

                *text += strspn(*text, " ");
                length = strcspn(*text, " \n");
                if (length == 0)
                        return false;
                *text += length;
        }
        return true;
}

/* It is negative while the process ends. */
static bool take_session(const char **text, pid_t *ret) {
        return take_pid(text, ret) || skip_words(text, 1);
}

int proc_parse_stat(const char *text, ProcStat *ret) {
        /* The name may hold anything, brackets and newlines too: it ends at the last bracket. */
        const char *open = strchr(text, '('), *close = strrchr(text, ')');
        ProcStat stat = { 0 };
        uint64_t flags;
        size_t length;

        if (!take_pid(&text, &stat.pid) || stat.pid == 0 || !open || !close || open != text + 1 ||
                close < open)
                return -EBADMSG;
        length = (size_t)(close - open) - 1;
        if (length >= sizeof(stat.comm))
                length = sizeof(stat.comm) - 1;
        memcpy(stat.comm, open + 1, length);

        text = close + 1;
        if (text[0] != ' ' || text[1] == '\0' || text[1] == ' ')
                return -EBADMSG;
        stat.state = text[1];
        text += 2;
        /* 4 parent, 6 session, 9 flags, 22 start time; those between may be negative. */
        if (!take_pid(&text, &stat.parent) || !skip_words(&text, 1) ||
                !take_session(&text, &stat.session) || !skip_words(&text, 2) ||
                !take_number(&text, &flags) || !skip_words(&text, 12) ||
                !take_number(&text, &stat.start_time))
                return -EBADMSG;
        stat.is_kernel_thread = flags & PF_KTHREAD;
        stat.is_exiting = flags & PF_EXITING;
        *ret = stat;
        return 0;
}

/* The rest of the line that begins with @key, or NULL. */
static const char *find_line(const char *text, const char *key) {
        size_t length = strlen(key);

        for (; text; text = strchr(text, '\n'), text = text ? text + 1 : NULL)
                if (strncmp(text, key, length) == 0)
                        return text + length;
        return NULL;
}

int proc_parse_uids(const char *status, ProcUids *ret) {
        const char *line = find_line(status, "Uid:");
        uint64_t ids[4];

        if (!line)
                return -EBADMSG;
        for (size_t i = 0; i < ARRAY_LENGTH(ids); i++)
                if (!take_number(&line, &ids[i]) || ids[i] > UINT32_MAX)
                        return -EBADMSG;
        *ret = (ProcUids){ (uid_t)ids[0], (uid_t)ids[1], (uid_t)ids[2], (uid_t)ids[3] };
        return 0;
}

int proc_parse_fdinfo_pid(const char *text, pid_t *ret) {
        const char *line = find_line(text, "Pid:");
        pid_t pid;

        if (!line)
                return -EBADMSG;
        line += strspn(line, " \t");
        if (strncmp(line, "-1", 2) == 0)
                return -ESRCH;
        if (!take_pid(&line, &pid))
                return -EBADMSG;
        if (pid == 0) /* not in our pid namespace */
                return -ESRCH;
        *ret = pid;
        return 0;
}

static bool list_has(const char *list, size_t length, const char *word) {
        size_t n = strlen(word);

        for (const char *end = list + length; list <= end;) {
                const char *comma = memchr(list, ',', (size_t)(end - list));
                size_t item = (size_t)((comma ? comma : end) - list);

                if (item == n && memcmp(list, word, n) == 0)
                        return true;
                list += item + 1;
        }
        return false;
}

static int copy_group(const char *path, size_t length, char *ret) {
        size_t deleted = strlen(DELETED);

        if (length == 0 || path[0] != '/')
                return -EBADMSG;
        if (length >= PROC_CGROUP_MAX)
                return -ENAMETOOLONG;
        if (length >= deleted && memcmp(path + length - deleted, DELETED, deleted) == 0)
                return -ESTALE;
        if (length >= 3 && memcmp(path, "/..", 3) == 0 && (length == 3 || path[3] == '/'))
                return -EXDEV;
        memcpy(ret, path, length);
        ret[length] = '\0';
        return 0;
}

int proc_parse_cgroup(const char *text, const char *controller, char ret[static PROC_CGROUP_MAX]) {
        /* Lines are ID:CONTROLLERS:PATH; names of groups hold no newline (cgroup_mkdir()). */
        while (*text) {
                size_t length = strcspn(text, "\n");
                const char *list = memchr(text, ':', length), *path;
                size_t list_length;

                if (!list)
                        return -EBADMSG;
                list++;
                path = memchr(list, ':', length - (size_t)(list - text));
                if (!path)
                        return -EBADMSG;
                list_length = (size_t)(path - list);
                path++;
                if (controller ? list_has(list, list_length, controller)
                               : list_length == 0 && strncmp(text, "0:", 2) == 0)
                        return copy_group(path, length - (size_t)(path - text), ret);
                text += length;
                text += *text == '\n';
        }
        return -ENOENT;
}

int proc_open_directory(pid_t pid) {
        char path[32];
        int fd;

        if (pid <= 0)
                return -ESRCH;
        (void)snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        return fd;
}

/* A file that is not there is a process that is not there. */
static int read_file(int directory, const char *name, char **ret) {
        int r = proc_file_read(directory, name, FILE_SIZE_MAX, ret);

        return r == -ENOENT ? -ESRCH : r;
}

int proc_read_stat(int directory, ProcStat *ret) {
        CLEANUP_FREE char *text = NULL;
        int r = read_file(directory, "stat", &text);

        return r < 0 ? r : proc_parse_stat(text, ret);
}

int proc_read_uids(int directory, ProcUids *ret) {
        CLEANUP_FREE char *text = NULL;
        int r = read_file(directory, "status", &text);

        return r < 0 ? r : proc_parse_uids(text, ret);
}

int proc_read_cgroup(int directory, const char *controller, char ret[static PROC_CGROUP_MAX]) {
        CLEANUP_FREE char *text = NULL;
        int r = read_file(directory, "cgroup", &text);

        return r < 0 ? r : proc_parse_cgroup(text, controller, ret);
}

int proc_read_executable(int directory, char ret[static PATH_MAX], bool *ret_deleted) {
        char path[PATH_MAX];
        size_t deleted = strlen(DELETED), length;
        ssize_t n = readlinkat(directory, "exe", path, sizeof(path));
        bool is_deleted;

        if (n < 0)
                return -errno;
        if ((size_t)n >= sizeof(path))
                return -ENAMETOOLONG;
        length = (size_t)n;
        is_deleted = length > deleted && memcmp(path + length - deleted, DELETED, deleted) == 0;
        if (is_deleted) {
                struct stat named, running;

                /* A file may really be called so: then it is the one that runs. */
                path[length] = '\0';
                if (stat(path, &named) == 0 && fstatat(directory, "exe", &running, 0) == 0 &&
                        named.st_dev == running.st_dev && named.st_ino == running.st_ino)
                        is_deleted = false;
                else
                        length -= deleted;
        }
        memcpy(ret, path, length);
        ret[length] = '\0';
        *ret_deleted = is_deleted;
        return 0;
}
