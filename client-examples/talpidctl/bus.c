// SPDX-License-Identifier: LGPL-2.1-or-later

#include "bus.h"

#include <signal.h>
#include <string.h>

#define FREEDESKTOP "org.freedesktop.DBus.Error."
#define SYSTEMD "org.freedesktop.systemd1."
#define TALPID "org.talpid.Error."

#define NEEDS_PASSWORD FREEDESKTOP "InteractiveAuthorizationRequired"

/* People type passwords slowly. */
#define TIMEOUT_MSEC (10 * 60 * 1000)

G_DEFINE_QUARK(talpidctl - error, ctl_error)

/* A name stands for all that begin with it; the first match wins. */
static const struct {
        const char *name;
        CtlStatus status;
        const char *remedy; /* NULL: the message has it */
} meanings[] = {
        { FREEDESKTOP "ServiceUnknown", CTL_UNAVAILABLE,
                "the service is not installed, or the bus does not know it yet (systemctl reload "
                "dbus)" },
        { FREEDESKTOP "NameHasNoOwner", CTL_UNAVAILABLE, "the service does not run" },
        { SYSTEMD "UnitMasked", CTL_UNAVAILABLE,
                "the service is masked: systemctl unmask talpid.service" },
        { SYSTEMD, CTL_UNAVAILABLE, "the service did not start; see: journalctl -u talpid" },
        { FREEDESKTOP "Spawn.", CTL_UNAVAILABLE,
                "the service did not start; see: journalctl -u talpid" },
        { FREEDESKTOP "TimedOut", CTL_UNAVAILABLE,
                "the service did not start in time; see: journalctl -u talpid" },
        { FREEDESKTOP "NoReply", CTL_UNAVAILABLE,
                "the service went away before it answered; talpidctl status tells what is in "
                "force" },
        { FREEDESKTOP "Disconnected", CTL_UNAVAILABLE, "the system bus went away" },
        { NEEDS_PASSWORD, CTL_UNAUTHORISED, NULL },
        { FREEDESKTOP "AccessDenied", CTL_UNAUTHORISED, NULL },
        { FREEDESKTOP "InvalidArgs", CTL_USAGE, NULL },
        { FREEDESKTOP "UnixProcessIdUnknown", CTL_NOT_FOUND, NULL },
        { TALPID "ProcessGone", CTL_NOT_FOUND, NULL },
        { TALPID "NoSuch", CTL_NOT_FOUND, NULL },
        { TALPID "NoTunnel", CTL_NOT_FOUND, NULL },
};

static int find_meaning(const char *name) {
        for (size_t i = 0; name && i < G_N_ELEMENTS(meanings); i++)
                if (g_str_has_prefix(name, meanings[i].name))
                        return (int)i;
        return -1;
}

CtlStatus bus_error_status(const GError *error) {
        g_autofree char *name = g_dbus_error_get_remote_error(error);
        int i = find_meaning(name);

        if (error->domain == CTL_ERROR)
                return (CtlStatus)error->code;
        if (error->domain == G_OPTION_ERROR)
                return CTL_USAGE;
        if (i >= 0)
                return meanings[i].status;
        /* Without a name it is of our own side of the connection. */
        return name ? CTL_FAILED : CTL_UNAVAILABLE;
}

/* Remedies of the service, in the words of who types commands. */
static char *translate(const char *message) {
        static const char *const words[][2] = {
                { "ListRoutes", "talpidctl route list" },
                { "ListSelectors", "talpidctl exclude list" },
                { "say 'replace'", "say --replace" },
                { "say 'all'", "say --all" },
        };
        GString *text = g_string_new(message);

        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                (void)g_string_replace(text, words[i][0], words[i][1], 0);
        return g_string_free(text, FALSE);
}

char *bus_error_text(const GError *error) {
        g_autoptr(GError) copy = g_error_copy(error);
        g_autofree char *name = g_dbus_error_get_remote_error(error);
        int i = find_meaning(name);

        if (i >= 0 && meanings[i].remedy)
                return g_strdup(meanings[i].remedy);
        (void)g_dbus_error_strip_remote_error(copy);
        return translate(copy->message);
}

/* GLib has the program ignore SIGPIPE from its first socket on: `| head` is to end us. */
static void keep_sigpipe(void) {
        struct sigaction old;

        (void)sigaction(SIGPIPE, NULL, &old);
        g_type_class_unref(g_type_class_ref(G_TYPE_SOCKET));
        (void)sigaction(SIGPIPE, &old, NULL);
}

