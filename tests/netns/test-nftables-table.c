// SPDX-License-Identifier: GPL-3.0-or-later

/* The table as a whole: what it says, who may change it, what it costs. */

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/base/clock.h"
#include "tests/lib/netns.h"
#include "tests/netns/test-nftables-lab.h"

#define GUARD_BOTH (FILTER_GUARD_IPV4 | FILTER_GUARD_IPV6)

/* The kernel sends packets of its own, when it likes. */
static char *list_with_counters_at_zero(void) {
        g_autoptr(GRegex) counted = g_regex_new("packets [0-9]+ bytes [0-9]+", 0, 0, NULL);
        g_autofree char *listed = lab_nft("list table inet talpid");

        return g_regex_replace_literal(counted, listed, -1, 0, "packets 0 bytes 0", 0, NULL);
}

static void check_listing(const char *fixture) {
        g_autofree char *path = g_build_filename(FIXTURES, fixture, NULL);
        g_autofree char *listed = list_with_counters_at_zero();
        g_autofree char *expected = NULL;

        if (g_getenv("NFT_FIXTURES_WRITE")) /* after a change of the table: look at the diff */
                g_assert_true(g_file_set_contents(path, listed, -1, NULL));
        g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
        g_assert_cmpstr(listed, ==, expected);
}

#define EVERY_ITEM                                                                                 \
        lab_name(FILTER_TUNNEL, "tun0"), lab_prefix(FILTER_TUNNEL_ADDRESS, "10.77.2.2"),           \
                lab_prefix(FILTER_TUNNEL_ADDRESS, "fd77:2::2"), lab_name(FILTER_UPLINK, "up0"),    \
                lab_name(FILTER_UPLINK, "up1"), lab_name(FILTER_OUTSIDE, "up0"),                   \
                lab_name(FILTER_OUTSIDE, "up1"), lab_prefix(FILTER_LAN, "10.0.0.0/8"),             \
                lab_prefix(FILTER_LAN, "192.168.0.0/16"), lab_prefix(FILTER_LAN, "fe80::/10"),     \
                lab_prefix(FILTER_AROUND, "192.0.2.0/24"),                                         \
                lab_prefix(FILTER_AROUND, "2001:db8::/32"), lab_user(1234),                        \
                lab_name(FILTER_INTERFACE, "box0")

static void reads_as_in_guard_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH), EVERY_ITEM);
        check_listing("guard.txt");
}

static void reads_as_in_guard_counting_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH | FILTER_COUNT), lab_name(FILTER_TUNNEL, "tun9"));
        check_listing("guard-counting.txt");
}

static void reads_as_in_guard_included_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_group(9000000001, 2, LAB_INCLUDED, false),
                lab_base(GUARD_BOTH | FILTER_GUARD_INCLUDED), lab_name(FILTER_TUNNEL, "tun0"),
                lab_prefix(FILTER_TUNNEL_ADDRESS, "10.77.2.2"), lab_name(FILTER_UPLINK, "up0"),
                lab_user(1234), lab_prefix(FILTER_RESOLVER, "10.77.2.1"),
                lab_name(FILTER_INTERFACE, "box0"), lab_prefix(FILTER_INCLUDED, "192.0.2.0/24"),
                lab_prefix(FILTER_INCLUDED, "2001:db8::/32"));
        check_listing("guard-included.txt");
}

static void reads_as_in_newcomers_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_known(9000000001, 0, true), lab_known(9000000002, 1, true),
                lab_known(9000000003, 2, false), lab_base(GUARD_BOTH | FILTER_GUARD_INCLUDED),
                lab_name(FILTER_TUNNEL, "tun0"), lab_name(FILTER_UPLINK, "up0"));
        check_listing("newcomers.txt");
}

static void reads_as_in_guard_ipv4_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(FILTER_GUARD_IPV4), EVERY_ITEM);
        check_listing("guard-ipv4.txt");
}

#define GROUPS                                                                                     \
        lab_group(9000000001, 1, LAB_MARK, true), lab_group(9000000002, 3, LAB_MARK, false),       \
                lab_group(9000000003, 3, LAB_INCLUDED, false), lab_resolver("10.77.1.1"),          \
                lab_resolver("fd77:1::1")

