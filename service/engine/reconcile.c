// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/reconcile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/base/cleanup.h"
#include "backends/base/log.h"
#include "backends/facts/ours.h"
#include "service/engine/execute.h"
#include "service/model/plan.h"

#define RETRY_MIN_USEC (100 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (30 * USEC_PER_SEC)

void reconciler_init(Reconciler *reconciler) {
        *reconciler = (Reconciler){ .backends = ARRAY_INIT(Backend *),
                .observed = FACT_SET_INIT,
                .desired = FACT_SET_INIT,
                .failures = ARRAY_INIT(Failure),
                .failing = FACT_SET_INIT,
                .held = FACT_SET_INIT,
                .heals = HEAL_LEDGER_INIT,
                .fights = ARRAY_INIT(Conflict),
                .wake_usec = USEC_INFINITY };
        culprit_set_unknown(&reconciler->culprit);
}

void reconciler_clear(Reconciler *reconciler) {
        array_clear(&reconciler->backends);
        fact_set_clear(&reconciler->observed);
        fact_set_clear(&reconciler->desired);
        array_clear(&reconciler->failures);
        fact_set_clear(&reconciler->failing);
        fact_set_clear(&reconciler->held);
        heal_ledger_clear(&reconciler->heals);
        array_clear(&reconciler->fights);
}

void reconciler_wake_at(Reconciler *reconciler, usec_t when_usec) {
        if (when_usec < reconciler->wake_usec)
                reconciler->wake_usec = when_usec;
}

static bool holds(const FactSet *set, const Fact *fact) {
        const Fact *found = fact_set_find(set, fact);

        return found && fact_equals(found, fact);
}

void reconciler_note_author(Reconciler *reconciler, const FactChange *change) {
        Fact of_slot = change->fact;

        if (change->by_us)
                return;
        if (change->takes_slot)
                of_slot.route.protocol = OURS_PROTOCOL;
        else if (!change->removed || !fact_is_ours(&change->fact))
                return;
        if (fact_set_find(&reconciler->desired, &of_slot))
                culprit_find(&reconciler->culprit, change->author);
}

uint32_t reconciler_kinds(const Reconciler *reconciler) {
        Backend **backend;
        uint32_t kinds = 0;

        ARRAY_FOREACH(backend, &reconciler->backends) {
                kinds |= (*backend)->interface->kinds;
        }
        return kinds;
}

bool reconciler_has_kinds(const Reconciler *reconciler, uint32_t kinds) {
        Backend **backend;

        ARRAY_FOREACH(backend, &reconciler->backends) {
                if (((*backend)->interface->kinds & kinds) == kinds)
                        return true;
        }
        return false;
}

/* Return: 0 for IPv4, 1 for IPv6; -1 for what belongs to no family. */
static int slot_of_family(const Fact *fact) {
        if (fact->kind == FACT_RULE)
                return fact->rule.family == AF_INET6;
        return fact->kind == FACT_ROUTE ? fact->route.destination.family == AF_INET6 : -1;
}

static bool lacks_family(const Reconciler *reconciler, const Fact *fact) {
        int slot = slot_of_family(fact);

        return slot >= 0 && reconciler->no_family[slot];
}

/* Plans, but for what a kernel without the family can never hold. */
static int make_plan(const Reconciler *reconciler, const FactSet *desired, Array *ret) {
        Operation *ops;
        size_t n = 0;
        int r;

        r = plan_make(desired, &reconciler->observed, ret);
        if (r < 0 || (!reconciler->no_family[0] && !reconciler->no_family[1]))
                return r;

        ops = ret->items;
        for (size_t i = 0; i < ret->n; i++)
                if (!lacks_family(reconciler, &ops[i].fact))
                        ops[n++] = ops[i];
        ret->n = n;
        return 0;
}

