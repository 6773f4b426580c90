#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A VPN client for WireGuard: a tunnel from its first packet to its last.

The tunnel is asked for with lifetime "client": it lasts as long as this program's connection to the
bus, through crashes and restarts of the service, and however the program ends, the service puts
everything back. Who wants it closed even then takes "boot", and ends it by UnsetTunnel.

Run (needs python3-gi), as root, with the device, what wg(8) calls its configuration, and the
device's addresses:
    ./vpn-client.py wg0 wg0.conf 10.64.0.2/32 fd64::2/128
Prints, as wan0 fails, talpid is killed, wg0 is deleted, and at the end SIGTERM comes:
    all traffic goes through wg0
    ipv4 now leaves by wan1
    ipv6 now leaves by wan1
    talpid is gone: wg0 stays closed
    all traffic goes through wg0
    wg0 failed: nothing leaves until it is back
    wg0 is back
    the tunnel is unset
"""

import os
import signal
import subprocess
import sys

from gi.repository import Gio, GLib

NAME = 'org.talpid.Routing'
PATH = '/org/talpid/Routing'
PROPERTIES = 'org.freedesktop.DBus.Properties'


def reason(error):
    """What the service said, without the error's name, which GDBus puts before it."""
    name = Gio.DBusError.get_remote_error(error)
    return error.message.removeprefix(f'GDBus.Error:{name}: ')


def run(*command, quiet=False):
    """Whether it went well; else it told why."""
    return subprocess.run(command, stderr=subprocess.DEVNULL if quiet else None).returncode == 0


def say(text):
    print(text, flush=True)


class Device:
    """The tunnel device. WireGuard's transport socket is the kernel's; one of your own gets the mark
    by socket.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)."""

    def __init__(self, name, config, addresses):
        self.name, self.config, self.addresses = name, config, addresses

    def up(self, mark):
        made = (run('ip', 'link', 'add', self.name, 'type', 'wireguard', quiet=True) or
                run('wireguard-go', self.name, quiet=True))
        return (made and run('wg', 'setconf', self.name, self.config) and self.set_mark(mark) and
                all(run('ip', 'address', 'add', a, 'dev', self.name) for a in self.addresses) and
                run('ip', 'link', 'set', self.name, 'up'))

    def down(self):
        run('ip', 'link', 'delete', self.name, quiet=True)

    def set_mark(self, mark):
        """With it encrypted packets go around their own tunnel."""
        return run('wg', 'set', self.name, 'fwmark', str(mark))

    def roam(self):
        """It makes its socket again, which then has an address of the new link."""
        run('wg', 'set', self.name, 'listen-port', '0')


class VpnClient:
    def __init__(self, device):
        self.device = device
        self.loop = GLib.MainLoop()
        self.bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
        self.mark = None  # None: nothing is set yet
        self.failed = False
        self.status = 0

    def run(self):
        self.listen(NAME, 'DefaultRouteChanged', None, self.on_default_route)
        self.listen(NAME, 'DefaultRouteAdded', None, self.on_default_route)
        self.listen(PROPERTIES, 'PropertiesChanged', NAME, self.on_properties)
        # It starts the service; from then on it tells whenever the service leaves or comes
        Gio.bus_watch_name_on_connection(
            self.bus, NAME, Gio.BusNameWatcherFlags.AUTO_START, self.on_there, self.on_gone)
        for number in signal.SIGINT, signal.SIGTERM:
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self.leave)
        self.loop.run()
        self.device.down()
        return self.status

    def listen(self, interface, member, first_argument, handler):
        self.bus.signal_subscribe(NAME, interface, member, PATH, first_argument,
                                  Gio.DBusSignalFlags.NONE, handler)

    def call(self, interface, method, signature, *arguments):
        reply = self.bus.call_sync(
            NAME, PATH, interface, method, GLib.Variant(signature, arguments), None,
            Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, -1)
        return reply.unpack()

    def complain(self, message):
        print(f'vpn-client: {message}', file=sys.stderr)

    def fail(self, message):
        self.complain(message)
        self.status = 1
        self.loop.quit()

    def on_there(self, *_):
        """At the start, and again for each service that comes: its numbers may be others."""
        first = self.mark is None
        # To end would open what is closed; the next one that comes is asked again
        give_up = self.fail if first else self.complain
        try:
            self.mark, = self.call(PROPERTIES, 'Get', '(ss)', NAME, 'Mark')
            if not (self.device.up(self.mark) if first else self.device.set_mark(self.mark)):
                return give_up(f'{self.device.name} cannot be set up by {self.device.config}')
            self.call(NAME, 'SetTunnel', '(sa{sv})', self.device.name,
                      {'lifetime': GLib.Variant('s', 'client')})
        except GLib.Error as error:
            return give_up(reason(error))
        say(f'all traffic goes through {self.device.name}')

    def on_gone(self, *_):
        if self.mark is None:
            return self.fail('the service cannot be started: is talpid installed?')
        say(f'talpid is gone: {self.device.name} stays closed')
        # The unit restarts it, where there are units; elsewhere a call does
        self.bus.call(NAME, PATH, 'org.freedesktop.DBus.Peer', 'Ping', None, None,
                      Gio.DBusCallFlags.NONE, -1, None, None)

    def on_default_route(self, bus, sender, path, interface, member, arguments):
        if self.mark is None:
            return
        arguments = arguments.unpack()
        route = arguments[2] if member == 'DefaultRouteChanged' else arguments[1]
        say(f'{arguments[0]} now leaves by {route["device"]}')
        self.device.roam()

    def on_properties(self, bus, sender, path, interface, member, arguments):
        tunnel = arguments.unpack()[1].get('Tunnel')
        if tunnel is None or self.mark is None:
            return
        if tunnel.get('device') != self.device.name:
            self.fail('somebody took the tunnel away')
        elif tunnel['state'] == 'waiting' and not self.failed:
            self.failed = True
            say(f'{self.device.name} failed: nothing leaves until it is back')
            GLib.timeout_add_seconds(1, self.repair)
        elif tunnel['state'] == 'active' and self.failed:
            self.failed = False
            say(f'{self.device.name} is back')

    def repair(self):
        """Return: whether to try again."""
        self.device.down()
        return not self.device.up(self.mark)

    def leave(self):
        try:
            self.call(NAME, 'UnsetTunnel', '(a{sv})', {})
            say('the tunnel is unset')
        except GLib.Error as error:
            self.fail(reason(error))
        self.loop.quit()


if len(sys.argv) < 4:
    print('Usage: vpn-client.py DEVICE CONFIG ADDRESS...', file=sys.stderr)
    sys.exit(2)
if os.path.exists(f'/sys/class/net/{sys.argv[1]}'):
    sys.exit(f'vpn-client: there is a device {sys.argv[1]} already')
sys.exit(VpnClient(Device(sys.argv[1], sys.argv[2], sys.argv[3:])).run())