static void reads_as_in_groups_cgroup2_txt(Lab *lab) {
        Fact ours = lab_group(9000000004, 2, LAB_MARK, false);
        const Fact unit = lab_group(9000000005, 2, LAB_MARK, false);

        if (!lab_has_nft())
                return;
        ours.marked_group.is_ours = true;
        LAB_WRITE(lab, GROUPS, ours, unit, lab_base(GUARD_BOTH), EVERY_ITEM);
        lab_remove(lab, &ours);
        lab_remove(lab, &unit);
        check_listing("groups-cgroup2.txt");
}

static void reads_as_in_groups_net_cls_txt(Lab *lab) {
        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_group(0x00100001, 0, LAB_MARK, true),
                lab_group(0x00100002, 0, LAB_MARK, false), lab_resolver("10.77.1.1"), lab_base(0));
        check_listing("groups-net-cls.txt");
}

/* Others. */

#define TWO_TUNNELS lab_name(FILTER_TUNNEL, "tun0"), lab_name(FILTER_TUNNEL, "tun1")

static void check_lost(Lab *lab, const char *how) {
        gint64 before = g_get_monotonic_time();
        g_autofree char *said = NULL;

        LAB_WRITE(lab, lab_base(GUARD_BOTH), TWO_TUNNELS);
        g_assert_cmpint(lab->backend->interface->resync(lab->backend), ==, 0);
        g_assert_cmpuint(lab->observed.facts.n, ==, 3);

        said = lab_nft("%s", how);
        lab_wait_for_report(lab);
        g_assert_cmpuint(lab->observed.facts.n, ==, 0);
        g_assert_cmpuint(lab->last.author, !=, 0);
        g_assert_true(lab->last.removed);
        g_test_message("`nft %s` noticed after %" G_GINT64_FORMAT " us, nft's own start included",
                how, g_get_monotonic_time() - before);

        /* And back again, whole. */
        LAB_WRITE(lab, lab_base(GUARD_BOTH), TWO_TUNNELS);
        g_assert_cmpint(lab->backend->interface->resync(lab->backend), ==, 0);
        g_assert_cmpuint(lab->observed.facts.n, ==, 3);
}

static void notices_changes_by_others(Lab *lab) {
        static const char *const ways[] = {
                "delete table inet talpid",
                "flush ruleset",
                "flush chain inet talpid guard-output",
                "flush set inet talpid tunnel",
                "delete element inet talpid tunnel { tun0 }",
                "add element inet talpid tunnel { up0 }",
                "insert rule inet talpid guard-output accept",
                "add chain inet talpid other",
                "add set inet talpid other { type mark\\; }",
        };

        if (!lab_has_nft())
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(ways); i++)
                check_lost(lab, ways[i]);
}

static void does_not_mind_other_tables(Lab *lab) {
        g_autofree char *a = NULL, *b = NULL;

        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH));
        a = lab_nft("add table inet other");
        b = lab_nft("add table ip talpid");
        (void)lab_settle(lab);
        g_assert_cmpuint(lab->n_changes, ==, 0);
}

static void leaves_out_its_own_changes(Lab *lab) {
        LAB_WRITE(lab, lab_base(GUARD_BOTH));
        LAB_WRITE(lab, lab_name(FILTER_TUNNEL, "tun0"));
        (void)lab_settle(lab);
        g_assert_cmpuint(lab->n_changes, ==, 0);
}

static void refuses_a_foreign_table(Lab *lab) {
        const Fact base = lab_base(GUARD_BOTH);
        Operation operation = { OPERATION_ADD, base, base };
        g_autofree char *a = NULL, *listed = NULL, *b = NULL;
        Fault fault;

        if (!lab_has_nft())
                return;
        a = lab_nft("add table inet talpid { comment \"mine\"\\; }");
        g_assert_cmpuint(
                lab->backend->interface->apply(lab->backend, &operation, 1, &fault), ==, 1);
        g_assert_cmpint(fault.error, ==, -EEXIST);
        g_assert_nonnull(strstr(fault.text, "not ours"));
        listed = lab_nft("list table inet talpid");
        g_assert_nonnull(strstr(listed, "mine"));

        operation.verb = OPERATION_REMOVE; /* nor is it removed */
        (void)lab->backend->interface->apply(lab->backend, &operation, 1, &fault);
        g_assert_cmpint(fault.error, ==, -EEXIST);

        b = lab_nft("delete table inet talpid");
        LAB_WRITE(lab, base);
}

