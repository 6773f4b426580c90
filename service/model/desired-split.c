// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "service/model/desired-private.h"
#include "service/model/desired.h"
#include "service/model/other-vpns.h"

static const int families[2] = { AF_INET, AF_INET6 };

bool desired_is_include(const DesiredView *view) {
        const Split *split = &view->input.intent->split;

        return !split->disabled && split->mode == SPLIT_INCLUDE;
}

/* Whether groups of others are matched where they are. */
static bool matches_groups(const DesiredView *view) {
        return view->input.has_groups && !view->input.has_own_groups_only;
}

bool desired_is_blind(const DesiredView *view) {
        const Split *split = &view->input.intent->split;
        const Selector *selector;

        if (!desired_is_include(view))
                return false;
        if (split->groups.n > 0 && !view->input.has_groups)
                return true;
        ARRAY_FOREACH(selector, &split->selectors) {
                if ((selector->kind == SELECTOR_UNIT || selector->kind == SELECTOR_CGROUP) &&
                        !matches_groups(view))
                        return true;
                if (selector->kind == SELECTOR_INTERFACE && !view->input.has_filter)
                        return true;
        }
        return false;
}

uint32_t desired_group_link(const DesiredView *view, int slot) {
        if (desired_is_include(view))
                return view->has_tunnel_link ? view->tunnel_link.ifindex : 0;
        return view->best[slot].present ? view->best[slot].route.ifindex : 0;
}

static int put_route(FactSet *facts, const Route *route) {
        Fact fact = fact_of_route(route);

        fact.route.protocol = OURS_PROTOCOL;
        return fact_set_append(facts, &fact);
}

static int put_rule(FactSet *facts, const Rule *rule) {
        Fact fact = fact_of_rule(rule);

        return fact_set_append(facts, &fact);
}

/* A rule of ours that looks a table up, @before so much before the tunnel rule. */
static Rule rule_to(const DesiredView *view, int family, uint32_t table, uint32_t before) {
        return (Rule){ .family = (uint8_t)family,
                .action = FR_ACT_TO_TBL,
                .protocol = OURS_PROTOCOL,
                .priority = view->input.ours.rule_priority - before,
                .table = table,
                .suppress_prefixlength = RULE_NO_SUPPRESS };
}

static void match_mark(Rule *rule, const Ours *ours, uint32_t mark) {
        rule->mark = mark;
        rule->mark_mask = ours->mark_mask;
}

Rule desired_tunnel_rule(const DesiredView *view, int family) {
        const Ours *ours = &view->input.ours;
        Rule rule = rule_to(view, family, ours->tunnel_table, 0);

        if (desired_is_include(view) && !desired_is_blind(view)) {
                match_mark(&rule, ours, ours_included_mark(ours));
                return rule;
        }
        match_mark(&rule, ours, ours->mark);
        rule.invert = true;
        return rule;
}

/* OpenVPN's redirect-gateway: two halves of IPv4; of IPv6 ::/3, 2000::/4, 3000::/4 and fc00::/7. */
#define PARTS_LENGTH_V4 1
#define PARTS_LENGTH_V6 7

/*
 * Who goes around takes what is more specific in the main table (networks that
 * are directly attached, not the parts of all into which a foreign tunnel cuts
 * its default), then the best default outside of tunnels.
 */
static int put_around_rules(FactSet *facts, const DesiredView *view, const Rule *selector) {
        Rule rule = *selector;
        int r;

        rule.table = RT_TABLE_MAIN;
        rule.priority = view->input.ours.rule_priority - OURS_RULE_AROUND_MAIN;
        rule.suppress_prefixlength = rule.family == AF_INET ? PARTS_LENGTH_V4 : PARTS_LENGTH_V6;
        r = put_rule(facts, &rule);
        if (r < 0)
                return r;

        rule.table = view->input.ours.excluded_table;
        rule.priority = view->input.ours.rule_priority - OURS_RULE_AROUND;
        rule.suppress_prefixlength = RULE_NO_SUPPRESS;
        return put_rule(facts, &rule);
}

/*
 * The table of what goes around: the best default, and nothing rather than a
 * tunnel. IPv6 waits until the link has an address that is fit: the route comes
 * first when a link returns, and packets would leave with that of another one.
 */
static int put_excluded_table(FactSet *facts, const DesiredView *view, int family) {
        const DefaultRoute *best = &view->best[family_slot(family)];
        Route route = { .destination = prefix_default(family),
                .table = view->input.ours.excluded_table,
                .metric = OURS_FAIL_CLOSED_METRIC,
                .type = RTN_UNREACHABLE };
        int r = put_route(facts, &route);

        if (r < 0 || !best->present || (family == AF_INET6 && !address_is_set(&best->source)))
                return r;
        route = best->route;
        route.table = view->input.ours.excluded_table;
        route.metric = 1;
        route.hop = 0;
        route.mtu = best->route_mtu;
        return put_route(facts, &route);
}

