// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * A client of org.talpid.Routing on the machine's bus, with what it heard.
 *
 * Each Client is a bus connection of its own, so a bus name of its own; the
 * caller owns it. Arguments are GVariant text ("([{'destination': …}], …)").
 * Variants returned are full references. `_ok` functions end the test when
 * the call fails. Signals are collected from client_new() on.
 */

#include <gio/gio.h>

#include "tests/machine/lib/machine.h"

#define CLIENT_NAME "org.talpid.Routing"
#define CLIENT_PATH "/org/talpid/Routing"
#define CLIENT_NO_OPTIONS "@a{sv} {}"

/* Keeps the dispatcher script from waking the service; below the root of the machine. */
#define CLIENT_DISPATCHER_MASK "etc/NetworkManager/dispatcher.d/90-talpid"

/*
 * For MachineOptions: lets the sanitizers of a sanitized build work inside the
 * unit's sandbox, and NetworkManager's dispatcher leave the service alone,
 * which would come back at moments that are no test's.
 */
int client_prepare(const char *root);

#define CLIENT_DROP_INS "etc/systemd/system/talpid.service.d/"

typedef struct Client Client;

Client *client_new(Machine *machine);

/* Closes the connection: for the service the client is gone. Return: NULL. */
Client *client_free(Client *client);

GDBusConnection *client_get_bus(Client *client);

/* Return: the reply; NULL and @error. @arguments may be NULL for none. */
GVariant *client_call(Client *client, const char *method, const char *arguments, GError **error);
GVariant *client_call_ok(Client *client, const char *method, const char *arguments);

/* Calls, and asserts that the D-Bus error of this name comes, with @text in its message. */
void client_call_fails(Client *client, const char *method, const char *arguments,
        const char *error_name, const char *text);

/* Return: the value, without its variant. */
GVariant *client_property(Client *client, const char *name);

/* A property's entry as text: "wan0"; "" when it is not there. Caller frees. */
char *client_property_entry(Client *client, const char *property, const char *key);

/* Waits until the entry is @value. */
bool client_wait_for_entry(
        Client *client, const char *property, const char *key, const char *value);

/* What was heard of a signal since the last client_forget(). */
unsigned client_count(Client *client, const char *signal);
GVariant *client_last(Client *client, const char *signal); /* NULL: nothing */
void client_forget(Client *client);

/* The signal heard as number @i, from 0; borrowed until client_forget(). Return: its name; NULL. */
const char *client_heard(Client *client, unsigned i, GVariant **ret_arguments);

/* Waits until @n signals of that name were heard in all. Return: whether they were. */
bool client_wait_for_signals(Client *client, const char *signal, unsigned n);

/* A round trip on the bus: all signals sent before have been heard after it. */
void client_sync(Client *client);

/* Process id of the service; 0: it is not on the bus. Does not start it. */
pid_t client_service_pid(Client *client);

/* Waits until the service is (not) on the bus. */
bool client_wait_for_service(Client *client, bool there);

/* Waits until one that is not process @old is on the bus. */
bool client_wait_for_new_service(Client *client, pid_t old);

/*
 * Sends SIGKILL, and waits until the bus knows the process no more: a call made
 * before would be lost with it. Return: its pid; 0 there was none, or it lives.
 */
pid_t client_kill_service(Client *client);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)
