/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The saved intent: read whole, written atomically (new file, then rename), and
 * on the disk when that returns. In a tmpfs that costs nothing; on a disk who
 * calls waits for it.
 */

#include <stddef.h>

#include "service/model/intent.h"

#define STATE_FILE_SIZE_MAX (64u << 20) /* bytes; far above the limits of an intent */

/* Return: 1 read; 0 there is none; -EBADMSG not one of ours; other negative errno. */
int state_file_read(const char *path, Intent *ret);

/* An empty intent removes the file. Return: 0; negative errno, the old file stands, or
 * the new one until a power cut. */
int state_file_write(const char *path, const Intent *intent);
