// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/fake-backend.h"

#include <errno.h>
#include <glib.h>
#include <net/if.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "backends/facts/ours.h"

static void put(FakeBackend *fake, const Fact *fact) {
        g_assert_cmpint(fact_set_put(&fake->facts, fact), ==, 0);
}

/* Return: the first fact in the slot of @route, its index in @ret_index; NULL. */
static const Fact *find_in_slot(const FakeBackend *fake, const Route *route, size_t *ret_index) {
        size_t low = 0, high = fake->facts.facts.n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const Fact *fact = array_at(&fake->facts.facts, middle);

                if (fact->kind < FACT_ROUTE ||
                        (fact->kind == FACT_ROUTE && route_compare_slot(&fact->route, route) < 0))
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_index = low;
        if (low < fake->facts.facts.n) {
                const Fact *fact = array_at(&fake->facts.facts, low);

                if (fact->kind == FACT_ROUTE && route_compare_slot(&fact->route, route) == 0)
                        return fact;
        }
        return NULL;
}

static void empty_slot(FakeBackend *fake, const Route *route) {
        size_t index;

        while (find_in_slot(fake, route, &index))
                array_remove(&fake->facts.facts, index);
}

/* Finds the device of a gateway, checks the device of a route. Return: 0; negative errno. */
static int resolve_device(const FakeBackend *fake, Route *route) {
        const Fact *facts, *link;
        size_t n;

        if (route->ifindex == 0 && address_is_set(&route->gateway)) {
                facts = fact_set_of_kind(&fake->facts, FACT_LINK_ADDRESS, &n);
                for (size_t i = 0; i < n && route->ifindex == 0; i++) {
                        Prefix prefix = link_address_prefix(&facts[i].link_address);

                        if (prefix_contains(&prefix, &route->gateway))
                                route->ifindex = facts[i].link_address.ifindex;
                }
                if (route->ifindex == 0)
                        return -ENETUNREACH;
        }
        if (route->ifindex == 0)
                return route_type_is_dead_end(route->type) ? 0 : -ENODEV;

        link = fact_set_find(
                &fake->facts, &(Fact){ .kind = FACT_LINK, .link.ifindex = route->ifindex });
        if (!link)
                return -ENODEV;
        return link->link.flags & IFF_UP ? 0 : -ENETDOWN;
}

static int apply_route(FakeBackend *fake, const Operation *operation) {
        Fact fact = operation->fact;
        const Fact *there;
        size_t index;
        int r;

        if (operation->verb == OPERATION_REMOVE) {
                there = fact_set_find(&fake->facts, &fact);
                if (there && fact_equals(there, &fact))
                        (void)fact_set_remove(&fake->facts, &fact);
                return 0;
        }

        r = resolve_device(fake, &fact.route);
        if (r < 0)
                return r;
        there = find_in_slot(fake, &fact.route, &index);
        if (there) {
                if (operation->verb == OPERATION_ADD)
                        return -EEXIST;
                if (!fact_is_ours(there)) /* ours is overwritten */
                        empty_slot(fake, &fact.route);
        }
        put(fake, &fact);
        return 0;
}

static int apply_rule(FakeBackend *fake, const Operation *operation) {
        if (operation->verb == OPERATION_REMOVE)
                (void)fact_set_remove(&fake->facts, &operation->fact); /* gone already is fine */
        else if (fact_set_find(&fake->facts, &operation->fact))
                return -EEXIST;
        else
                put(fake, &operation->fact);
        return 0;
}

/* What is held by its key and has no more to say. */
static int apply_value(FakeBackend *fake, const Operation *operation) {
        if (operation->verb == OPERATION_REMOVE)
                (void)fact_set_remove(&fake->facts, &operation->fact); /* gone already is fine */
        else if (operation->verb == OPERATION_ADD && fact_set_find(&fake->facts, &operation->fact))
                return -EEXIST;
        else
                put(fake, &operation->fact);
        return 0;
}

/* 0: the fact is of no family. */
static uint32_t fact_family(const Fact *fact) {
        if (fact->kind == FACT_RULE)
                return fact->rule.family;
        return fact->kind == FACT_ROUTE ? fact->route.destination.family : 0;
}

static Fault apply_one(FakeBackend *fake, const Operation *operation) {
        FakeRefusal *refusal;
        int r;

        g_assert_true(fact_is_ours(&operation->fact));

        ARRAY_FOREACH(refusal, &fake->refusals) {
                if (refusal->n_left == 0 || refusal->verb != operation->verb ||
                        !(refusal->any || fact_equals(&refusal->fact, &operation->fact)))
                        continue;
                refusal->n_left--;
                return refusal->fault;
        }
        if (fake->no_family && fact_family(&operation->fact) == fake->no_family)
                r = -EAFNOSUPPORT;
        else if (operation->fact.kind == FACT_RULE)
                r = apply_rule(fake, operation);
        else if (operation->fact.kind == FACT_ROUTE)
                r = apply_route(fake, operation);
        else
                r = apply_value(fake, operation);
        return (Fault){ .error = r };
}

static size_t apply(Backend *backend, const Operation *operations, size_t n, Fault *faults) {
        FakeBackend *fake = (FakeBackend *)backend;
        size_t n_failed = 0;

        fake->n_applies++;
        for (size_t i = 0; i < n; i++) {
                g_assert_nonnull(array_append(&fake->operations, &operations[i]));
                faults[i] = apply_one(fake, &operations[i]);
                n_failed += faults[i].error != 0;
        }
        return n_failed;
}

