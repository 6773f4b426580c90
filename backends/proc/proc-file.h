/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Small files the kernel writes when they are read: whole, bounded, as text.
 */

#include <stddef.h>
#include <sys/types.h>

/*
 * Reads @path (below @dirfd unless absolute) up to @size_max bytes; what
 * follows is cut. Return: 0, *ret is the caller's to free(); -ENODEV the
 * control group is gone; -ESRCH the process is; negative errno.
 */
int proc_file_read(int dirfd, const char *path, size_t size_max, char **ret);

/* As above into @buffer of @size bytes, ended by NUL. Return: bytes before it; negative errno. */
ssize_t proc_file_read_into(int dirfd, const char *path, char *buffer, size_t size);
