// SPDX-License-Identifier: GPL-3.0-or-later
#include <assert.h>
#include <errno.h>
#include <glib-unix.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/machine-private.h"

#define NETLINK_RECEIVE_BYTES (4 * 1024 * 1024)

/* All members but the lab are made at first use. */
struct Machine {
        Lab *lab;
        GDBusConnection *bus;
        guint subscription;
        int netlink_fd;
        guint netlink_source;
};

Machine *machine_new(Lab *lab) {
        Machine *machine = g_new0(Machine, 1);

        machine->lab = lab;
        machine->netlink_fd = -1;
        return machine;
}

Machine *machine_free(Machine *machine) {
        if (!machine)
                return NULL;
        if (machine->subscription)
                g_dbus_connection_signal_unsubscribe(machine->bus, machine->subscription);
        g_clear_object(&machine->bus);
        g_clear_handle_id(&machine->netlink_source, g_source_remove);
        machine->netlink_fd = fd_close(machine->netlink_fd);
        g_free(machine);
        return NULL;
}

Lab *machine_get_lab(Machine *machine) {
        return machine->lab;
}

GDBusConnection *machine_get_bus(Machine *machine) {
        g_autoptr(GError) error = NULL;

        if (machine->bus)
                return machine->bus;
        machine->bus =
                g_dbus_connection_new_for_address_sync("unix:path=/run/dbus/system_bus_socket",
                        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                        NULL, NULL, &error);
        if (!machine->bus)
                g_error("the machine's bus: %s", error->message);
        return machine->bus;
}

/* --- programs --- */

static GPtrArray *argv_collect(const char *first, va_list list) {
        GPtrArray *argv = g_ptr_array_new();
        const char *argument = first ?: va_arg(list, const char *);

        for (; argument; argument = va_arg(list, const char *))
                g_ptr_array_add(argv, (char *)argument);
        g_ptr_array_add(argv, NULL);
        return argv;
}

static int run_list(uid_t uid, CommandResult *ret, const char *first, va_list list) {
        g_autoptr(GPtrArray) argv = argv_collect(first, list);

        return command_run(&(Command){ .argv = (const char *const *)argv->pdata, .uid = uid }, ret);
}

int machine_run(CommandResult *ret, ...) {
        va_list list;
        int r;

        va_start(list, ret);
        r = run_list(0, ret, NULL, list);
        va_end(list);
        return r;
}

int machine_spawn_as(uid_t uid, CommandResult *ret, ...) {
        va_list list;
        int r;

        va_start(list, ret);
        r = run_list(uid, ret, NULL, list);
        va_end(list);
        return r;
}

char *machine_run_ok(const char *program, ...) {
        g_auto(CommandResult) result = {};
        va_list list;
        int r;

        va_start(list, program);
        r = run_list(0, &result, program, list);
        va_end(list);
        if (r < 0)
                g_error("%s: %s", program, g_strerror(-r));
        if (result.status != 0)
                g_error("%s: exit status %d\n%s%s", program, result.status, result.out, result.err);
        return g_steal_pointer(&result.out);
}

/* --- waiting --- */

static gboolean on_netlink(int fd, GIOCondition condition, void *user) {
        char buffer[8192];

        (void)condition;
        (void)user;
        /* The content does not matter, nor does a loss: the condition is asked again. */
        while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
                ;
        return G_SOURCE_CONTINUE;
}

static int netlink_watch(Machine *machine) {
        static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };
        const int bytes = NETLINK_RECEIVE_BYTES;
        _cleanup_fd_ int fd = -1;

        if (machine->netlink_fd >= 0)
                return 0;
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        if (fd < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
                            sizeof(groups[i])) < 0)
                        return -errno;
        machine->netlink_source = g_unix_fd_add(fd, G_IO_IN, on_netlink, NULL);
        machine->netlink_fd = TAKE_FD(fd);
        return 0;
}

static void on_signal(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *name, GVariant *parameters, void *user) {
        (void)bus;
        (void)sender;
        (void)path;
        (void)interface;
        (void)name;
        (void)parameters;
        (void)user;
}

static void bus_watch(Machine *machine) {
        if (!machine->subscription)
                machine->subscription =
                        g_dbus_connection_signal_subscribe(machine_get_bus(machine), NULL, NULL,
                                NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, NULL, NULL);
}

static gboolean on_deadline(void *user) {
        *(bool *)user = true;
        return G_SOURCE_CONTINUE;
}

bool machine_wait_until(
        Machine *machine, MachineCondition condition, void *user, int timeout_msec) {
        bool late = false, held;
        guint timer;
        int r;

        bus_watch(machine);
        r = netlink_watch(machine);
        if (r < 0)
                g_error("rtnetlink: %s", g_strerror(-r));
        timer = g_timeout_add(timeout_msec, on_deadline, &late);
        while (!(held = condition(user)) && !late)
                (void)g_main_context_iteration(NULL, TRUE);
        g_source_remove(timer);
        return held;
}

typedef struct TextWanted {
        const char *const *argv;
        const char *text;
        CommandResult last;
} TextWanted;

