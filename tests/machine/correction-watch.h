/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * How long after what others changed our own changes come: links, addresses,
 * routes and rules of both families, as the kernel tells of them.
 *
 * A thread of its own notes when each was told, so that nothing else that the
 * test does delays it. Ours is what carries our protocol number and was asked
 * for by a process: what the kernel drops of ours by itself is foreign. The
 * caller owns the watch. Times are microseconds.
 */

#include <glib.h>

typedef struct CorrectionWatch CorrectionWatch;

CorrectionWatch *correction_watch_new(void);

/*
 * Ends the watch and frees it; appends to @delays (int64_t) one entry for each
 * change of ours: the time since the last foreign one before it. Ends the test
 * when the kernel dropped notifications. Return: how many foreign changes were told.
 */
unsigned correction_watch_end(CorrectionWatch *watch, GArray *delays);
