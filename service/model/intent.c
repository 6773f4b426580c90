// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/intent.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"

#define TABLE_TEXT_MAX 32

static const char *const lifetime_names[_LIFETIME_MAX] = {
        [LIFETIME_BOOT] = "boot",
        [LIFETIME_CLIENT] = "client",
};

const char *lifetime_name(Lifetime lifetime) {
        assert(lifetime < _LIFETIME_MAX);
        return lifetime_names[lifetime];
}

int lifetime_parse(const char *name) {
        for (int i = 0; i < _LIFETIME_MAX; i++)
                if (strcmp(lifetime_names[i], name) == 0)
                        return i;
        return -EINVAL;
}

int owner_compare(const Owner *a, const Owner *b) {
        if (a->uid != b->uid)
                return a->uid < b->uid ? -1 : 1;
        return strcmp(a->name, b->name);
}

static int wanted_route_compare_slot(const void *a, const void *b) {
        return route_compare_slot(
                &((const WantedRoute *)a)->route, &((const WantedRoute *)b)->route);
}

int wanted_route_compare(const void *a, const void *b) {
        const WantedRoute *x = a, *y = b;
        int c = wanted_route_compare_slot(x, y);

        if (c != 0)
                return c;
        return x->owner < y->owner ? -1 : x->owner > y->owner;
}

/* Whether both ask for the same, whoever asks. */
static bool wanted_route_same(const WantedRoute *a, const WantedRoute *b) {
        return route_compare_value(&a->route, &b->route) == 0 && a->symbolic == b->symbolic &&
               strcmp(a->device, b->device) == 0;
}

static bool wanted_tunnel_same(const WantedTunnel *a, const WantedTunnel *b) {
        if (strcmp(a->device, b->device) != 0 || a->ipv4 != b->ipv4 || a->ipv6 != b->ipv6 ||
                a->mtu != b->mtu || a->allow_lan != b->allow_lan ||
                a->fail_closed != b->fail_closed || a->owner != b->owner ||
                a->bypass.n != b->bypass.n)
                return false;
        for (size_t i = 0; i < a->bypass.n; i++)
                if (prefix_compare(array_at(&a->bypass, i), array_at(&b->bypass, i)) != 0)
                        return false;
        return true;
}

static int wanted_tunnel_copy(WantedTunnel *to, const WantedTunnel *from) {
        Array bypass = to->bypass;
        int r = array_copy(&bypass, &from->bypass);

        if (r < 0) {
                to->bypass = bypass; /* may have moved */
                return r;
        }
        *to = *from;
        to->bypass = bypass;
        return 0;
}

static void wanted_tunnel_clear(WantedTunnel *tunnel) {
        array_clear(&tunnel->bypass);
        *tunnel = (WantedTunnel){ .bypass = ARRAY_INIT(Prefix) };
}

void intent_clear(Intent *intent) {
        array_clear(&intent->owners);
        array_clear(&intent->routes);
        wanted_tunnel_clear(&intent->tunnel);
        split_clear(&intent->split);
}

int intent_copy(Intent *to, const Intent *from) {
        if (array_copy(&to->owners, &from->owners) < 0 ||
                array_copy(&to->routes, &from->routes) < 0)
                return -ENOMEM;
        if (split_copy(&to->split, &from->split) < 0)
                return -ENOMEM;
        to->ours = from->ours;
        return wanted_tunnel_copy(&to->tunnel, &from->tunnel);
}

bool intent_has_tunnel(const Intent *intent) {
        return intent->tunnel.device[0] != '\0';
}

bool intent_is_empty(const Intent *intent) {
        return intent->routes.n == 0 && !intent_has_tunnel(intent) &&
               split_is_empty(&intent->split);
}

const Owner *intent_owner(const Intent *intent, uint32_t index) {
        return array_at(&intent->owners, index);
}

Lifetime intent_owner_lifetime(const Intent *intent, uint32_t index) {
        return intent_owner(intent, index)->name[0] ? LIFETIME_CLIENT : LIFETIME_BOOT;
}

void intent_change_clear(IntentChange *change) {
        array_clear(&change->routes);
        array_clear(&change->matches);
        array_clear(&change->tunnel.bypass);
        array_clear(&change->selectors);
}

static size_t count_routes_of_user(const Intent *intent, uid_t uid) {
        const WantedRoute *wanted;
        size_t n = 0;

        ARRAY_FOREACH(wanted, &intent->routes)
                n += intent_owner(intent, wanted->owner)->uid == uid;
        return n;
}

