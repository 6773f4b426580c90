/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the kernel tells about one process.
 *
 * Pure parsers of the files of /proc/PID, and readers of them below a
 * directory descriptor of /proc/PID. Such a descriptor stays with its process:
 * once that is gone reads fail with -ESRCH, whoever has the number then.
 * Parsers trust nothing and return -EBADMSG; times are clock ticks since boot
 * as in /proc/PID/stat; see proc_pid_stat(5), proc_pid_status(5), cgroups(7).
 * For a handle that cannot be mistaken see process.h.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_COMM_MAX 64 /* the kernel's is 16, a worker's longer */
#define PROC_CGROUP_MAX PATH_MAX

typedef struct ProcStat {
        pid_t pid;
        pid_t parent;  /* 0: outside of our pid namespace, or none */
        pid_t session; /* 0: the same */
        char comm[PROC_COMM_MAX];
        char state;
        bool is_kernel_thread;
        bool is_exiting; /* the thread runs nothing of its own any more */
        uint64_t start_time;
} ProcStat;

typedef struct ProcUids {
        uid_t real, effective, saved, fs;
} ProcUids;

int proc_parse_stat(const char *text, ProcStat *ret);
int proc_parse_uids(const char *status, ProcUids *ret);

/* "Pid:" of the fdinfo of a pidfd. Return: 0; -ESRCH it is over; -EBADMSG. */
int proc_parse_fdinfo_pid(const char *text, pid_t *ret);

/*
 * Finds the group in the text of /proc/PID/cgroup: of the v1 hierarchy that
 * has @controller, or of v2 with NULL. The path begins with "/".
 *
 * Return: 0; -ENOENT no such hierarchy; -ESTALE the group is removed (a
 * zombie's may be); -EXDEV it is outside of our cgroup namespace;
 * -ENAMETOOLONG; -EBADMSG.
 */
int proc_parse_cgroup(const char *text, const char *controller, char ret[static PROC_CGROUP_MAX]);

/* Whether a state of ProcStat is of a process that has ended. */
static inline bool proc_state_is_dead(char state) {
        return state == 'Z' || state == 'X' || state == 'x';
}

/* Opens /proc/PID. Return: a descriptor of the caller's; -ESRCH; negative errno. */
int proc_open_directory(pid_t pid);

int proc_read_stat(int directory, ProcStat *ret);
int proc_read_uids(int directory, ProcUids *ret);
int proc_read_cgroup(int directory, const char *controller, char ret[static PROC_CGROUP_MAX]);

/*
 * The file it runs, as the kernel names it in our mount namespace; in another
 * one it means nothing. Needs CAP_SYS_PTRACE for other users' processes.
 * *ret_deleted: that name was unlinked or replaced.
 * Return: 0; -ENOENT a kernel thread or zombie; -EACCES; negative errno.
 */
int proc_read_executable(int directory, char ret[static PATH_MAX], bool *ret_deleted);
