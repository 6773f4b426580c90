/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What others have on this machine that collides with our marks.
 */

#include "backends/base/array.h"
#include "backends/facts/fact-set.h"
#include "backends/facts/ours.h"

#define CONFLICT_TEXT_MAX 256
#define CULPRIT_MAX 64
#define CONFLICTS_MAX 64

/* Something on this machine that works against us, or beside us. A plain value. */
typedef struct Conflict {
        char kind[16]; /* "mark", "priority", "table", "fight", "overruled", "other-vpn",
                        * "instance", "no-resolver", "firewall" */
        char what[CONFLICT_TEXT_MAX]; /* the fact or setting, and the remedy */
        char owner[CULPRIT_MAX];      /* whose it is, as far as can be told; "" unknown */
} Conflict;

int conflict_compare(const void *a, const void *b);

/*
 * Appends to @ret (Array of Conflict), CONFLICTS_MAX at most. @tunnel_device is
 * that of our tunnel, "" for none. Return: 0; -ENOMEM.
 */
int conflicts_find(
        const FactSet *observed, const Ours *ours, const char *tunnel_device, Array *ret);

/* Appends that @owner, another copy of the service, works here. Return: 0; -ENOMEM. */
int conflicts_put_instance(const char *owner, Array *ret);

/* Appends that what is listed asks no resolver: see desired_refuses_names(). Return: as above. */
int conflicts_put_no_resolver(const char *tunnel_device, Array *ret);

/* Appends that the place of our firewall is taken, as @why says. Return: as above. */
int conflicts_put_firewall(const char *why, Array *ret);
