#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Lists the routes that were added through talpid, and whether the kernel has them.
//
// Run (needs gjs):
//     ./list-routes.js
// Prints:
//     10.8.0.0/16 by the default route: installed
//     10.9.0.0/16 by 192.168.10.1 wan0: installed
//     192.0.2.0/24 by wg0: waiting, there is no device wg0

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

function describe(route) {
    const by = route.node ? ['the default route'] : [route.gateway, route.device];
    const state = [route.state, route.reason];
    return `${route.destination} by ${by.filter(Boolean).join(' ')}: ${state.filter(Boolean).join(', ')}`;
}

try {
    const reply = Gio.DBus.system.call_sync(
        'org.talpid.Routing', '/org/talpid/Routing', 'org.talpid.Routing', 'ListRoutes',
        new GLib.Variant('(a{sv})', [{}]), new GLib.VariantType('(aa{sv})'),
        Gio.DBusCallFlags.NONE, -1, null);
    const [routes] = reply.recursiveUnpack();
    routes.forEach(route => print(describe(route)));
} catch (error) {
    Gio.DBusError.strip_remote_error(error);
    printerr(`list-routes: ${error.message}`);
    System.exit(1);
}
