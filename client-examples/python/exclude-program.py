#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command around the tunnel: this process goes around, and becomes the command.

Run (needs python3-gi):
    ./exclude-program.py curl --silent http://198.51.100.1/
Prints what the command prints, here the address that a server saw, that of the uplink:
    203.0.113.10
Where the service does not grant it, the command is not run, and it ends with 125.
"""

import os
import sys

from gi.repository import Gio, GLib

PASSWORD_MSEC = 10 * 60 * 1000  # people type slowly


def reason(error):
    """What the service said, without the error's name, which GDBus puts before it."""
    name = Gio.DBusError.get_remote_error(error)
    return error.message.removeprefix(f'GDBus.Error:{name}: ')


def exclude(pidfd):
    """By a descriptor, which cannot come to mean another process as a number can."""
    descriptors = Gio.UnixFDList.new_from_array([pidfd])
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    bus.call_with_unix_fd_list_sync(
        'org.talpid.SplitTunnel', '/org/talpid/SplitTunnel', 'org.talpid.SplitTunnel',
        'AddProcessFd', GLib.Variant('(ha{sv})', (0, {})), None,
        Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, PASSWORD_MSEC, descriptors, None)


if len(sys.argv) < 2:
    print('Usage: exclude-program.py COMMAND [ARGUMENT]...', file=sys.stderr)
    sys.exit(125)
try:
    exclude(os.pidfd_open(os.getpid()))
except GLib.Error as error:
    print(f'exclude-program: {reason(error)}', file=sys.stderr)
    sys.exit(125)
try:
    os.execvp(sys.argv[1], sys.argv[1:])
except OSError as error:
    print(f'exclude-program: {sys.argv[1]}: {error.strerror}', file=sys.stderr)
    sys.exit(127 if isinstance(error, FileNotFoundError) else 126)
