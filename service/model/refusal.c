// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/refusal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int refusal_set(Refusal *why, RefusalCode code, const char *format, ...) {
        va_list args;

        if (!why)
                return -EPERM;

        why->code = code;
        va_start(args, format);
        (void)vsnprintf(why->text, sizeof(why->text), format, args);
        va_end(args);
        return -EPERM;
}
