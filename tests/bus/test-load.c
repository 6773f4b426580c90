// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What the service costs: nothing while nothing happens, and no more than a
 * bound under floods of calls, of waiting calls and of the kernel's events.
 */

#include <signal.h>
#include <string.h>

#include "tests/bus/service-fixture.h"

#define N_CALLS 10000
#define N_UNDER_WAY 200 /* calls at once */
#define N_WAITING 1000
#define N_QUESTIONS_MAX 64
#define N_EVENTS 100000
#ifdef SANITIZED
#define MEMORY_KIB_MAX (1024 * 1024) /* what is freed stays for a while, to be watched */
#else
#define MEMORY_KIB_MAX (16 * 1024)
#endif
#define QUIET_MSEC 5000

static pid_t service_pid(const Service *s) {
        return (pid_t)g_ascii_strtoll(g_subprocess_get_identifier(s->process), NULL, 10);
}

static unsigned count_descriptors(const Service *s) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)service_pid(s));
        g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
        unsigned n = 0;

        g_assert_nonnull(directory);
        while (g_dir_read_name(directory))
                n++;
        return n;
}

/* A number of proc(5) status: "VmRSS:" in KiB. */
static guint64 read_status(const Service *s, const char *key) {
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)service_pid(s));
        g_autofree char *text = NULL;
        const char *line;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        line = strstr(text, key);
        g_assert_nonnull(line);
        return g_ascii_strtoull(line + strlen(key) + 1, NULL, 10);
}

static BusCall *submit(
        BusClient *client, const char *member, const char *arguments, BusCallFlags flags) {
        GVariant *value = arguments ? g_variant_new_parsed(arguments) : NULL;

        return bus_client_submit(client, NAME, PATH, NAME, member, value, flags);
}

/* Good and bad ones, that change and that ask. */
static const struct {
        const char *member, *arguments;
} calls[] = {
        { "GetRoute", "('203.0.113.9', @a{sv} {})" },
        { "GetRoute", "('203.0.113.9', {'pid': <uint32 1>})" },
        { "GetRoute", "('2001:db8::9', {'uid': <uint32 7>})" },
        { "GetMtu", "('203.0.113.9', {'device': <'gone0'>})" },
        { "ListRoutes", "({'own': <true>},)" },
        { "Describe", NULL },
        { "GetPermissions", NULL },
        { "Subscribe", "(['default', 'routes'],)" },
        { "Unsubscribe", NULL },
        { "AddRoutes", "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}],"
                       " {'lifetime': <'client'>})" },
        { "AddRoutes", "([{'destination': <'10.8.0.1/16'>}], @a{sv} {})" },
        { "AddRoutes", "([{'destination': <'10.9.0.0/16'>, 'gateway': <'203.0.113.1'>}], "
                       "@a{sv} {})" },
        { "ClearRoutes", "(@a{sv} {},)" },
        { "SetTunnel", "('wg0', {'lifetime': <'client'>})" },
        { "UnsetTunnel", "(@a{sv} {},)" },
        { "Refresh", NULL },
};

static void call_often(BusClient *client, unsigned n) {
        g_autoptr(GPtrArray) under_way = g_ptr_array_new();

        for (unsigned i = 0; i < n; i++) {
                size_t which = i % G_N_ELEMENTS(calls);

                g_ptr_array_add(under_way, submit(client, calls[which].member,
                                                   calls[which].arguments, BUS_CALL_PLAIN));
                if (under_way->len < N_UNDER_WAY && i + 1 < n)
                        continue;
                for (guint k = 0; k < under_way->len; k++) {
                        BusCall *call = under_way->pdata[k];

                        BUS_WAIT_UNTIL(call->done);
                        bus_call_free(call);
                }
                g_ptr_array_set_size(under_way, 0);
        }
}

static void log_errors_only(const Service *s) {
        g_autoptr(GVariant) reply = bus_client_call(s->root, NAME, "/org/freedesktop/LogControl1",
                "org.freedesktop.DBus.Properties", "Set",
                g_variant_new_parsed("('org.freedesktop.LogControl1', 'LogLevel', <'err'>)"),
                BUS_CALL_PLAIN, NULL);

        g_assert_nonnull(reply);
}

