// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * What a person typed and saw, as a file of the tree, done again.
 *
 * Lines that begin with "$ " are given to sh(1); below each is what it showed,
 * and "= N" where it did not end with 0. What differs from run to run is
 * written as a word in capitals: MAC, PID, TIME, UUID, and so on.
 */

#include "tests/machine/lib/terminal.h"

typedef enum TranscriptPlace {
        TRANSCRIPT_PIPE,     /* output and errors into one pipe */
        TRANSCRIPT_TERMINAL, /* escape is shown as "^[" */
} TranscriptPlace;

/* Ends the test when anything is different, with both told. */
void transcript_check(const char *path, TranscriptPlace place);
