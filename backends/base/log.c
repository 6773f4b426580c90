// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int level_max = LOG_INFO;

void log_set_level(int level) {
        level_max = level;
}

int log_get_level(void) {
        return level_max;
}

/*
 * With $JOURNAL_STREAM set, stderr is the journal's and understands the
 * "<level>" prefix of sd-daemon(3); a terminal gets the bare line.
 */
void log_message(int level, const char *format, ...) {
        char line[1024];
        va_list args;

        if (level > level_max)
                return;

        va_start(args, format);
        (void)vsnprintf(line, sizeof(line), format, args);
        va_end(args);

        for (char *c = line; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        *c = '?'; /* kernel names and client strings cannot forge a second line */

        if (getenv("JOURNAL_STREAM"))
                (void)fprintf(stderr, "<%d>%s\n", level, line);
        else
                (void)fprintf(stderr, "talpidd: %s\n", line);
}
