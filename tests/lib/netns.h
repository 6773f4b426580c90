/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A network namespace for one test, with a backend that listens in it.
 *
 * The test process itself moves into a new namespace (and a new user namespace
 * unless it is root), never back; every test case gets a fresh one, so nothing
 * of the machine is touched. Where namespaces cannot be made the test is
 * skipped. Waiting means running the event loop until a condition holds, or
 * the test fails at a deadline.
 */

#include <glib.h>
#include <stdbool.h>

#include "backends/facts/fact-set.h"
#include "backends/rtnetlink/rtnetlink.h"

typedef struct Netns {
        sd_event *event;
        Backend *backend;
        FactSet observed; /* what the reports so far add up to */
        unsigned n_changes;
        unsigned n_resyncs;
        uint32_t resync_kinds; /* of all resyncs since it was last cleared */
        FactChange last;
} Netns;

/* Return: whether this process is in a namespace of its own now; otherwise the test is skipped. */
bool netns_enter(void);

/* Runs `ip …` (iproute2) and wants it to succeed. */
void netns_ip(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* As netns_ip(); many lines at once by `ip -batch`. */
void netns_ip_batch(const char *lines);

/* Writes /proc/sys/net/… of the namespace. */
void netns_sysctl(const char *path, const char *value);

uint32_t netns_ifindex(const char *name);

/* Runs the loop until @condition holds. Return: false at the deadline. */
typedef bool (*NetnsCondition)(Netns *netns, const void *userdata);
bool netns_wait(Netns *netns, NetnsCondition condition, const void *userdata);

/* Waits until a fact of the same value is observed, or none of its key is. */
void netns_expect(Netns *netns, const Fact *fact);
void netns_expect_gone(Netns *netns, const Fact *fact);

/* Delivers what waits now. Return: how many times the loop had something to do. */
unsigned netns_settle(Netns *netns);

/* A route as `ip route` would take it, to be completed by the test. */
Route netns_route(const char *destination, const char *gateway, uint32_t ifindex, uint32_t table);

/* Applies one operation. Return: its error. */
int netns_apply(Netns *netns, OperationVerb verb, const Fact *fact, Fault *ret);
int netns_apply_route(Netns *netns, OperationVerb verb, const Route *route);
int netns_apply_rule(Netns *netns, OperationVerb verb, const Rule *rule);

/* What the kernel holds, read by a second backend. Return: the fact of that key; NULL. */
const Fact *netns_dumped(const Fact *key);

/* How `ip route show …` and the like answer. */
char *netns_output(const char *format, ...) G_GNUC_PRINTF(1, 2);

/*
 * Adds a test that runs in a fresh namespace with lo, veth "v0" (10.1.0.1/24, fd01::1/64) and
 * "v1", and a backend after its first resync.
 */
void netns_test_add(const char *path, void (*test)(Netns *netns));
