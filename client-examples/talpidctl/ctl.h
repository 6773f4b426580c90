/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One run of talpidctl: how it was asked to speak, its line to the bus, and how
 * it ends.
 *
 * main() owns the Ctl; commands borrow it. A command that fails sets a GError
 * of CTL_ERROR, whose code is the exit status, or one that came over the bus.
 */

#include <gio/gio.h>
#include <stdbool.h>

#include "agent.h"

/* Exit status; talpidctl(1) tells them. */
typedef enum CtlStatus {
        CTL_OK = 0,
        CTL_FAILED = 1,
        CTL_USAGE = 2,
        CTL_UNAVAILABLE = 3,
        CTL_UNAUTHORISED = 4,
        CTL_NOT_FOUND = 5,
} CtlStatus;

typedef enum CtlJson {
        CTL_JSON_OFF,
        CTL_JSON_SHORT,
        CTL_JSON_PRETTY,
} CtlJson;

typedef struct Ctl {
        CtlJson json;
        bool is_terminal; /* a person reads: aligned, with a heading */
        bool colour;
        bool may_ask_password;
        bool has_asked; /* one password a run */
        Agent agent;
        GDBusConnection *bus; /* made at first use */
} Ctl;

#define CTL_ERROR ctl_error_quark()
GQuark ctl_error_quark(void);