/* Runs a plan; a family the kernel turns out to lack is no failure, but remembered. */
static int run_plan(Reconciler *reconciler, const Array *operations, Array *failures) {
        size_t n = failures->n;
        Failure *f;
        int r;

        r = execute(&reconciler->backends, operations, &reconciler->observed, failures);
        if (r < 0)
                reconciler->must_resync = true;
        reconciler->did_something = reconciler->did_something || operations->n > failures->n - n;

        f = failures->items;
        for (size_t i = n; i < failures->n; i++)
                if (f[i].fault.error == -EAFNOSUPPORT && slot_of_family(&f[i].operation.fact) >= 0)
                        reconciler->no_family[slot_of_family(&f[i].operation.fact)] = true;
                else
                        f[n++] = f[i];
        failures->n = n;
        return r;
}

/* Tells of a fight once, and keeps it among the conflicts while it lasts. */
static void note_fight(Reconciler *reconciler, const Fact *what) {
        Conflict conflict = { .kind = "fight" };
        char text[FACT_TEXT_MAX];

        (void)snprintf(conflict.what, sizeof(conflict.what),
                "somebody keeps undoing %.180s; stop it, or call Refresh", fact_format(what, text));
        (void)snprintf(conflict.owner, sizeof(conflict.owner), "%s", reconciler->culprit.name);
        log_warning("%s (likely %s)", conflict.what, conflict.owner);
        if (reconciler->fights.n < CONFLICTS_MAX)
                (void)array_append(&reconciler->fights, &conflict); /* or else only logged */
}

static int compare_facts(const void *a, const void *b) {
        return fact_compare_key(a, b);
}

/* Makes an ADD take its slot from whoever holds it now. */
static void take_slot(const FactSet *observed, Operation *operation) {
        size_t index;

        operation->verb = OPERATION_REPLACE;
        (void)array_search(&observed->facts, &operation->fact, compare_facts, &index);
        if (index < observed->facts.n) {
                const Fact *next = array_at(&observed->facts, index);

                if (next->kind == FACT_ROUTE &&
                        route_compare_slot(&next->route, &operation->fact.route) == 0)
                        operation->old = *next;
        }
}

/*
 * Sorts out what others undid: an operation for a fact that was wanted before,
 * unchanged, heals. Healing may take its slot back from whoever took it, and
 * is held back when it became a fight.
 */
static int admit_heals(Reconciler *reconciler, Array *operations, Array *heals) {
        usec_t now = clock_now(), when = USEC_INFINITY;
        Operation *ops = operations->items;
        size_t n = 0;
        int r = 0;

        reconciler->held.facts.n = 0;
        for (size_t i = 0; r >= 0 && i < operations->n; i++) {
                const Fact *fact = &ops[i].fact;
                bool new_fight = false;

                if (ops[i].verb == OPERATION_REMOVE || !holds(&reconciler->desired, fact) ||
                        holds(&reconciler->failing, fact)) {
                        ops[n++] = ops[i];
                        continue;
                }
                if (!heal_admit(
                            &reconciler->heals, fact, reconciler->turn, now, &when, &new_fight)) {
                        reconciler_wake_at(reconciler, when);
                        r = fact_set_append(&reconciler->held, fact);
                        continue;
                }
                if (new_fight)
                        note_fight(reconciler, fact);
                (void)array_append(heals, fact); /* without memory: not told */
                if (fact->kind == FACT_ROUTE && ops[i].verb == OPERATION_ADD)
                        take_slot(&reconciler->observed, &ops[i]);
                ops[n++] = ops[i];
        }
        operations->n = n;
        return r < 0 ? r : fact_set_sort(&reconciler->held);
}

static int compare_failures(const void *a, const void *b) {
        const Failure *x = a, *y = b;

        return fact_compare_key(&x->operation.fact, &y->operation.fact);
}

static int collect_failing(Reconciler *reconciler) {
        const Failure *failure;

        reconciler->failing.facts.n = 0;
        ARRAY_FOREACH(failure, &reconciler->failures) {
                if (fact_set_append(&reconciler->failing, &failure->operation.fact) < 0)
                        return -ENOMEM;
        }
        if (array_sort(&reconciler->failures, compare_failures) < 0)
                return -ENOMEM;
        return fact_set_sort(&reconciler->failing);
}

const Failure *reconciler_failure_of(const Reconciler *reconciler, const Fact *key) {
        return array_search(&reconciler->failures, &(Failure){ .operation.fact = *key },
                compare_failures, NULL);
}

