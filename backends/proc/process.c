// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/proc/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backends/base/cleanup.h"
#include "backends/proc/proc-file.h"

#define CHILDREN_SIZE_MAX ((size_t)12 * (PROCESS_CHILDREN_MAX + 1))

/* linux/pidfd.h of 6.13; the headers we build with may be older. */
struct pidfd_info_v0 {
        uint64_t mask, cgroup_id;
        uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
        int32_t exit_code;
};
#define PIDFD_INFO_V0_CGROUPID (UINT64_C(1) << 2)
#define PIDFD_GET_INFO_V0 _IOWR(0xFF, 11, struct pidfd_info_v0)
#define PIDFS_MAGIC 0x50494446 /* since 6.9 */

_Static_assert(sizeof(struct pidfd_info_v0) == 64, "PIDFD_INFO_SIZE_VER0");

static int open_pidfd(pid_t pid) {
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        if (fd >= 0)
                return fd;
        return errno == ENOENT ? -EINVAL : -errno; /* since 6.15 a thread is ENOENT */
}

/* Numbers of pidfs are never used twice; before 6.9 all pidfds share one anonymous inode. */
static uint64_t unique_id_of(int pidfd) {
        struct statfs fs;
        struct stat st;

        if (fstatfs(pidfd, &fs) < 0 || fs.f_type != PIDFS_MAGIC || fstat(pidfd, &st) < 0)
                return 0;
        return sizeof(st.st_ino) >= sizeof(uint64_t) ? st.st_ino : 0;
}

/* Readable means that all threads ended; only then can the number be given to another. */
int process_check(const Process *process) {
        struct pollfd fd = { .fd = process->pidfd, .events = POLLIN };
        int r = poll(&fd, 1, /* timeout= */ 0);

        if (r < 0)
                return -errno;
        return r == 0 ? 0 : -ESRCH;
}

/* Fills in the rest of a process whose pidfd is open. */
static int fill(Process *process) {
        CLEANUP_FD int directory = proc_open_directory(process->pid);
        ProcStat stat;
        ProcUids uids;
        int r;

        if (directory < 0)
                return directory;
        r = proc_read_stat(directory, &stat);
        if (r < 0)
                return r;
        r = proc_read_uids(directory, &uids);
        if (r < 0)
                return r;

        process->parent = stat.parent;
        process->start_time = stat.start_time;
        process->is_kernel_thread = stat.is_kernel_thread;
        process->uid = uids.real;
        process->fs_uid = uids.fs;
        process->unique_id = unique_id_of(process->pidfd);
        /* Alive after the reading, so what was read is of this process and no other. */
        return process_check(process);
}

int process_open(pid_t pid, Process *ret) {
        Process process = PROCESS_NONE;
        int r;

        if (pid <= 0)
                return -ESRCH;
        process.pid = pid;
        process.pidfd = open_pidfd(pid);
        if (process.pidfd < 0)
                return process.pidfd;
        r = fill(&process);
        if (r < 0) {
                process_clear(&process);
                return r;
        }
        *ret = process;
        return 0;
}

int process_reopen(const ProcessRef *ref, Process *ret) {
        Process process;
        int r;

        r = process_open(ref->pid, &process);
        if (r < 0)
                return r;
        if (process.start_time != ref->start_time) {
                process_clear(&process);
                return -ESRCH;
        }
        *ret = process;
        return 0;
}

/* Asked first, for an ioctl on what a client says is a pidfd might mean anything. */
static bool is_pidfd(int fd) {
        char path[32], target[32];
        struct statfs fs;
        ssize_t n;

        if (fstatfs(fd, &fs) < 0)
                return false;
        if (fs.f_type == PIDFS_MAGIC)
                return true;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target));
        return n == (ssize_t)strlen("anon_inode:[pidfd]") &&
               memcmp(target, "anon_inode:[pidfd]", (size_t)n) == 0;
}

/* Return: 0; -ESRCH; -EOPNOTSUPP the kernel does not have it. */
static int get_info(int pidfd, uint64_t mask, struct pidfd_info_v0 *ret) {
        struct pidfd_info_v0 info = { .mask = mask };

        if (ioctl(pidfd, PIDFD_GET_INFO_V0, &info) >= 0) {
                *ret = info;
                return 0;
        }
        return errno == ENOTTY || errno == EINVAL ? -EOPNOTSUPP
               : errno == EREMOTE                 ? -ESRCH
                                                  : -errno;
}

