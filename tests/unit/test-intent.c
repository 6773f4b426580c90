// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/intent.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/model/intent-text.h"
#include "tests/lib/cases.h"
#include "tests/lib/make-fact.h"

#define MAIN RT_TABLE_MAIN

static Owner client(uid_t uid, unsigned number) {
        Owner owner = { .uid = uid };

        if (number)
                (void)g_snprintf(owner.name, sizeof(owner.name), ":1.%u", number);
        return owner;
}

static int run(Intent *intent, IntentChange *change, RefusalCode *ret_code) {
        Refusal why = { 0 };
        int r = intent_apply(intent, change, &why);

        if (r == -EPERM) {
                g_assert_cmpint(why.code, !=, REFUSAL_NONE);
                g_assert_cmpuint(strlen(why.text), >, 10);
        }
        if (ret_code)
                *ret_code = why.code;
        intent_change_clear(change);
        return r;
}

static int add(Intent *intent, Owner owner, WantedRoute wanted, RefusalCode *ret_code) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_ADD_ROUTES;
        change.owner = owner;
        g_assert_nonnull(array_append(&change.routes, &wanted));
        return run(intent, &change, ret_code);
}

/* Many routes at once: 10.x.y.z/32 from @first on. */
static int add_many(Intent *intent, Owner owner, uint32_t first, uint32_t n, RefusalCode *ret) {
        IntentChange change = INTENT_CHANGE_INIT;
        WantedRoute wanted = make_symbolic(MAIN, "10.0.0.0/32", 1);

        change.kind = INTENT_ADD_ROUTES;
        change.owner = owner;
        for (uint32_t i = first; i < first + n; i++) {
                wanted.route.destination.bytes[1] = (uint8_t)(i >> 16);
                wanted.route.destination.bytes[2] = (uint8_t)(i >> 8);
                wanted.route.destination.bytes[3] = (uint8_t)i;
                g_assert_nonnull(array_append(&change.routes, &wanted));
        }
        return run(intent, &change, ret);
}

static int remove_route(
        Intent *intent, Owner owner, const char *destination, bool everybody, RefusalCode *ret) {
        IntentChange change = INTENT_CHANGE_INIT;
        RouteMatch match = { .destination = make_prefix(destination),
                .table = MAIN,
                .any_metric = true,
                .any_node = true };

        change.kind = INTENT_REMOVE_ROUTES;
        change.owner = owner;
        change.everybody = everybody;
        g_assert_nonnull(array_append(&change.matches, &match));
        return run(intent, &change, ret);
}

static int clear(Intent *intent, IntentChangeKind kind, Owner owner, bool everybody) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = kind;
        change.owner = owner;
        change.everybody = everybody;
        return run(intent, &change, NULL);
}

static int set_tunnel(
        Intent *intent, Owner owner, const char *device, bool replace, RefusalCode *ret) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_SET_TUNNEL;
        change.owner = owner;
        change.replace = replace;
        change.tunnel.fail_closed = true;
        (void)g_strlcpy(change.tunnel.device, device, IFNAMSIZ);
        return run(intent, &change, ret);
}

static char *text_of(const Intent *intent) {
        char *text;

        g_assert_cmpint(intent_text_format(intent, &text), ==, 0);
        return text;
}

static void test_add(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;

        g_assert_true(intent_is_empty(&intent));
        g_assert_cmpint(
                add(&intent, client(1000, 5), make_symbolic(MAIN, "9.9.9.9/32", 1), NULL), ==, 1);
        g_assert_cmpint(
                add(&intent, client(1000, 5), make_symbolic(MAIN, "9.9.9.9/32", 1), NULL), ==, 0);
        g_assert_cmpuint(intent.routes.n, ==, 1);
        g_assert_cmpint(intent_owner_lifetime(&intent, 0), ==, LIFETIME_CLIENT);
        g_assert_false(intent_is_empty(&intent));
}

