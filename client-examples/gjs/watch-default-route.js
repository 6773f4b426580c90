#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Prints the best default route of each family outside of tunnels, and again whenever it differs.
//
// The service leaves when nobody needs it. As it is, this program lets it, and the proxy reads afresh
// when the service is there again, which NetworkManager's dispatcher sees to when the network changed.
// With --keep-awake it calls Subscribe: while this connection to the bus lasts, the service stays and
// misses nothing. That is for programs that act on every change, not for such as show one.
//
// Run (needs gjs):
//     ./watch-default-route.js [--keep-awake]
// Prints:
//     ipv4: wan0 via 192.168.10.1
//     ipv6: wan0 via <address>
//     ipv4: wan1 via 192.168.20.1
//     ipv6: wan1 via <address>

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

const PROPERTIES = {ipv4: 'DefaultRoute4', ipv6: 'DefaultRoute6'};
const SIGINT = 2, SIGTERM = 15;
const shown = {};

function complain(error) {
    if (error instanceof GLib.Error)
        Gio.DBusError.strip_remote_error(error);
    printerr(`watch-default-route: ${error.message}`);
}

function describe(route) {
    if (!route.device)
        return 'none';
    return route.device + (route.gateway ? ` via ${route.gateway}` : '');
}

function show(proxy) {
    for (const [family, name] of Object.entries(PROPERTIES)) {
        // null: the service is away
        const value = proxy.get_cached_property(name);
        if (value === null || shown[family] === describe(value.recursiveUnpack()))
            continue;
        shown[family] = describe(value.recursiveUnpack());
        print(`${family}: ${shown[family]}`);
    }
}

function subscribe(proxy) {
    // A subscription ends with the service, too: again for each one that comes
    if (!proxy.g_name_owner)
        return;
    proxy.call('Subscribe', new GLib.Variant('(as)', [['default']]), Gio.DBusCallFlags.NONE, -1, null,
        (_, result) => {
            try {
                proxy.call_finish(result);
            } catch (error) {
                complain(error);
            }
        });
}

function watch(keepAwake) {
    const proxy = Gio.DBusProxy.new_for_bus_sync(Gio.BusType.SYSTEM, Gio.DBusProxyFlags.NONE, null,
        'org.talpid.Routing', '/org/talpid/Routing', 'org.talpid.Routing', null);
    if (!proxy.g_name_owner)
        throw new Error('the service cannot be started: is talpid installed?');

    proxy.connect('g-properties-changed', show);
    proxy.connect('notify::g-name-owner', show);
    show(proxy);
    if (keepAwake) {
        proxy.connect('notify::g-name-owner', subscribe);
        subscribe(proxy);
    }
}

const loop = new GLib.MainLoop(null, false);
try {
    watch(ARGV.includes('--keep-awake'));
} catch (error) {
    complain(error);
    System.exit(1);
}
for (const number of [SIGINT, SIGTERM])
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, () => loop.quit());
loop.run();
