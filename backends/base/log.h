/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * One line a message, to stderr.
 *
 * With $JOURNAL_STREAM set each line carries its syslog(3) level in the form
 * of sd-daemon(3). Messages go out up to the highest level set; control
 * characters in them become '?'. Log where it is decided what happens next; lower layers
 * return errors and do not log above debug.
 */

#include <syslog.h>

/* Highest level that is logged, LOG_ERR … LOG_DEBUG; LOG_INFO at start. */
void log_set_level(int level);
int log_get_level(void);

void log_message(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
        do {                                                                                       \
                if (log_get_level() >= LOG_DEBUG)                                                  \
                        log_message(LOG_DEBUG, __VA_ARGS__);                                       \
        } while (0)
