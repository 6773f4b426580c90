/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What settings of the kernel were before we changed them, as text for a file
 * that outlives the process: it is written before the change, so that whoever
 * comes after a crash knows what to put back.
 */

#include "backends/base/array.h"
#include "backends/facts/sysctl.h"

#define SYSCTL_MEMORY_MAX 64 /* entries */

typedef struct SysctlEntry {
        Sysctl ours;    /* what we set */
        int32_t before; /* what others want it to be: the last value that was not ours */
        int32_t seen;   /* what was reported last; not in the file */
} SysctlEntry;

/* Return: the entry of @key's key and device; NULL. */
SysctlEntry *sysctl_memory_find(const Array *entries, const Sysctl *key);

/* Return: 0, *ret is the caller's; -ENOMEM. */
int sysctl_memory_format(const Array *entries, char **ret);

/* Replaces @entries (of SysctlEntry). Return: 0; -EBADMSG, @entries is as before; -ENOMEM. */
int sysctl_memory_parse(const char *text, Array *entries);

/* @path: NULL does nothing. Nothing to remember: there is no file. Return: 0; negative errno. */
int sysctl_memory_read(const char *path, Array *entries);
int sysctl_memory_write(const char *path, const Array *entries);
