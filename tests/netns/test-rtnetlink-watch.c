// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"
#include "tests/lib/netns.h"

#define TABLE OURS_DEFAULT_TUNNEL_TABLE

static Fact foreign_route(
        const char *destination, const char *gateway, const char *device, uint8_t protocol) {
        Route route = netns_route(
                destination, gateway, device ? netns_ifindex(device) : 0, RT_TABLE_MAIN);

        route.protocol = protocol;
        if (route.destination.family == AF_INET6)
                route.metric = 1024;
        return fact_of_route(&route);
}

static const Link *find_link(Netns *netns, uint32_t ifindex) {
        const Fact key = { .kind = FACT_LINK, .link.ifindex = ifindex };
        const Fact *fact = fact_set_find(&netns->observed, &key);

        return fact ? &fact->link : NULL;
}

static bool link_is_down(Netns *netns, const void *userdata) {
        const Link *link = find_link(netns, *(const uint32_t *)userdata);

        return link && !(link->flags & IFF_UP);
}

static bool was_resynced(Netns *netns, const void *userdata) {
        return netns->resync_kinds & FACT_KIND_BIT(*(const FactKind *)userdata);
}

static void test_tells_links_and_addresses(Netns *netns) {
        uint32_t ifindex = netns_ifindex("v0");
        const Link *link = find_link(netns, ifindex);
        Fact address = { .kind = FACT_LINK_ADDRESS,
                .link_address = { .ifindex = ifindex, .length = 24, .flags = 0x80 } };
        Fact gone;

        g_assert_nonnull(link);
        g_assert_cmpstr(link->name, ==, "v0");
        g_assert_cmpstr(link->kind, ==, "veth");
        g_assert_cmpuint(link->mtu, ==, 1500);
        g_assert_cmpuint(link->mac.length, ==, 6);
        g_assert_true(link_is_usable(link));

        g_assert_cmpint(address_parse("10.1.0.1", &address.link_address.address), ==, 0);
        netns_expect(netns, &address);
        g_assert_cmpint(address_parse("10.7.0.1", &address.link_address.address), ==, 0);
        netns_ip("address add 10.7.0.1/24 dev v0");
        netns_expect(netns, &address);
        netns_ip("address delete 10.7.0.1/24 dev v0");
        netns_expect_gone(netns, &address);

        gone = (Fact){ .kind = FACT_LINK, .link.ifindex = ifindex };
        netns_ip("link delete v0");
        netns_expect_gone(netns, &gone);
        g_assert_cmpint(address_parse("10.1.0.1", &address.link_address.address), ==, 0);
        netns_expect_gone(netns, &address);
}

static void test_tells_a_peer_address(Netns *netns) {
        Fact address = { .kind = FACT_LINK_ADDRESS,
                .link_address = { .ifindex = netns_ifindex("v0"), .length = 32, .flags = 0x80 } };

        g_assert_cmpint(address_parse("10.8.0.1", &address.link_address.address), ==, 0);
        g_assert_cmpint(address_parse("10.8.0.2", &address.link_address.peer), ==, 0);
        netns_ip("address add 10.8.0.1 peer 10.8.0.2 dev v0");
        netns_expect(netns, &address);
}

static void test_tells_others_defaults(Netns *netns) {
        Fact v4 = foreign_route("0.0.0.0/0", "10.1.0.9", "v0", RTPROT_STATIC);
        Fact v6 = foreign_route("::/0", "fd01::9", "v0", RTPROT_STATIC);
        Fact half = foreign_route("128.0.0.0/1", NULL, "v1", RTPROT_BOOT);
        const Fact old = v4, old6 = v6;

        netns_ip("route add default via 10.1.0.9 proto static");
        netns_expect(netns, &v4);
        g_assert_cmpuint(netns->last.author, !=, 0);
        netns_ip("-6 route add default via fd01::9 proto static");
        netns_expect(netns, &v6);
        netns_ip("route add 128.0.0.0/1 dev v1");
        netns_expect(netns, &half);

        g_assert_cmpint(address_parse("10.1.0.8", &v4.route.gateway), ==, 0);
        netns_ip("route replace default via 10.1.0.8 proto static");
        netns_expect(netns, &v4);
        g_assert_cmpint(address_parse("fd01::8", &v6.route.gateway), ==, 0);
        netns_ip("-6 route replace default via fd01::8 proto static");
        netns_expect(netns, &v6);
        netns_expect_gone(netns, &old);
        netns_expect_gone(netns, &old6);
        g_assert_cmpuint(netns->n_resyncs, ==, 0); /* none of it needed reading again */

        netns_ip("route delete default");
        netns_expect_gone(netns, &v4);
        netns_ip("-6 route delete default");
        netns_expect_gone(netns, &v6);
}