/* Return: `nft -i`, which has made the table; @ret_in ends it, and the table with it. */
static GPid hold_table(int *ret_in) {
        static const char *const argv[] = { "nft", "-i", NULL };
        const char line[] = "add table inet talpid { flags owner; comment \"talpid: x\"; }\n";
        gint64 deadline = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
        g_autofree char *listed = g_strdup("");
        GPid pid;

        g_assert_true(g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                NULL, &pid, ret_in, NULL, NULL, NULL));
        g_assert_cmpint(write(*ret_in, line, strlen(line)), ==, strlen(line));
        while (!strstr(listed, "inet talpid")) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_free(listed);
                listed = lab_nft("list tables");
        }
        return pid;
}

/* Even with our comment: the kernel lets nobody but the process change it. */
static void refuses_a_table_that_a_process_holds(Lab *lab) {
        const Fact base = lab_base(GUARD_BOTH);
        const Operation operation = { OPERATION_ADD, base, base };
        g_autofree char *holds = NULL;
        Fault fault;
        GPid pid;
        int in;

        if (!lab_has_nft())
                return;
        pid = hold_table(&in);
        holds = g_strdup_printf("process %d holds", (int)pid);
        g_assert_cmpuint(
                lab->backend->interface->apply(lab->backend, &operation, 1, &fault), ==, 1);
        g_assert_cmpint(fault.error, ==, -EEXIST);
        g_assert_nonnull(strstr(fault.text, holds));
        g_assert_no_errno(close(in));
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        LAB_WRITE(lab, base);
}

static void leaves_a_table_that_took_its_place(Lab *lab) {
        const Fact base = lab_base(GUARD_BOTH);
        const Operation operation = { OPERATION_ADD, base, base };
        g_autofree char *listed = NULL;
        Fault fault;

        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, base);
        g_free(lab_nft("delete table inet talpid"));
        g_free(lab_nft("add table inet talpid { comment \"mine\"\\; }"));
        lab_wait_for_report(lab);
        g_assert_cmpuint(
                lab->backend->interface->apply(lab->backend, &operation, 1, &fault), ==, 1);
        g_assert_cmpint(fault.error, ==, -EEXIST);
        listed = lab_nft("list table inet talpid");
        g_assert_nonnull(strstr(listed, "mine"));
}

static void takes_the_place_of_a_dead_predecessor(Lab *lab) {
        Fact base = lab_base(GUARD_BOTH);
        const Fact *left;

        LAB_WRITE(lab, base, lab_name(FILTER_TUNNEL, "tun0"));
        lab->backend = nftables_free(lab->backend);
        g_assert_cmpint(nftables_new(lab->event, NFTABLES_GUARD_ONLY, &lab->backend), ==, 0);
        lab_listen(lab);
        g_assert_cmpint(lab->backend->interface->resync(lab->backend), ==, 0);

        /* It is there, unlike anything wanted. */
        g_assert_cmpuint(lab->observed.facts.n, ==, 1);
        left = fact_set_find(&lab->observed, &base);
        g_assert_nonnull(left);
        g_assert_false(fact_equals(left, &base));

        LAB_WRITE(lab, base);
        g_assert_cmpint(lab->backend->interface->resync(lab->backend), ==, 0);
        g_assert_cmpuint(lab->observed.facts.n, ==, 1);
        g_assert_true(fact_equals(fact_set_find(&lab->observed, &base), &base));
}

static void removes_the_table_of_a_dead_predecessor(Lab *lab) {
        Fact base = lab_base(GUARD_BOTH);
        g_autofree char *listed = NULL;

        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, base);
        lab->backend = nftables_free(lab->backend);
        g_assert_cmpint(nftables_new(lab->event, NFTABLES_GUARD_ONLY, &lab->backend), ==, 0);
        lab_listen(lab);
        g_assert_cmpint(lab->backend->interface->resync(lab->backend), ==, 0);
        lab_remove(lab, fact_set_find(&lab->observed, &base));
        listed = lab_nft("list tables");
        g_assert_cmpstr(listed, ==, "");
}