static void test_ten_thousand_calls(void) {
        unsigned n_before;
        guint64 kib_before;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        log_errors_only(&s);
        call_often(s.alice, 1000); /* buffers and caches are there */
        n_before = count_descriptors(&s);
        kib_before = read_status(&s, "VmRSS:");
        call_often(s.alice, N_CALLS);
        g_test_message("descriptors %u then %u, KiB %" G_GUINT64_FORMAT " then %" G_GUINT64_FORMAT,
                n_before, count_descriptors(&s), kib_before, read_status(&s, "VmRSS:"));
        BUS_WAIT_UNTIL(count_descriptors(&s) <= n_before); /* one more may be open for a moment */
        g_assert_cmpuint(read_status(&s, "VmRSS:"), <, kib_before + MEMORY_KIB_MAX);
        service_tear_down(&s);
}

static void test_waiting_calls(void) {
        g_autoptr(GPtrArray) waiting = g_ptr_array_new();
        unsigned n_refused = 0;
        guint64 kib_before;
        BusAgent *agent;
        Service s;

        if (!service_set_up(&s, ALL_PASSWORD, NULL))
                return;
        agent = bus_agent_new(s.bus, s.alice, BUS_AGENT_HANGS);
        kib_before = read_status(&s, "VmRSS:");
        for (unsigned i = 0; i < N_WAITING; i++)
                g_ptr_array_add(waiting,
                        submit(s.alice, "SetTunnel", "('wg0', @a{sv} {})", BUS_CALL_INTERACTIVE));

        /* Root is served meanwhile. */
        g_variant_unref(service_call(s.root, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"));
        BUS_WAIT_UNTIL(agent->n_begun >= 1);
        for (guint i = N_QUESTIONS_MAX; i < waiting->len; i++) {
                BusCall *call = waiting->pdata[i];

                BUS_WAIT_UNTIL(call->done);
                g_assert_cmpstr(bus_call_get_error_name(call), ==, LIMITS_EXCEEDED);
                n_refused++;
        }
        g_assert_cmpuint(n_refused, ==, N_WAITING - N_QUESTIONS_MAX);
        g_assert_cmpuint(read_status(&s, "VmRSS:"), <, kib_before + MEMORY_KIB_MAX);
        for (guint i = 0; i < waiting->len; i++)
                bus_call_free(waiting->pdata[i]);
        bus_agent_free(agent);
        g_variant_unref(service_call(s.root, "ClearRoutes", "(@a{sv} {},)"));
        service_tear_down(&s);
}

static gboolean on_deadline(gpointer userdata) {
        *(bool *)userdata = true;
        return G_SOURCE_REMOVE;
}

static void test_idle(void) {
        guint64 n_before;
        bool over = false;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        g_variant_unref(service_call(s.root, "SetTunnel", "('wg0', @a{sv} {})"));
        g_variant_unref(service_call(s.root, "AddRoutes",
                "([{'destination': <'203.0.113.9/32'>, 'node': <'default'>}], @a{sv} {})"));
        g_variant_unref(service_call(s.alice, "Subscribe", "(['default'],)"));
        /* Its neighbours are looked for in vain meanwhile: that ends. */
        (void)g_timeout_add(QUIET_MSEC, on_deadline, &over);
        BUS_WAIT_UNTIL(over);

        over = false;
        n_before = read_status(&s, "\nvoluntary_ctxt_switches:");
        (void)g_timeout_add(QUIET_MSEC, on_deadline, &over);
        BUS_WAIT_UNTIL(over);
        g_assert_cmpuint(read_status(&s, "\nvoluntary_ctxt_switches:"), ==, n_before);
        g_variant_unref(service_call(s.root, "ClearRoutes", "({'all': <true>},)"));
        g_variant_unref(service_call(s.root, "UnsetTunnel", "(@a{sv} {},)"));
        service_tear_down(&s);
}

/* @n events of others by `ip -batch`: @line, with its N a running "3.7". */
static void batch(const Service *s, const char *line, unsigned n) {
        g_autofree char *path = g_build_filename(s->directory, "batch", NULL);
        g_autoptr(GString) text = g_string_new(NULL);

        for (unsigned i = 0; i < n; i++) {
                g_auto(GStrv) parts = g_strsplit(line, "N", 2);
                g_autofree char *number = g_strdup_printf("%u.%u", (i >> 8) & 0xff, i & 0xff);
                g_autofree char *command = g_strjoinv(number, parts);

                g_string_append_printf(text, "%s\n", command);
        }
        g_assert_true(g_file_set_contents(path, text->str, -1, NULL));
        g_free(run("ip -batch %s", path));
}

static void test_events_of_others(void) {
        guint64 kib_before, kib_after;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        g_variant_unref(service_call(s.root, "SetTunnel", "('wg0', @a{sv} {})"));
        g_variant_unref(service_call(s.alice, "Subscribe", "(['default'],)"));
        kib_before = read_status(&s, "VmRSS:");
        batch(&s, "route replace 10.N.0/24 dev w0", N_EVENTS / 2);
        batch(&s, "route replace default via 172.N.9 dev v0 metric 50 onlink", N_EVENTS / 2);
        g_free(run("ip route del default metric 50"));
        kib_after = read_status(&s, "VmRSS:");
        g_test_message("KiB %" G_GUINT64_FORMAT " then %" G_GUINT64_FORMAT, kib_before, kib_after);
        g_assert_cmpuint(kib_after, <, kib_before + MEMORY_KIB_MAX);
        kernel_wait_for_route("default dev wg0 table 1985", true);
        g_variant_unref(service_call(s.root, "UnsetTunnel", "(@a{sv} {},)"));
        service_tear_down(&s);
}

/* The service stands still while the queue of notifications overflows, and a change waits. */
static void test_overrun_in_a_change(void) {
        BusCall *set, *add;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        g_variant_unref(service_call(s.root, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'device': <'v0'>}], @a{sv} {})"));
        g_assert_cmpint(kill(service_pid(&s), SIGSTOP), ==, 0);
        set = submit(s.root, "SetTunnel", "('wg0', @a{sv} {})", BUS_CALL_PLAIN);
        add = submit(s.root, "AddRoutes",
                "([{'destination': <'10.9.0.0/16'>, 'device': <'w0'>}], @a{sv} {})",
                BUS_CALL_PLAIN);
        batch(&s, "route replace default via 172.N.9 dev v0 metric 50 onlink", N_EVENTS);
        g_free(run("ip route del default metric 50"));
        g_free(run("ip route del 10.8.0.0/16"));
        g_assert_cmpint(kill(service_pid(&s), SIGCONT), ==, 0);
        BUS_WAIT_UNTIL(set->done && add->done);
        g_assert_cmpstr(bus_call_get_error_name(set), ==, "");
        g_assert_cmpstr(bus_call_get_error_name(add), ==, "");
        bus_call_free(set);
        bus_call_free(add);
        kernel_wait_for_route("10.8.0.0/16", true);
        g_assert_true(kernel_has_route("10.9.0.0/16"));
        g_assert_true(kernel_has_route("default dev wg0 table 1985"));
        g_assert_true(kernel_has_route("unreachable default table 1985"));
        g_variant_unref(service_call(s.root, "ClearRoutes", "(@a{sv} {},)"));
        g_variant_unref(service_call(s.root, "UnsetTunnel", "(@a{sv} {},)"));
        g_assert_false(kernel_has_route("proto 84"));
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        service_fixture_enter();

        g_test_add_func("/load/ten-thousand-calls-leave-nothing-open", test_ten_thousand_calls);
        g_test_add_func(
                "/load/thousand-waiting-calls-cost-no-more-than-the-limit", test_waiting_calls);
        g_test_add_func("/load/idle-service-never-wakes", test_idle);
        g_test_add_func(
                "/load/hundred-thousand-events-of-others-cost-no-memory", test_events_of_others);
        g_test_add_func(
                "/load/overrun-in-the-middle-of-a-change-loses-nothing", test_overrun_in_a_change);
        return g_test_run();
}
