// SPDX-License-Identifier: GPL-3.0-or-later

#include <glib.h>
#include <string.h>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "backends/base/cleanup.h"
#include "service/model/desired.h"
#include "tests/lib/make-fact.h"

#define MAIN RT_TABLE_MAIN
#define MARK OURS_DEFAULT_MARK
#define INCLUDED UINT32_C(0x20000000)
#define UNIT_PATH "system.slice/a.service"

/* eth0 2 has the defaults, wg0 4 is a tunnel; one unit's group and one of ours are there. */
typedef struct World {
        FactSet observed, desired;
        Array groups; /* of GroupPlace */
        Intent intent;
        DesiredInput input;
        DesiredView view;
} World;

static void put_place(World *w, const char *path, uint64_t id, uint32_t level) {
        GroupPlace place = { .id = id, .level = level };

        (void)g_strlcpy(place.path, path, sizeof(place.path));
        g_assert_nonnull(array_append(&w->groups, &place));
        g_assert_cmpint(array_sort(&w->groups, group_place_compare), ==, 0);
}

static World *world_new(void) {
        World *w = g_new0(World, 1);

        *w = (World){ .observed = FACT_SET_INIT,
                .desired = FACT_SET_INIT,
                .groups = ARRAY_INIT(GroupPlace),
                .intent = INTENT_INIT };
        make_put(&w->observed, make_link(2, "eth0", "", MAKE_LINK_UP));
        make_put(&w->observed, make_link(4, "wg0", "wireguard", MAKE_LINK_UP));
        make_put(&w->observed, make_link_address(2, "192.168.1.2", 24));
        make_put(&w->observed, make_link_address(2, "2001:db8::2", 64));
        make_put(&w->observed, make_link_address(4, "10.64.0.2", 32));
        make_put(&w->observed, make_link_address(4, "fc00:bbbb::2", 128));
        make_put(&w->observed, make_route(MAIN, "192.168.1.0/24", 0, 2, ""));
        make_put(&w->observed, make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        make_put(&w->observed, make_route(MAIN, "::/0", 100, 2, "fe80::1"));
        put_place(w, UNIT_PATH, 77, 2);
        put_place(w, "x/talpid-excluded", 78, 2);
        g_assert_nonnull(array_append(&w->intent.owners, NULL));
        w->input = (DesiredInput){ .intent = &w->intent,
                .observed = &w->observed,
                .ours = OURS_DEFAULT,
                .groups = &w->groups,
                .resolvers = { make_address("192.168.1.53"), make_address("fd00::53") },
                .has_filter = true,
                .has_groups = true };
        return w;
}

static void world_free(World *w) {
        fact_set_clear(&w->observed);
        fact_set_clear(&w->desired);
        array_clear(&w->groups);
        intent_clear(&w->intent);
        g_free(w);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static void select_one(World *w, const char *kind, const char *value) {
        Selector selector;

        g_assert_cmpint(selector_parse(kind, value, 0, &selector, NULL), ==, 0);
        g_assert_nonnull(array_append(&w->intent.split.selectors, &selector));
        g_assert_cmpint(array_sort(&w->intent.split.selectors, selector_compare), ==, 0);
}

static void take_out(World *w, const char *path) {
        SplitGroup group = { .owner = 0 };

        (void)g_strlcpy(group.path, path, sizeof(group.path));
        g_assert_nonnull(array_append(&w->intent.split.groups, &group));
        g_assert_cmpint(array_sort(&w->intent.split.groups, split_group_compare), ==, 0);
}

static void set_tunnel(World *w) {
        (void)g_strlcpy(w->intent.tunnel.device, "wg0", IFNAMSIZ);
        w->intent.tunnel.fail_closed = true;
}

static void lose_tunnel_device(World *w) {
        for (size_t i = w->observed.facts.n; i > 0; i--) {
                const Fact *fact = array_at(&w->observed.facts, i - 1);

                if ((fact->kind == FACT_LINK && fact->link.ifindex == 4) ||
                        (fact->kind == FACT_LINK_ADDRESS && fact->link_address.ifindex == 4))
                        array_remove(&w->observed.facts, i - 1);
        }
}

static void build(World *w) {
        w->view = desired_view(&w->input);
        for (int i = 0; i < 2; i++)
                w->view.input.resolvers[i] = w->input.resolvers[i];
        g_assert_cmpint(desired_build(&w->view, &w->desired), ==, 0);
}

/* Exact facts */

static void append_fact(GString *text, const Fact *fact, char sign) {
        char line[FACT_TEXT_MAX];

        g_string_append_printf(text, "%c%s", sign, fact_format(fact, line));
        if (fact->kind == FACT_RULE && fact->rule.suppress_prefixlength != RULE_NO_SUPPRESS)
                g_string_append_printf(text, " suppress %u", fact->rule.suppress_prefixlength);
        if (fact->kind == FACT_FILTER && fact->filter.kind == FILTER_BASE)
                g_string_append_printf(text, "%x", fact->filter.flags);
        if (fact->kind == FACT_FILTER && fact->filter.kind == FILTER_USER)
                g_string_append_printf(text, "%u", fact->filter.number);
        (void)g_string_append_c(text, '\n');
}

/* But for what is said of those who were listed before, see test_inhabited(). */
static bool is_same(const Fact *a, const Fact *b) {
        Fact x = *a, y = *b;

        if (x.kind == FACT_FILTER && y.kind == FACT_FILTER) {
                x.filter.flags &= ~FILTER_INHABITED;
                y.filter.flags &= ~FILTER_INHABITED;
        }
        return fact_equals(&x, &y);
}

/* "-" lines of what @before has alone, "+" lines of what @now has. */
static char *difference(const FactSet *before, const FactSet *now) {
        g_autoptr(GString) text = g_string_new("");
        const Fact *fact;

        ARRAY_FOREACH(fact, &before->facts) {
                const Fact *found = fact_set_find(now, fact);

                if (!found || !is_same(found, fact))
                        append_fact(text, fact, '-');
        }
        ARRAY_FOREACH(fact, &now->facts) {
                const Fact *found = fact_set_find(before, fact);

                if (!found || !is_same(found, fact))
                        append_fact(text, fact, '+');
        }
        return g_string_free(g_steal_pointer(&text), FALSE);
}

typedef enum Tunnel {
        NO_TUNNEL,
        TUNNEL_UP,
        TUNNEL_GONE,
} Tunnel;

#define ANY -1
#define ASKED_THERE "+filter resolver 192.168.1.53/32\n+filter resolver fd00::53/128\n"
#define MARKED(n, mark) "+group " n " level 2 mark " mark "/0x30000000"
#define AROUND(family, what, length)                                                               \
        "+rule " family " 4976: from all " what " lookup 254 proto 84 suppress " length "\n"       \
        "+rule " family " 4977: from all " what " lookup 1984 proto 84\n"
#define AROUND_BY4(what) AROUND("ipv4", what, "1")
#define AROUND_BY6(what) AROUND("ipv6", what, "7")
#define THROUGH_BY(family, what) "+rule " family " 4982: from all " what " lookup 1985 proto 84\n"

/* What a selector adds to what stands for another one that does nothing. */
static const struct {
        const char *kind, *value;
        SplitMode mode;
        int dns, tunnel; /* SplitDns, Tunnel; ANY */
        const char *expected;
} cases[] = {
        { "unit", "a.service", SPLIT_EXCLUDE, SPLIT_DNS_SYSTEM, ANY,
                MARKED("77", "0x10000000") " resolves\n" },
        { "unit", "a.service", SPLIT_EXCLUDE, SPLIT_DNS_TUNNEL, ANY,
                MARKED("77", "0x10000000") "\n" },
        { "unit", "a.service", SPLIT_INCLUDE, SPLIT_DNS_SYSTEM, ANY,
                MARKED("77", "0x20000000") " resolves confined\n" },
        { "unit", "a.service", SPLIT_INCLUDE, SPLIT_DNS_TUNNEL, ANY,
                MARKED("77", "0x20000000") " resolves confined\n" },
        { "cgroup", UNIT_PATH, SPLIT_EXCLUDE, SPLIT_DNS_SYSTEM, ANY,
                MARKED("77", "0x10000000") " resolves\n" },
        { "cgroup", UNIT_PATH, SPLIT_INCLUDE, SPLIT_DNS_SYSTEM, ANY,
                MARKED("77", "0x20000000") " resolves confined\n" },
        { "cgroup", "that/runs/not/yet", SPLIT_EXCLUDE, ANY, ANY, "" },
        { "cgroup", "that/runs/not/yet", SPLIT_INCLUDE, ANY, ANY, "" },
        { "group", "x/talpid-excluded", SPLIT_EXCLUDE, SPLIT_DNS_SYSTEM, ANY,
                MARKED("78", "0x10000000") " resolves\n" },
        { "group", "x/talpid-excluded", SPLIT_EXCLUDE, SPLIT_DNS_TUNNEL, ANY,
                MARKED("78", "0x10000000") "\n" },
        { "group", "x/talpid-excluded", SPLIT_INCLUDE, SPLIT_DNS_SYSTEM, ANY,
                MARKED("78", "0x20000000") " resolves confined\n" },
        { "user", "7", SPLIT_EXCLUDE, ANY, ANY,
                AROUND_BY4("uid 7") AROUND_BY6("uid 7") "+filter user 7\n" },
        { "user", "7", SPLIT_INCLUDE, ANY, ANY,
                THROUGH_BY("ipv4", "uid 7")
                        THROUGH_BY("ipv6", "uid 7") "+filter user 7\n" ASKED_THERE },
        { "network", "9.9.0.0/16", SPLIT_EXCLUDE, ANY, NO_TUNNEL, AROUND_BY4("to 9.9.0.0/16") },
        { "network", "9.9.0.0/16", SPLIT_EXCLUDE, ANY, TUNNEL_UP,
                "+route throw 9.9.0.0/16 table 1985 metric 1 proto 84\n" AROUND_BY4(
                        "to 9.9.0.0/16") "+filter around 9.9.0.0/16\n" },
        { "network", "9.9.0.0/16", SPLIT_EXCLUDE, ANY, TUNNEL_GONE,
                "+route throw 9.9.0.0/16 table 1985 metric 1 proto 84\n" AROUND_BY4(
                        "to 9.9.0.0/16") "+filter around 9.9.0.0/16\n" },
        { "network", "9.9.0.0/16", SPLIT_INCLUDE, ANY, ANY,
                THROUGH_BY("ipv4", "to 9.9.0.0/16") "+filter included 9.9.0.0/16\n" },
        { "network", "2001:db8::/32", SPLIT_EXCLUDE, ANY, TUNNEL_UP,
                "+route throw 2001:db8::/32 table 1985 metric 1 proto 84\n" AROUND_BY6(
                        "to 2001:db8::/32") "+filter around 2001:db8::/32\n" },
        { "network", "2001:db8::/32", SPLIT_INCLUDE, ANY, ANY,
                THROUGH_BY("ipv6", "to 2001:db8::/32") "+filter included 2001:db8::/32\n" },
        { "interface", "br0", SPLIT_EXCLUDE, ANY, ANY, "+filter interface br0\n" },
        { "interface", "br0", SPLIT_INCLUDE, ANY, ANY, "+filter interface br0\n" ASKED_THERE },
};

static void set_world(World *w, SplitMode mode, int dns, int tunnel, bool disabled) {
        w->intent.split.mode = mode;
        w->intent.split.dns = (SplitDns)dns;
        w->intent.split.disabled = disabled;
        if (tunnel != NO_TUNNEL)
                set_tunnel(w);
        if (tunnel == TUNNEL_GONE)
                lose_tunnel_device(w);
}

/* What comes of adding the selector or group of the case. */
static char *find_difference(size_t i, int dns, int tunnel, bool disabled) {
        CLEANUP(fact_set_clear) FactSet before = FACT_SET_INIT;
        g_autoptr(World) w = world_new();

        set_world(w, cases[i].mode, dns, tunnel, disabled);
        select_one(w, "cgroup", "that/does/not/run");
        build(w);
        g_assert_cmpint(fact_set_copy(&before, &w->desired), ==, 0);
        if (strcmp(cases[i].kind, "group") == 0)
                take_out(w, cases[i].value);
        else
                select_one(w, cases[i].kind, cases[i].value);
        build(w);
        return difference(&before, &w->desired);
}

static void test_cases(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                for (int dns = SPLIT_DNS_SYSTEM; dns < _SPLIT_DNS_MAX; dns++) {
                        for (int tunnel = NO_TUNNEL; tunnel <= TUNNEL_GONE; tunnel++) {
                                g_autofree char *on = find_difference(i, dns, tunnel, false);
                                g_autofree char *off = find_difference(i, dns, tunnel, true);

                                g_assert_cmpstr(off, ==, "");
                                if ((cases[i].dns == ANY || cases[i].dns == dns) &&
                                        (cases[i].tunnel == ANY || cases[i].tunnel == tunnel))
                                        g_assert_cmpstr(on, ==, cases[i].expected);
                        }
                }
        }
}

#define EXCLUDED_TABLE                                                                             \
        "+route unicast 0.0.0.0/0 via 192.168.1.1 dev #2 table 1984 metric 1 proto 84\n"           \
        "+route unreachable 0.0.0.0/0 table 1984 metric 4294967295 proto 84\n"                     \
        "+route unicast ::/0 via fe80::1 dev #2 table 1984 metric 1 proto 84\n"                    \
        "+route unreachable ::/0 table 1984 metric 4294967295 proto 84\n"
#define CLOSED_TABLE                                                                               \
        "+route unreachable 0.0.0.0/0 table 1985 metric 4294967295 proto 84\n"                     \
        "+route unreachable ::/0 table 1985 metric 4294967295 proto 84\n"
#define BY_MARK "fwmark 0x10000000/0x30000000"
#define BY_INCLUDED "fwmark 0x20000000/0x30000000"
#define RESOLVERS "+resolver 192.168.1.53\n+resolver fd00::53\n"

/* What stands as soon as somebody is listed, and in include mode without anybody. */
static void test_base(void) {
        static const struct {
                SplitMode mode;
                bool selects;
                const char *expected;
        } bases[] = {
                { SPLIT_EXCLUDE, false, "" },
                { SPLIT_EXCLUDE, true,
                        EXCLUDED_TABLE AROUND_BY4(BY_MARK) AROUND_BY6(BY_MARK) RESOLVERS
                        "+filter base 0\n+filter uplink eth0\n" },
                { SPLIT_INCLUDE, false,
                        EXCLUDED_TABLE CLOSED_TABLE AROUND_BY4(
                                BY_MARK) "+rule ipv4 4984: from all " BY_INCLUDED
                                         " lookup 1985 proto 84\n" AROUND_BY6(
                                                 BY_MARK) "+rule ipv6 4984: from all " BY_INCLUDED
                                                          " lookup 1985 proto 84\n" RESOLVERS
                                                          "+filter base 7\n+filter uplink eth0\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(bases); i++) {
                const FactSet none = FACT_SET_INIT;
                g_autoptr(World) w = world_new();
                g_autofree char *found = NULL;

                w->intent.split.mode = bases[i].mode;
                if (bases[i].selects)
                        select_one(w, "cgroup", "that/does/not/run");
                build(w);
                found = difference(&none, &w->desired);
                g_assert_cmpstr(found, ==, bases[i].expected);
        }
}

/* A link that returns has its route before its address: packets would take that of another link. */
static void test_no_address(void) {
        CLEANUP(fact_set_clear) FactSet before = FACT_SET_INIT;
        const Fact address = make_link_address(2, "2001:db8::2", 64);
        g_autoptr(World) w = world_new();
        g_autofree char *lost = NULL, *found = NULL;
        Fact tentative = address;

        select_one(w, "cgroup", "that/does/not/run");
        build(w);
        g_assert_cmpint(fact_set_copy(&before, &w->desired), ==, 0);

        tentative.link_address.flags |= IFA_F_TENTATIVE;
        make_put(&w->observed, tentative);
        build(w);
        lost = difference(&before, &w->desired);
        g_assert_cmpstr(
                lost, ==, "-route unicast ::/0 via fe80::1 dev #2 table 1984 metric 1 proto 84\n");
        make_put(&w->observed, address);
        build(w);
        found = difference(&before, &w->desired);
        g_assert_cmpstr(found, ==, "");
}

/* What turns questions looks at every datagram: it is there for a resolver of either family. */
static void test_no_resolver(void) {
        static const struct {
                const char *ipv4, *ipv6;
                const char *expected;
        } known[] = {
                { NULL, NULL, MARKED("78", "0x10000000") "\n" },
                { "192.168.1.53", NULL, MARKED("78", "0x10000000") " resolves\n" },
                { NULL, "fd00::53", MARKED("78", "0x10000000") " resolves\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
                CLEANUP(fact_set_clear) FactSet before = FACT_SET_INIT;
                g_autoptr(World) w = world_new();
                g_autofree char *found = NULL;

                w->input.resolvers[0] =
                        known[i].ipv4 ? make_address(known[i].ipv4) : (Address){ 0 };
                w->input.resolvers[1] =
                        known[i].ipv6 ? make_address(known[i].ipv6) : (Address){ 0 };
                select_one(w, "cgroup", "that/does/not/run");
                build(w);
                g_assert_cmpint(fact_set_copy(&before, &w->desired), ==, 0);
                take_out(w, "x/talpid-excluded");
                build(w);
                found = difference(&before, &w->desired);
                g_assert_cmpstr(found, ==, known[i].expected);
        }
}

/* A group of several owners is one group; one that went has no mark. */
static void test_groups_once(void) {
        g_autoptr(World) w = world_new();
        size_t n;

        take_out(w, "x/talpid-excluded");
        ((SplitGroup *)array_at(&w->intent.split.groups, 0))->owner = 1;
        take_out(w, "x/talpid-excluded");
        take_out(w, "gone/talpid-excluded");
        build(w);
        (void)fact_set_of_kind(&w->desired, FACT_MARKED_GROUP, &n);
        g_assert_cmpuint(n, ==, 1);
        w->input.has_groups = false;
        build(w);
        (void)fact_set_of_kind(&w->desired, FACT_MARKED_GROUP, &n);
        g_assert_cmpuint(n, ==, 0);
}

/* What others are known to be matters while one that starts anew could be listed. */
static void test_known(void) {
        static const struct {
                const char *kind, *value;
                SplitMode mode;
                bool has_groups, has_own_groups_only;
                size_t n;
        } known_cases[] = {
                { "unit", "a.service", SPLIT_INCLUDE, true, false, 2 },
                { "cgroup", "that/runs/not/yet", SPLIT_INCLUDE, true, false, 2 },
                { "unit", "a.service", SPLIT_EXCLUDE, true, false, 0 },
                { "unit", "a.service", SPLIT_INCLUDE, true, true, 0 },
                { "unit", "a.service", SPLIT_INCLUDE, false, false, 0 },
                { "user", "7", SPLIT_INCLUDE, true, false, 0 },
        };
        static const KnownGroup groups[] = { { .id = 5, .is_above = true },
                { .id = 6, .level = 1 } };

        for (size_t i = 0; i < G_N_ELEMENTS(known_cases); i++) {
                CLEANUP(array_clear) Array known = ARRAY_INIT(KnownGroup);
                g_autoptr(World) w = world_new();
                const Fact *facts;
                size_t n;

                for (size_t k = 0; k < G_N_ELEMENTS(groups); k++)
                        g_assert_nonnull(array_append(&known, &groups[k]));
                w->input.known = &known;
                w->input.has_groups = known_cases[i].has_groups;
                w->input.has_own_groups_only = known_cases[i].has_own_groups_only;
                w->intent.split.mode = known_cases[i].mode;
                select_one(w, known_cases[i].kind, known_cases[i].value);
                build(w);
                facts = fact_set_of_kind(&w->desired, FACT_KNOWN_GROUP, &n);
                g_assert_cmpuint(n, ==, known_cases[i].n);
                if (n == 0)
                        continue;
                g_assert_cmphex(facts[0].known_group.mark, ==, INCLUDED);
                g_assert_cmphex(facts[0].known_group.mask, ==, OURS_DEFAULT_MARK_MASK);
                g_assert_cmphex(facts[1].known_group.mark, ==, 0);
        }
}

/* Where a packet goes, by the rules and tables of the kernel */

typedef struct Packet {
        Address to;
        uint32_t mark, uid;
} Packet;

typedef enum Way {
        WAY_NOWHERE,
        WAY_TUNNEL,
        WAY_UPLINK,
} Way;

/* Return: whether the table says where; RTN_THROW and no route say nothing. */
static bool look_up(
        const FactSet *facts, uint32_t table, const Packet *packet, uint32_t suppress, Way *ret) {
        const Route *best = NULL;
        const Fact *fact;

        ARRAY_FOREACH(fact, &facts->facts) {
                const Route *route = &fact->route;

                if (fact->kind != FACT_ROUTE || route->table != table ||
                        !prefix_contains(&route->destination, &packet->to))
                        continue;
                if (!best || route->destination.length > best->destination.length ||
                        (route->destination.length == best->destination.length &&
                                route->metric < best->metric))
                        best = route;
        }
        if (!best || best->type == RTN_THROW ||
                (suppress != RULE_NO_SUPPRESS && best->destination.length <= suppress))
                return false;
        *ret = best->type != RTN_UNICAST ? WAY_NOWHERE
               : best->ifindex == 4      ? WAY_TUNNEL
                                         : WAY_UPLINK;
        return true;
}

static bool rule_matches(const Rule *rule, const Packet *packet) {
        bool matches =
                (packet->mark & rule->mark_mask) == rule->mark &&
                (!rule->has_uid || rule->uid == packet->uid) &&
                (!rule->destination.family || prefix_contains(&rule->destination, &packet->to));

        return rule->family == packet->to.family && matches != rule->invert;
}

static Way way_of(const World *w, const Packet *packet) {
        const uint32_t first = OURS_DEFAULT_RULE_PRIORITY - 100;
        const Fact *fact;
        Way way;

        for (uint32_t priority = first; priority <= OURS_DEFAULT_RULE_PRIORITY; priority++) {
                ARRAY_FOREACH(fact, &w->desired.facts) {
                        const Rule *rule = &fact->rule;

                        if (fact->kind != FACT_RULE || rule->priority != priority ||
                                !rule_matches(rule, packet))
                                continue;
                        if (look_up(rule->table == MAIN ? &w->observed : &w->desired, rule->table,
                                    packet, rule->suppress_prefixlength, &way))
                                return way;
                }
        }
        return look_up(&w->observed, MAIN, packet, RULE_NO_SUPPRESS, &way) ? way : WAY_NOWHERE;
}

/* Random intents: users 0 … 3 and networks of both families, groups, interfaces. */
static void random_world(World *w) {
        static const char *const networks[] = { "9.9.0.0/16", "9.9.9.0/24", "8.0.0.0/5",
                "2001:db8::/32", "2001:db8:1::/48" };
        static const char *const groups[] = { UNIT_PATH, "that/does/not/run" };

        set_world(w, g_test_rand_bit() ? SPLIT_INCLUDE : SPLIT_EXCLUDE, g_test_rand_int_range(0, 2),
                g_test_rand_int_range(NO_TUNNEL, TUNNEL_GONE + 1),
                g_test_rand_int_range(0, 6) == 0);
        w->intent.tunnel.fail_closed = w->intent.tunnel.fail_closed && g_test_rand_bit();
        w->intent.tunnel.ipv4 = (Carry)g_test_rand_int_range(CARRY_AUTO, CARRY_NO + 1);
        w->intent.tunnel.ipv6 = (Carry)g_test_rand_int_range(CARRY_AUTO, CARRY_NO + 1);
        w->intent.tunnel.allow_lan = g_test_rand_bit();
        w->input.has_filter = g_test_rand_int_range(0, 4) != 0;
        w->input.has_groups = g_test_rand_int_range(0, 4) != 0;
        w->input.has_own_groups_only = g_test_rand_int_range(0, 4) == 0;
        if (g_test_rand_int_range(0, 4) == 0) {
                const Fact fact = make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1");

                (void)fact_set_remove(&w->observed, &fact);
        }
        for (int i = g_test_rand_int_range(0, 4); i > 0; i--) {
                g_autofree char *user = g_strdup_printf("%d", g_test_rand_int_range(0, 4));

                switch (g_test_rand_int_range(0, 5)) {
                case 0:
                        select_one(w, "user", user);
                        break;
                case 1:
                        select_one(w, "network",
                                networks[g_test_rand_int_range(0, G_N_ELEMENTS(networks))]);
                        break;
                case 2:
                        select_one(w, "cgroup",
                                groups[g_test_rand_int_range(0, G_N_ELEMENTS(groups))]);
                        break;
                case 3:
                        select_one(w, "interface", "br0");
                        break;
                case 4:
                        take_out(w, "x/talpid-excluded");
                        break;
                }
        }
}

/* Whether @packet is of something that is listed; marks are those that groups were given. */
static bool is_listed(const World *w, const Packet *packet, uint32_t mark) {
        const Selector *selector;

        if (packet->mark == mark)
                return true;
        ARRAY_FOREACH(selector, &w->intent.split.selectors) {
                if ((selector->kind == SELECTOR_USER && selector->uid == packet->uid) ||
                        (selector->kind == SELECTOR_NETWORK &&
                                prefix_contains(&selector->prefix, &packet->to)))
                        return true;
        }
        return false;
}

/* Somebody is listed who cannot be told from the others. */
static bool is_blind(const World *w) {
        const Selector *selector;
        bool blind = w->intent.split.groups.n > 0 && !w->input.has_groups;

        ARRAY_FOREACH(selector, &w->intent.split.selectors) {
                blind = blind || (selector->kind == SELECTOR_INTERFACE && !w->input.has_filter) ||
                        (selector->kind == SELECTOR_CGROUP &&
                                (!w->input.has_groups || w->input.has_own_groups_only));
        }
        return blind;
}

/* The LAN is reachable beside the tunnel where that was asked for. */
static bool is_open_lan(const World *w, const Packet *packet) {
        const Prefix lan = make_prefix("192.168.1.0/24");

        return w->intent.tunnel.allow_lan && prefix_contains(&lan, &packet->to);
}

static void check_include(const World *w, const Packet *packet) {
        Way way = way_of(w, packet);

        if (is_open_lan(w, packet))
                return;
        if (packet->mark == MARK) /* the tunnel's own transport */
                g_assert_cmpint(way, !=, WAY_TUNNEL);
        else if (is_listed(w, packet, INCLUDED) || is_blind(w))
                g_assert_cmpint(way, !=, WAY_UPLINK);
        else
                g_assert_cmpint(way, !=, WAY_TUNNEL);
}

static void check_exclude(const World *w, const Packet *packet) {
        const int slot = family_slot(packet->to.family);
        Way way = way_of(w, packet);

        if (split_is_active(&w->intent.split) && is_listed(w, packet, MARK))
                g_assert_cmpint(way, !=, WAY_TUNNEL);
        else if (packet->mark != MARK && w->view.tunnel[slot] != TUNNEL_FAMILY_OPEN &&
                 !is_open_lan(w, packet))
                g_assert_cmpint(way, !=, WAY_UPLINK);
}

static void test_random(void) {
        static const char *const addresses[] = { "9.9.9.9", "9.9.1.1", "1.1.1.1", "192.168.1.77",
                "2001:db8::1", "2001:db8:1::1", "2606:4700::1" };
        static const uint32_t marks[] = { 0, MARK, INCLUDED, 0x1 };

        for (int round = 0; round < 3000; round++) {
                g_autoptr(World) w = world_new();
                const Fact *fact;

                random_world(w);
                build(w);
                ARRAY_FOREACH(fact, &w->desired.facts) {
                        g_assert_true(fact_is_ours(fact));
                }
                for (size_t i = 0; i < G_N_ELEMENTS(addresses) * G_N_ELEMENTS(marks) * 4; i++) {
                        const Packet packet = {
                                .to = make_address(addresses[i % G_N_ELEMENTS(addresses)]),
                                .mark = marks[i / G_N_ELEMENTS(addresses) % G_N_ELEMENTS(marks)],
                                .uid = (uint32_t)(i / G_N_ELEMENTS(addresses) / G_N_ELEMENTS(marks))
                        };

                        if (w->intent.split.mode == SPLIT_INCLUDE && !w->intent.split.disabled)
                                check_include(w, &packet);
                        else
                                check_exclude(w, &packet);
                }
        }
}

/* Disabled is as if nobody had ever been listed. */
static void test_random_disabled(void) {
        for (int round = 0; round < 500; round++) {
                CLEANUP(fact_set_clear) FactSet with = FACT_SET_INIT;
                g_autoptr(World) w = world_new();
                g_autofree char *found = NULL;

                random_world(w);
                w->intent.split.disabled = true;
                build(w);
                g_assert_cmpint(fact_set_copy(&with, &w->desired), ==, 0);
                split_clear(&w->intent.split);
                build(w);
                found = difference(&with, &w->desired);
                g_assert_cmpstr(found, ==, "");
        }
}

/* The firewall: in include mode it guards what must use the tunnel, blind it guards all. */
static void test_guard(void) {
        static const struct {
                SplitMode mode;
                const char *kind, *value;
                bool has_groups, own_only;
                Tunnel tunnel;
                uint32_t flags;
                bool marks_interfaces;
        } guards[] = {
                { SPLIT_EXCLUDE, "interface", "br0", true, false, NO_TUNNEL, 0, true },
                { SPLIT_EXCLUDE, "interface", "br0", true, false, TUNNEL_GONE, 3, true },
                { SPLIT_INCLUDE, "interface", "br0", true, false, NO_TUNNEL, 7, true },
                { SPLIT_INCLUDE, "unit", "a.service", true, false, NO_TUNNEL, 7, true },
                { SPLIT_INCLUDE, "unit", "a.service", false, false, NO_TUNNEL, 3, false },
                { SPLIT_INCLUDE, "unit", "a.service", true, true, NO_TUNNEL, 3, false },
                { SPLIT_INCLUDE, "user", "7", false, false, TUNNEL_GONE, 7, true },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(guards); i++) {
                const Fact br0 = { .kind = FACT_FILTER,
                        .filter = { .kind = FILTER_INTERFACE, .name = "br0" } };
                g_autoptr(World) w = world_new();
                const Fact *base;

                set_world(w, guards[i].mode, SPLIT_DNS_SYSTEM, guards[i].tunnel, false);
                w->input.has_groups = guards[i].has_groups;
                w->input.has_own_groups_only = guards[i].own_only;
                select_one(w, guards[i].kind, guards[i].value);
                if (strcmp(guards[i].kind, "interface") != 0)
                        select_one(w, "interface", "br0");
                build(w);
                base = fact_set_find(&w->desired,
                        &(Fact){ .kind = FACT_FILTER, .filter = { .kind = FILTER_BASE } });
                g_assert_nonnull(base);
                g_assert_cmphex(base->filter.flags, ==, guards[i].flags);
                g_assert_cmphex(base->filter.mark, ==, MARK);
                g_assert_cmphex(base->filter.included, ==, INCLUDED);
                g_assert_cmpint(
                        fact_set_find(&w->desired, &br0) != NULL, ==, guards[i].marks_interfaces);
        }
}

/* Switched off, processes stay in their groups, and open sockets there. */
static void test_inhabited(void) {
        for (int i = 0; i < 4; i++) {
                const Fact key = { .kind = FACT_FILTER, .filter = { .kind = FILTER_BASE } };
                g_autoptr(World) w = world_new();
                bool disabled = i & 1, has_group = i & 2;
                const Fact *base;

                set_world(w, SPLIT_EXCLUDE, SPLIT_DNS_SYSTEM, TUNNEL_UP, disabled);
                select_one(w, "cgroup", "a.slice");
                if (has_group)
                        take_out(w, "b.slice/talpid");
                build(w);
                base = fact_set_find(&w->desired, &key);
                g_assert_nonnull(base);
                g_assert_cmpint(
                        (base->filter.flags & FILTER_INHABITED) != 0, ==, disabled && has_group);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/desired-split/each-selector-is-exactly-its-facts", test_cases);
        g_test_add_func("/desired-split/somebody-listed-is-a-table-and-its-rules", test_base);
        g_test_add_func(
                "/desired-split/without-a-resolver-questions-are-left-alone", test_no_resolver);
        g_test_add_func("/desired-split/ipv6-waits-for-the-link-s-address", test_no_address);
        g_test_add_func("/desired-split/group-of-several-owners-is-one", test_groups_once);
        g_test_add_func("/desired-split/new-groups-matter-in-include-mode", test_known);
        g_test_add_func("/desired-split/listed-and-unlisted-keep-apart-at-random", test_random);
        g_test_add_func("/desired-split/disabled-is-as-if-nobody-was-listed", test_random_disabled);
        g_test_add_func("/desired-split/disabled-tells-of-who-is-still-in-a-group", test_inhabited);
        g_test_add_func("/desired-split/guard-knows-who-must-use-the-tunnel", test_guard);
        return g_test_run();
}
