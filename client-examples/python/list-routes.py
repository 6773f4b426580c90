#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists the routes that were added through talpid, and whether the kernel has them.

Run (needs python3-gi):
    ./list-routes.py
Prints:
    10.8.0.0/16 by the default route: installed
    10.9.0.0/16 by 192.168.10.1 wan0: installed
    192.0.2.0/24 by wg0: waiting, there is no device wg0
"""

import sys

from gi.repository import Gio, GLib


def describe(route):
    by = [route[key] for key in ('gateway', 'device') if key in route]
    if 'node' in route:
        by = ['the default route']
    state = [route[key] for key in ('state', 'reason') if key in route]
    return f'{route["destination"]} by {" ".join(by)}: {", ".join(state)}'


def reason(error):
    """What the service said, without the error's name, which GDBus puts before it."""
    name = Gio.DBusError.get_remote_error(error)
    return error.message.removeprefix(f'GDBus.Error:{name}: ')


try:
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    reply = bus.call_sync(
        'org.talpid.Routing', '/org/talpid/Routing', 'org.talpid.Routing', 'ListRoutes',
        GLib.Variant('(a{sv})', ({},)), GLib.VariantType('(aa{sv})'), Gio.DBusCallFlags.NONE, -1)
except GLib.Error as error:
    sys.exit(f'list-routes: {reason(error)}')
for route in reply.unpack()[0]:
    print(describe(route))