static void test_tells_what_others_do_to_ours(Netns *netns) {
        Route route = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        const Fact fact = fact_of_route(&route);

        netns_ip("route add 192.0.2.0/24 dev v0 table %u proto %u", TABLE, OURS_PROTOCOL);
        netns_expect(netns, &fact);
        netns_ip("route delete 192.0.2.0/24 table %u", TABLE);
        netns_expect_gone(netns, &fact);
}

static void test_sees_ours_overwritten(Netns *netns) {
        Route route = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        const Fact fact = fact_of_route(&route);

        g_assert_cmpint(netns_apply_route(netns, OPERATION_ADD, &route), ==, 0);
        g_assert_cmpint(fact_set_put(&netns->observed, &fact), ==, 0);
        netns_ip("route replace 192.0.2.0/24 dev v1 table %u proto static", TABLE);
        netns_expect_gone(netns, &fact);
}

/* What a notification says may be older than what apply() did since. */
static void test_is_not_fooled_by_old_news(Netns *netns) {
        Route route = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        const Fact fact = fact_of_route(&route);
        const FactKind kind = FACT_ROUTE;

        g_assert_cmpint(netns_apply_route(netns, OPERATION_ADD, &route), ==, 0);
        netns_ip("route delete 192.0.2.0/24 table %u", TABLE);
        g_assert_cmpint(netns_apply_route(netns, OPERATION_ADD, &route), ==, 0);
        g_assert_true(netns_wait(netns, was_resynced, &kind));
        netns_expect(netns, &fact);
        g_assert_cmpuint(netns_settle(netns), <=, 2);
        g_assert_nonnull(fact_set_find(&netns->observed, &fact));
}

static void test_tells_rules(Netns *netns) {
        Fact fact = { .kind = FACT_RULE,
                .rule = { .family = AF_INET6,
                        .action = 1,
                        .protocol = RTPROT_STATIC,
                        .priority = 77,
                        .table = 4242,
                        .mark = 1,
                        .mark_mask = 0xff,
                        .invert = true,
                        .suppress_prefixlength = RULE_NO_SUPPRESS } };

        netns_ip("-6 rule add not pref 77 fwmark 1/0xff table 4242 protocol static");
        netns_expect(netns, &fact);
        netns_ip("-6 rule delete pref 77");
        netns_expect_gone(netns, &fact);
}

static void test_own_requests_make_no_reports(Netns *netns) {
        Route route = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        Rule rule = { .family = AF_INET,
                .action = 1,
                .protocol = OURS_PROTOCOL,
                .priority = 4984,
                .table = TABLE,
                .suppress_prefixlength = RULE_NO_SUPPRESS };

        g_assert_cmpint(netns_apply_route(netns, OPERATION_ADD, &route), ==, 0);
        g_assert_cmpint(netns_apply_rule(netns, OPERATION_ADD, &rule), ==, 0);
        g_assert_cmpint(netns_apply_rule(netns, OPERATION_REMOVE, &rule), ==, 0);
        g_assert_cmpint(netns_apply_route(netns, OPERATION_REMOVE, &route), ==, 0);
        g_assert_cmpuint(netns_settle(netns), ==, 0);
        g_assert_cmpuint(netns->n_changes + netns->n_resyncs, ==, 0);
}

