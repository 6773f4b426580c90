// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A program with sockets, which does what the test says one step at a time, so
 * that it can be moved in between. It is socket-program.c, a process of its own.
 *
 * The caller owns the Program. Sockets are named by slots that the test
 * chooses, below PROGRAM_SLOTS_MAX. Each step gives 0 or the negative errno
 * that the program met.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "tests/machine/lib/command.h"

#define PROGRAM_SLOTS_MAX 128

typedef struct Program Program;

/**
 * program_start() - start it from a build directory
 * @where:      uid, cgroup, namespace; its argv is not used; NULL as the caller
 */
Program *program_start(const char *build_dir, const Command *where);

/* Kills and reaps. NULL is fine. Return: NULL. */
Program *program_stop(Program *program);

pid_t program_pid(const Program *program);

int program_socket(Program *program, int slot, int family, int type, int protocol);

/* To the internet by a port; an IPv6 socket with @mapped by its IPv4 address. */
int program_connect(Program *program, int slot, int port, bool mapped);

/**
 * program_ask() - send a question and wait for the answer
 * @port:       where to, for a socket that is not connected; else 0
 * @answer:     takes what the internet said; NULL: any answer is good. Caller frees.
 *
 * Return: 0; -ETIMEDOUT no answer came in two seconds; negative errno.
 */
int program_ask(Program *program, int slot, int port, bool mapped, char **answer);

/* Sends and waits for nothing. */
int program_send(Program *program, int slot, int port, bool mapped);

/* Sends from all of its datagram sockets to a port of the internet, until it is stopped. */
int program_flood(Program *program, int port);

int program_listen(Program *program, int slot, int port);

/* With @abort the other end is told by RST. */
int program_close(Program *program, int slot, bool abort);

/* The program's socket becomes known to another one, which it passed it to. */
int program_pass(Program *program, int slot, Program *other, int other_slot);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Program, program_stop)