static void tell_heals(
        Reconciler *reconciler, const Array *heals, ReconcilerHealed on_healed, void *userdata) {
        const Fact *fact;
        char text[FACT_TEXT_MAX];

        ARRAY_FOREACH(fact, heals) {
                if (holds(&reconciler->failing, fact))
                        continue;
                log_notice("Put right: %s, undone by %s", fact_format(fact, text),
                        reconciler->culprit.name);
                if (on_healed)
                        on_healed(fact, reconciler->culprit.name, userdata);
        }
}

/* The pause grows with each try after a pause, not with the events in between. */
static void schedule_retry(Reconciler *reconciler) {
        usec_t now = clock_now(), pause = reconciler->retry_pause_usec;

        if (reconciler->failures.n == 0) {
                reconciler->retry_pause_usec = 0;
                return;
        }
        if (pause == 0 || now >= reconciler->retry_usec) {
                pause = pause ? pause * 2 : RETRY_MIN_USEC;
                if (pause > RETRY_MAX_USEC)
                        pause = RETRY_MAX_USEC;
                reconciler->retry_pause_usec = pause;
                reconciler->retry_usec = now + pause;
        }
        reconciler_wake_at(reconciler, reconciler->retry_usec);
}

static void take_desired(Reconciler *reconciler, FactSet *desired) {
        fact_set_clear(&reconciler->desired);
        reconciler->desired = *desired;
        *desired = FACT_SET_INIT;
}

int reconciler_settle(
        Reconciler *reconciler, FactSet *desired, ReconcilerHealed on_healed, void *userdata) {
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
        CLEANUP(array_clear) Array heals = ARRAY_INIT(Fact);
        int r;

        r = make_plan(reconciler, desired, &operations);
        if (r >= 0)
                r = admit_heals(reconciler, &operations, &heals);
        if (r < 0)
                return r;

        reconciler->failures.n = 0;
        r = run_plan(reconciler, &operations, &reconciler->failures);
        take_desired(reconciler, desired);
        if (collect_failing(reconciler) < 0)
                r = -ENOMEM;

        schedule_retry(reconciler);
        tell_heals(reconciler, &heals, on_healed, userdata);
        return r;
}

/* What the kernel said, as an answer to the client whose request it was. */
static void refuse_failure(const Failure *failure, Refusal *why) {
        static const struct {
                int error;
                RefusalCode code;
        } codes[] = {
                { -EEXIST, REFUSAL_ROUTE_EXISTS },
                { -ENODEV, REFUSAL_NO_SUCH_LINK },
                { -EINVAL, REFUSAL_INVALID_ARGS },
                { -ENETUNREACH, REFUSAL_INVALID_ARGS },
                { -EHOSTUNREACH, REFUSAL_INVALID_ARGS },
        };
        RefusalCode code = REFUSAL_BACKEND_UNAVAILABLE;
        char text[OPERATION_TEXT_MAX];

        /* Only routes are the client's own words. */
        for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
                if (codes[i].error == failure->fault.error &&
                        failure->operation.fact.kind == FACT_ROUTE)
                        code = codes[i].code;

        (void)operation_format(&failure->operation, text);
        if (code == REFUSAL_ROUTE_EXISTS)
                (void)refusal_set(why, code,
                        "%.200s: the kernel holds one in that place which is not ours; remove it "
                        "or choose another metric",
                        text);
        else
                (void)refusal_set(why, code, "%.200s: %s%s%s", text,
                        strerror(-failure->fault.error), failure->fault.text[0] ? ": " : "",
                        failure->fault.text);
}

/* Goes back to what is wanted, after a request that went wrong half way. */
static void undo(Reconciler *reconciler) {
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
        size_t n = 0;
        Operation *ops;
        int r;

        r = make_plan(reconciler, &reconciler->desired, &operations);
        ops = operations.items;
        for (size_t i = 0; i < operations.n; i++)
                if (!holds(&reconciler->held, &ops[i].fact))
                        ops[n++] = ops[i];
        operations.n = n;
        if (r >= 0)
                r = run_plan(reconciler, &operations, &reconciler->failures);
        if (r < 0 || collect_failing(reconciler) < 0)
                log_error("Out of memory while undoing a request; trying again");
        reconciler_wake_at(reconciler, clock_now());
}

