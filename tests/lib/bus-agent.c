// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/lib/bus-agent.h"

#include <string.h>

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

static const char agent_xml[] =
        "<node><interface name='org.freedesktop.PolicyKit1.AuthenticationAgent'>"
        "<method name='BeginAuthentication'>"
        "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='a(sa{sv})' direction='in'/>"
        "</method>"
        "<method name='CancelAuthentication'><arg type='s' direction='in'/></method>"
        "</interface></node>";

static void on_response(GObject *source, GAsyncResult *result, gpointer userdata) {
        g_autoptr(GDBusMethodInvocation) invocation = userdata;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply =
                g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

        g_assert_no_error(error);
        g_dbus_method_invocation_return_value(g_steal_pointer(&invocation), NULL);
}

/* Tells polkitd, as the helper that checks passwords does, that root proved to be root. */
static void agent_respond(BusAgent *agent, const char *cookie, GDBusMethodInvocation *invocation) {
        GVariantBuilder identity;

        g_variant_builder_init(&identity, G_VARIANT_TYPE("a{sv}"));
        g_variant_builder_add(&identity, "{sv}", "uid", g_variant_new_uint32(0));

        g_dbus_connection_call(bus_fixture_get_connection(agent->bus), POLKIT_NAME, POLKIT_PATH,
                POLKIT_INTERFACE, "AuthenticationAgentResponse2",
                g_variant_new("(us(sa{sv}))", 0, cookie, "unix-user", &identity), NULL,
                G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_response, invocation);
}

static void agent_begin(BusAgent *agent, GVariant *parameters, GDBusMethodInvocation *invocation) {
        const char *action, *message, *icon, *cookie;
        g_autoptr(GVariant) details = NULL, identities = NULL;

        g_variant_get(parameters, "(&s&s&s@a{ss}&s@a(sa{sv}))", &action, &message, &icon, &details,
                &cookie, &identities);

        g_free(agent->action);
        agent->action = g_strdup(action);
        g_free(agent->message);
        agent->message = g_strdup(message);
        if (agent->details)
                g_variant_unref(agent->details);
        agent->details = g_steal_pointer(&details);
        agent->n_begun++;

        switch (agent->answer) {
        case BUS_AGENT_HANGS:
                g_ptr_array_add(agent->invocations, invocation);
                break;
        case BUS_AGENT_GRANTS:
                agent_respond(agent, cookie, invocation);
                break;
        case BUS_AGENT_FAILS:
                g_dbus_method_invocation_return_value(invocation, NULL);
                break;
        case BUS_AGENT_DISMISSES:
                g_dbus_method_invocation_return_dbus_error(
                        invocation, "org.freedesktop.PolicyKit1.Error.Cancelled", "closed");
                break;
        }
}

static void handle_agent_call(GDBusConnection *connection, const char *sender, const char *path,
        const char *interface, const char *member, GVariant *parameters,
        GDBusMethodInvocation *invocation, gpointer userdata) {
        BusAgent *agent = userdata;

        if (g_str_equal(member, "BeginAuthentication")) {
                agent_begin(agent, parameters, invocation);
                return;
        }

        agent->n_cancelled++;
        g_dbus_method_invocation_return_value(invocation, NULL);
}

/* Field 22 of proc(5) stat, counted after the name, which may hold anything. */
static guint64 process_start_time(pid_t pid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
        g_autofree char *content = NULL;
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) fields = NULL;

        (void)g_file_get_contents(path, &content, NULL, &error);
        g_assert_no_error(error);

        fields = g_strsplit(strrchr(content, ')') + 2, " ", -1);
        g_assert_cmpuint(g_strv_length(fields), >, 19);
        return g_ascii_strtoull(fields[19], NULL, 10);
}

static void agent_call_polkitd(BusAgent *agent, const char *member, GVariant *arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply =
                g_dbus_connection_call_sync(bus_fixture_get_connection(agent->bus), POLKIT_NAME,
                        POLKIT_PATH, POLKIT_INTERFACE, member, arguments, NULL,
                        G_DBUS_CALL_FLAGS_NONE, BUS_DEADLINE_SECONDS * 1000, NULL, &error);

        g_assert_no_error(error);
}

BusAgent *bus_agent_new(BusFixture *bus, BusClient *client, BusAgentAnswer answer) {
        static const GDBusInterfaceVTable vtable = { .method_call = handle_agent_call };
        static unsigned n_agents;
        g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(agent_xml, NULL);
        g_autoptr(GError) error = NULL;
        BusAgent *agent = g_new0(BusAgent, 1);
        GVariantBuilder process;

        agent->answer = answer;
        agent->bus = bus;
        agent->invocations = g_ptr_array_new();
        agent->path = g_strdup_printf("/agent/%u", ++n_agents);
        agent->registration = g_dbus_connection_register_object(bus_fixture_get_connection(bus),
                agent->path, node->interfaces[0], &vtable, agent, NULL, &error);
        g_assert_no_error(error);

        g_variant_builder_init(&process, G_VARIANT_TYPE("a{sv}"));
        g_variant_builder_add(
                &process, "{sv}", "pid", g_variant_new_uint32((guint32)bus_client_get_pid(client)));
        g_variant_builder_add(&process, "{sv}", "start-time",
                g_variant_new_uint64(process_start_time(bus_client_get_pid(client))));
        agent->subject = g_variant_ref_sink(g_variant_new("(sa{sv})", "unix-process", &process));

        agent_call_polkitd(agent, "RegisterAuthenticationAgent",
                g_variant_new("(@(sa{sv})ss)", agent->subject, "C", agent->path));
        return agent;
}

void bus_agent_grant_held(BusAgent *agent) {
        for (guint i = 0; i < agent->invocations->len; i++) {
                GDBusMethodInvocation *invocation = agent->invocations->pdata[i];
                const char *cookie;

                g_variant_get_child(
                        g_dbus_method_invocation_get_parameters(invocation), 4, "&s", &cookie);
                agent_respond(agent, cookie, invocation);
        }
        g_ptr_array_set_size(agent->invocations, 0);
}

void bus_agent_free(BusAgent *agent) {
        if (!agent)
                return;

        for (guint i = 0; i < agent->invocations->len; i++)
                g_dbus_method_invocation_return_dbus_error(agent->invocations->pdata[i],
                        "org.freedesktop.PolicyKit1.Error.Cancelled", "the test ends");

        (void)g_dbus_connection_unregister_object(
                bus_fixture_get_connection(agent->bus), agent->registration);
        g_ptr_array_unref(agent->invocations);
        g_variant_unref(agent->subject);
        if (agent->details)
                g_variant_unref(agent->details);
        g_free(agent->action);
        g_free(agent->message);
        g_free(agent->path);
        g_free(agent);
}