static bool is_printed(void *user) {
        TextWanted *wanted = user;

        command_result_clear(&wanted->last);
        return command_run(&(Command){ .argv = wanted->argv }, &wanted->last) == 0 &&
               strstr(wanted->last.out, wanted->text);
}

bool machine_wait_for_text(Machine *machine, const char *text, ...) {
        g_autoptr(GPtrArray) argv = NULL;
        TextWanted wanted = { .text = text };
        va_list list;
        bool found;

        va_start(list, text);
        argv = argv_collect(NULL, list);
        va_end(list);
        wanted.argv = (const char *const *)argv->pdata;
        found = machine_wait_until(machine, is_printed, &wanted, MACHINE_WAIT_MSEC);
        if (!found)
                g_printerr("%s never said \"%s\":\n%s%s", wanted.argv[0], text,
                        wanted.last.out ?: "", wanted.last.err ?: "");
        command_result_clear(&wanted.last);
        return found;
}

/* One line per family and link, and every address past its tentative time. */
static bool is_online(void *user) {
        static const char script[] =
                "for family in -4 -6; do for link in wan0 wan1; do\n"
                "  ip $family route show default dev $link | grep -q via\n"
                "  ip $family -o address show dev $link scope global | grep -q inet\n"
                "  if ip $family -o address show dev $link tentative | grep -q inet; then exit 1; "
                "fi\n"
                "done; done\n";
        g_auto(CommandResult) result = {};

        (void)user;
        return machine_run(&result, "sh", "-euc", script, NULL) == 0 && result.status == 0;
}

bool machine_wait_online(Machine *machine) {
        return machine_wait_until(machine, is_online, NULL, MACHINE_WAIT_MSEC);
}

/* --- sessions --- */

typedef struct SessionWanted {
        const char *unit;
        char *cgroup;
} SessionWanted;

static char *session_unit(const char *user) {
        return g_strdup_printf("lab-session-%s.service", user);
}

static char *membership_of(const char *pid) {
        g_autofree char *path = g_strdup_printf("/proc/%s/cgroup", pid);
        g_autofree char *text = NULL;
        char *own;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return NULL;
        /* A hybrid host shows its version 1 hierarchies first. */
        own = strstr(text, "0::/");
        return own ? g_strconcat("/sys/fs/cgroup", g_strchomp(own + strlen("0::")), NULL) : NULL;
}

/* Type=exec would be told too late: the process has left the unit's group for the session's. */
static int session_start(const char *user, const char *unit) {
        g_autofree char *unit_option = g_strconcat("--unit=", unit, NULL);
        g_autofree char *user_option = g_strconcat("--uid=", user, NULL);
        g_auto(CommandResult) result = {};
        int r;

        r = machine_run(&result, "systemd-run", "--quiet", "--collect", unit_option, user_option,
                "--property=Type=simple", "--property=PAMName=lab-session",
                "--setenv=XDG_SEAT=seat0", "--setenv=XDG_SESSION_TYPE=wayland",
                "--setenv=XDG_SESSION_CLASS=user", "sleep", "infinity", NULL);
        if (r < 0)
                return r;
        if (result.status == 0)
                return 0;
        g_printerr("machine: session of %s: %s", user, result.err);
        return -EREMOTEIO;
}

/* "/…/session-c1.scope"; asked of logind, which makes it active a while after it is there. */
static bool is_active(const char *cgroup) {
        g_autofree char *scope = g_path_get_basename(cgroup);
        g_autofree char *id = g_strndup(
                scope + strlen("session-"), strlen(scope) - strlen("session-") - strlen(".scope"));
        g_auto(CommandResult) result = {};

        return machine_run(&result, "loginctl", "show-session", "--value", "--property=Active", id,
                       NULL) == 0 &&
               g_str_equal(result.out, "yes\n");
}

/* logind says SessionNew once the process is in the session's scope. */
static bool is_in_session(void *user) {
        SessionWanted *wanted = user;
        g_autofree char *pid = machine_run_ok(
                "systemctl", "show", "--value", "--property=MainPID", wanted->unit, NULL);
        g_autofree char *cgroup = membership_of(g_strstrip(pid));

        if (!cgroup || !strstr(cgroup, "/session-") || !g_str_has_suffix(cgroup, ".scope") ||
                !is_active(cgroup))
                return false;
        wanted->cgroup = g_steal_pointer(&cgroup);
        return true;
}

int machine_session_open(Machine *machine, const char *user, char **ret_cgroup) {
        g_autofree char *unit = session_unit(user);
        SessionWanted wanted = { .unit = unit };
        int r;

        assert(ret_cgroup);

        /* Before the signal that it waits for. */
        bus_watch(machine);
        r = session_start(user, unit);
        if (r < 0)
                return r;
        if (!machine_wait_until(machine, is_in_session, &wanted, MACHINE_WAIT_MSEC))
                return -ETIMEDOUT;
        *ret_cgroup = wanted.cgroup;
        return 0;
}

int machine_session_close(const char *user) {
        g_autofree char *unit = session_unit(user);
        g_auto(CommandResult) result = {};
        int r;

        r = machine_run(&result, "systemctl", "stop", unit, NULL);
        return r < 0 ? r : (result.status == 0 ? 0 : -EREMOTEIO);
}