/* A destination goes around where we have the tunnel: by falling through to the main table. */
static int put_network(FactSet *facts, const DesiredView *view, const Prefix *prefix) {
        Route route = { .destination = *prefix,
                .table = view->input.ours.tunnel_table,
                .metric = 1,
                .type = RTN_THROW };
        Rule rule;
        int r;

        if (desired_is_include(view)) {
                rule = rule_to(
                        view, prefix->family, view->input.ours.tunnel_table, OURS_RULE_INCLUDED);
                rule.destination = *prefix;
                return put_rule(facts, &rule);
        }

        if (view->tunnel[family_slot(prefix->family)] != TUNNEL_FAMILY_OPEN) {
                r = put_route(facts, &route);
                if (r < 0)
                        return r;
        }
        rule = rule_to(view, prefix->family, 0, 0);
        rule.destination = *prefix;
        return put_around_rules(facts, view, &rule);
}

static int put_user(FactSet *facts, const DesiredView *view, uint32_t uid) {
        int r = 0;

        for (int i = 0; r >= 0 && i < 2; i++) {
                Rule rule = rule_to(
                        view, families[i], view->input.ours.tunnel_table, OURS_RULE_INCLUDED);

                rule.has_uid = true;
                rule.uid = uid;
                r = desired_is_include(view) ? put_rule(facts, &rule)
                                             : put_around_rules(facts, view, &rule);
        }
        return r;
}

static const GroupPlace *find_group(const DesiredView *view, const char *path) {
        GroupPlace key = { .id = 0 };

        if (!view->input.groups || strlen(path) >= sizeof(key.path))
                return NULL;
        memcpy(key.path, path, strlen(path) + 1);
        return array_search(view->input.groups, &key, group_place_compare, NULL);
}

/*
 * What is listed in include mode asks the tunnel's resolvers or none: others use
 * the open network. What is excluded may ask as others do, where no resolver is
 * known: then nothing has to look at its datagrams.
 */
bool desired_resolves(const DesiredView *view) {
        const Address *resolvers = view->input.resolvers;

        if (desired_is_include(view))
                return true;
        return view->input.intent->split.dns == SPLIT_DNS_SYSTEM &&
               (address_is_set(&resolvers[0]) || address_is_set(&resolvers[1]));
}

static int put_group(FactSet *facts, const DesiredView *view, const char *path, bool is_ours) {
        const GroupPlace *place = find_group(view, path);
        const Ours *ours = &view->input.ours;
        Fact fact = { .kind = FACT_MARKED_GROUP };

        if (!place)
                return 0; /* it may come */
        fact.marked_group = (MarkedGroup){ .id = place->id,
                .level = place->level,
                .mark = desired_is_include(view) ? ours_included_mark(ours) : ours->mark,
                .mask = ours->mark_mask,
                .resolves = desired_resolves(view),
                .confined = desired_is_include(view),
                .is_ours = is_ours };
        return fact_set_append(facts, &fact);
}

static bool lists_groups_of_others(const Split *split) {
        const Selector *selector;

        ARRAY_FOREACH(selector, &split->selectors) {
                if (selector->kind == SELECTOR_UNIT || selector->kind == SELECTOR_CGROUP)
                        return true;
        }
        return false;
}