GDBusConnection *bus_open(Ctl *ctl, GError **error) {
        g_autofree char *address = NULL;
        g_autoptr(GError) why = NULL;

        if (ctl->bus)
                return ctl->bus;
        keep_sigpipe();
        address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, &why);
        if (address)
                ctl->bus = g_dbus_connection_new_for_address_sync(address,
                        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                        NULL, NULL, &why);
        if (!ctl->bus)
                g_set_error(error, CTL_ERROR, CTL_UNAVAILABLE,
                        "the system bus cannot be reached: %s", why->message);
        return ctl->bus;
}

static GVariant *call_once(Ctl *ctl, const char *path, const char *interface, const char *method,
        GVariant *arguments, GUnixFDList *fds, GDBusCallFlags flags, GError **error) {
        const char *name = strcmp(path, BUS_SPLIT_PATH) == 0 ? BUS_SPLIT : BUS_ROUTING;

        return g_dbus_connection_call_with_unix_fd_list_sync(ctl->bus, name, path, interface,
                method, arguments, NULL, flags, TIMEOUT_MSEC, fds, NULL, NULL, error);
}

/*
 * Asked without a password first: most calls need none, and then no agent is
 * started. What was refused for want of one changed nothing.
 */
static GVariant *call(Ctl *ctl, const char *path, const char *interface, const char *method,
        GVariant *arguments, GUnixFDList *fds, GError **error) {
        g_autoptr(GVariant) kept = g_variant_ref_sink(arguments ?: g_variant_new_tuple(NULL, 0));
        g_autoptr(GError) why = NULL;
        g_autofree char *name = NULL;
        GVariant *answer;

        if (!bus_open(ctl, error))
                return NULL;
        answer = call_once(ctl, path, interface, method, kept, fds, G_DBUS_CALL_FLAGS_NONE, &why);
        if (answer)
                return answer;

        name = g_dbus_error_get_remote_error(why);
        if (g_strcmp0(name, NEEDS_PASSWORD) != 0) {
                g_propagate_error(error, g_steal_pointer(&why));
                return NULL;
        }
        if (ctl->has_asked || !ctl->may_ask_password) {
                g_set_error(error, CTL_ERROR, CTL_UNAUTHORISED, "%s",
                        ctl->has_asked
                                ? "this would need another password: give it in a call of its "
                                  "own, or run talpidctl as root"
                                : "this needs a password, which was not to be asked for: run "
                                  "it as root, or without --no-ask-password");
                return NULL;
        }
        ctl->has_asked = true;
        agent_start(&ctl->agent);
        answer = call_once(ctl, path, interface, method, kept, fds,
                G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, error);
        agent_stop(&ctl->agent);
        return answer;
}

static const char *path_of(const char *interface) {
        return strcmp(interface, BUS_SPLIT) == 0 ? BUS_SPLIT_PATH : BUS_ROUTING_PATH;
}

GVariant *bus_call(
        Ctl *ctl, const char *interface, const char *method, GVariant *arguments, GError **error) {
        return call(ctl, path_of(interface), interface, method, arguments, NULL, error);
}

int bus_do(
        Ctl *ctl, const char *interface, const char *method, GVariant *arguments, GError **error) {
        g_autoptr(GVariant) answer = bus_call(ctl, interface, method, arguments, error);

        return answer ? CTL_OK : -1;
}

GVariant *bus_options(bool all, const char *lifetime) {
        GVariantDict options;

        g_variant_dict_init(&options, NULL);
        if (all)
                g_variant_dict_insert(&options, "all", "b", TRUE);
        if (lifetime)
                g_variant_dict_insert(&options, "lifetime", "s", lifetime);
        return g_variant_dict_end(&options);
}

GVariant *bus_call_with_fds(Ctl *ctl, const char *interface, const char *method,
        GVariant *arguments, GUnixFDList *fds, GError **error) {
        return call(ctl, path_of(interface), interface, method, arguments, fds, error);
}

GVariant *bus_call_other(Ctl *ctl, const char *path, const char *interface, const char *method,
        GVariant *arguments, GError **error) {
        return call(ctl, path, interface, method, arguments, NULL, error);
}

GVariant *bus_get_all(Ctl *ctl, const char *interface, GError **error) {
        g_autoptr(GVariant) answer = NULL;

        answer = bus_call_other(ctl, path_of(interface), "org.freedesktop.DBus.Properties",
                "GetAll", g_variant_new("(s)", interface), error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}
