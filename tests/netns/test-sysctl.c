// SPDX-License-Identifier: GPL-3.0-or-later

/* Settings below /proc/sys/net, of a network namespace of the test's own. */

#include <errno.h>
#include <glib/gstdio.h>

#include "backends/sysctl/sysctl-backend.h"
#include "tests/lib/netns.h"

typedef struct World {
        char *directory, *path;
        Backend *backend;
        FactSet observed;
        unsigned n_changes;
} World;

static void on_changes(const FactChange *changes, size_t n, void *userdata) {
        World *w = userdata;

        for (size_t i = 0; i < n; i++)
                if (changes[i].removed)
                        (void)fact_set_remove(&w->observed, &changes[i].fact);
                else
                        g_assert_cmpint(fact_set_put(&w->observed, &changes[i].fact), ==, 0);
        w->n_changes += (unsigned)n;
}

static void on_resync(uint32_t kinds, FactSet *facts, void *userdata) {
        World *w = userdata;

        g_assert_cmpuint(kinds, ==, FACT_KIND_BIT(FACT_SYSCTL));
        g_assert_cmpint(fact_set_copy(&w->observed, facts), ==, 0);
}

static void world_start(World *w) {
        g_assert_cmpint(sysctl_backend_new(w->path, &w->backend), ==, 0);
        w->backend->sink = (BackendSink){ on_changes, on_resync, w };
        g_assert_cmpint(w->backend->interface->resync(w->backend), ==, 0);
}

/* As SIGKILL would: what is in the file is all that is left. */
static void world_restart(World *w) {
        w->backend = sysctl_backend_free(w->backend);
        world_start(w);
}

static void world_clear(World *w) {
        w->backend = sysctl_backend_free(w->backend);
        fact_set_clear(&w->observed);
        g_assert_cmpint(g_rmdir(w->directory), ==, 0); /* nothing to remember: no file */
        g_free(w->directory);
        g_free(w->path);
}

static const Fact reflect = { .kind = FACT_SYSCTL,
        .sysctl = { .key = SYSCTL_FWMARK_REFLECT_IPV4, .value = 1 } };
static const Fact accepting = { .kind = FACT_SYSCTL,
        .sysctl = { .key = SYSCTL_TCP_FWMARK_ACCEPT, .value = 1 } };
static const Fact valid = { .kind = FACT_SYSCTL,
        .sysctl = { .key = SYSCTL_SRC_VALID_MARK, .value = 1 } };

static int apply(World *w, OperationVerb verb, const Fact *fact) {
        const Operation operation = { .verb = verb, .fact = *fact };
        Fault fault;

        (void)w->backend->interface->apply(w->backend, &operation, 1, &fault);
        return fault.error;
}

static void check(const char *path, const char *expected) {
        g_autofree char *full = g_strconcat("/proc/sys/net/", path, NULL);
        g_autofree char *text = NULL;

        g_assert_true(g_file_get_contents(full, &text, NULL, NULL));
        g_assert_cmpstr(g_strchomp(text), ==, expected);
}

static const Fact *find(World *w, const Fact *fact) {
        return fact_set_find(&w->observed, fact);
}

static void test_sets_and_puts_back(World *w) {
        check("ipv4/fwmark_reflect", "0");
        g_assert_null(find(w, &reflect));
        g_assert_cmpint(apply(w, OPERATION_ADD, &reflect), ==, 0);
        g_assert_cmpint(apply(w, OPERATION_ADD, &valid), ==, 0);
        check("ipv4/fwmark_reflect", "1");
        check("ipv4/conf/all/src_valid_mark", "1");
        g_assert_cmpint(w->backend->interface->resync(w->backend), ==, 0);
        g_assert_true(fact_equals(find(w, &reflect), &reflect));
        g_assert_cmpint(apply(w, OPERATION_REMOVE, &reflect), ==, 0);
        g_assert_cmpint(apply(w, OPERATION_REMOVE, &valid), ==, 0);
        check("ipv4/fwmark_reflect", "0");
        check("ipv4/conf/all/src_valid_mark", "0");
}

static void test_leaves_what_was_so_before(World *w) {
        netns_sysctl("ipv4/tcp_fwmark_accept", "1");
        g_assert_cmpint(apply(w, OPERATION_ADD, &accepting), ==, 0);
        g_assert_cmpint(apply(w, OPERATION_REMOVE, &accepting), ==, 0);
        check("ipv4/tcp_fwmark_accept", "1");
}

static void test_puts_back_after_a_crash(World *w) {
        g_assert_cmpint(apply(w, OPERATION_ADD, &reflect), ==, 0);
        world_restart(w);
        g_assert_true(fact_equals(find(w, &reflect), &reflect)); /* ours, as it was left */
        world_restart(w);
        g_assert_cmpint(apply(w, OPERATION_REMOVE, &reflect), ==, 0);
        check("ipv4/fwmark_reflect", "0");
        world_restart(w);
        g_assert_null(find(w, &reflect));
}