static void test_two_owners(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        WantedRoute same = make_symbolic(MAIN, "9.9.9.9/32", 1);

        g_assert_cmpint(add(&intent, client(1000, 5), same, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(1001, 6), same, NULL), ==, 1);
        g_assert_cmpuint(intent.routes.n, ==, 2);
        g_assert_cmpint(
                clear(&intent, INTENT_DROP_CLIENT, client(1000, 5), /* everybody= */ false), ==, 1);
        g_assert_cmpuint(intent.routes.n, ==, 1);
        g_assert_cmpuint(intent_owner(&intent, 1)->uid, ==, 1001);
}

static void test_different_route(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        RefusalCode code;

        g_assert_cmpint(
                add(&intent, client(1, 0), make_symbolic(MAIN, "9.9.9.9/32", 1), NULL), ==, 1);
        g_assert_cmpint(
                add(&intent, client(2, 0), make_wanted(MAIN, "9.9.9.9/32", 1, "", "eth0"), &code),
                ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_ROUTE_EXISTS);
        g_assert_cmpint(
                add(&intent, client(1, 0), make_wanted(MAIN, "9.9.9.9/32", 1, "", "eth0"), &code),
                ==, -EPERM);
        g_assert_cmpint(
                add(&intent, client(2, 0), make_wanted(MAIN, "9.9.9.9/32", 2, "", "eth0"), &code),
                ==, 1);
}