static int pid_of_pidfd(int pidfd, pid_t *ret) {
        struct pidfd_info_v0 info = { 0 };
        char path[40], text[1024];
        int r;

        r = get_info(pidfd, 0, &info);
        if (r == 0) {
                if (info.pid != info.tgid)
                        return -EINVAL;
                if (info.pid == 0)
                        return -ESRCH;
                *ret = (pid_t)info.pid;
                return 0;
        }
        if (r != -EOPNOTSUPP)
                return r;
        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        r = (int)proc_file_read_into(AT_FDCWD, path, text, sizeof(text));
        return r < 0 ? r : proc_parse_fdinfo_pid(text, ret);
}

int process_from_pidfd(int pidfd, Process *ret) {
        Process process = PROCESS_NONE;
        int r;

        if (pidfd < 0 || !is_pidfd(pidfd))
                return -EBADF;
        r = pid_of_pidfd(pidfd, &process.pid);
        if (r < 0)
                return r;
        process.pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
        if (process.pidfd < 0)
                return -errno;
        r = fill(&process);
        if (r < 0) {
                process_clear(&process);
                return r;
        }
        *ret = process;
        return 0;
}

void process_clear(Process *process) {
        process->pidfd = fd_close(process->pidfd);
}

int process_cgroup_id(const Process *process, uint64_t *ret) {
        struct pidfd_info_v0 info = { 0 };
        int r;

        r = get_info(process->pidfd, PIDFD_INFO_V0_CGROUPID, &info);
        if (r < 0)
                return r;
        if (!(info.mask & PIDFD_INFO_V0_CGROUPID))
                return -EOPNOTSUPP;
        *ret = info.cgroup_id;
        return 0;
}

