/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A system bus of one's own, with the real polkitd and clients of several users.
 *
 * The test process moves into a mount namespace in which polkit has the
 * actions of this tree and the rules of the test alone; nothing outside is
 * touched, and all that was started goes with the test. Needs root, dbus-daemon
 * and polkitd; bus_fixture_enter() says what is missing, for g_test_skip().
 *
 * Everything runs on the default main context. Waiting is for an event, with a
 * deadline; a deadline that passes ends the test program with the place.
 *
 *      BusFixture *bus = bus_fixture_new();
 *      bus_fixture_start_polkitd(bus, "polkit.addRule(function(a, s) { … });");
 *      BusProcess *daemon = bus_fixture_spawn(bus, BUS_UID_SERVICE, argv, NULL);
 *      bus_fixture_wait_for_name(bus, "org.talpid.Routing");
 *      BusClient *alice = bus_client_new(bus, BUS_UID_ALICE);
 *      reply = bus_client_call(alice, …, &error);
 */

#include <gio/gio.h>
#include <stdbool.h>
#include <sys/types.h>

/* Users that exist inside, whoever exists outside. */
#define BUS_UID_SERVICE ((uid_t)64000) /* the user of the meson option "user" */
#define BUS_UID_ALICE ((uid_t)64001)   /* "alice" */
#define BUS_UID_BOB ((uid_t)64002)     /* "bob" */

#define BUS_DEADLINE_SECONDS 30

/* Runs the main context until @condition holds. */
#define BUS_WAIT_UNTIL(condition)                                                                  \
        do {                                                                                       \
                gint64 wait_until =                                                                \
                        g_get_monotonic_time() + BUS_DEADLINE_SECONDS * G_USEC_PER_SEC;            \
                while (!(condition))                                                               \
                        bus_wait_event(wait_until, #condition, __FILE__, __LINE__);                \
        } while (0)

void bus_wait_event(gint64 until_usec, const char *what, const char *file, int line);

/*
 * Once, in main(), before anything starts a thread. Return: NULL; or why tests
 * on a private bus cannot run here.
 */
const char *bus_fixture_enter(void);

/* The bus */

typedef struct BusFixture BusFixture;

/* Starts dbus-daemon with the policy of a system bus, polkit's and ours. */
BusFixture *bus_fixture_new(void);

/* Kills what is left, waits for it. */
void bus_fixture_free(BusFixture *bus);

const char *bus_fixture_get_address(const BusFixture *bus);

/* Starts polkitd with these rules (JavaScript; NULL: none) and waits until it serves. */
void bus_fixture_start_polkitd(BusFixture *bus, const char *rules);

/* Kills polkitd and waits until its name is gone. Not running: nothing. */
void bus_fixture_stop_polkitd(BusFixture *bus);

void bus_fixture_wait_for_name(BusFixture *bus, const char *name);
void bus_fixture_wait_for_no_name(BusFixture *bus, const char *name);

/* Programs on the bus */

typedef GSubprocess BusProcess;

/*
 * Starts a program with $DBUS_SYSTEM_BUS_ADDRESS and @environment ("KEY=value",
 * NULL-terminated; may be NULL) added. As another user than root it has
 * CAP_NET_ADMIN alone, as the unit gives it. It is killed with the test; free
 * it with bus_process_kill().
 */
BusProcess *bus_fixture_spawn(
        BusFixture *bus, uid_t uid, const char *const *argv, const char *const *environment);

/* SIGKILL, waits for the end, frees. NULL is fine. */
void bus_process_kill(BusProcess *process);

/* Sends @signal_number, waits for the end, frees. Return: exit status; -1 ended by a signal. */
int bus_process_end(BusProcess *process, int signal_number);

/* Clients */

typedef struct BusClient BusClient;

/*
 * Connects as @uid, from a process of its own: to bus daemon and polkit it has
 * that uid and pid, while the connection is at hand here. Passing of file
 * descriptors works.
 */
BusClient *bus_client_new(BusFixture *bus, uid_t uid);

/* Leaves the bus and ends its process, as a crash does. NULL is fine. */
void bus_client_free(BusClient *client);

GDBusConnection *bus_client_get_connection(const BusClient *client);
pid_t bus_client_get_pid(const BusClient *client);

typedef enum BusCallFlags {
        BUS_CALL_PLAIN = 0,
        BUS_CALL_INTERACTIVE = 1 << 0, /* allow interactive authorization */
} BusCallFlags;

/* A call under way. Fields are for reading; @done comes with @reply or @error. */
typedef struct BusCall {
        bool done;
        GVariant *reply;
        GError *error;
        GCancellable *cancellable;
} BusCall;

/* @arguments is a floating tuple, or NULL. Waits for ever if need be. */
BusCall *bus_client_submit(BusClient *client, const char *name, const char *path,
        const char *interface, const char *member, GVariant *arguments, BusCallFlags flags);

/* Forgets the call; its client may still hang in it. NULL is fine. */
void bus_call_free(BusCall *call);

/* D-Bus error name of a finished call, "" when it succeeded. Lives as long as the call. */
const char *bus_call_get_error_name(BusCall *call);

/* bus_client_submit() and waiting for the end. Return: the reply, owned; NULL and @error set. */
GVariant *bus_client_call(BusClient *client, const char *name, const char *path,
        const char *interface, const char *member, GVariant *arguments, BusCallFlags flags,
        GError **error);

/* Passwords */

typedef enum BusAgentAnswer {
        BUS_AGENT_HANGS,     /* the person thinks */
        BUS_AGENT_GRANTS,    /* the right password */
        BUS_AGENT_FAILS,     /* a wrong password */
        BUS_AGENT_DISMISSES, /* the dialog is closed */
} BusAgentAnswer;

/* What a person at the client's screen sees and does. Fields but @answer are for reading. */
typedef struct BusAgent {
        BusAgentAnswer answer;
        unsigned n_begun;
        unsigned n_cancelled;
        char *action;      /* of the last dialog */
        char *message;     /* of the last dialog, $(keys) filled in */
        GVariant *details; /* of the last dialog, a{ss} */

        BusFixture *bus;
        unsigned registration;
        char *path;
        GVariant *subject;
        GPtrArray *invocations; /* dialogs that hang */
} BusAgent;

/* Registers an authentication agent for the process of @client; polkitd must run. */
BusAgent *bus_agent_new(BusFixture *bus, BusClient *client, BusAgentAnswer answer);

/* The person at last types the right password into every dialog that hangs. */
void bus_agent_grant_held(BusAgent *agent);

void bus_agent_free(BusAgent *agent);
