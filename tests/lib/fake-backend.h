/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A kernel made of one set of facts.
 *
 * It answers operations as Linux does: a taken slot is EEXIST whoever holds it,
 * a missing device ENODEV, one that is down ENETDOWN, a gateway on no link
 * ENETUNREACH, and a link that goes takes its routes along. It embeds a
 * Backend, owns its sets, and outlives engines: a new one finds what the last
 * one left.
 */

#include "backends/backend.h"

typedef struct FakeRefusal {
        bool any;  /* whatever the fact */
        Fact fact; /* otherwise: operations on this one */
        OperationVerb verb;
        size_t n_left;
        Fault fault;
} FakeRefusal;

typedef struct FakeBackend {
        Backend backend;
        BackendInterface interface;
        FactSet facts;      /* what the kernel holds */
        Array operations;   /* of Operation: all that were applied, good or not */
        Array refusals;     /* of FakeRefusal */
        size_t n_applies;   /* calls of apply() */
        size_t n_resyncs;   /* calls of resync() */
        size_t n_lookups;   /* calls of resolve_neighbour() */
        int resync_error;   /* what resync() answers instead */
        uint32_t no_family; /* answered with EAFNOSUPPORT; 0: none */
} FakeBackend;

void fake_backend_init(FakeBackend *fake);

/* It holds marks of groups, resolvers and the firewall too; before an engine has it. */
void fake_backend_hold_all(FakeBackend *fake);
void fake_backend_clear(FakeBackend *fake);

/* Forgets what was counted. */
void fake_backend_reset_counts(FakeBackend *fake);

/* The next @n operations of @verb on @fact (NULL: any) fail that way. */
void fake_backend_refuse(FakeBackend *fake, OperationVerb verb, const Fact *fact, int error,
        const char *text, size_t n);

/* Somebody with netlink port @author does it, and it is reported. */
void fake_backend_add(FakeBackend *fake, Fact fact, uint32_t author);
void fake_backend_remove(FakeBackend *fake, Fact fact, uint32_t author);
void fake_backend_take_slot(FakeBackend *fake, Fact route, uint32_t author);

/* A link goes with its addresses and routes; all of it is reported, the kernel its author. */
void fake_backend_remove_link(FakeBackend *fake, uint32_t ifindex);

/* Something goes without a report, as when messages are lost. */
void fake_backend_lose(FakeBackend *fake, Fact fact);

/* Whether the kernel holds exactly this. */
bool fake_backend_has(const FakeBackend *fake, Fact fact);