static void keeps_the_old_table_when_a_write_fails(Lab *lab) {
        Fact many[10];
        Operation operations[10];
        Fault faults[10];
        g_autofree char *before = NULL, *after = NULL;

        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH), lab_name(FILTER_TUNNEL, "tun0"));
        before = lab_nft("-a list table inet talpid");
        for (size_t i = 0; i < G_N_ELEMENTS(many); i++) { /* more marks than a table can tell */
                many[i] = lab_group(1000 + i, 1, LAB_MARK, false);
                many[i].marked_group.mask = many[i].marked_group.mark = UINT32_C(1) << i;
                operations[i] = (Operation){ OPERATION_ADD, many[i], many[i] };
        }
        g_assert_cmpuint(lab->backend->interface->apply(
                                 lab->backend, operations, G_N_ELEMENTS(many), faults),
                ==, G_N_ELEMENTS(many));
        for (size_t i = 0; i < G_N_ELEMENTS(many); i++)
                g_assert_cmpint(faults[i].error, ==, -E2BIG);
        after = lab_nft("-a list table inet talpid");
        g_assert_cmpstr(before, ==, after);
        g_assert_cmpint(lab->backend->interface->resync(lab->backend), ==, 0);
        g_assert_cmpuint(lab->observed.facts.n, ==, 2);
}

static void fails_alone_what_no_table_can_hold(Lab *lab) {
        const Fact good = lab_base(GUARD_BOTH), bad = lab_group(1, 256, LAB_MARK, false);
        const Operation operations[] = { { OPERATION_ADD, bad, bad },
                { OPERATION_ADD, good, good } };
        Fault faults[2];

        g_assert_cmpuint(
                lab->backend->interface->apply(lab->backend, operations, 2, faults), ==, 1);
        g_assert_cmpint(faults[0].error, ==, -ERANGE);
        g_assert_cmpint(faults[1].error, ==, 0);
}

static void keeps_a_table_until_its_base_comes(Lab *lab) {
        g_autofree char *listed = NULL;

        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH));
        g_free(lab_nft("flush chain inet talpid guard-forward"));
        lab_wait_for_report(lab);
        LAB_WRITE(lab, lab_name(FILTER_TUNNEL, "tun0"));
        listed = lab_nft("list table inet talpid");
        g_assert_nonnull(strstr(listed, "would leave beside the tunnel"));
}

/* Size. */

static void writes_4096_groups_and_1024_prefixes_in_milliseconds(Lab *lab) {
        g_autoptr(GArray) facts = g_array_new(FALSE, FALSE, sizeof(Fact));
        Fact fact = lab_base(GUARD_BOTH);
        usec_t before;
        unsigned n = 0;

        g_array_append_val(facts, fact);
        for (unsigned i = 0; i < 4096; i++) {
                fact = lab_group(5000000000 + i, 1 + i % 8, LAB_MARK, i % 2);
                g_array_append_val(facts, fact);
        }
        for (unsigned i = 0; i < 1024; i++) {
                g_autofree char *text = g_strdup_printf("11.%u.%u.0/24", i / 256, i % 256);

                fact = lab_prefix(FILTER_AROUND, text);
                g_array_append_val(facts, fact);
        }
        before = clock_now();
        lab_write(lab, (const Fact *)(void *)facts->data, facts->len);
        g_test_message("written first in %" G_GUINT64_FORMAT " us", clock_now() - before);
        before = clock_now();
        LAB_WRITE(lab, lab_name(FILTER_TUNNEL, "tun0"));
        g_test_message("replaced in %" G_GUINT64_FORMAT " us", clock_now() - before);
        g_assert_cmpuint(clock_now() - before, <, USEC_PER_SEC);
        if (lab_has_nft()) {
                g_autofree char *set = lab_nft("-j list set inet talpid groups-0x10000000");
                const char *at = set;

                while ((at = strstr(at, "50000")) != NULL) {
                        at++;
                        n++;
                }
                g_assert_cmpuint(n, ==, 4096);
        }
}

static void merges_prefixes_that_nest_or_touch(Lab *lab) {
        g_autofree char *set = NULL;

        if (!lab_has_nft())
                return;
        LAB_WRITE(lab, lab_base(GUARD_BOTH), lab_prefix(FILTER_LAN, "10.0.0.0/8"),
                lab_prefix(FILTER_LAN, "10.1.0.0/16"), lab_prefix(FILTER_LAN, "11.0.0.0/8"),
                lab_prefix(FILTER_LAN, "0.0.0.0/8"), lab_prefix(FILTER_LAN, "255.255.255.255"),
                lab_prefix(FILTER_AROUND, "0.0.0.0/0"), lab_prefix(FILTER_AROUND, "::/1"),
                lab_prefix(FILTER_AROUND, "8000::/1"));
        set = lab_nft("list set inet talpid lan-ipv4");
        g_assert_nonnull(strstr(set, "0.0.0.0/8, 10.0.0.0/8"));
        g_assert_nonnull(strstr(set, "11.0.0.0/8"));
        g_assert_nonnull(strstr(set, "255.255.255.255"));
        g_assert_null(strstr(set, "10.1.0.0"));
}