/* " in table 1985"; of main nothing. */
static const char *in_table(uint32_t table, char buffer[static TABLE_TEXT_MAX]) {
        if (table == RT_TABLE_MAIN)
                return "";
        (void)snprintf(buffer, TABLE_TEXT_MAX, " in table %" PRIu32, table);
        return buffer;
}

/* Checks @wanted against what holds its slot. Return: 1 new; 0 the owner has it; -EPERM. */
static int check_slot(const Intent *intent, const WantedRoute *wanted, Refusal *why) {
        char destination[PREFIX_TEXT_MAX], table[TABLE_TEXT_MAX];
        size_t index;

        (void)array_search(&intent->routes, wanted, wanted_route_compare_slot, &index);
        for (; index < intent->routes.n; index++) {
                const WantedRoute *held = array_at(&intent->routes, index);

                if (wanted_route_compare_slot(held, wanted) != 0)
                        break;
                if (!wanted_route_same(held, wanted))
                        return refusal_set(why, REFUSAL_ROUTE_EXISTS,
                                "a different route to %s%s with metric %u is managed for user "
                                "%u already: remove it first, or choose another metric",
                                prefix_format(&wanted->route.destination, destination),
                                in_table(wanted->route.table, table), wanted->route.metric,
                                intent_owner(intent, held->owner)->uid);
                if (held->owner == wanted->owner)
                        return 0;
        }
        return 1;
}

/* Whether @wanted means something at all. Return: 0; -EPERM. */
static int check_wanted(const WantedRoute *wanted, Refusal *why) {
        const Route *route = &wanted->route;

        if (wanted->symbolic && route->destination.length == 0 &&
                (route->table == RT_TABLE_MAIN || route->table == RT_TABLE_DEFAULT))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "the default route of table %u cannot follow itself: name a gateway or "
                        "device, or choose another table",
                        route->table);
        return 0;
}

/* No two routes of one request have one slot; @added is sorted. Return: 0; -EPERM. */
static int check_added(const Array *added, Refusal *why) {
        for (size_t i = 1; i < added->n; i++) {
                const WantedRoute *a = array_at(added, i - 1), *b = array_at(added, i);
                char destination[PREFIX_TEXT_MAX];

                if (wanted_route_compare_slot(a, b) == 0)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "the request holds two routes to %s of the same table and metric",
                                prefix_format(&b->route.destination, destination));
        }
        return 0;
}

/* Collects what @change adds to @intent, in order. Return: 0; -EPERM; -ENOMEM. */
static int collect_added(
        const Intent *intent, const IntentChange *change, Array *added, Refusal *why) {
        int known = intent_find_owner(intent, &change->owner);
        const WantedRoute *asked;
        int r;

        ARRAY_FOREACH(asked, &change->routes) {
                WantedRoute wanted = *asked;

                wanted.owner = known >= 0 ? (uint32_t)known : UINT32_MAX;
                r = check_wanted(&wanted, why);
                if (r >= 0)
                        r = check_slot(intent, &wanted, why);
                if (r < 0)
                        return r;
                if (r > 0 && !array_append(added, &wanted))
                        return -ENOMEM;
        }
        return array_sort(added, wanted_route_compare) < 0 ? -ENOMEM : check_added(added, why);
}

static int apply_add_routes(Intent *intent, const IntentChange *change, Refusal *why) {
        CLEANUP(array_clear) Array added = ARRAY_INIT(WantedRoute);
        WantedRoute *wanted;
        int owner, r;

        r = collect_added(intent, change, &added, why);
        if (r < 0 || added.n == 0)
                return r;

        if (count_routes_of_user(intent, change->owner.uid) + added.n > INTENT_ROUTES_PER_USER_MAX)
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "user %u would have more than %u routes: remove some first",
                        change->owner.uid, INTENT_ROUTES_PER_USER_MAX);
        if (array_reserve(&intent->routes, added.n) < 0)
                return -ENOMEM;

        owner = intent_find_or_add_owner(intent, &change->owner, why);
        if (owner < 0)
                return owner;

        ARRAY_FOREACH(wanted, &added) {
                wanted->owner = (uint32_t)owner;
                (void)array_append(&intent->routes, wanted); /* room is reserved */
        }
        if (array_sort(&intent->routes, wanted_route_compare) < 0) {
                intent->routes.n -= added.n; /* still as appended */
                return -ENOMEM;
        }
        return 1;
}

