#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the best default route of each family outside of tunnels, and again whenever it differs.

The service leaves when nobody needs it. As it is, this program lets it, and the proxy reads afresh
when the service is there again, which NetworkManager's dispatcher sees to when the network changed.
With --keep-awake it calls Subscribe: while this connection to the bus lasts, the service stays and
misses nothing. That is for programs that act on every change, not for such as show one.

Run (needs python3-gi):
    ./watch-default-route.py [--keep-awake]
Prints:
    ipv4: wan0 via 192.168.10.1
    ipv6: wan0 via <address>
    ipv4: wan1 via 192.168.20.1
    ipv6: wan1 via <address>
"""

import signal
import sys

from gi.repository import Gio, GLib

PROPERTIES = {'ipv4': 'DefaultRoute4', 'ipv6': 'DefaultRoute6'}
shown = {}


def reason(error):
    """What the service said, without the error's name, which GDBus puts before it."""
    name = Gio.DBusError.get_remote_error(error)
    return error.message.removeprefix(f'GDBus.Error:{name}: ')


def describe(route):
    if not route:
        return 'none'
    return route['device'] + (f' via {route["gateway"]}' if 'gateway' in route else '')


def show(proxy, *_):
    for family, name in PROPERTIES.items():
        value = proxy.get_cached_property(name)
        # None: the service is away
        if value is not None and shown.get(family) != describe(value.unpack()):
            shown[family] = describe(value.unpack())
            print(f'{family}: {shown[family]}', flush=True)


def subscribe(proxy, *_):
    # A subscription ends with the service, too: again for each one that comes
    if proxy.get_name_owner():
        proxy.call('Subscribe', GLib.Variant('(as)', (['default'],)), Gio.DBusCallFlags.NONE, -1,
                   None, on_subscribed)


def on_subscribed(proxy, result):
    try:
        proxy.call_finish(result)
    except GLib.Error as error:
        print(f'watch-default-route: {reason(error)}', file=sys.stderr)


try:
    proxy = Gio.DBusProxy.new_for_bus_sync(
        Gio.BusType.SYSTEM, Gio.DBusProxyFlags.NONE, None,
        'org.talpid.Routing', '/org/talpid/Routing', 'org.talpid.Routing')
except GLib.Error as error:
    sys.exit(f'watch-default-route: {reason(error)}')
if not proxy.get_name_owner():
    sys.exit('watch-default-route: the service cannot be started: is talpid installed?')

proxy.connect('g-properties-changed', show)
proxy.connect('notify::g-name-owner', show)
show(proxy)
if '--keep-awake' in sys.argv[1:]:
    proxy.connect('notify::g-name-owner', subscribe)
    subscribe(proxy)

loop = GLib.MainLoop()
for number in signal.SIGINT, signal.SIGTERM:
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
loop.run()