static void test_foreign_routes_do_not_wake(Netns *netns) {
        g_autoptr(GString) lines = g_string_new(NULL);
        Fact last = foreign_route("0.0.0.0/0", "10.1.0.9", "v0", RTPROT_BOOT);

        for (unsigned i = 0; i < 100000; i++)
                g_string_append_printf(lines, "route %s 12.%u.%u.%u/32 dev v0\n",
                        i % 2 ? "add" : "replace", i >> 16, (i >> 8) & 255, i & 255);
        netns_ip_batch(lines->str);
        g_assert_cmpuint(netns_settle(netns), ==, 0);

        netns_ip("route add default via 10.1.0.9");
        netns_expect(netns, &last);
        g_assert_cmpuint(netns->n_changes, ==, 1);
}

static void test_link_down_takes_routes_along(Netns *netns) {
        Route ours = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        Route ours6 = netns_route("2001:db8::/32", NULL, netns_ifindex("v0"), TABLE);
        Route stays = netns_route("203.0.113.0/24", NULL, 0, TABLE);
        Fact foreign = foreign_route("0.0.0.0/0", "10.1.0.9", "v0", RTPROT_BOOT), facts[3];
        uint32_t ifindex = netns_ifindex("v0");

        ours6.metric = 1024;
        stays.type = RTN_THROW;
        facts[0] = fact_of_route(&ours);
        facts[1] = fact_of_route(&ours6);
        facts[2] = fact_of_route(&stays);
        for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
                g_assert_cmpint(netns_apply(netns, OPERATION_ADD, &facts[i], NULL), ==, 0);
                g_assert_cmpint(fact_set_put(&netns->observed, &facts[i]), ==, 0);
        }
        netns_ip("route add default via 10.1.0.9");
        netns_expect(netns, &foreign);

        netns_ip("link set v0 down");
        netns_expect_gone(netns, &facts[0]);
        netns_expect_gone(netns, &facts[1]);
        netns_expect_gone(netns, &foreign);
        g_assert_nonnull(fact_set_find(&netns->observed, &facts[2]));
        g_assert_true(netns_wait(netns, link_is_down, &ifindex));
        g_assert_cmpuint(netns->resync_kinds & FACT_KIND_BIT(FACT_LINK), ==, 0);
}

static void test_link_deletion_takes_routes_along(Netns *netns) {
        Route ours = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        const Fact fact = fact_of_route(&ours);

        g_assert_cmpint(netns_apply(netns, OPERATION_ADD, &fact, NULL), ==, 0);
        g_assert_cmpint(fact_set_put(&netns->observed, &fact), ==, 0);
        netns_ip("link delete v0");
        netns_expect_gone(netns, &fact);
}

/* In other tables the kernel leaves a route whose source is gone (fib_sync_down_addr()). */
static void test_address_deletion_takes_routes_along(Netns *netns) {
        Route ours = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), RT_TABLE_MAIN);
        Fact fact;

        netns_ip("address add 10.7.0.1/24 dev v0");
        g_assert_cmpint(address_parse("10.7.0.1", &ours.source), ==, 0);
        fact = fact_of_route(&ours);
        g_assert_cmpint(netns_apply(netns, OPERATION_ADD, &fact, NULL), ==, 0);
        g_assert_cmpint(fact_set_put(&netns->observed, &fact), ==, 0);
        netns_ip("address delete 10.7.0.1/24 dev v0");
        netns_expect_gone(netns, &fact);
}

static void test_last_address_takes_routes_along(Netns *netns) {
        Route ours = netns_route("192.0.2.0/24", NULL, netns_ifindex("v0"), TABLE);
        const Fact fact = fact_of_route(&ours);

        g_assert_cmpint(netns_apply(netns, OPERATION_ADD, &fact, NULL), ==, 0);
        g_assert_cmpint(fact_set_put(&netns->observed, &fact), ==, 0);
        netns_ip("address delete 10.1.0.1/24 dev v0");
        netns_expect_gone(netns, &fact);
}

/* Return: `ip address delete`, to be waited for. */
static GPid start_address_deletion(void) {
        static const char *const argv[] = { "ip", "address", "delete", "10.1.0.1/24", "dev", "v0",
                NULL };
        GPid pid;

        g_assert_true(g_spawn_async(NULL, (char **)argv, NULL,
                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL));
        return pid;
}

/*
 * The kernel tells of the address before it takes the routes: with many it is
 * at it for a while, from the last one to the first.
 */