static bool match_route(const RouteMatch *match, const WantedRoute *wanted) {
        const Route *route = &wanted->route;

        if (route->table != match->table ||
                prefix_compare(&route->destination, &match->destination) != 0)
                return false;
        if (!match->any_metric && route->metric != match->metric)
                return false;
        return match->any_node || (wanted->symbolic == match->symbolic &&
                                          address_compare(&route->gateway, &match->gateway) == 0 &&
                                          strcmp(wanted->device, match->device) == 0);
}

static int refuse_no_such_route(const RouteMatch *match, const Owner *other, Refusal *why) {
        char destination[PREFIX_TEXT_MAX], table[TABLE_TEXT_MAX];

        (void)prefix_format(&match->destination, destination);
        if (other)
                return refusal_set(why, REFUSAL_NO_SUCH_ROUTE,
                        "the route to %s%s belongs to user %u: say 'all' to remove it", destination,
                        in_table(match->table, table), other->uid);
        return refusal_set(why, REFUSAL_NO_SUCH_ROUTE,
                "no managed route to %s%s like that: see ListRoutes", destination,
                in_table(match->table, table));
}

/* Marks what @match means in @doomed. Return: 0; -EPERM when that is nothing. */
static int doom_matches(const Intent *intent, const IntentChange *change, const RouteMatch *match,
        bool *doomed, Refusal *why) {
        const WantedRoute first = { .route = { .table = match->table,
                                            .destination = match->destination } };
        const Owner *other = NULL;
        bool any = false;
        size_t index;

        (void)array_search(&intent->routes, &first, wanted_route_compare_slot, &index);
        for (; index < intent->routes.n; index++) {
                const WantedRoute *wanted = array_at(&intent->routes, index);
                const Owner *owner = intent_owner(intent, wanted->owner);

                if (wanted->route.table != match->table ||
                        prefix_compare(&wanted->route.destination, &match->destination) != 0)
                        break;
                if (!match_route(match, wanted))
                        continue;
                if (change->everybody || owner->uid == change->owner.uid)
                        any = doomed[index] = true;
                else
                        other = owner;
        }
        return any ? 0 : refuse_no_such_route(match, other, why);
}

/* Drops the routes marked in @doomed. Return: whether there were any. */
static bool drop_doomed(Intent *intent, const bool *doomed) {
        WantedRoute *routes = intent->routes.items;
        size_t n = 0, n_before = intent->routes.n;

        for (size_t i = 0; i < n_before; i++)
                if (!doomed[i])
                        routes[n++] = routes[i];
        intent->routes.n = n;
        return n < n_before;
}

static int apply_remove_routes(Intent *intent, const IntentChange *change, Refusal *why) {
        CLEANUP_FREE bool *doomed = NULL;
        const RouteMatch *match;
        int r;

        doomed = calloc(intent->routes.n + 1, sizeof(bool));
        if (!doomed)
                return -ENOMEM;

        ARRAY_FOREACH(match, &change->matches) {
                r = doom_matches(intent, change, match, doomed, why);
                if (r < 0)
                        return r;
        }
        return drop_doomed(intent, doomed);
}

/* Drops every route whose owner is meant by @change. */
static int apply_clear_routes(Intent *intent, const IntentChange *change) {
        CLEANUP_FREE bool *doomed = NULL;

        doomed = calloc(intent->routes.n + 1, sizeof(bool));
        if (!doomed)
                return -ENOMEM;

        for (size_t i = 0; i < intent->routes.n; i++) {
                const WantedRoute *wanted = array_at(&intent->routes, i);
                const Owner *owner = intent_owner(intent, wanted->owner);

                if (change->kind == INTENT_DROP_CLIENT)
                        doomed[i] = strcmp(owner->name, change->owner.name) == 0;
                else
                        doomed[i] = change->everybody || owner->uid == change->owner.uid;
        }
        return drop_doomed(intent, doomed);
}

static int check_bypass(const Array *bypass, Refusal *why) {
        char destination[PREFIX_TEXT_MAX];
        const Prefix *prefix;

        if (bypass->n > INTENT_BYPASS_MAX)
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "%zu bypass entries; %u are allowed", bypass->n, INTENT_BYPASS_MAX);

        ARRAY_FOREACH(prefix, bypass) {
                if (prefix->length == 0)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "a bypass of %s would leave nothing for the tunnel: set '%s' to "
                                "false instead",
                                prefix_format(prefix, destination), family_name(prefix->family));
        }
        return 0;
}

