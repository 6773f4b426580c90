#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Adds a route that goes by whatever the best default route outside of tunnels is, and follows it. It
// stays until RemoveRoutes takes it away or the machine restarts.
//
// Run (needs gjs), as root or with the password of an administrator:
//     ./add-symbolic-route.js 10.8.0.0/16
// Prints:
//     10.8.0.0/16 follows the default route
// What is refused goes to stderr, in the service's words, and ends it with 1.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

const PASSWORD_MSEC = 10 * 60 * 1000; // people type slowly

if (ARGV.length !== 1) {
    printerr('Usage: add-symbolic-route.js DESTINATION');
    System.exit(2);
}
const route = {
    destination: new GLib.Variant('s', ARGV[0]),
    node: new GLib.Variant('s', 'default'),
};
const options = {};

try {
    Gio.DBus.system.call_sync(
        'org.talpid.Routing', '/org/talpid/Routing', 'org.talpid.Routing', 'AddRoutes',
        new GLib.Variant('(aa{sv}a{sv})', [[route], options]), null,
        Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, PASSWORD_MSEC, null);
} catch (error) {
    Gio.DBusError.strip_remote_error(error);
    printerr(`add-symbolic-route: ${error.message}`);
    System.exit(1);
}
print(`${ARGV[0]} follows the default route`);
