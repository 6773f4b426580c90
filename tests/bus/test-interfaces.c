// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * What the service shows of itself is what the files in dbus/ promise.
 *
 * The live vtable is introspected over a socket pair: no bus daemon, no kernel.
 */

#include <gio/gio.h>
#include <sys/socket.h>

#include "service/bus/routing-object.h"
#include "service/bus/split-object.h"

typedef struct Pair {
        sd_bus *server, *client;
        RoutingObject *routing;
        SplitObject *split;
} Pair;

static void pair_set_up(Pair *pair) {
        RoutingObjectConfig routing = { 0 };
        SplitObjectConfig split = { 0 };
        sd_id128_t id;
        int fds[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
        g_assert_cmpint(sd_id128_randomize(&id), >=, 0);

        g_assert_cmpint(sd_bus_new(&pair->server), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(pair->server, fds[0], fds[0]), >=, 0);
        g_assert_cmpint(sd_bus_set_server(pair->server, 1, id), >=, 0);
        g_assert_cmpint(sd_bus_set_anonymous(pair->server, 1), >=, 0);
        g_assert_cmpint(sd_bus_start(pair->server), >=, 0);

        g_assert_cmpint(sd_bus_new(&pair->client), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(pair->client, fds[1], fds[1]), >=, 0);
        g_assert_cmpint(sd_bus_start(pair->client), >=, 0);

        routing.parts.bus = split.parts.bus = pair->server;
        g_assert_cmpint(routing_object_new(&routing, &pair->routing), >=, 0);
        g_assert_cmpint(split_object_new(&split, &pair->split), >=, 0);
}

static void pair_tear_down(Pair *pair) {
        split_object_free(pair->split);
        routing_object_free(pair->routing);
        sd_bus_close_unref(pair->client);
        sd_bus_close_unref(pair->server);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        char **xml = userdata;
        const char *text = "";

        g_assert_false(sd_bus_message_is_method_error(reply, NULL));
        g_assert_cmpint(sd_bus_message_read(reply, "s", &text), >=, 0);
        *xml = g_strdup(text);
        return 1;
}

static char *introspect(Pair *pair, const char *path) {
        char *xml = NULL;
        int busy;

        g_assert_cmpint(
                sd_bus_call_method_async(pair->client, NULL, NULL, path,
                        "org.freedesktop.DBus.Introspectable", "Introspect", on_reply, &xml, NULL),
                >=, 0);
        while (!xml) {
                busy = sd_bus_process(pair->client, NULL) + sd_bus_process(pair->server, NULL);
                g_assert_cmpint(busy, >=, 0);
        }
        return xml;
}

/* One line for each thing that clients rely on, sorted: two texts to compare. */

static void add_arguments(GString *line, const char *direction, GDBusArgInfo **arguments) {
        for (size_t i = 0; arguments && arguments[i]; i++)
                g_string_append_printf(
                        line, " %s:%s:%s", direction, arguments[i]->name, arguments[i]->signature);
}

static void add_annotations(GString *line, GDBusAnnotationInfo **annotations) {
        for (size_t i = 0; annotations && annotations[i]; i++)
                g_string_append_printf(line, " %s=%s", annotations[i]->key, annotations[i]->value);
}

static gint compare_lines(gconstpointer a, gconstpointer b) {
        return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

static char *summary(const char *xml, const char *name) {
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GDBusNodeInfo) node = NULL;
        g_autoptr(GError) error = NULL;
        GDBusInterfaceInfo *interface;

        node = g_dbus_node_info_new_for_xml(xml, &error);
        g_assert_no_error(error);
        interface = g_dbus_node_info_lookup_interface(node, name);
        g_assert_nonnull(interface);

        for (size_t i = 0; interface->methods[i]; i++) {
                GDBusMethodInfo *method = interface->methods[i];
                GString *line = g_string_new(NULL);

                g_string_append_printf(line, "method %s", method->name);
                add_arguments(line, "in", method->in_args);
                add_arguments(line, "out", method->out_args);
                add_annotations(line, method->annotations);
                g_ptr_array_add(lines, g_string_free(line, FALSE));
        }
        for (size_t i = 0; interface->signals[i]; i++) {
                GDBusSignalInfo *signal = interface->signals[i];
                GString *line = g_string_new(NULL);

                g_string_append_printf(line, "signal %s", signal->name);
                add_arguments(line, "", signal->args);
                add_annotations(line, signal->annotations);
                g_ptr_array_add(lines, g_string_free(line, FALSE));
        }
        for (size_t i = 0; interface->properties[i]; i++) {
                GDBusPropertyInfo *property = interface->properties[i];
                GString *line = g_string_new(NULL);
                bool changes = true;

                g_string_append_printf(line, "property %s %s %d", property->name,
                        property->signature, (int)property->flags);
                /* "true" is the default and sd-bus leaves it out: D-Bus specification. */
                for (size_t j = 0; property->annotations && property->annotations[j]; j++) {
                        GDBusAnnotationInfo *annotation = property->annotations[j];

                        if (g_str_has_suffix(annotation->key, ".EmitsChangedSignal"))
                                changes = g_str_equal(annotation->value, "true");
                        if (!changes)
                                g_string_append_printf(
                                        line, " %s=%s", annotation->key, annotation->value);
                }
                g_ptr_array_add(lines, g_string_free(line, FALSE));
        }
        g_ptr_array_sort(lines, compare_lines);
        g_ptr_array_add(lines, NULL);
        return g_strjoinv("\n", (char **)lines->pdata);
}

static void check_contract(const char *file, const char *path, const char *name) {
        g_autofree char *promised_xml = NULL, *live_xml = NULL, *promised = NULL, *live = NULL;
        g_autoptr(GError) error = NULL;
        Pair pair = { 0 };

        (void)g_file_get_contents(file, &promised_xml, NULL, &error);
        g_assert_no_error(error);
        pair_set_up(&pair);
        live_xml = introspect(&pair, path);
        pair_tear_down(&pair);

        promised = summary(promised_xml, name);
        live = summary(live_xml, name);
        g_assert_cmpstr(live, ==, promised);
}

static void test_routing_matches_its_contract(void) {
        check_contract(ROUTING_XML, ROUTING_PATH, ROUTING_INTERFACE);
}

static void test_split_matches_its_contract(void) {
        check_contract(SPLIT_XML, SPLIT_PATH, SPLIT_INTERFACE);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func(
                "/interfaces/routing-is-what-its-xml-promises", test_routing_matches_its_contract);
        g_test_add_func(
                "/interfaces/split-is-what-its-xml-promises", test_split_matches_its_contract);
        return g_test_run();
}