static void probes_without_a_trace(Lab *lab) {
        g_autofree char *tables = NULL;
        Fault fault;

        for (NftablesMechanism m = NFTABLES_GUARD_ONLY; m <= NFTABLES_NET_CLS; m++) {
                int r = nftables_probe(m, &fault);

                g_test_message("mechanism %d: %d %s", m, r, fault.text);
                g_assert_cmpint(r, >=, 0);
        }
        if (!lab_has_nft())
                return;
        tables = lab_nft("list tables");
        g_assert_cmpstr(tables, ==, "");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        lab_test_add("/nftables/reads-as-in-guard.txt", NFTABLES_GUARD_ONLY, reads_as_in_guard_txt);
        lab_test_add("/nftables/reads-as-in-guard-counting.txt", NFTABLES_GUARD_ONLY,
                reads_as_in_guard_counting_txt);
        lab_test_add("/nftables/reads-as-in-guard-included.txt", NFTABLES_CGROUP2,
                reads_as_in_guard_included_txt);
        lab_test_add(
                "/nftables/reads-as-in-newcomers.txt", NFTABLES_CGROUP2, reads_as_in_newcomers_txt);
        lab_test_add("/nftables/reads-as-in-guard-ipv4.txt", NFTABLES_GUARD_ONLY,
                reads_as_in_guard_ipv4_txt);
        lab_test_add("/nftables/reads-as-in-groups-cgroup2.txt", NFTABLES_CGROUP2,
                reads_as_in_groups_cgroup2_txt);
        lab_test_add("/nftables/reads-as-in-groups-net-cls.txt", NFTABLES_NET_CLS,
                reads_as_in_groups_net_cls_txt);
        lab_test_add("/nftables/notices-changes-by-others", NFTABLES_GUARD_ONLY,
                notices_changes_by_others);
        lab_test_add("/nftables/does-not-mind-other-tables", NFTABLES_GUARD_ONLY,
                does_not_mind_other_tables);
        lab_test_add("/nftables/leaves-out-its-own-changes", NFTABLES_GUARD_ONLY,
                leaves_out_its_own_changes);
        lab_test_add(
                "/nftables/refuses-a-foreign-table", NFTABLES_GUARD_ONLY, refuses_a_foreign_table);
        lab_test_add("/nftables/refuses-a-table-that-a-process-holds", NFTABLES_GUARD_ONLY,
                refuses_a_table_that_a_process_holds);
        lab_test_add("/nftables/leaves-a-table-that-took-its-place", NFTABLES_GUARD_ONLY,
                leaves_a_table_that_took_its_place);
        lab_test_add("/nftables/takes-the-place-of-a-dead-predecessor", NFTABLES_GUARD_ONLY,
                takes_the_place_of_a_dead_predecessor);
        lab_test_add("/nftables/removes-the-table-of-a-dead-predecessor", NFTABLES_GUARD_ONLY,
                removes_the_table_of_a_dead_predecessor);
        lab_test_add("/nftables/keeps-the-old-table-when-a-write-fails", NFTABLES_CGROUP2,
                keeps_the_old_table_when_a_write_fails);
        lab_test_add("/nftables/fails-alone-what-no-table-can-hold", NFTABLES_CGROUP2,
                fails_alone_what_no_table_can_hold);
        lab_test_add("/nftables/keeps-a-table-until-its-base-comes", NFTABLES_GUARD_ONLY,
                keeps_a_table_until_its_base_comes);
        lab_test_add("/nftables/writes-4096-groups-and-1024-prefixes-in-milliseconds",
                NFTABLES_CGROUP2, writes_4096_groups_and_1024_prefixes_in_milliseconds);
        lab_test_add("/nftables/merges-prefixes-that-nest-or-touch", NFTABLES_GUARD_ONLY,
                merges_prefixes_that_nest_or_touch);
        lab_test_add(
                "/nftables/probes-without-a-trace", NFTABLES_GUARD_ONLY, probes_without_a_trace);
        return g_test_run();
}
