/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A process for others to move about: of any user, in the namespaces of the
 * test. It sets something up, waits, and ends with the test at the latest.
 */

#include <sys/types.h>

typedef struct Worker {
        pid_t pid;
        int fd;
} Worker;

/*
 * Runs in the process, as its user, before it waits. May start children, which
 * end with it by worker_wait().
 */
typedef void (*WorkerBody)(void *userdata);

/* Return: once @body (NULL: nothing) is done; owned. */
Worker *worker_new(uid_t uid, WorkerBody body, void *userdata);

/* Another one, with the number of a process that has ended. */
Worker *worker_new_again(pid_t pid, uid_t uid);

/* Kills and reaps it and all its descendants. Return: NULL. */
Worker *worker_free(Worker *worker);

/* It starts another program in itself; returns once that runs. */
void worker_exec(Worker *worker);

/* It ends; nobody has reaped it yet. */
void worker_end(Worker *worker);

/* In the process, or a child of it: waits until killed; ends with its parent. */
void worker_wait(void) __attribute__((noreturn));

/* In the process: starts @n children, each with a line of @depth descendants. */
void worker_start_children(unsigned n, unsigned depth);

int worker_pidfd(const Worker *worker);
