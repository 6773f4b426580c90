// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/*
 * Calls of org.talpid.SplitTunnel by a Client. Arguments are GVariant text;
 * functions end the test when a call fails.
 */

#include "tests/machine/lib/client.h"

#define SPLIT_NAME "org.talpid.SplitTunnel"
#define SPLIT_PATH "/org/talpid/SplitTunnel"

/* Return: the reply, or NULL with @error set. */
GVariant *split_call(Client *client, const char *method, const char *arguments, GError **error);

/* Return: the reply, to be unreferenced by the caller. */
GVariant *split_call_ok(Client *client, const char *method, const char *arguments);

/* As above, and the reply is of no interest. */
void split_do(Client *client, const char *method, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The means in force: "bpf", "nftables", "net_cls", "none"; caller frees. */
char *split_mechanism(Client *client);

/**
 * split_exclude(), split_include() - AddProcess, RemoveProcess
 * @options:    "'sockets': <'reset'>", without braces
 *
 * Return: the dictionary of the result; caller unreferences.
 */
GVariant *split_exclude(Client *client, pid_t pid, const char *options);
GVariant *split_include(Client *client, pid_t pid, const char *options);

/* A number of such a result; it has to be there. */
unsigned split_number(GVariant *result, const char *key);

/* Nothing is listed, and the mode is "exclude". */
void split_forget_all(Client *client);