static void test_reading_waits_for_a_removal(Netns *netns) {
        Route ours = netns_route("5.0.0.0/24", NULL, netns_ifindex("v0"), TABLE);
        const Fact fact = fact_of_route(&ours);
        g_autoptr(GString) others = g_string_new("address add 10.1.0.1/24 dev v0\n");

        for (unsigned i = 0; i < 10000; i++)
                g_string_append_printf(others, "route add 10.%u.%u.0/24 dev v0 table %u\n",
                        100 + i / 256, i % 256, TABLE);
        netns_ip("address delete 10.1.0.1/24 dev v0");
        for (unsigned round = 0; round < 10; round++) {
                GPid pid;
                int status;

                netns_ip_batch(others->str);
                g_assert_cmpint(netns_apply(netns, OPERATION_ADD, &fact, NULL), ==, 0);
                g_assert_cmpint(fact_set_put(&netns->observed, &fact), ==, 0);
                (void)netns_settle(netns);
                pid = start_address_deletion();
                netns_expect_gone(netns, &fact);
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_cmpint(status, ==, 0);
        }
}

static void test_many_link_events_are_one_reading(Netns *netns) {
        g_autoptr(GString) lines = g_string_new(NULL);
        uint32_t ifindex = netns_ifindex("v0");

        for (unsigned i = 0; i < 20; i++)
                g_string_append(lines, "link set v0 down\nlink set v0 up\n");
        g_string_append(lines, "link set v0 down\n");
        netns_ip_batch(lines->str);
        g_assert_true(netns_wait(netns, link_is_down, &ifindex));
        (void)netns_settle(netns);
        g_assert_cmpuint(netns->n_resyncs, >=, 1);
        g_assert_cmpuint(netns->n_resyncs, <=, 3);
}

static void test_tells_every_hop(Netns *netns) {
        static const char *const families[] = { "-4", "-6" };
        static const char *const to[] = { "0.0.0.0/0", "::/0" };
        static const char *const gateways[][2] = { { "10.1.0.8", "10.1.0.9" },
                { "fd01::8", "fd01::9" } };

        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                Fact first = foreign_route(to[i], gateways[i][0], "v0", RTPROT_BOOT);
                Fact second = foreign_route(to[i], gateways[i][1], "v0", RTPROT_BOOT);

                second.route.hop = 1;
                netns_ip("%s route add default nexthop via %s dev v0 nexthop via %s dev v0",
                        families[i], gateways[i][0], gateways[i][1]);
                netns_expect(netns, &first);
                netns_expect(netns, &second);
                netns_ip("%s route delete default", families[i]);
                netns_expect_gone(netns, &first);
                netns_expect_gone(netns, &second);
        }
}

static void test_tells_routes_that_share_a_slot(Netns *netns) {
        static const char *const families[] = { "-4", "-6" };
        static const char *const to[] = { "0.0.0.0/0", "::/0" };

        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                Fact first = foreign_route(to[i], NULL, "v0", RTPROT_BOOT);
                Fact second = foreign_route(to[i], NULL, "v1", RTPROT_BOOT);

                second.route.hop = 1;
                netns_ip("%s route add default dev v0", families[i]);
                netns_ip("%s route append default dev v1", families[i]);
                netns_expect(netns, &first);
                netns_expect(netns, &second);

                netns_ip("%s route delete default dev v0", families[i]);
                netns_expect_gone(netns, &second);
                second.route.hop = 0;
                netns_expect(netns, &second);
        }
}

