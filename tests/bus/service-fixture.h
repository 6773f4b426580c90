/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The whole program on a private bus, in a network namespace of its own.
 *
 * In the namespace: v0 (192.0.2.2/24, default route by 192.0.2.1, metric 100),
 * w0 (198.51.100.2/24, no default route yet), wg0 (10.64.0.2/32) as a device to
 * tunnel through. All are veths whose other ends are up.
 */

#include "tests/lib/bus-agent.h"

#define NAME "org.talpid.Routing"
#define PATH "/org/talpid/Routing"
#define SPLIT_NAME "org.talpid.SplitTunnel"
#define SPLIT_PATH "/org/talpid/SplitTunnel"

#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define LIMITS_EXCEEDED "org.freedesktop.DBus.Error.LimitsExceeded"

#define ALL_YES "polkit.addRule(function(a, s) { return polkit.Result.YES; });"
#define ALL_NO "polkit.addRule(function(a, s) { return polkit.Result.NO; });"
#define ALL_PASSWORD "polkit.addRule(function(a, s) { return polkit.Result.AUTH_ADMIN; });"

typedef struct Service {
        BusFixture *bus;
        BusProcess *process; /* NULL: none runs */
        char *directory;     /* what has to outlive the process */
        BusClient *root, *alice;
} Service;

/* What TALPID_MECHANISM is; "" tries all, with the capabilities of the unit. Default "none". */
extern const char *service_mechanism;

/* Once, in main(), before g_test_run(). Sets why every test is skipped, if so. */
void service_fixture_enter(void);

/* Return: false skipped. @rules: of polkitd; NULL: it is not started. */
bool service_set_up(Service *service, const char *rules, const char *const *arguments);
void service_tear_down(Service *service);

/* The program, started with @arguments (NULL: none) until its names are there. */
void service_start(Service *service, const char *const *arguments);
void service_crash(Service *service);
/* Return: exit status. */
int service_stop(Service *service, int signal_number);

/*
 * Calls a method with arguments in the text form of GVariant. Return: the
 * reply, owned; it has to succeed.
 */
GVariant *service_call(BusClient *client, const char *member, const char *arguments);

/* The same without a look at the reply, and the reply in text form. */
void service_do(BusClient *client, const char *member, const char *arguments);
char *service_print(BusClient *client, const char *member, const char *arguments);

/* The same, which has to fail with @error_name and a message that holds @says (NULL: any). */
void service_call_fails(BusClient *client, const char *member, const char *arguments,
        const char *error_name, const char *says);

/*
 * What these are made of: arguments, a floating tuple in the text form (NULL:
 * none); and the end of the test where a call did not fail as it has to.
 */
GVariant *service_parse(const char *arguments);
void service_check_error(const char *member, const char *arguments, GVariant *reply, GError *error,
        const char *error_name, const char *says);

/* Waits for the end of a call, which has to be of this name ("": it succeeds), and frees it. */
void service_finish(BusCall *pending, const char *error_name);

GVariant *service_get(BusClient *client, const char *property);

/* Whether a text has a part. */
void service_assert_holds(const char *text, const char *part);
void service_assert_lacks(const char *text, const char *part);

/* What a command prints; it has to succeed. */
char *run(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Everything in kernel that could be ours, as text. */
char *kernel_state(void);

/* Whether `ip -4 route show table all` has a line that holds @text. */
bool kernel_has_route(const char *text);

/* Runs the loop until the kernel has (or has not) such a route. */
void kernel_wait_for_route(const char *text, bool there);