/* In include mode what is listed and starts anew uses the tunnel before anybody has seen it. */
static int put_known(FactSet *facts, const DesiredView *view) {
        const Ours *ours = &view->input.ours;
        const KnownGroup *known;

        if (!desired_is_include(view) || !matches_groups(view) || !view->input.known ||
                !lists_groups_of_others(&view->input.intent->split))
                return 0;
        ARRAY_FOREACH(known, view->input.known) {
                Fact fact = { .kind = FACT_KNOWN_GROUP, .known_group = *known };

                if (known->is_above) {
                        fact.known_group.mark = ours_included_mark(ours);
                        fact.known_group.mask = ours->mark_mask;
                        fact.known_group.resolves = desired_resolves(view);
                        fact.known_group.confined = true;
                }
                if (fact_set_append(facts, &fact) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int put_selector(FactSet *facts, const DesiredView *view, const Selector *selector) {
        char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
        size_t n;
        int r = 0;

        switch (selector->kind) {
        case SELECTOR_USER:
                return put_user(facts, view, selector->uid);
        case SELECTOR_NETWORK:
                return put_network(facts, view, &selector->prefix);
        case SELECTOR_UNIT:
        case SELECTOR_CGROUP:
                n = matches_groups(view) ? selector_paths(selector, paths) : 0;
                for (size_t i = 0; r >= 0 && i < n; i++)
                        r = put_group(facts, view, paths[i], /* is_ours= */ false);
                return r;
        case SELECTOR_INTERFACE: /* the firewall marks what is forwarded */
        case SELECTOR_EXECUTABLE:
        case SELECTOR_APP:
        case SELECTOR_DOMAIN:
        case _SELECTOR_KIND_MAX:
                break;
        }
        return 0;
}

static int put_resolvers(FactSet *facts, const DesiredView *view) {
        int r = 0;

        if (!view->input.has_groups || !desired_resolves(view))
                return 0;
        for (int i = 0; r >= 0 && i < 2; i++) {
                Fact fact = { .kind = FACT_RESOLVER,
                        .resolver = { .address = view->input.resolvers[i] } };

                if (address_is_set(&fact.resolver.address))
                        r = fact_set_append(facts, &fact);
        }
        return r;
}

bool desired_refuses_names(const DesiredView *view) {
        const Split *split = &view->input.intent->split;
        const Selector *selector;
        bool has_listed = split->groups.n > 0;

        ARRAY_FOREACH(selector, &split->selectors) {
                bool is_group =
                        selector->kind == SELECTOR_UNIT || selector->kind == SELECTOR_CGROUP;
                bool is_of_filter =
                        selector->kind == SELECTOR_USER || selector->kind == SELECTOR_INTERFACE;

                has_listed |= is_group || (is_of_filter && view->input.has_filter);
        }
        return desired_is_include(view) && has_listed && view->has_tunnel_link &&
               !address_is_set(&view->input.resolvers[0]) &&
               !address_is_set(&view->input.resolvers[1]);
}

/* In include mode the tunnel table stands, closed, even while no tunnel is set. */
static int put_include(FactSet *facts, const DesiredView *view, int family) {
        const Rule rule = desired_tunnel_rule(view, family);
        const Route closed = { .destination = prefix_default(family),
                .table = view->input.ours.tunnel_table,
                .metric = OURS_FAIL_CLOSED_METRIC,
                .type = RTN_UNREACHABLE };
        int r = put_rule(facts, &rule);

        return r < 0 ? r : put_route(facts, &closed);
}

static int put_own_groups(FactSet *facts, const DesiredView *view) {
        const Split *split = &view->input.intent->split;
        const SplitGroup *group = NULL;
        int r = 0;

        while (r >= 0 && view->input.has_groups && (group = split_next_group(split, group)))
                r = put_group(facts, view, group->path, /* is_ours= */ true);
        return r;
}

/* What carries our mark goes around all tunnels, those of others, too. */
static int put_marked(FactSet *facts, const DesiredView *view, int family) {
        Rule rule = rule_to(view, family, 0, 0);
        int r = put_excluded_table(facts, view, family);

        match_mark(&rule, &view->input.ours, view->input.ours.mark);
        return r < 0 ? r : put_around_rules(facts, view, &rule);
}

/*
 * Another VPN leads all of a family into itself. What it encrypts goes into our
 * tunnel, so what our tunnel encrypts must not go into that one again.
 */
static int put_own_way(FactSet *facts, const DesiredView *view, int slot) {
        const Intent *intent = view->input.intent;
        const Prefix *bypass;
        int r = 0;

        if (!intent_has_tunnel(intent) || view->tunnel[slot] == TUNNEL_FAMILY_OPEN ||
                (!view->overridden[slot] &&
                        !other_vpns_take_all(view->input.observed, families[slot])))
                return 0;
        if (!split_is_active(&intent->split))
                r = put_marked(facts, view, families[slot]);
        ARRAY_FOREACH(bypass, &intent->tunnel.bypass) {
                Rule rule = rule_to(view, families[slot], 0, 0);

                rule.destination = *bypass;
                if (r >= 0 && bypass->family == families[slot])
                        r = put_around_rules(facts, view, &rule);
        }
        return r;
}

int desired_put_split(const DesiredView *view, FactSet *facts) {
        const Split *split = &view->input.intent->split;
        const Selector *selector;
        int r = 0;

        for (int i = 0; r >= 0 && i < 2; i++)
                r = put_own_way(facts, view, i);
        if (r < 0 || !split_is_active(split))
                return r;

        for (int i = 0; r >= 0 && i < 2; i++) {
                r = put_marked(facts, view, families[i]);
                if (r >= 0 && desired_is_include(view))
                        r = put_include(facts, view, families[i]);
        }
        ARRAY_FOREACH(selector, &split->selectors) {
                if (r >= 0)
                        r = put_selector(facts, view, selector);
        }
        if (r >= 0)
                r = put_own_groups(facts, view);
        if (r >= 0)
                r = put_known(facts, view);
        return r < 0 ? r : put_resolvers(facts, view);
}
