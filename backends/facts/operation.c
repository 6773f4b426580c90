// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/operation.h"

#include <stdarg.h>
#include <stdio.h>

const char *operation_format(const Operation *operation, char text[static OPERATION_TEXT_MAX]) {
        static const char *const verbs[] = {
                [OPERATION_ADD] = "add",
                [OPERATION_REPLACE] = "replace",
                [OPERATION_REMOVE] = "remove",
        };
        char fact[FACT_TEXT_MAX];

        (void)snprintf(text, OPERATION_TEXT_MAX, "%s %s", verbs[operation->verb],
                fact_format(&operation->fact, fact));
        return text;
}

int fault_set(Fault *fault, int error, const char *format, ...) {
        va_list args;

        if (!fault)
                return error;
        fault->error = error;
        va_start(args, format);
        (void)vsnprintf(fault->text, sizeof(fault->text), format, args);
        va_end(args);
        return error;
}
