/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Our directory in a BPF file system: what is pinned there outlives the process.
 *
 * A link is pinned as GROUP-HOOK, the number of its cgroup2 directory and the
 * end of the program's name: "785-connect4". So the directory alone tells what
 * of ours is attached, and where; emptying it detaches everything. The programs
 * for what is new are "newcomers-connect4", in the number of no group. Other names
 * are left alone, and so is what belongs to another user or is no plain file.
 *
 * Errors: -ENOENT nothing has this name; -EPERM something has it that is not
 * ours; other negative errno.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/base/array.h"
#include "backends/cgroup-bpf/bpf-program.h"
#include "backends/facts/operation.h"

#define PINS_MAX (1u << 18) /* looked at; twelve of a group */
#define PIN_NAME_MAX 40

typedef struct Pins {
        int fd;      /* of the directory, locked; -1: not open */
        uid_t owner; /* whose it may be, besides root's and ours */
} Pins;

#define PINS_INIT                                                                                  \
        (Pins) {                                                                                   \
                .fd = -1                                                                           \
        }

#define PINS_NEWCOMERS UINT64_C(0)

typedef struct PinName {
        uint64_t group; /* or PINS_NEWCOMERS */
        BpfHook hook;
} PinName;

void pin_name_format(uint64_t group, BpfHook hook, char ret[static PIN_NAME_MAX]);

/* Takes what pin_name_format() gives and nothing else. Return: 0; -EINVAL. */
int pin_name_parse(const char *text, PinName *ret);

/**
 * pins_open() - make the directory, if it is not there, and keep others off it
 * @path:   absolute; what it lies in has to be in a BPF file system
 * @owner:  see Pins
 * @waits:  for a moment, for the process that has it and may be on its way out
 *
 * Return: 0, *ret is to be closed; -EOPNOTSUPP no BPF file system; -EROFS; -EBUSY
 * another process uses it; -EPERM somebody else could write to it; negative
 * errno. @fault filled.
 */
int pins_open(const char *path, uid_t owner, bool waits, Pins *ret, Fault *fault);
void pins_close(Pins *pins);

/* Whether @path leads to the open directory still. */
bool pins_are_at(const Pins *pins, const char *path);

/* Return: a file descriptor of the object; negative errno. */
int pins_get(const Pins *pins, const char *name);
int pins_put(const Pins *pins, const char *name, int object);
int pins_remove(const Pins *pins, const char *name);

/* Gives what is in @from its names in @to, as far as it goes. Return: 0; negative errno. */
int pins_move(const Pins *from, const Pins *to);

/* Appends a PinName for each name of that form, sorted. Return: 0; -E2BIG; negative errno. */
int pins_list(const Pins *pins, Array *ret);