static void check_nexthop_objects(Netns *netns, const char *compat_mode) {
        Fact single = foreign_route("0.0.0.0/0", "10.1.0.8", "v0", RTPROT_BOOT);
        Fact second = foreign_route("0.0.0.0/0", "10.1.0.9", "v0", RTPROT_BOOT);
        Fact single6 = foreign_route("::/0", "fd01::8", "v0", RTPROT_BOOT);
        Fact blackhole = foreign_route("0.0.0.0/0", NULL, NULL, RTPROT_BOOT);

        netns_sysctl("ipv4/nexthop_compat_mode", compat_mode);
        netns_ip("nexthop add id 1 via 10.1.0.8 dev v0");
        netns_ip("nexthop add id 2 via 10.1.0.9 dev v0");
        netns_ip("nexthop add id 3 group 1/2");
        netns_ip("nexthop add id 4 blackhole");
        netns_ip("nexthop add id 6 via fd01::8 dev v0");
        netns_ip("-6 route add default nhid 6");
        netns_expect(netns, &single6);

        netns_ip("route add default nhid 1");
        netns_expect(netns, &single);
        g_assert_cmpint(address_parse("10.1.0.7", &single.route.gateway), ==, 0);
        netns_ip("nexthop replace id 1 via 10.1.0.7 dev v0");
        netns_expect(netns, &single);

        second.route.hop = 1;
        netns_ip("route replace default nhid 3");
        netns_expect(netns, &single);
        netns_expect(netns, &second);

        blackhole.route.type = RTN_BLACKHOLE;
        blackhole.route.metric = 9;
        netns_ip("route add default nhid 4 metric 9");
        netns_expect(netns, &blackhole);

        netns_ip("nexthop delete id 1");
        netns_expect_gone(netns, &second);
        netns_ip("nexthop delete id 2");
        netns_expect_gone(netns, &single);
        netns_ip("nexthop delete id 6");
        netns_expect_gone(netns, &single6);
}

static void test_resolves_nexthop_objects(Netns *netns) {
        check_nexthop_objects(netns, "0");
}

static void test_reads_compatible_nexthop_objects(Netns *netns) {
        check_nexthop_objects(netns, "1");
}

/* More than the queue holds, of what passes the filter, while nobody reads. */
static void test_overrun_loses_nothing(Netns *netns) {
        g_autoptr(GString) lines = g_string_new(NULL);
        Fact fact = { .kind = FACT_ROUTE }, gone, added, link;
        const FactKind kind = FACT_LINK;

        for (unsigned i = 0; i < 40000; i++)
                g_string_append_printf(lines, "route add 12.%u.%u.%u/32 dev v0 table %u proto %u\n",
                        i >> 16, (i >> 8) & 255, i & 255, TABLE, OURS_PROTOCOL);
        netns_ip_batch(lines->str);
        netns_ip("route delete 12.0.0.7/32 table %u", TABLE);
        netns_ip("route add default via 10.1.0.9");
        netns_ip("link set v1 name renamed");
        g_assert_true(netns_wait(netns, was_resynced, &kind));
        (void)netns_settle(netns);

        fact.route = netns_route("12.0.156.63/32", NULL, netns_ifindex("v0"), TABLE); /* the last */
        netns_expect(netns, &fact);
        gone.kind = FACT_ROUTE;
        gone.route = netns_route("12.0.0.7/32", NULL, netns_ifindex("v0"), TABLE);
        netns_expect_gone(netns, &gone);
        added = foreign_route("0.0.0.0/0", "10.1.0.9", "v0", RTPROT_BOOT);
        netns_expect(netns, &added);
        link.kind = FACT_LINK;
        link.link.ifindex = netns_ifindex("renamed");
        g_assert_cmpstr(fact_set_find(&netns->observed, &link)->link.name, ==, "renamed");
}

static void on_foreign(const FactChange *change, void *userdata) {
        g_array_append_val((GArray *)userdata, *change);
}

static void test_streams_foreign_routes_while_wanted(Netns *netns) {
        g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(FactChange));
        const FactChange *change;
        char text[PREFIX_TEXT_MAX];

        netns_ip("route add 192.0.2.0/24 dev v0");
        g_assert_cmpuint(netns_settle(netns), ==, 0);
        g_assert_cmpint(rtnetlink_watch_foreign(netns->backend, on_foreign, changes), ==, 0);
        netns_ip("-6 route add 2001:db8::/32 dev v0 table 77");
        netns_ip("route delete 192.0.2.0/24");
        netns_ip("route add 192.0.2.0/24 dev v0 table 77 proto %u", OURS_PROTOCOL);
        (void)netns_settle(netns);
        g_assert_cmpuint(changes->len, ==, 2);
        change = &g_array_index(changes, FactChange, 0);
        g_assert_cmpstr(prefix_format(&change->fact.route.destination, text), ==, "2001:db8::/32");
        g_assert_false(change->removed);
        change = &g_array_index(changes, FactChange, 1);
        g_assert_true(change->removed);
        g_assert_cmpuint(change->author, !=, 0);
        g_assert_cmpuint(netns->n_changes, ==, 1); /* ours alone is a fact */

        g_assert_cmpint(rtnetlink_watch_foreign(netns->backend, NULL, NULL), ==, 0);
        netns_ip("route add 198.51.100.0/24 dev v0");
        g_assert_cmpuint(netns_settle(netns), ==, 0);
}

