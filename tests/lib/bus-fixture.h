/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A system bus of one's own, with the real polkitd. Its clients: bus-client.h.
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
const char *bus_fixture_get_socket(const BusFixture *bus); /* a path */

/* A connection of root in this process; owned by the fixture. */
GDBusConnection *bus_fixture_get_connection(const BusFixture *bus);

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