static void test_third_value_is_theirs(World *w) {
        g_assert_cmpint(apply(w, OPERATION_ADD, &valid), ==, 0);
        netns_sysctl("ipv4/conf/all/src_valid_mark", "7");
        world_restart(w);
        g_assert_cmpint(apply(w, OPERATION_REMOVE, find(w, &valid)), ==, 0);
        check("ipv4/conf/all/src_valid_mark", "7");
}

static void test_stricter_is_left(World *w) {
        const Fact arp = { .kind = FACT_SYSCTL,
                .sysctl = { .key = SYSCTL_ARP_IGNORE, .value = 1 } };

        netns_sysctl("ipv4/conf/all/arp_ignore", "2");
        g_assert_cmpint(apply(w, OPERATION_ADD, &arp), ==, 0);
        check("ipv4/conf/all/arp_ignore", "2");
        world_restart(w);
        g_assert_true(fact_equals(find(w, &arp), &arp));
        netns_sysctl("ipv4/conf/all/arp_ignore", "8");
        w->backend->interface->look(w->backend);
        g_assert_true(fact_equals(find(w, &arp), &arp));
        netns_sysctl("ipv4/conf/all/arp_ignore", "3"); /* answers for all but few */
        w->backend->interface->look(w->backend);
        g_assert_false(fact_equals(find(w, &arp), &arp));
        g_assert_cmpint(apply(w, OPERATION_REPLACE, &arp), ==, 0);
        check("ipv4/conf/all/arp_ignore", "1");
        g_assert_cmpint(apply(w, OPERATION_REMOVE, &arp), ==, 0);
        check("ipv4/conf/all/arp_ignore", "3");
}

static void test_tells_of_change_and_heals(World *w) {
        g_assert_cmpint(apply(w, OPERATION_ADD, &valid), ==, 0);
        w->backend->interface->look(w->backend);
        g_assert_cmpuint(w->n_changes, ==, 0);
        netns_sysctl("ipv4/conf/all/src_valid_mark", "0");
        w->backend->interface->look(w->backend);
        w->backend->interface->look(w->backend);
        g_assert_cmpuint(w->n_changes, ==, 1);
        g_assert_false(fact_equals(find(w, &valid), &valid));
        g_assert_cmpint(apply(w, OPERATION_REPLACE, &valid), ==, 0);
        check("ipv4/conf/all/src_valid_mark", "1");

        /* What they wanted last is what they get back. */
        netns_sysctl("ipv4/conf/all/src_valid_mark", "5");
        g_assert_cmpint(apply(w, OPERATION_REPLACE, &valid), ==, 0);
        g_assert_cmpint(apply(w, OPERATION_REMOVE, &valid), ==, 0);
        check("ipv4/conf/all/src_valid_mark", "5");
}

static void test_goes_with_its_device(World *w) {
        const Fact fact = { .kind = FACT_SYSCTL,
                .sysctl = { .key = SYSCTL_ROUTE_LOCALNET, .device = "dot.7", .value = 1 } };

        g_assert_cmpint(apply(w, OPERATION_ADD, &fact), ==, -ENOENT);
        netns_ip("link add dot.7 type veth peer name dot.8");
        g_assert_cmpint(apply(w, OPERATION_ADD, &fact), ==, 0);
        check("ipv4/conf/dot.7/route_localnet", "1");
        w->backend->interface->look(w->backend);
        netns_ip("link del dot.7");
        g_assert_cmpint(w->backend->interface->resync(w->backend), ==, 0);
        g_assert_null(find(w, &fact));
        g_assert_cmpint(apply(w, OPERATION_REMOVE, &fact), ==, 0);
}

static void test_probe_changes_nothing(World *w) {
        Fault fault = { 0 };

        g_assert_cmpuint(sysctl_backend_probe(&fault), ==, (UINT32_C(1) << _SYSCTL_KEY_MAX) - 1);
        g_assert_cmpint(fault.error, ==, 0);
        check("ipv4/fwmark_reflect", "0");
        check("ipv4/conf/lo/route_localnet", "0");
}

static void run_test(const void *data) {
        World w = { .observed = FACT_SET_INIT };

        if (!netns_enter())
                return;
        w.directory = g_dir_make_tmp("talpid-sysctl-XXXXXX", NULL);
        w.path = g_build_filename(w.directory, "sysctl", NULL);
        world_start(&w);
        (*(void (*const *)(World *))data)(&w);
        world_clear(&w);
}

int main(int argc, char **argv) {
        static const struct {
                const char *path;
                void (*test)(World *w);
        } cases[] = {
                { "/sysctl/sets-and-puts-back", test_sets_and_puts_back },
                { "/sysctl/leaves-what-was-so-before", test_leaves_what_was_so_before },
                { "/sysctl/puts-back-after-a-crash", test_puts_back_after_a_crash },
                { "/sysctl/third-value-is-theirs-and-stays", test_third_value_is_theirs },
                { "/sysctl/stricter-than-asked-for-is-left", test_stricter_is_left },
                { "/sysctl/tells-of-change-and-heals", test_tells_of_change_and_heals },
                { "/sysctl/goes-with-its-device", test_goes_with_its_device },
                { "/sysctl/probe-changes-nothing", test_probe_changes_nothing },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                g_test_add_data_func(cases[i].path, &cases[i].test, run_test);
        return g_test_run();
}