static inline void close_dir_p(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

static bool is_thread_exiting(int tasks, const char *thread) {
        CLEANUP_FD int directory = openat(tasks, thread, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ProcStat stat;

        return directory < 0 || proc_read_stat(directory, &stat) < 0 || stat.is_exiting;
}

bool process_is_exiting(const Process *process) {
        CLEANUP(close_dir_p) DIR *tasks = NULL;
        const struct dirent *entry;
        char path[40];

        (void)snprintf(path, sizeof(path), "/proc/%d/task", process->pid);
        tasks = opendir(path);
        while (tasks && (entry = readdir(tasks)))
                if (entry->d_name[0] != '.' && !is_thread_exiting(dirfd(tasks), entry->d_name))
                        return process_check(process) < 0;
        return true;
}

int process_open_directory(const Process *process) {
        CLEANUP_FD int directory = proc_open_directory(process->pid);
        int r;

        if (directory < 0)
                return directory;
        r = process_check(process);
        return r < 0 ? r : TAKE_FD(directory);
}

static ProcessRef ref_of(const ProcStat *stat) {
        return (ProcessRef){ .pid = stat->pid,
                .parent = stat->parent,
                .start_time = stat->start_time,
                .leads_session = stat->session == stat->pid };
}

static bool is_listed(pid_t pid, const Array *refs, size_t first) {
        for (size_t i = first; i < refs->n; i++)
                if (((const ProcessRef *)array_at(refs, i))->pid == pid)
                        return true;
        return false;
}

/* Appends one child unless it is another parent's by now. Return: 1; 0 left out; negative errno. */
static int append_child(pid_t pid, pid_t parent, Array *refs, size_t first) {
        CLEANUP_FD int directory = -1;
        ProcStat stat;
        ProcessRef ref;

        if (refs->n - first >= PROCESS_CHILDREN_MAX)
                return -E2BIG;
        directory = proc_open_directory(pid);
        if (directory < 0 || proc_read_stat(directory, &stat) < 0)
                return 0; /* it ended: nothing to find */
        if (stat.parent != parent || proc_state_is_dead(stat.state) || is_listed(pid, refs, first))
                return 0;
        ref = ref_of(&stat);
        return array_append(refs, &ref) ? 1 : -ENOMEM;
}

/* Appends those of one thread. */
static int append_children_of_thread(
        int tasks, const char *thread, pid_t parent, Array *refs, size_t first) {
        CLEANUP_FREE char *text = NULL;
        char path[300], *save = NULL;
        int r;

        (void)snprintf(path, sizeof(path), "%s/children", thread);
        r = proc_file_read(tasks, path, CHILDREN_SIZE_MAX, &text);
        if (r < 0)
                return r;
        for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
                r = append_child((pid_t)atoi(word), parent, refs, first);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Children belong to the thread that forked them. */
static int append_children(pid_t pid, Array *refs, size_t first) {
        CLEANUP(close_dir_p) DIR *tasks = NULL;
        const struct dirent *entry;
        char path[40];

        (void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
        tasks = opendir(path);
        if (!tasks)
                return 0;
        while ((entry = readdir(tasks))) {
                int r;

                if (entry->d_name[0] == '.')
                        continue;
                r = append_children_of_thread(dirfd(tasks), entry->d_name, pid, refs, first);
                if (r < 0 && r != -ENOENT && r != -ESRCH)
                        return r;
        }
        return 0;
}

/* Without CONFIG_PROC_CHILDREN: one look at every process, for one generation. */
static int scan_children(pid_t pid, Array *refs, size_t first) {
        CLEANUP(close_dir_p) DIR *proc = opendir("/proc");
        const struct dirent *entry;

        if (!proc)
                return -errno;
        while ((entry = readdir(proc))) {
                int r;

                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                r = append_child((pid_t)atoi(entry->d_name), pid, refs, first);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_refs(const void *a, const void *b) {
        pid_t x = ((const ProcessRef *)a)->pid, y = ((const ProcessRef *)b)->pid;

        return (x > y) - (x < y);
}

/* Sets *ret to the process itself and @refs from @first on, by number. */
static int sort_family(const ProcessRef *top, const Array *refs, size_t first, Array *ret) {
        if (!array_append(ret, top))
                return -ENOMEM;
        for (size_t i = first; i < refs->n; i++)
                if (!array_append(ret, array_at(refs, i)))
                        return -ENOMEM;
        return array_sort(ret, compare_refs);
}

static bool has_leader(const Array *family) {
        const ProcessRef *ref;

        ARRAY_FOREACH(ref, family) {
                if (ref->leads_session)
                        return true;
        }
        return false;
}

/* Whether @stat is of somebody who is not in the family, but in a session of theirs. */
static bool is_lost_child(const ProcStat *stat, const Array *family) {
        const ProcessRef own = { .pid = stat->pid }, key = { .pid = stat->session };
        const ProcessRef *leader = array_search(family, &key, compare_refs, NULL);

        return leader && leader->leads_session && leader->start_time <= stat->start_time &&
               !proc_state_is_dead(stat->state) && !array_search(family, &own, compare_refs, NULL);
}

/* One look at every process. Return: 0; -E2BIG; negative errno. */
static int append_lost_children(const ProcessRef *top, Array *refs, size_t first) {
        CLEANUP(array_clear) Array family = ARRAY_INIT(ProcessRef);
        CLEANUP(close_dir_p) DIR *proc = NULL;
        const struct dirent *entry;
        int r = sort_family(top, refs, first, &family);

        if (r < 0 || !has_leader(&family))
                return r;
        proc = opendir("/proc");
        if (!proc)
                return -errno;
        while ((entry = readdir(proc))) {
                CLEANUP_FD int directory = -1;
                ProcessRef ref;
                ProcStat stat;

                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                directory = proc_open_directory((pid_t)atoi(entry->d_name));
                if (directory < 0 || proc_read_stat(directory, &stat) < 0 ||
                        !is_lost_child(&stat, &family))
                        continue;
                if (refs->n - first >= PROCESS_CHILDREN_MAX)
                        return -E2BIG;
                ref = ref_of(&stat);
                if (!array_append(refs, &ref))
                        return -ENOMEM;
        }
        return 0;
}

static int append_generation(pid_t pid, Array *refs, size_t first, bool have_files) {
        return have_files ? append_children(pid, refs, first) : scan_children(pid, refs, first);
}

int process_list_children(pid_t pid, Array *refs) {
        bool have_files = access("/proc/thread-self/children", R_OK) == 0;
        CLEANUP_FD int directory = proc_open_directory(pid);
        size_t first = refs->n, next = first;
        ProcStat stat;
        ProcessRef top;
        int r;

        if (directory < 0 || proc_read_stat(directory, &stat) < 0)
                return 0; /* it ended: nothing to find */
        top = ref_of(&stat);
        r = append_generation(pid, refs, first, have_files);
        while (r >= 0) {
                for (; r >= 0 && next < refs->n; next++)
                        r = append_generation(((const ProcessRef *)array_at(refs, next))->pid, refs,
                                first, have_files);
                if (r >= 0)
                        r = append_lost_children(&top, refs, first);
                if (next == refs->n)
                        break;
        }
        return r;
}

int process_list_family(const Process *process, Array *refs) {
        size_t first = refs->n;
        int r = process_list_children(process->pid, refs);

        if (process_check(process) < 0)
                refs->n = first;
        return r;
}