/*
 * Leaves what was wanted before and is not there to reconciler_settle(): it
 * has been tried this turn, or is held back, and is no business of a request.
 */
static void keep_new_operations(const Reconciler *reconciler, Array *operations) {
        Operation *ops = operations->items;
        size_t n = 0;

        for (size_t i = 0; i < operations->n; i++) {
                bool is_old = ops[i].verb == OPERATION_REMOVE
                                      ? !fact_set_find(&reconciler->desired, &ops[i].fact)
                                      : holds(&reconciler->desired, &ops[i].fact);

                if (!is_old)
                        ops[n++] = ops[i];
        }
        operations->n = n;
}

/* Forgets failures of facts that are not wanted any more. */
static void prune_failures(Reconciler *reconciler) {
        Failure *failures = reconciler->failures.items;
        size_t n = 0;

        for (size_t i = 0; i < reconciler->failures.n; i++) {
                const Operation *operation = &failures[i].operation;

                if (operation->verb == OPERATION_REMOVE ||
                        holds(&reconciler->desired, &operation->fact))
                        failures[n++] = failures[i];
        }
        reconciler->failures.n = n;
        if (collect_failing(reconciler) < 0) /* it shrinks: there is room, but for the sort */
                reconciler->failing.facts.n = 0;
}

int reconciler_try(Reconciler *reconciler, FactSet *desired, Refusal *why) {
        CLEANUP(array_clear) Array operations = ARRAY_INIT(Operation);
        CLEANUP(array_clear) Array failures = ARRAY_INIT(Failure);
        int r;

        r = make_plan(reconciler, desired, &operations);
        if (r < 0)
                return r;

        keep_new_operations(reconciler, &operations);
        r = run_plan(reconciler, &operations, &failures);
        if (r >= 0 && failures.n > 0) {
                reconciler->refused = *(const Failure *)array_at(&failures, 0);
                refuse_failure(&reconciler->refused, why);
                r = -EPERM;
        }
        if (r < 0) {
                undo(reconciler);
                return r;
        }

        take_desired(reconciler, desired);
        prune_failures(reconciler);
        return 0;
}

/* Leaves in @set what is not of @kinds; *ret (may be NULL) takes the rest. Return: 0; -ENOMEM. */
static int split_off(FactSet *set, uint32_t kinds, FactSet *ret) {
        Fact *facts = set->facts.items;
        size_t n = 0;

        for (size_t i = 0; ret && i < set->facts.n; i++)
                if ((kinds & FACT_KIND_BIT(facts[i].kind)) && fact_set_append(ret, &facts[i]) < 0)
                        return -ENOMEM;
        for (size_t i = 0; i < set->facts.n; i++)
                if (!(kinds & FACT_KIND_BIT(facts[i].kind)))
                        facts[n++] = facts[i];
        set->facts.n = n;
        return 0;
}

int reconciler_forget(Reconciler *reconciler, uint32_t kinds, FactSet *ret) {
        FactSet *const sets[] = { &reconciler->desired, &reconciler->failing, &reconciler->held };
        Failure *failures = reconciler->failures.items;
        size_t n = 0;

        if (split_off(&reconciler->observed, kinds, ret) < 0) {
                fact_set_clear(ret);
                return -ENOMEM;
        }
        for (size_t i = 0; i < ARRAY_LENGTH(sets); i++)
                (void)split_off(sets[i], kinds, NULL); /* needs no memory */
        for (size_t i = 0; i < reconciler->failures.n; i++)
                if (!(kinds & FACT_KIND_BIT(failures[i].operation.fact.kind)))
                        failures[n++] = failures[i];
        reconciler->failures.n = n;
        return 0;
}

void reconciler_forgive(Reconciler *reconciler) {
        heal_forgive(&reconciler->heals);
        reconciler->fights.n = 0;
        reconciler->retry_pause_usec = 0;
        reconciler->no_family[0] = reconciler->no_family[1] = false;
}

bool reconciler_has_lasting_failure(const Reconciler *reconciler) {
        return reconciler->failures.n > 0 && reconciler->retry_pause_usec > RETRY_MIN_USEC;
}
