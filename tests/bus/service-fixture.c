// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/bus/service-fixture.h"

#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

const char *service_mechanism = "none";

static const char *why_skipped;

char *run(const char *format, ...) {
        g_autofree char *command = NULL;
        g_autoptr(GError) error = NULL;
        char *output = NULL;
        va_list arguments;
        int status;

        va_start(arguments, format);
        command = g_strdup_vprintf(format, arguments);
        va_end(arguments);

        (void)g_spawn_command_line_sync(command, &output, NULL, &status, &error);
        g_assert_no_error(error);
        if (!g_spawn_check_wait_status(status, &error))
                g_error("%s: %s", command, error->message);
        return output;
}

static void do_run(const char *command) {
        g_free(run("%s", command));
}

void service_fixture_enter(void) {
        why_skipped = bus_fixture_enter();
}

/* Every test has a namespace of its own; the old one goes with its last process. */
static bool enter_network(void) {
        if (unshare(CLONE_NEWNET) < 0)
                return false;

        do_run("ip link set lo up");
        do_run("ip link add v0 type veth peer name v1");
        do_run("ip link add w0 type veth peer name w1");
        do_run("ip link add wg0 type veth peer name wg1");
        do_run("ip addr add 192.0.2.2/24 dev v0");
        do_run("ip addr add 198.51.100.2/24 dev w0");
        do_run("ip addr add 10.64.0.2/32 dev wg0");
        for (const char *const *name =
                        (const char *const[]){ "v0", "v1", "w0", "w1", "wg0", "wg1", NULL };
                *name; name++) {
                /* Addresses that come by themselves, later, would blur kernel_state(). */
                g_free(run("ip link set %s addrgenmode none", *name));
                g_free(run("ip link set %s up", *name));
        }
        do_run("ip route add default via 192.0.2.1 dev v0 metric 100");
        return true;
}

void service_start(Service *service, const char *const *arguments) {
        g_autofree char *directory = g_strconcat("RUNTIME_DIRECTORY=", service->directory, NULL);
        g_autofree char *state = g_strconcat("STATE_DIRECTORY=", service->directory, NULL);
        g_autofree char *mechanism = g_strconcat("TALPID_MECHANISM=", service_mechanism, NULL);
        const char *const environment[] = { directory, state, mechanism, NULL };
        const char *argv[8] = { TALPIDD, "--idle-timeout=infinity" };

        for (size_t i = 0; arguments && arguments[i]; i++)
                argv[i + 1] = arguments[i];

        service->process = bus_fixture_spawn(service->bus, BUS_UID_SERVICE, argv, environment);
        bus_fixture_wait_for_name(service->bus, NAME);
        bus_fixture_wait_for_name(service->bus, SPLIT_NAME);
}

void service_crash(Service *service) {
        bus_process_kill(g_steal_pointer(&service->process));
        bus_fixture_wait_for_no_name(service->bus, NAME);
}

int service_stop(Service *service, int signal_number) {
        return bus_process_end(g_steal_pointer(&service->process), signal_number);
}

bool service_set_up(Service *service, const char *rules, const char *const *arguments) {
        if (!why_skipped && !enter_network())
                why_skipped = "needs network namespaces";
        if (why_skipped) {
                g_test_skip(why_skipped);
                return false;
        }

        *service = (Service){ 0 };
        service->directory = g_dir_make_tmp("talpid-XXXXXX", NULL);
        g_assert_nonnull(service->directory);
        g_assert_cmpint(chown(service->directory, BUS_UID_SERVICE, BUS_UID_SERVICE), ==, 0);

        service->bus = bus_fixture_new();
        if (rules)
                bus_fixture_start_polkitd(service->bus, rules);
        service_start(service, arguments);
        service->root = bus_client_new(service->bus, 0);
        service->alice = bus_client_new(service->bus, BUS_UID_ALICE);
        return true;
}

void service_tear_down(Service *service) {
        bus_client_free(service->alice);
        bus_client_free(service->root);
        if (service->process)
                g_assert_cmpint(service_stop(service, SIGTERM), ==, 0);
        bus_fixture_free(service->bus);
        g_free(run("rm -r %s", service->directory));
        g_free(service->directory);
}

