/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Brings the system to what is desired, and knows what it could not have.
 *
 * It owns what is observed and what was desired last; backends are borrowed.
 * What others undid of it is put right within the limits of heal.h; what the
 * kernel refuses is tried again with growing pauses.
 */

#include "backends/backend.h"
#include "backends/base/array.h"
#include "backends/base/clock.h"
#include "service/engine/culprit.h"
#include "service/engine/execute.h"
#include "service/engine/heal.h"
#include "service/model/refusal.h"

typedef struct Reconciler {
        Array backends; /* of Backend * */
        FactSet observed;
        FactSet desired; /* as of the last turn */
        Array failures;  /* of Failure, sorted: what the kernel refused in the last turn */
        FactSet failing; /* the facts of these */
        FactSet held;    /* held back: healing them became a fight */
        Failure refused; /* what reconciler_try() came to grief on last; reset by the caller
                          */
        HealLedger heals;
        Array fights; /* of Conflict: what heals told */
        Culprit culprit;
        uint64_t turn;
        bool no_family[2]; /* the kernel lacks it: IPv4, IPv6 */
        usec_t retry_pause_usec, retry_usec;

        /* For the caller to act on and reset. */
        usec_t wake_usec;   /* the earliest wish of this turn to be called again */
        bool did_something; /* what was applied may change what follows from it */
        bool must_resync;   /* observed is not to be trusted any more */
} Reconciler;

void reconciler_init(Reconciler *reconciler);
void reconciler_clear(Reconciler *reconciler);

/* FACT_KIND_BIT of all that some backend holds. */
uint32_t reconciler_kinds(const Reconciler *reconciler);

/* Whether one backend holds all of @kinds. */
bool reconciler_has_kinds(const Reconciler *reconciler, uint32_t kinds);

typedef void (*ReconcilerHealed)(const Fact *what, const char *culprit, void *userdata);

/**
 * reconciler_settle() - bring the system to what is wanted already
 * @desired:   what is desired now; its content is taken
 * @on_healed: told of each fact put right; may be NULL
 *
 * Return: 0 whether or not all could be had; -ENOMEM.
 */
int reconciler_settle(
        Reconciler *reconciler, FactSet *desired, ReconcilerHealed on_healed, void *userdata);

/**
 * reconciler_try() - bring the system to what a request asks for
 * @desired:   what would be desired; its content is taken on success only
 * @why:       filled when refused: the kernel's words
 *
 * What was desired before and cannot be had is left to reconciler_settle().
 *
 * Return: 0; -EPERM and @why, all undone; -ENOMEM likewise.
 */
int reconciler_try(Reconciler *reconciler, FactSet *desired, Refusal *why);

/*
 * Facts of @kinds are another backend's from now on: as if none were there, nor
 * had been wanted. *ret takes those that were there, it must be empty.
 * Return: 0; -ENOMEM, nothing is forgotten.
 */
int reconciler_forget(Reconciler *reconciler, uint32_t kinds, FactSet *ret);

/* One change as a backend reports it; what it tells of culprits is kept. */
void reconciler_note_author(Reconciler *reconciler, const FactChange *change);

/* Somebody asked to look afresh: pauses end, fights are forgotten. */
void reconciler_forgive(Reconciler *reconciler);

/* One failure may be a race with the kernel; a second one, after a pause, is a state. */
bool reconciler_has_lasting_failure(const Reconciler *reconciler);

/* What came of the fact of that key when it was tried last; NULL: it was not refused. */
const Failure *reconciler_failure_of(const Reconciler *reconciler, const Fact *key);

/* Asks to be called again at @when_usec, or earlier. */
void reconciler_wake_at(Reconciler *reconciler, usec_t when_usec);