static int resync(Backend *backend) {
        FakeBackend *fake = (FakeBackend *)backend;
        CLEANUP(fact_set_clear) FactSet facts = FACT_SET_INIT;

        fake->n_resyncs++;
        if (fake->resync_error)
                return fake->resync_error;
        g_assert_cmpint(fact_set_copy(&facts, &fake->facts), ==, 0);
        backend->sink.on_resync(FACT_KIND_BIT(_FACT_KIND_MAX) - 1, &facts, backend->sink.userdata);
        return 0;
}

static void resolve_neighbour(Backend *backend, uint32_t ifindex, const Address *address) {
        ((FakeBackend *)backend)->n_lookups++;
}

static const BackendInterface fake_interface = {
        .name = "fake",
        .kinds = FACT_KIND_BIT(FACT_ROUTE) | FACT_KIND_BIT(FACT_RULE),
        .resync = resync,
        .apply = apply,
        .resolve_neighbour = resolve_neighbour,
};

void fake_backend_init(FakeBackend *fake) {
        *fake = (FakeBackend){ .interface = fake_interface,
                .facts = FACT_SET_INIT,
                .operations = ARRAY_INIT(Operation),
                .refusals = ARRAY_INIT(FakeRefusal) };
        fake->backend.interface = &fake->interface;
}

void fake_backend_hold_all(FakeBackend *fake) {
        fake->interface.kinds |= FACT_KIND_BIT(FACT_MARKED_GROUP) |
                                 FACT_KIND_BIT(FACT_KNOWN_GROUP) | FACT_KIND_BIT(FACT_RESOLVER) |
                                 FACT_KIND_BIT(FACT_FILTER);
}

void fake_backend_clear(FakeBackend *fake) {
        fact_set_clear(&fake->facts);
        array_clear(&fake->operations);
        array_clear(&fake->refusals);
}

void fake_backend_reset_counts(FakeBackend *fake) {
        fake->operations.n = 0;
        fake->n_applies = fake->n_resyncs = fake->n_lookups = 0;
}

void fake_backend_refuse(FakeBackend *fake, OperationVerb verb, const Fact *fact, int error,
        const char *text, size_t n) {
        FakeRefusal refusal = {
                .any = !fact, .verb = verb, .n_left = n, .fault = { .error = error }
        };

        if (fact)
                refusal.fact = *fact;
        (void)g_strlcpy(refusal.fault.text, text, sizeof(refusal.fault.text));
        g_assert_nonnull(array_append(&fake->refusals, &refusal));
}

static void report(FakeBackend *fake, const FactChange *changes, size_t n) {
        if (fake->backend.sink.on_changes)
                fake->backend.sink.on_changes(changes, n, fake->backend.sink.userdata);
}

void fake_backend_add(FakeBackend *fake, Fact fact, uint32_t author) {
        put(fake, &fact);
        report(fake, &(FactChange){ .fact = fact, .author = author }, 1);
}

void fake_backend_remove(FakeBackend *fake, Fact fact, uint32_t author) {
        (void)fact_set_remove(&fake->facts, &fact); /* a report may come late */
        report(fake, &(FactChange){ .fact = fact, .removed = true, .author = author }, 1);
}

void fake_backend_take_slot(FakeBackend *fake, Fact route, uint32_t author) {
        empty_slot(fake, &route.route);
        put(fake, &route);
        report(fake, &(FactChange){ .fact = route, .takes_slot = true, .author = author }, 1);
}

static bool belongs_to(const Fact *fact, uint32_t ifindex) {
        switch (fact->kind) {
        case FACT_LINK:
                return fact->link.ifindex == ifindex;
        case FACT_LINK_ADDRESS:
                return fact->link_address.ifindex == ifindex;
        case FACT_NEIGHBOUR:
                return fact->neighbour.ifindex == ifindex;
        case FACT_ROUTE:
                return fact->route.ifindex == ifindex;
        case FACT_RULE:
        case FACT_MARKED_GROUP:
        case FACT_KNOWN_GROUP:
        case FACT_RESOLVER:
        case FACT_FILTER:
        case FACT_SYSCTL:
        case _FACT_KIND_MAX:
                break;
        }
        return false;
}

void fake_backend_remove_link(FakeBackend *fake, uint32_t ifindex) {
        CLEANUP(array_clear) Array changes = ARRAY_INIT(FactChange);
        FactChange *change;
        const Fact *fact;

        /* Routes sort behind their link, and the kernel reports them first. */
        ARRAY_FOREACH(fact, &fake->facts.facts) {
                if (belongs_to(fact, ifindex))
                        g_assert_nonnull(array_insert(
                                &changes, 0, &(FactChange){ .fact = *fact, .removed = true }));
        }
        ARRAY_FOREACH(change, &changes)
                (void)fact_set_remove(&fake->facts, &change->fact); /* it was just there */
        report(fake, changes.items, changes.n);
}

void fake_backend_lose(FakeBackend *fake, Fact fact) {
        g_assert_true(fact_set_remove(&fake->facts, &fact));
}

bool fake_backend_has(const FakeBackend *fake, Fact fact) {
        const Fact *there = fact_set_find(&fake->facts, &fact);

        return there && fact_equals(there, &fact);
}
