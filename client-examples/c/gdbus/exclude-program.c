// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Runs a command around the tunnel: this process goes around, and becomes the command.
 *
 * Compile:
 *     cc -o exclude-program exclude-program.c $(pkg-config --cflags --libs gio-unix-2.0)
 * Run:
 *     ./exclude-program curl --silent http://198.51.100.1/
 * Prints what the command prints, here the address that a server saw, that of the uplink:
 *     203.0.113.10
 * Where the service does not grant it, the command is not run, and it ends with 125.
 */

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSED 125
#define PASSWORD_MSEC (10 * 60 * 1000) /* people type slowly */

/* By a descriptor, which cannot come to mean another process as a number can. It is closed. */
static GVariant *exclude(int pidfd, GError **error) {
        g_autoptr(GUnixFDList) descriptors = g_unix_fd_list_new_from_array(&pidfd, 1);
        g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);

        if (!bus)
                return NULL;
        return g_dbus_connection_call_with_unix_fd_list_sync(bus, "org.talpid.SplitTunnel",
                "/org/talpid/SplitTunnel", "org.talpid.SplitTunnel", "AddProcessFd",
                g_variant_new_parsed("(@h 0, @a{sv} {})"), NULL,
                G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, PASSWORD_MSEC, descriptors, NULL,
                NULL, error);
}

int main(int argc, char *argv[]) {
        int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GError) error = NULL;

        if (argc < 2) {
                g_printerr("Usage: exclude-program COMMAND [ARGUMENT]...\n");
                return REFUSED;
        }
        if (pidfd < 0) {
                g_printerr("exclude-program: pidfd_open: %s\n", g_strerror(errno));
                return REFUSED;
        }
        reply = exclude(pidfd, &error);
        if (!reply) {
                g_dbus_error_strip_remote_error(error);
                g_printerr("exclude-program: %s\n", error->message);
                return REFUSED;
        }
        (void)execvp(argv[1], argv + 1);
        g_printerr("exclude-program: %s: %s\n", argv[1], g_strerror(errno));
        return errno == ENOENT ? 127 : 126;
}
