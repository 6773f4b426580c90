// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/netns.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "backends/facts/ours.h"

#define DEADLINE_USEC (10 * G_USEC_PER_SEC)

static bool write_file(const char *path, const char *text) {
        FILE *file = fopen(path, "we");
        bool good;

        if (!file)
                return false;
        good = fputs(text, file) >= 0;
        return fclose(file) == 0 && good;
}

/* Makes the process root of a new user namespace. */
static bool become_root(void) {
        g_autofree char *uids = g_strdup_printf("0 %u 1\n", geteuid());
        g_autofree char *gids = g_strdup_printf("0 %u 1\n", getegid());

        return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
               write_file("/proc/self/uid_map", uids) && write_file("/proc/self/gid_map", gids);
}

bool netns_enter(void) {
        if ((geteuid() != 0 && !become_root()) || unshare(CLONE_NEWNET) < 0) {
                g_test_skip("no network namespace can be made here");
                return false;
        }
        return true;
}

static char *run(const char *arguments, const char *input) {
        g_autofree char *line = g_strconcat("ip ", arguments, NULL);
        g_auto(GStrv) argv = NULL;
        g_autofree char *out = NULL, *err = NULL, *file = NULL;
        g_autoptr(GError) error = NULL;
        int status;

        if (input) {
                int fd = g_file_open_tmp("netns-XXXXXX", &file, &error);

                g_assert_no_error(error);
                (void)close(fd);
                g_assert_true(g_file_set_contents(file, input, -1, NULL));
                g_free(line);
                line = g_strdup_printf("ip %s %s", arguments, file);
        }

        g_assert_true(g_shell_parse_argv(line, NULL, &argv, NULL));
        (void)g_spawn_sync(
                NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error);
        g_assert_no_error(error);
        if (file)
                (void)unlink(file);
        if (!g_spawn_check_wait_status(status, NULL))
                g_error("`%s`: %s", line, err);
        return g_steal_pointer(&out);
}

void netns_ip(const char *format, ...) {
        g_autofree char *arguments = NULL, *out = NULL;
        va_list args;

        va_start(args, format);
        arguments = g_strdup_vprintf(format, args);
        va_end(args);
        out = run(arguments, NULL);
}

char *netns_output(const char *format, ...) {
        g_autofree char *arguments = NULL;
        va_list args;

        va_start(args, format);
        arguments = g_strdup_vprintf(format, args);
        va_end(args);
        return run(arguments, NULL);
}

void netns_ip_batch(const char *lines) {
        g_autofree char *out = run("-batch", lines);
}

void netns_sysctl(const char *path, const char *value) {
        g_autofree char *full = g_strconcat("/proc/sys/net/", path, NULL);

        if (!write_file(full, value))
                g_error("cannot write %s", full);
}

uint32_t netns_ifindex(const char *name) {
        uint32_t ifindex = if_nametoindex(name);

        g_assert_cmpuint(ifindex, !=, 0);
        return ifindex;
}

static void on_changes(const FactChange *changes, size_t n, void *userdata) {
        Netns *netns = userdata;

        Array copy = ARRAY_INIT(FactChange);

        for (size_t i = 0; i < n; i++)
                g_assert_nonnull(array_append(&copy, &changes[i]));
        g_assert_cmpint(fact_set_merge(&netns->observed, &copy), ==, 0);
        array_clear(&copy);
        netns->n_changes += n;
        netns->last = changes[n - 1];
}

static void on_resync(uint32_t kinds, FactSet *facts, void *userdata) {
        Netns *netns = userdata;
        FactSet kept = FACT_SET_INIT;
        const Fact *fact;

        ARRAY_FOREACH(fact, &netns->observed.facts)
                if (!(kinds & FACT_KIND_BIT(fact->kind)))
                        g_assert_cmpint(fact_set_append(&kept, fact), ==, 0);
        ARRAY_FOREACH(fact, &facts->facts) {
                g_assert_true(kinds & FACT_KIND_BIT(fact->kind));
                g_assert_cmpint(fact_set_append(&kept, fact), ==, 0);
        }
        g_assert_cmpint(fact_set_sort(&kept), ==, 0);
        fact_set_clear(&netns->observed);
        netns->observed = kept;
        netns->n_resyncs++;
        netns->resync_kinds |= kinds;
}

/* The kernel looks at new carriers when it has time, up to a second later, and tells each time. */
static bool carriers_were_looked_at(Netns *netns, const void *userdata) {
        g_autofree char *links = netns_output("-oneline link show type veth");
        g_auto(GStrv) parts = g_strsplit(links, " state UP ", 0);

        return g_strv_length(parts) == 1 + 2;
}