/* Who asks again for their own. One user may have two VPN clients: those differ by the device. */
static bool is_own_tunnel(const Intent *intent, const IntentChange *change) {
        const Owner *holder = intent_owner(intent, intent->tunnel.owner);

        return owner_compare(holder, &change->owner) == 0 &&
               (holder->name[0] || strcmp(intent->tunnel.device, change->tunnel.device) == 0);
}

static int refuse_second_tunnel(const Intent *intent, Refusal *why) {
        const WantedTunnel *tunnel = &intent->tunnel;
        const Owner *holder = intent_owner(intent, tunnel->owner);

        return refusal_set(why, REFUSAL_TUNNEL_EXISTS,
                "the tunnel is %s, set by user %u%s%s%s%s: say 'replace' to take over",
                tunnel->device, holder->uid, tunnel->setter[0] ? ", " : "", tunnel->setter,
                holder->name[0] ? ", client " : "", holder->name);
}

static int apply_set_tunnel(Intent *intent, const IntentChange *change, Refusal *why) {
        WantedTunnel *tunnel = &intent->tunnel;
        WantedTunnel wanted;
        int owner, r;

        r = check_bypass(&change->tunnel.bypass, why);
        if (r < 0)
                return r;

        if (intent_has_tunnel(intent) && !change->replace && !is_own_tunnel(intent, change))
                return refuse_second_tunnel(intent, why);

        owner = intent_find_or_add_owner(intent, &change->owner, why);
        if (owner < 0)
                return owner;

        wanted = change->tunnel; /* borrows the list for the comparison */
        wanted.owner = (uint32_t)owner;
        if (intent_has_tunnel(intent) && wanted_tunnel_same(tunnel, &wanted))
                return 0;
        return wanted_tunnel_copy(tunnel, &wanted) < 0 ? -ENOMEM : 1;
}

static int apply_unset_tunnel(Intent *intent, const IntentChange *change, Refusal *why) {
        const Owner *holder;

        if (!intent_has_tunnel(intent))
                return refusal_set(why, REFUSAL_NO_TUNNEL, "no tunnel is set");

        holder = intent_owner(intent, intent->tunnel.owner);
        if (holder->uid != change->owner.uid && change->owner.uid != 0 && !change->everybody)
                return refusal_set(why, REFUSAL_TUNNEL_EXISTS,
                        "the tunnel %s was set by user %u%s%s: say 'all' to unset it all the same",
                        intent->tunnel.device, holder->uid, intent->tunnel.setter[0] ? ", " : "",
                        intent->tunnel.setter);

        wanted_tunnel_clear(&intent->tunnel);
        return 1;
}

static int apply_drop_client(Intent *intent, const IntentChange *change) {
        bool dropped;
        int r;

        assert(change->owner.name[0]);

        r = apply_clear_routes(intent, change);
        if (r < 0)
                return r;
        dropped = intent_drop_split_of_client(intent, change) || r > 0;

        if (intent_has_tunnel(intent) && !(change->keep_closed && intent->tunnel.fail_closed) &&
                strcmp(intent_owner(intent, intent->tunnel.owner)->name, change->owner.name) == 0) {
                wanted_tunnel_clear(&intent->tunnel);
                dropped = true;
        }
        return dropped;
}

int intent_apply(Intent *intent, const IntentChange *change, Refusal *why) {
        switch (change->kind) {
        case INTENT_ADD_ROUTES:
                return apply_add_routes(intent, change, why);
        case INTENT_REMOVE_ROUTES:
                return apply_remove_routes(intent, change, why);
        case INTENT_CLEAR_ROUTES:
                return apply_clear_routes(intent, change);
        case INTENT_SET_TUNNEL:
                return apply_set_tunnel(intent, change, why);
        case INTENT_UNSET_TUNNEL:
                return apply_unset_tunnel(intent, change, why);
        case INTENT_DROP_CLIENT:
                return apply_drop_client(intent, change);
        case INTENT_ADD_SELECTORS:
        case INTENT_REMOVE_SELECTORS:
        case INTENT_SET_SELECTORS:
        case INTENT_ADD_GROUP:
        case INTENT_REMOVE_GROUP:
        case INTENT_SET_SPLIT:
                return intent_apply_split(intent, change, why);
        }
        assert(false);
        return -EINVAL;
}
