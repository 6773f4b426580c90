/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Why a request cannot be granted.
 *
 * A refusal is the client's business: it names the offender and the remedy.
 * Faults of kernel, memory or bus are plain negative errnos and never mixed
 * with it. service/bus/errors.c turns codes into D-Bus error names.
 */

typedef enum RefusalCode {
        REFUSAL_NONE,
        REFUSAL_INVALID_ARGS,
        REFUSAL_LIMITS_EXCEEDED,
        REFUSAL_NOT_SUPPORTED,
        REFUSAL_NO_SUCH_LINK,
        REFUSAL_NO_SUCH_ROUTE,
        REFUSAL_ROUTE_EXISTS,
        REFUSAL_TUNNEL_EXISTS,
        REFUSAL_NO_TUNNEL,
        REFUSAL_DEVICE_HELD, /* by another VPN */
        REFUSAL_OTHER_INSTANCE,
        REFUSAL_NO_DEFAULT_ROUTE,
        REFUSAL_NO_SUCH_SELECTOR,
        REFUSAL_PROCESS_GONE,
        REFUSAL_BACKEND_UNAVAILABLE, /* the kernel said no; the text carries its words */
        _REFUSAL_CODE_MAX,
} RefusalCode;

#define REFUSAL_TEXT_MAX 384

typedef struct Refusal {
        RefusalCode code;
        char text[REFUSAL_TEXT_MAX];
} Refusal;

/* Fills @why (may be NULL). Return: always -EPERM, so that callers can return it. */
int refusal_set(Refusal *why, RefusalCode code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