GVariant *service_parse(const char *arguments) {
        g_autoptr(GError) error = NULL;
        GVariant *value;

        if (!arguments)
                return NULL;
        value = g_variant_parse(NULL, arguments, NULL, NULL, &error);
        if (!value)
                g_error("%s: %s", arguments, error->message);
        return value;
}

GVariant *service_call(BusClient *client, const char *member, const char *arguments) {
        g_autoptr(GError) error = NULL;
        GVariant *reply;

        reply = bus_client_call(
                client, NAME, PATH, NAME, member, service_parse(arguments), BUS_CALL_PLAIN, &error);
        if (!reply)
                g_error("%s%s: %s", member, arguments ? arguments : "()", error->message);
        return reply;
}

void service_check_error(const char *member, const char *arguments, GVariant *reply, GError *error,
        const char *error_name, const char *says) {
        g_autofree char *name = NULL;

        if (reply)
                g_error("%s%s succeeded", member, arguments ? arguments : "()");
        name = g_dbus_error_get_remote_error(error);
        if (g_strcmp0(name, error_name) != 0 || (says && !strstr(error->message, says)))
                g_error("%s%s: %s; expected %s with \"%s\"", member, arguments ? arguments : "()",
                        error->message, error_name, says ? says : "");
}

void service_do(BusClient *client, const char *member, const char *arguments) {
        g_variant_unref(service_call(client, member, arguments));
}

char *service_print(BusClient *client, const char *member, const char *arguments) {
        g_autoptr(GVariant) reply = service_call(client, member, arguments);

        return g_variant_print(reply, FALSE);
}

void service_assert_holds(const char *text, const char *part) {
        if (!strstr(text, part))
                g_error("\"%s\" does not hold \"%s\"", text, part);
}

void service_assert_lacks(const char *text, const char *part) {
        if (strstr(text, part))
                g_error("\"%s\" holds \"%s\"", text, part);
}

void service_finish(BusCall *pending, const char *error_name) {
        BUS_WAIT_UNTIL(pending->done);
        g_assert_cmpstr(bus_call_get_error_name(pending), ==, error_name);
        bus_call_free(pending);
}

void service_call_fails(BusClient *client, const char *member, const char *arguments,
        const char *error_name, const char *says) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        reply = bus_client_call(
                client, NAME, PATH, NAME, member, service_parse(arguments), BUS_CALL_PLAIN, &error);
        service_check_error(member, arguments, reply, error, error_name, says);
}

GVariant *service_get(BusClient *client, const char *property) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;
        GVariant *value;

        reply = bus_client_call(client, NAME, PATH, "org.freedesktop.DBus.Properties", "Get",
                g_variant_new("(ss)", NAME, property), BUS_CALL_PLAIN, &error);
        g_assert_no_error(error);
        g_variant_get(reply, "(v)", &value);
        return value;
}

/* Leaves out what the kernel settles by itself when a new link's carrier is seen. */
static void append_settled(GString *state, const char *listing) {
        g_auto(GStrv) lines = g_strsplit(listing, "\n", -1);

        for (char **line = lines; *line; line++) {
                if (strstr(*line, "table local"))
                        continue;
                if (g_str_has_suffix(*line, "linkdown "))
                        (*line)[strlen(*line) - strlen("linkdown ")] = '\0';
                g_string_append_printf(state, "%s\n", *line);
        }
}

char *kernel_state(void) {
        static const char *const listings[] = { "ip -4 route show table all",
                "ip -6 route show table all", "ip -4 rule", "ip -6 rule" };
        GString *state = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(listings); i++) {
                g_autofree char *listing = run("%s", listings[i]);

                append_settled(state, listing);
        }
        return g_string_free(state, FALSE);
}

bool kernel_has_route(const char *text) {
        g_autofree char *routes = run("ip -4 route show table all");
        g_auto(GStrv) lines = g_strsplit(routes, "\n", -1);

        for (char **line = lines; *line; line++)
                if (strstr(*line, text))
                        return true;
        return false;
}

/* The kernel does not tell this process: the bus does, each change there makes the loop turn. */
static gboolean on_tick(gpointer userdata) {
        return G_SOURCE_CONTINUE;
}

void kernel_wait_for_route(const char *text, bool there) {
        guint tick = g_timeout_add(5, on_tick, NULL);

        BUS_WAIT_UNTIL(kernel_has_route(text) == there);
        (void)g_source_remove(tick);
}
