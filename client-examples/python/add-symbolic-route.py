#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds a route that goes by whatever the best default route outside of tunnels is, and follows it.
It stays until RemoveRoutes takes it away or the machine restarts.

Run (needs python3-gi), as root or with the password of an administrator:
    ./add-symbolic-route.py 10.8.0.0/16
Prints:
    10.8.0.0/16 follows the default route
What is refused goes to stderr, in the service's words, and ends it with 1.
"""

import sys

from gi.repository import Gio, GLib

PASSWORD_MSEC = 10 * 60 * 1000  # people type slowly


def reason(error):
    """What the service said, without the error's name, which GDBus puts before it."""
    name = Gio.DBusError.get_remote_error(error)
    return error.message.removeprefix(f'GDBus.Error:{name}: ')


if len(sys.argv) != 2:
    print('Usage: add-symbolic-route.py DESTINATION', file=sys.stderr)
    sys.exit(2)
route = {'destination': GLib.Variant('s', sys.argv[1]), 'node': GLib.Variant('s', 'default')}
options = {}

try:
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    bus.call_sync(
        'org.talpid.Routing', '/org/talpid/Routing', 'org.talpid.Routing', 'AddRoutes',
        GLib.Variant('(aa{sv}a{sv})', ([route], options)), None,
        Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, PASSWORD_MSEC)
except GLib.Error as error:
    sys.exit(f'add-symbolic-route: {reason(error)}')
print(f'{sys.argv[1]} follows the default route')
