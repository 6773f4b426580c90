// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/desk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/machine/lib/check.h"

#define BUS_DIRECTORY "/run/desk"
#define BUS_ADDRESS "unix:path=" BUS_DIRECTORY "/bus"
#define BUS_CONFIG BUS_DIRECTORY "/bus.conf"
#define TRAY "org.talpid.Tray"
#define MENU "com.canonical.dbusmenu"
#define ITEM "org.kde.StatusNotifierItem"
#define ITEM_PATH "/org/ayatana/NotificationItem/talpid"
#define WATCHER "org.kde.StatusNotifierWatcher"
#define NOTIFICATIONS "org.freedesktop.Notifications"
#define CALL_TIMEOUT_MSEC 10000

static const char bus_config[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
        "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig><type>session</type><listen>" BUS_ADDRESS "</listen>"
        "<standard_session_servicedirs/><policy context=\"default\"><allow user=\"*\"/>"
        "<allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
        "<allow own=\"*\"/></policy></busconfig>\n";

static const char interfaces[] =
        "<node>"
        "<interface name='" WATCHER "'>"
        "<method name='RegisterStatusNotifierItem'><arg type='s' direction='in'/></method>"
        "<method name='RegisterStatusNotifierHost'><arg type='s' direction='in'/></method>"
        "<property name='RegisteredStatusNotifierItems' type='as' access='read'/>"
        "<property name='IsStatusNotifierHostRegistered' type='b' access='read'/>"
        "<property name='ProtocolVersion' type='i' access='read'/>"
        "</interface>"
        "<interface name='" NOTIFICATIONS "'>"
        "<method name='Notify'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='s' "
        "direction='in'/><arg type='as' direction='in'/><arg type='a{sv}' direction='in'/>"
        "<arg type='i' direction='in'/><arg type='u' direction='out'/></method>"
        "<method name='CloseNotification'><arg type='u' direction='in'/></method>"
        "<method name='GetCapabilities'><arg type='as' direction='out'/></method>"
        "</interface>"
        "</node>";

static const char game_entry[] = "[Desktop Entry]\nType=Application\nName=Space Game\n"
                                 "Exec=yes\nIcon=input-gaming-symbolic\n";

#define PANEL_FILE "etc/xdg/xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml"

static const char panel_settings[] =
        "<?xml version='1.0' encoding='UTF-8'?>"
        "<channel name='xfce4-panel' version='1.0'>"
        "<property name='configver' type='int' value='2'/>"
        "<property name='panels' type='array'><value type='int' value='1'/>"
        "<property name='panel-1' type='empty'>"
        "<property name='position' type='string' value='p=6;x=0;y=0'/>"
        "<property name='length' type='uint' value='100'/>"
        "<property name='position-locked' type='bool' value='true'/>"
        "<property name='size' type='uint' value='28'/>"
        "<property name='plugin-ids' type='array'><value type='int' value='1'/>"
        "<value type='int' value='2'/><value type='int' value='3'/></property>"
        "</property></property>"
        "<property name='plugins' type='empty'>"
        "<property name='plugin-1' type='string' value='systray'/>"
        "<property name='plugin-2' type='string' value='separator'>"
        "<property name='expand' type='bool' value='true'/>"
        "<property name='style' type='uint' value='0'/></property>"
        "<property name='plugin-3' type='string' value='clock'/>"
        "</property></channel>";

static int write_file(const char *root, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(root, name, NULL);
        g_autofree char *directory = g_path_get_dirname(path);

        return g_mkdir_with_parents(directory, 0755) == 0 &&
                               g_file_set_contents(path, text, -1, NULL)
                       ? 0
                       : -EIO;
}

int desk_prepare(const char *root) {
        int r = write_file(root, "usr/share/applications/game.desktop", game_entry);

        return r < 0 ? r : write_file(root, PANEL_FILE, panel_settings);
}

/* --- what the test is on the session bus --- */

static void note_free(void *data) {
        DeskNote *note = data;

        g_free(note->title);
        g_free(note->body);
        g_free(note);
}

static void on_notify(Desk *desk, GVariant *arguments, GDBusMethodInvocation *invocation) {
        DeskNote *note = g_new0(DeskNote, 1);

        g_variant_get(arguments, "(&su&sssasa{sv}i)", NULL, &note->replaces, NULL, &note->title,
                &note->body, NULL, NULL, NULL);
        g_ptr_array_add(desk->notes, note);
        g_dbus_method_invocation_return_value(
                invocation, g_variant_new("(u)", note->replaces ?: desk->notes->len));
}

static void on_call(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *method, GVariant *arguments,
        GDBusMethodInvocation *invocation, void *user) {
        Desk *desk = user;

        if (strcmp(method, "Notify") == 0) {
                on_notify(desk, arguments, invocation);
                return;
        }
        if (strcmp(method, "GetCapabilities") == 0) {
                g_dbus_method_invocation_return_value(invocation, g_variant_new("(as)", NULL));
                return;
        }
        if (strcmp(method, "RegisterStatusNotifierItem") == 0)
                desk->is_registered = true;
        g_dbus_method_invocation_return_value(invocation, NULL);
}

static GVariant *on_get(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *property, GError **error, void *user) {
        if (strcmp(property, "ProtocolVersion") == 0)
                return g_variant_new_int32(0);
        if (strcmp(property, "IsStatusNotifierHostRegistered") == 0)
                return g_variant_new_boolean(TRUE);
        return g_variant_new_strv(NULL, 0);
}

static void own(Desk *desk, size_t i, const char *interface, const char *path) {
        static const GDBusInterfaceVTable vtable = { .method_call = on_call,
                .get_property = on_get };
        g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(interfaces, NULL);

        desk->registrations[i] = g_dbus_connection_register_object(desk->bus, path,
                g_dbus_node_info_lookup_interface(node, interface), &vtable, desk, NULL, NULL);
        g_assert_cmpuint(desk->registrations[i], !=, 0);
        desk->names[i] = g_bus_own_name_on_connection(
                desk->bus, interface, G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL, NULL, NULL);
}

/* --- programs --- */

pid_t desk_start(Desk *desk, const char *const *argv) {
        static const char *const environment[] = { "env", "DISPLAY=" DESK_DISPLAY,
                "HOME=/home/alice", "XDG_RUNTIME_DIR=/run/user/1000",
                "DBUS_SESSION_BUS_ADDRESS=" BUS_ADDRESS, "NO_AT_BRIDGE=1",
                "XDG_CURRENT_DESKTOP=XFCE",
                /* Libraries of the desktop keep what they made once. */
                "ASAN_OPTIONS=detect_leaks=0" };
        g_autoptr(GPtrArray) all = g_ptr_array_new();
        pid_t pid;

        for (size_t i = 0; i < G_N_ELEMENTS(environment); i++)
                g_ptr_array_add(all, (char *)environment[i]);
        for (; *argv; argv++)
                g_ptr_array_add(all, (char *)*argv);
        g_ptr_array_add(all, NULL);
        CHECK_OK(command_start(&(Command){ .argv = (const char *const *)all->pdata,
                                       .uid = MACHINE_ALICE,
                                       .cgroup = desk->session },
                &pid));
        return pid;
}

static pid_t read_pid(const char *text) {
        pid_t pid = atoi(text);

        g_assert_cmpint(pid, >, 1);
        return pid;
}

/* Both print their number when they can be connected to. */
static void start_servers(Desk *desk) {
        g_autofree char *bus = NULL, *display = NULL;

        g_assert_cmpint(g_mkdir_with_parents(BUS_DIRECTORY, 0755), ==, 0);
        g_assert_true(g_file_set_contents(BUS_CONFIG, bus_config, -1, NULL));
        g_free(machine_run_ok("chown", "alice", BUS_DIRECTORY, NULL));
        bus = machine_run_ok("setpriv", "--reuid=alice", "--regid=1000", "--clear-groups", "env",
                "HOME=/home/alice", "XDG_RUNTIME_DIR=/run/user/1000", "NO_AT_BRIDGE=1",
                "DISPLAY=" DESK_DISPLAY, "dbus-daemon", "--config-file=" BUS_CONFIG, "--fork",
                "--print-pid", NULL);
        desk->bus_pid = read_pid(bus);
        display = machine_run_ok("sh", "-euc",
                "rm -f /run/desk/ready; mkfifo /run/desk/ready\n"
                "Xvfb " DESK_DISPLAY " -ac -screen 0 480x270x24 -nolisten tcp -displayfd 3 "
                "3>/run/desk/ready >/dev/null 2>&1 &\n"
                "read number </run/desk/ready; echo $!",
                NULL);
        desk->display_pid = read_pid(display);
}

static void connect_bus(Desk *desk) {
        g_autoptr(GError) error = NULL;

        desk->bus = g_dbus_connection_new_for_address_sync(BUS_ADDRESS,
                G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                NULL, NULL, &error);
        g_assert_no_error(error);
}

/* Wakes machine_wait_until(). */
static void on_signal(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *signal, GVariant *arguments, void *user) {
}

static bool is_registered(void *user) {
        Desk *desk = user;
        g_autoptr(GVariant) reply = NULL, items = NULL;

        if (!desk->panel_pid)
                return desk->is_registered;
        reply = g_dbus_connection_call_sync(desk->bus, WATCHER, "/StatusNotifierWatcher",
                "org.freedesktop.DBus.Properties", "Get",
                g_variant_new("(ss)", WATCHER, "RegisteredStatusNotifierItems"),
                G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MSEC, NULL, NULL);
        if (!reply)
                return false;
        g_variant_get(reply, "(v)", &items);
        return g_variant_n_children(items) == 1;
}

static void start_panel(Desk *desk) {
        static const char *const argv[] = { "xfce4-panel", "--disable-wm-check", NULL };

        desk->panel_pid = desk_start(desk, argv);
}

static void wait_for_icon(Desk *desk) {
        g_assert_true(machine_wait_until(desk->machine, is_registered, desk, MACHINE_WAIT_MSEC));
}

void desk_restart_panel(Desk *desk) {
        command_stop(desk->panel_pid);
        start_panel(desk);
        wait_for_icon(desk);
}

/* A panel that comes late makes GTK complain, as the library gives up its icon of the old kind. */
void desk_start_tray(Desk *desk) {
        const char *debug = desk->panel_pid ? "G_DEBUG=" : "G_DEBUG=fatal-criticals";
        const char *const argv[] = { "env", debug, "talpid-tray", NULL };

        desk->is_registered = false;
        desk->tray_pid = desk_start(desk, argv);
        wait_for_icon(desk);
}

void desk_open(Desk *desk, Machine *machine, DeskHost host) {
        *desk = (Desk){ .machine = machine, .notes = g_ptr_array_new_with_free_func(note_free) };
        CHECK_OK(machine_session_open(machine, "alice", &desk->session));
        start_servers(desk);
        connect_bus(desk);
        desk->signals = g_dbus_connection_signal_subscribe(desk->bus, NULL, NULL, NULL, NULL, NULL,
                G_DBUS_SIGNAL_FLAGS_NONE, on_signal, NULL, NULL);
        own(desk, 0, NOTIFICATIONS, "/org/freedesktop/Notifications");
        if (host == DESK_TEST)
                own(desk, 1, WATCHER, "/StatusNotifierWatcher");
        else
                start_panel(desk);
}

typedef struct End {
        bool has_ended;
        int status;
} End;

static void on_end(GPid pid, int status, void *user) {
        *(End *)user = (End){ .has_ended = true, .status = status };
}

static bool has_ended(void *user) {
        return ((End *)user)->has_ended;
}

static void end_tray(Desk *desk) {
        End end = {};

        if (!desk->tray_pid)
                return;
        (void)g_child_watch_add(desk->tray_pid, on_end, &end);
        CHECK_OK(kill(desk->tray_pid, SIGTERM));
        g_assert_true(machine_wait_until(desk->machine, has_ended, &end, MACHINE_WAIT_MSEC));
        g_assert_cmpint(end.status, ==, 0);
        desk->tray_pid = 0;
}

void desk_close(Desk *desk) {
        end_tray(desk);
        command_stop(desk->panel_pid);
        g_dbus_connection_signal_unsubscribe(desk->bus, desk->signals);
        for (size_t i = 0; i < G_N_ELEMENTS(desk->names); i++) {
                if (!desk->names[i])
                        continue;
                g_bus_unown_name(desk->names[i]);
                g_dbus_connection_unregister_object(desk->bus, desk->registrations[i]);
        }
        g_assert_true(g_dbus_connection_close_sync(desk->bus, NULL, NULL));
        g_object_unref(desk->bus);
        CHECK_OK(kill(desk->bus_pid, SIGTERM));
        CHECK_OK(kill(desk->display_pid, SIGTERM));
        CHECK_OK(machine_session_close("alice"));
        g_ptr_array_unref(desk->notes);
        g_free(desk->session);
}

/* --- the menu --- */

static GVariant *call_tray(
        Desk *desk, const char *path, const char *interface, const char *method, GVariant *args) {
        g_autoptr(GError) error = NULL;
        GVariant *reply = g_dbus_connection_call_sync(desk->bus, TRAY, path, interface, method,
                args, NULL, G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MSEC, NULL, &error);

        g_assert_no_error(error);
        return reply;
}

static GVariant *item_property(Desk *desk, const char *name) {
        g_autoptr(GVariant) reply = call_tray(desk, ITEM_PATH, "org.freedesktop.DBus.Properties",
                "Get", g_variant_new("(ss)", ITEM, name));
        GVariant *value;

        g_variant_get(reply, "(v)", &value);
        return value;
}

char *desk_icon(Desk *desk) {
        g_autoptr(GVariant) name = item_property(desk, "IconName");

        return g_variant_dup_string(name, NULL);
}

static GVariant *call_menu(Desk *desk, const char *method, GVariant *arguments) {
        g_autoptr(GVariant) path = item_property(desk, "Menu");

        return call_tray(desk, g_variant_get_string(path, NULL), MENU, method, arguments);
}

/* Return: the root, (ia{sv}av). */
static GVariant *read_layout(Desk *desk) {
        g_autoptr(GVariant) reply =
                call_menu(desk, "GetLayout", g_variant_new("(iias)", 0, -1, NULL));

        return g_variant_get_child_value(reply, 1);
}

typedef void (*EntryVisitor)(GVariant *properties, gint32 id, int depth, void *user);

static void visit(GVariant *entry, int depth, EntryVisitor visitor, void *user) {
        g_autoptr(GVariant) properties = g_variant_get_child_value(entry, 1);
        g_autoptr(GVariant) children = g_variant_get_child_value(entry, 2);
        gint32 id;

        g_variant_get_child(entry, 0, "i", &id);
        if (depth >= 0)
                visitor(properties, id, depth, user);
        for (gsize i = 0; i < g_variant_n_children(children); i++) {
                g_autoptr(GVariant) boxed = g_variant_get_child_value(children, i);
                g_autoptr(GVariant) child = g_variant_get_variant(boxed);

                visit(child, depth + 1, visitor, user);
        }
}

static void visit_all(Desk *desk, EntryVisitor visitor, void *user) {
        g_autoptr(GVariant) root = read_layout(desk);

        visit(root, -1, visitor, user);
}

static void print_entry(GVariant *properties, gint32 id, int depth, void *user) {
        const char *label = "", *type = "", *toggle = "";
        gboolean is_enabled = TRUE;
        gint32 state = 0;

        (void)g_variant_lookup(properties, "label", "&s", &label);
        (void)g_variant_lookup(properties, "type", "&s", &type);
        (void)g_variant_lookup(properties, "toggle-type", "&s", &toggle);
        (void)g_variant_lookup(properties, "toggle-state", "i", &state);
        (void)g_variant_lookup(properties, "enabled", "b", &is_enabled);
        g_string_append_printf(user, "%*s%s%s%s\n", 2 * depth, "",
                strcmp(type, "separator") == 0 ? "---"
                : !*toggle                     ? ""
                : state == 1                   ? "[x] "
                                               : "[ ] ",
                label, !is_enabled && *toggle ? " (grey)" : "");
}

static char *menu_text(Desk *desk) {
        GString *text = g_string_new("\n");

        visit_all(desk, print_entry, text);
        return g_string_free(text, FALSE);
}

typedef struct LineWait {
        Desk *desk;
        char *line;
} LineWait;

static bool line_is_there(void *user) {
        LineWait *wait = user;
        g_autofree char *menu = menu_text(wait->desk);

        return strstr(menu, wait->line) != NULL;
}

void desk_wait_for_line(Desk *desk, const char *line) {
        g_autofree char *whole = g_strdup_printf("\n%s\n", line);
        LineWait wait = { desk, whole };

        if (!machine_wait_until(desk->machine, line_is_there, &wait, MACHINE_WAIT_MSEC)) {
                g_autofree char *menu = menu_text(desk);

                g_error("no '%s' in%s", line, menu);
        }
}

typedef struct Search {
        const char *label;
        gint32 id; /* 0: not found */
} Search;

static void find_entry(GVariant *properties, gint32 id, int depth, void *user) {
        Search *search = user;
        const char *label = "";

        (void)g_variant_lookup(properties, "label", "&s", &label);
        if (!search->id && strcmp(label, search->label) == 0)
                search->id = id;
}

void desk_click(Desk *desk, const char *label) {
        Search search = { .label = label };

        visit_all(desk, find_entry, &search);
        if (!search.id)
                g_error("the menu has no '%s'", label);
        g_variant_unref(call_menu(desk, "Event",
                g_variant_new("(isvu)", search.id, "clicked", g_variant_new_int32(0), 0)));
}

static void collect_submenus(GVariant *properties, gint32 id, int depth, void *user) {
        const char *children;

        if (g_variant_lookup(properties, "children-display", "&s", &children))
                g_array_append_val((GArray *)user, id);
}

void desk_look(Desk *desk) {
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));

        visit_all(desk, collect_submenus, ids);
        for (guint i = 0; i < ids->len; i++)
                g_variant_unref(call_menu(
                        desk, "AboutToShow", g_variant_new("(i)", g_array_index(ids, gint32, i))));
}

/* --- notifications --- */

typedef struct NoteWait {
        Desk *desk;
        const char *title;
        const DeskNote *found;
} NoteWait;

static bool is_noted(void *user) {
        NoteWait *wait = user;

        for (guint i = 0; i < wait->desk->notes->len && !wait->found; i++) {
                const DeskNote *note = g_ptr_array_index(wait->desk->notes, i);

                if (strstr(note->title, wait->title))
                        wait->found = note;
        }
        return wait->found;
}

const DeskNote *desk_wait_for_note(Desk *desk, const char *title) {
        NoteWait wait = { desk, title, NULL };

        if (!machine_wait_until(desk->machine, is_noted, &wait, MACHINE_WAIT_MSEC))
                g_error("%u notifications, none of them '%s'", desk->notes->len, title);
        return wait.found;
}
