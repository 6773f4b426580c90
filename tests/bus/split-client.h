/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Calls of org.talpid.SplitTunnel, arguments and answers as text of GVariant.
 */

#include "tests/bus/service-fixture.h"

#define NOT_SUPPORTED "org.freedesktop.DBus.Error.NotSupported"
#define UNKNOWN_PID "org.freedesktop.DBus.Error.UnixProcessIdUnknown"
#define NO_SUCH_SELECTOR "org.talpid.Error.NoSuchSelector"
#define UNAVAILABLE "org.talpid.Error.BackendUnavailable"
#define NEEDS_PASSWORD "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"

/* What the .policy says of somebody who sits at the machine: own programs alone. */
#define OWN_ONLY                                                                                   \
        "polkit.addRule(function(a, s) { return a.id == 'org.talpid.SplitTunnel.exclude-own' ? "   \
        "polkit.Result.YES : polkit.Result.NO; });"

/* The printed reply; the call has to succeed. @arguments: NULL for none. */
char *split_ask(BusClient *client, const char *member, const char *arguments);
void split_call(BusClient *client, const char *member, const char *arguments);
/* … and may ask for a password. */
void split_call_though_asked(BusClient *client, const char *member, const char *arguments);

/* The same with printf() text for the arguments. */
char *split_askf(BusClient *client, const char *member, const char *format, ...)
        G_GNUC_PRINTF(3, 4);

/* It has to fail with @error_name and a message that holds @says (NULL: any). */
void split_fails(BusClient *client, const char *member, const char *arguments,
        const char *error_name, const char *says);
/* … with a call that may ask for a password. */
void split_fails_though_asked(BusClient *client, const char *member, const char *arguments,
        const char *error_name, const char *says);
void split_failsf(BusClient *client, const char *member, const char *error_name, const char *says,
        const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Methods that take a descriptor and options. */
char *split_ask_fd(BusClient *client, const char *member, int fd, const char *options);
void split_fails_fd(BusClient *client, const char *member, int fd, const char *options,
        const char *error_name, const char *says);

void split_assert_property(BusClient *client, const char *property, const char *expected);

/* The number behind @key in a printed answer; it has to be there. */
guint64 split_number(const char *answer, const char *key);

/* Whether processes can be told apart on this machine; skips the test if not. */
bool split_can_exclude(Service *service);