/* Moves "v1" to the namespace of a child that lives until the pipe is closed. */
typedef struct Neighbourhood {
        pid_t pid;
        int hold;
} Neighbourhood;

static void live_next_door(int ready, int hold) {
        char byte = 0;

        if (unshare(CLONE_NEWNET) < 0 || write(ready, &byte, 1) != 1)
                _exit(1);
        (void)read(hold, &byte, 1); /* ends with the test */
        _exit(0);
}

static Neighbourhood neighbourhood_new(void) {
        Neighbourhood it;
        int ready[2], hold[2];
        char byte;

        g_assert_cmpint(pipe(ready), ==, 0);
        g_assert_cmpint(pipe(hold), ==, 0);
        it.pid = fork();
        g_assert_cmpint(it.pid, >=, 0);
        if (it.pid == 0) {
                (void)close(hold[1]);
                live_next_door(ready[1], hold[0]);
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        (void)close(ready[0]);
        (void)close(ready[1]);
        (void)close(hold[0]);
        it.hold = hold[1];
        netns_ip("link set v1 netns %d", it.pid);
        return it;
}

static void neighbourhood_run(const Neighbourhood *it, const char *arguments) {
        g_autofree char *line =
                g_strdup_printf("nsenter --net=/proc/%d/ns/net ip %s", it->pid, arguments);
        int status;

        g_assert_true(g_spawn_command_line_sync(line, NULL, NULL, &status, NULL));
        g_assert_cmpint(status, ==, 0);
}

static void neighbourhood_clear(Neighbourhood *it) {
        (void)close(it->hold);
        (void)waitpid(it->pid, NULL, 0);
}

typedef struct Expected {
        Fact key;
        uint8_t last_byte; /* of the MAC */
} Expected;

static bool has_mac(Netns *netns, const void *userdata) {
        const Expected *expected = userdata;
        const Fact *found = fact_set_find(&netns->observed, &expected->key);

        return found && found->neighbour.mac.length == 6 &&
               found->neighbour.mac.bytes[5] == expected->last_byte;
}

static void test_resolves_neighbours(Netns *netns) {
        static const char *const addresses[] = { "10.1.0.2", "fd01::2" };
        Neighbourhood next_door = neighbourhood_new();
        uint32_t ifindex = netns_ifindex("v0");

        /* Without a packet to send, IPv6 asks from the link-local address or not at all. */
        netns_ip("address add fe80::1/64 dev v0 nodad");
        neighbourhood_run(&next_door, "link set v1 address 02:00:00:00:00:02 up");
        neighbourhood_run(&next_door, "address add 10.1.0.2/24 dev v1");
        neighbourhood_run(&next_door, "address add fd01::2/64 dev v1 nodad");
        for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
                Expected expected = { .key = { .kind = FACT_NEIGHBOUR,
                                              .neighbour.ifindex = ifindex },
                        .last_byte = 2 };
                Address *address = &expected.key.neighbour.address;

                g_assert_cmpint(address_parse(addresses[i], address), ==, 0);
                netns->backend->interface->resolve_neighbour(netns->backend, ifindex, address);
                g_assert_true(netns_wait(netns, has_mac, &expected));

                /* It is known now: asked again, the answer comes from the loop all the same. */
                g_assert_true(fact_set_remove(&netns->observed, &expected.key));
                netns->backend->interface->resolve_neighbour(netns->backend, ifindex, address);
                g_assert_null(fact_set_find(&netns->observed, &expected.key));
                g_assert_true(netns_wait(netns, has_mac, &expected));

                netns_ip("neigh replace %s lladdr 02:00:00:00:00:09 dev v0", addresses[i]);
                expected.last_byte = 9;
                g_assert_true(netns_wait(netns, has_mac, &expected));
                netns_ip("neigh delete %s dev v0", addresses[i]);
                netns_expect_gone(netns, &expected.key);
        }
        neighbourhood_clear(&next_door);
}

