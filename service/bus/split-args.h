/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What clients of org.talpid.SplitTunnel want, as values. Syntax alone, as in
 * args.h. Every reader returns 0; -EPERM and @why; or another negative errno.
 */

#include <systemd/sd-bus.h>

#include "service/bus/options.h"
#include "service/model/intent.h"
#include "service/split/processes.h"

/* What the options of the methods can say. */
typedef struct SplitOptions {
        Lifetime lifetime;
        bool permanent; /* lifetime is LIFETIME_BOOT then */
        bool everybody;
        bool children;
        SplitSockets sockets;
        uint32_t pid; /* 0: any */
} SplitOptions;

/* Which of them a method takes. */
typedef enum SplitOption {
        SPLIT_OPTION_LIFETIME = 1 << 0,  /* boot, client */
        SPLIT_OPTION_PERMANENT = 1 << 1, /* boot, permanent; with LIFETIME all three */
        SPLIT_OPTION_ALL = 1 << 2,
        SPLIT_OPTION_CHILDREN = 1 << 3,
        SPLIT_OPTION_SOCKETS = 1 << 4,
        SPLIT_OPTION_PID = 1 << 5,
} SplitOption;

/* @where: "options", "filter". */
int split_args_read_options(
        sd_bus_message *message, uint32_t mask, const char *where, SplitOptions *ret, Refusal *why);

/*
 * a(ss) → Selector, appended to @selectors; @uid is the caller's. Names of users
 * are looked up, which may ask the name service of the machine.
 */
int split_args_read_selectors(sd_bus_message *message, uid_t uid, Array *selectors, Refusal *why);

/* "exclude", "system" … Return: the value; negative. */
int split_args_read_mode(sd_bus_message *message, SplitMode *ret, Refusal *why);
int split_args_read_dns(sd_bus_message *message, SplitDns *ret, Refusal *why);