static void test_twice_in_one_request(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        IntentChange change = INTENT_CHANGE_INIT;
        WantedRoute wanted = make_symbolic(MAIN, "9.9.9.9/32", 1);
        RefusalCode code;

        change.kind = INTENT_ADD_ROUTES;
        g_assert_nonnull(array_append(&change.routes, &wanted));
        g_assert_nonnull(array_append(&change.routes, &wanted));
        g_assert_cmpint(run(&intent, &change, &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_INVALID_ARGS);
        g_assert_cmpuint(intent.routes.n, ==, 0);
}

static void test_default_follows_itself(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        RefusalCode code;

        g_assert_cmpint(
                add(&intent, client(1, 0), make_symbolic(MAIN, "0.0.0.0/0", 1), &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_INVALID_ARGS);
        g_assert_cmpint(
                add(&intent, client(1, 0), make_symbolic(RT_TABLE_DEFAULT, "::/0", 1), &code), ==,
                -EPERM);
        g_assert_cmpint(
                add(&intent, client(1, 0), make_symbolic(100, "0.0.0.0/0", 1), NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(1, 0),
                                make_wanted(MAIN, "0.0.0.0/0", 1, "192.168.1.1", "eth0"), NULL),
                ==, 1);
}

static void test_route_limit(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        RefusalCode code;

        g_assert_cmpint(
                add_many(&intent, client(1, 0), 0, INTENT_ROUTES_PER_USER_MAX - 1, NULL), ==, 1);
        g_assert_cmpint(add_many(&intent, client(1, 7), 70000, 2, &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_LIMITS_EXCEEDED);
        g_assert_cmpint(add_many(&intent, client(1, 7), 70000, 1, NULL), ==, 1);
        g_assert_cmpint(add_many(&intent, client(1, 0), 70001, 1, &code), ==, -EPERM);
        g_assert_cmpint(add_many(&intent, client(2, 0), 70001, 1, NULL), ==, 1);
        g_assert_cmpuint(intent.routes.n, ==, INTENT_ROUTES_PER_USER_MAX + 1);
}

static void test_lease_limit(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        WantedRoute wanted = make_symbolic(MAIN, "9.9.9.9/32", 1);
        RefusalCode code;

        /* Known once, but holding nothing: it counts like any newcomer when it comes back. */
        g_assert_cmpint(add(&intent, client(3, 1), wanted, NULL), ==, 1);
        g_assert_cmpint(remove_route(&intent, client(3, 1), "9.9.9.9/32", false, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(4, 0), wanted, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(1, 9), wanted, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(1, 8), wanted, NULL), ==, 1);
        g_assert_cmpint(remove_route(&intent, client(1, 9), "9.9.9.9/32", false, NULL), ==, 1);
        g_assert_cmpuint(intent.routes.n, ==, 1);

        for (unsigned i = 0; i < INTENT_LEASES_PER_USER_MAX; i++)
                g_assert_cmpint(add(&intent, client(1, 100 + i), wanted, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(1, 99), wanted, &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_LIMITS_EXCEEDED);
        g_assert_cmpint(add(&intent, client(1, 0), wanted, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(2, 99), wanted, NULL), ==, 1);

        g_assert_cmpint(clear(&intent, INTENT_DROP_CLIENT, client(1, 100), false), ==, 1);
        g_assert_cmpint(add(&intent, client(1, 99), wanted, NULL), ==, 1);
        g_assert_cmpuint(intent.owners.n, <=, INTENT_LEASES_PER_USER_MAX + 4);
}

static void test_known_owner_limit(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        WantedRoute wanted = make_symbolic(MAIN, "9.9.9.9/32", 1);
        RefusalCode code;

        /* Two hold nothing but stay known; a newcomer takes the place of the other one. */
        for (unsigned i = 0; i < INTENT_LEASES_PER_USER_MAX; i++)
                g_assert_cmpint(add(&intent, client(1, 100 + i), wanted, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(2, 1), wanted, NULL), ==, 1);
        g_assert_cmpint(clear(&intent, INTENT_DROP_CLIENT, client(1, 100), false), ==, 1);
        g_assert_cmpint(clear(&intent, INTENT_DROP_CLIENT, client(2, 1), false), ==, 1);
        g_assert_cmpint(add(&intent, client(1, 50), wanted, NULL), ==, 1);
        g_assert_cmpint(add(&intent, client(1, 100), wanted, &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_LIMITS_EXCEEDED);
}

static void test_remove(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        RefusalCode code;

        g_assert_cmpint(
                add(&intent, client(1, 0), make_symbolic(MAIN, "9.9.9.9/32", 1), NULL), ==, 1);
        g_assert_cmpint(
                add(&intent, client(1, 0), make_symbolic(MAIN, "9.9.9.9/32", 2), NULL), ==, 1);
        g_assert_cmpint(
                remove_route(&intent, client(1, 0), "9.9.9.8/32", false, &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_NO_SUCH_ROUTE);
        g_assert_cmpint(
                remove_route(&intent, client(2, 0), "9.9.9.9/32", false, &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_NO_SUCH_ROUTE);
        g_assert_cmpint(remove_route(&intent, client(2, 0), "9.9.9.9/32", true, NULL), ==, 1);
        g_assert_true(intent_is_empty(&intent));
}

static void test_clear(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;

        (void)add_many(&intent, client(1, 0), 0, 10, NULL);
        (void)add_many(&intent, client(1, 5), 10, 10, NULL);
        (void)add_many(&intent, client(2, 6), 20, 10, NULL);
        g_assert_cmpint(clear(&intent, INTENT_CLEAR_ROUTES, client(1, 0), false), ==, 1);
        g_assert_cmpuint(intent.routes.n, ==, 10);
        g_assert_cmpint(clear(&intent, INTENT_CLEAR_ROUTES, client(1, 0), false), ==, 0);
        g_assert_cmpint(clear(&intent, INTENT_CLEAR_ROUTES, client(1, 0), true), ==, 1);
        g_assert_true(intent_is_empty(&intent));
}

static void test_tunnel(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        RefusalCode code;

        g_assert_cmpint(clear(&intent, INTENT_UNSET_TUNNEL, client(1, 0), false), ==, -EPERM);
        g_assert_cmpint(set_tunnel(&intent, client(1, 5), "wg0", false, NULL), ==, 1);
        g_assert_cmpint(set_tunnel(&intent, client(1, 5), "wg0", false, NULL), ==, 0);
        g_assert_cmpint(set_tunnel(&intent, client(1, 5), "wg1", false, NULL), ==, 1);
        g_assert_cmpint(set_tunnel(&intent, client(2, 6), "wg2", false, &code), ==, -EPERM);
        g_assert_cmpint(code, ==, REFUSAL_TUNNEL_EXISTS);
        g_assert_cmpstr(intent.tunnel.device, ==, "wg1");
        g_assert_cmpint(set_tunnel(&intent, client(2, 6), "wg2", true, NULL), ==, 1);
        g_assert_cmpint(clear(&intent, INTENT_DROP_CLIENT, client(1, 5), false), ==, 0);
        g_assert_cmpint(clear(&intent, INTENT_UNSET_TUNNEL, client(1, 5), false), ==, -EPERM);
        g_assert_cmpint(clear(&intent, INTENT_DROP_CLIENT, client(2, 6), false), ==, 1);
        g_assert_false(intent_has_tunnel(&intent));

        g_assert_cmpint(set_tunnel(&intent, client(2, 6), "wg2", false, NULL), ==, 1);
        g_assert_cmpint(clear(&intent, INTENT_UNSET_TUNNEL, client(0, 0), false), ==, 1);
}

static void test_bypass(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;

        for (int i = 0; i < 3; i++) {
                IntentChange change = INTENT_CHANGE_INIT;
                Prefix prefix = prefix_default(i ? AF_INET : AF_INET6);
                RefusalCode code;

                change.kind = INTENT_SET_TUNNEL;
                (void)g_strlcpy(change.tunnel.device, "wg0", IFNAMSIZ);
                for (unsigned k = 0; k <= (i == 2 ? INTENT_BYPASS_MAX : 0); k++)
                        g_assert_nonnull(array_append(&change.tunnel.bypass, &prefix));
                g_assert_cmpint(run(&intent, &change, &code), ==, -EPERM);
                g_assert_cmpint(code, ==, i == 2 ? REFUSAL_LIMITS_EXCEEDED : REFUSAL_INVALID_ARGS);
        }
        g_assert_true(intent_is_empty(&intent));
}

static void test_refused_leaves_nothing(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        WantedRoute wanted = make_symbolic(MAIN, "9.9.9.9/32", 1);
        g_autofree char *before = NULL, *after = NULL;

        g_assert_cmpint(add(&intent, client(1, 0), wanted, NULL), ==, 1);
        before = text_of(&intent);
        wanted.symbolic = false;
        g_assert_cmpint(add(&intent, client(2, 5), wanted, NULL), ==, -EPERM);
        after = text_of(&intent);
        g_assert_cmpstr(before, ==, after);
}

/* Random requests */

static void random_change(IntentChange *change) {
        static const char *const destinations[] = { "9.9.9.9/32", "10.0.0.0/8", "2001:db8::/32",
                "8.8.8.8/32" };

        *change = INTENT_CHANGE_INIT;
        change->kind = (IntentChangeKind)g_test_rand_int_range(0, INTENT_DROP_CLIENT + 1);
        change->owner =
                client((uid_t)g_test_rand_int_range(0, 3), (unsigned)g_test_rand_int_range(0, 4));
        /* A bus name belongs to one user. */
        if (change->owner.name[0])
                (void)g_snprintf(change->owner.name, BUS_NAME_MAX, ":1.%u%d", change->owner.uid,
                        g_test_rand_int_range(0, 3));
        else if (change->kind == INTENT_DROP_CLIENT)
                change->owner = client(change->owner.uid, change->owner.uid * 10);
        if (change->kind == INTENT_DROP_CLIENT && !change->owner.name[0])
                (void)g_strlcpy(change->owner.name, ":1.0", BUS_NAME_MAX);
        change->everybody = g_test_rand_int_range(0, 5) == 0;
        change->replace = g_test_rand_bit();
        for (int i = g_test_rand_int_range(1, 4); i > 0; i--) {
                const char *destination =
                        destinations[g_test_rand_int_range(0, G_N_ELEMENTS(destinations))];
                WantedRoute wanted =
                        make_wanted(MAIN, destination, (uint32_t)g_test_rand_int_range(1, 3), "",
                                g_test_rand_int_range(0, 4) ? "eth0" : "eth1");
                RouteMatch match = { .destination = wanted.route.destination,
                        .table = MAIN,
                        .any_metric = g_test_rand_bit(),
                        .metric = 1,
                        .any_node = g_test_rand_bit(),
                        .device = "eth0" };

                if (change->kind == INTENT_ADD_ROUTES)
                        g_assert_nonnull(array_append(&change->routes, &wanted));
                if (change->kind == INTENT_REMOVE_ROUTES)
                        g_assert_nonnull(array_append(&change->matches, &match));
        }
        if (change->kind == INTENT_SET_TUNNEL)
                (void)g_snprintf(
                        change->tunnel.device, IFNAMSIZ, "wg%d", g_test_rand_int_range(0, 2));
}

static void assert_sound(const Intent *intent) {
        for (size_t i = 0; i < intent->routes.n; i++) {
                const WantedRoute *b = array_at(&intent->routes, i);
                const WantedRoute *a = i ? array_at(&intent->routes, i - 1) : NULL;

                g_assert_cmpuint(b->owner, <, intent->owners.n);
                if (!a)
                        continue;
                g_assert_cmpint(wanted_route_compare(a, b), <, 0);
                if (route_compare_slot(&a->route, &b->route) == 0)
                        g_assert_cmpstr(a->device, ==, b->device);
        }
        if (intent_has_tunnel(intent))
                g_assert_cmpuint(intent->tunnel.owner, <, intent->owners.n);
        for (uint32_t i = 0; i < intent->owners.n; i++)
                for (uint32_t k = 0; k < i; k++)
                        g_assert_cmpint(
                                owner_compare(intent_owner(intent, i), intent_owner(intent, k)), !=,
                                0);
}

/* What is not the owner's stays, but for `all` and taking over. */
static void assert_others_kept(
        const Intent *before, const Intent *after, const IntentChange *change) {
        const WantedRoute *wanted;

        if (change->everybody)
                return;
        ARRAY_FOREACH(wanted, &before->routes) {
                const Owner *owner = intent_owner(before, wanted->owner);

                if (change->kind == INTENT_DROP_CLIENT
                                ? strcmp(owner->name, change->owner.name) == 0
                                : owner->uid == change->owner.uid)
                        continue;
                g_assert_nonnull(array_search(&after->routes, wanted, wanted_route_compare, NULL));
                g_assert_cmpint(owner_compare(owner, intent_owner(after, wanted->owner)), ==, 0);
        }
}

static void test_random(void) {
        for (int round = 0; round < 200; round++) {
                CLEANUP(intent_clear) Intent intent = INTENT_INIT;

                for (int i = 0; i < 60; i++) {
                        CLEANUP(intent_clear) Intent before = INTENT_INIT, read = INTENT_INIT;
                        g_autofree char *old = text_of(&intent), *now = NULL, *again = NULL;
                        IntentChange change;
                        Refusal why;
                        int r;

                        g_assert_cmpint(intent_copy(&before, &intent), ==, 0);
                        random_change(&change);
                        r = intent_apply(&intent, &change, &why);
                        now = text_of(&intent);
                        if (r <= 0)
                                g_assert_cmpstr(old, ==, now);
                        else
                                g_assert_cmpstr(old, !=, now);
                        assert_sound(&intent);
                        assert_others_kept(&before, &intent, &change);

                        if (r > 0 && change.kind != INTENT_REMOVE_ROUTES) {
                                r = intent_apply(&intent, &change, &why);
                                g_assert_cmpint(
                                        r, ==, change.kind == INTENT_UNSET_TUNNEL ? -EPERM : 0);
                        }
                        intent_change_clear(&change);

                        g_assert_cmpint(intent_text_parse(now, &read), ==, 0);
                        again = text_of(&read);
                        g_assert_cmpstr(now, ==, again);
                }
        }
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "asking-twice-changes-nothing", test_add },
                { "two-owners-may-want-the-same", test_two_owners },
                { "two-different-routes-have-no-room-in-one-slot", test_different_route },
                { "one-request-names-a-slot-once", test_twice_in_one_request },
                { "default-route-cannot-follow-itself", test_default_follows_itself },
                { "routes-of-a-user-are-bounded", test_route_limit },
                { "leases-of-a-user-are-bounded", test_lease_limit },
                { "an-owner-known-before-is-bounded-too", test_known_owner_limit },
                { "remove-means-the-own-user-s-routes", test_remove },
                { "clear-means-the-own-user-s-routes", test_clear },
                { "tunnel-has-one-owner", test_tunnel },
                { "bypass-is-bounded-and-never-everything", test_bypass },
                { "refused-leaves-nothing-behind", test_refused_leaves_nothing },
                { "random-requests-keep-it-sound", test_random },
        };

        return CASES_MAIN(argc, argv, "/intent/", tests);
}