static void test_other_neighbours_do_not_wake(Netns *netns) {
        Address address;

        g_assert_cmpint(address_parse("10.1.0.9", &address), ==, 0);
        netns_ip("neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev v0");
        netns->backend->interface->resolve_neighbour(netns->backend, netns_ifindex("v0"), &address);
        (void)netns_settle(netns);
        g_assert_cmpuint(netns->n_changes, ==, 1);
        netns_ip("neigh add 10.1.0.8 lladdr 02:00:00:00:00:08 dev v1");
        g_assert_cmpuint(netns_settle(netns), ==, 0);
}

static void test_reports_nothing_before_the_first_resync(Netns *netns) {
        Backend *backend = NULL;

        g_assert_cmpint(rtnetlink_new(netns->event, &backend), ==, 0);
        netns_ip("link set v1 down");
        netns_ip("route add default via 10.1.0.9");
        (void)netns_settle(netns); /* it has no sink: a report would crash */
        (void)rtnetlink_free(backend);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        netns_test_add("/rtnetlink/tells-links-and-addresses", test_tells_links_and_addresses);
        netns_test_add("/rtnetlink/tells-a-peer-address", test_tells_a_peer_address);
        netns_test_add("/rtnetlink/tells-others-defaults", test_tells_others_defaults);
        netns_test_add(
                "/rtnetlink/tells-what-others-do-to-ours", test_tells_what_others_do_to_ours);
        netns_test_add("/rtnetlink/sees-ours-overwritten", test_sees_ours_overwritten);
        netns_test_add("/rtnetlink/is-not-fooled-by-old-news", test_is_not_fooled_by_old_news);
        netns_test_add("/rtnetlink/tells-rules", test_tells_rules);
        netns_test_add(
                "/rtnetlink/own-requests-make-no-reports", test_own_requests_make_no_reports);
        netns_test_add("/rtnetlink/foreign-routes-do-not-wake", test_foreign_routes_do_not_wake);
        netns_test_add(
                "/rtnetlink/link-down-takes-routes-along", test_link_down_takes_routes_along);
        netns_test_add("/rtnetlink/link-deletion-takes-routes-along",
                test_link_deletion_takes_routes_along);
        netns_test_add("/rtnetlink/address-deletion-takes-routes-along",
                test_address_deletion_takes_routes_along);
        netns_test_add(
                "/rtnetlink/last-address-takes-routes-along", test_last_address_takes_routes_along);
        netns_test_add("/rtnetlink/reading-waits-for-a-removal", test_reading_waits_for_a_removal);
        netns_test_add("/rtnetlink/many-link-events-are-one-reading",
                test_many_link_events_are_one_reading);
        netns_test_add("/rtnetlink/tells-every-hop", test_tells_every_hop);
        netns_test_add(
                "/rtnetlink/tells-routes-that-share-a-slot", test_tells_routes_that_share_a_slot);
        netns_test_add("/rtnetlink/resolves-nexthop-objects", test_resolves_nexthop_objects);
        netns_test_add("/rtnetlink/reads-compatible-nexthop-objects",
                test_reads_compatible_nexthop_objects);
        netns_test_add("/rtnetlink/overrun-loses-nothing", test_overrun_loses_nothing);
        netns_test_add("/rtnetlink/streams-foreign-routes-while-wanted",
                test_streams_foreign_routes_while_wanted);
        netns_test_add("/rtnetlink/resolves-neighbours", test_resolves_neighbours);
        netns_test_add(
                "/rtnetlink/other-neighbours-do-not-wake", test_other_neighbours_do_not_wake);
        netns_test_add("/rtnetlink/reports-nothing-before-the-first-resync",
                test_reports_nothing_before_the_first_resync);
        return g_test_run();
}