static bool set_up(Netns *netns) {
        *netns = (Netns){ .observed = FACT_SET_INIT };
        if (!netns_enter())
                return false;

        netns_sysctl("ipv6/conf/default/accept_dad", "0");
        netns_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        netns_ip("link set lo up");
        netns_ip("link add v0 type veth peer name v1");
        netns_ip("link set v1 up");
        netns_ip("link set v0 up");
        netns_ip("address add 10.1.0.1/24 dev v0");
        netns_ip("address add fd01::1/64 dev v0 nodad");

        g_assert_cmpint(sd_event_new(&netns->event), >=, 0);
        g_assert_cmpint(rtnetlink_new(netns->event, &netns->backend), ==, 0);
        netns->backend->sink = (BackendSink){ on_changes, on_resync, netns };
        g_assert_cmpint(netns->backend->interface->resync(netns->backend), ==, 0);
        g_assert_true(netns_wait(netns, carriers_were_looked_at, NULL));
        (void)netns_settle(netns);
        netns->n_changes = netns->n_resyncs = 0;
        netns->resync_kinds = 0;
        return true;
}

static void tear_down(Netns *netns) {
        netns->backend = rtnetlink_free(netns->backend);
        netns->event = sd_event_unref(netns->event);
        fact_set_clear(&netns->observed);
}

bool netns_wait(Netns *netns, NetnsCondition condition, const void *userdata) {
        gint64 deadline = g_get_monotonic_time() + DEADLINE_USEC;

        while (!condition(netns, userdata)) {
                gint64 left = deadline - g_get_monotonic_time();

                if (left <= 0)
                        return false;
                g_assert_cmpint(sd_event_run(netns->event, (uint64_t)left), >=, 0);
        }
        return true;
}

static bool is_observed(Netns *netns, const void *userdata) {
        const Fact *found = fact_set_find(&netns->observed, userdata);

        return found && fact_equals(found, userdata);
}

static bool is_gone(Netns *netns, const void *userdata) {
        return !fact_set_find(&netns->observed, userdata);
}

void netns_expect(Netns *netns, const Fact *fact) {
        char text[FACT_TEXT_MAX], other[FACT_TEXT_MAX] = "nothing";
        const Fact *found;

        if (netns_wait(netns, is_observed, fact))
                return;
        found = fact_set_find(&netns->observed, fact);
        g_error("expected %s, found %s", fact_format(fact, text),
                found ? fact_format(found, other) : other);
}

void netns_expect_gone(Netns *netns, const Fact *fact) {
        char text[FACT_TEXT_MAX];

        if (!netns_wait(netns, is_gone, fact))
                g_error("did not go: %s", fact_format(fact, text));
}

unsigned netns_settle(Netns *netns) {
        unsigned n = 0;

        while (sd_event_run(netns->event, 0) > 0)
                n++;
        return n;
}

Route netns_route(const char *destination, const char *gateway, uint32_t ifindex, uint32_t table) {
        Route route = {
                .type = RTN_UNICAST, .protocol = OURS_PROTOCOL, .ifindex = ifindex, .table = table
        };

        g_assert_cmpint(prefix_parse(destination, &route.destination), ==, 0);
        if (gateway)
                g_assert_cmpint(address_parse(gateway, &route.gateway), ==, 0);
        return route;
}

int netns_apply(Netns *netns, OperationVerb verb, const Fact *fact, Fault *ret) {
        const Operation operation = { .verb = verb, .fact = *fact, .old = *fact };
        Fault fault;
        size_t n;

        n = netns->backend->interface->apply(netns->backend, &operation, 1, &fault);
        g_assert_cmpuint(n, ==, fault.error != 0);
        if (ret)
                *ret = fault;
        return fault.error;
}

int netns_apply_route(Netns *netns, OperationVerb verb, const Route *route) {
        const Fact fact = fact_of_route(route);

        return netns_apply(netns, verb, &fact, NULL);
}

int netns_apply_rule(Netns *netns, OperationVerb verb, const Rule *rule) {
        const Fact fact = fact_of_rule(rule);

        return netns_apply(netns, verb, &fact, NULL);
}

static void take_all(uint32_t kinds, FactSet *facts, void *userdata) {
        g_assert_cmpint(fact_set_copy(userdata, facts), ==, 0);
}

const Fact *netns_dumped(const Fact *key) {
        static Fact found; /* tests are one thread */
        sd_event *event = NULL;
        Backend *backend = NULL;
        FactSet facts = FACT_SET_INIT;
        const Fact *fact;

        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_assert_cmpint(rtnetlink_new(event, &backend), ==, 0);
        backend->sink = (BackendSink){ .on_resync = take_all, .userdata = &facts };
        g_assert_cmpint(backend->interface->resync(backend), ==, 0);

        fact = fact_set_find(&facts, key);
        if (fact)
                found = *fact;
        fact_set_clear(&facts);
        (void)rtnetlink_free(backend);
        (void)sd_event_unref(event);
        return fact ? &found : NULL;
}

static void run_test(const void *data) {
        void (*test)(Netns *) = *(void (*const *)(Netns *))data;
        Netns netns;

        if (set_up(&netns))
                test(&netns);
        tear_down(&netns);
}

void netns_test_add(const char *path, void (*test)(Netns *netns)) {
        void (**data)(Netns *) = g_new(__typeof__(*data), 1);

        *data = test; /* kept to the end of the process */
        g_test_add_data_func_full(path, data, (GTestDataFunc)run_test, g_free);
}
