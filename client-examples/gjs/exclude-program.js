#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs a command around the tunnel: this process goes around, and what it starts does, too.
//
// GJS has neither fork nor exec nor pidfd_open. Its own number cannot come to mean another process
// while it runs, so that it can be named by it.
//
// Run (needs gjs):
//     ./exclude-program.js curl --silent http://198.51.100.1/
// Prints what the command prints, here the address that a server saw, that of the uplink:
//     203.0.113.10
// Where the service does not grant it, the command is not run, and it ends with 125.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

const PASSWORD_MSEC = 10 * 60 * 1000; // people type slowly

function fail(status, error) {
    if (error instanceof Gio.DBusError || error instanceof Gio.IOErrorEnum)
        Gio.DBusError.strip_remote_error(error);
    printerr(`exclude-program: ${error.message}`);
    System.exit(status);
}

if (ARGV.length === 0) {
    printerr('Usage: exclude-program.js COMMAND [ARGUMENT]...');
    System.exit(125);
}

try {
    const pid = new Gio.Credentials().get_unix_pid();
    Gio.DBus.system.call_sync(
        'org.talpid.SplitTunnel', '/org/talpid/SplitTunnel', 'org.talpid.SplitTunnel', 'AddProcess',
        new GLib.Variant('(ua{sv})', [pid, {}]), null,
        Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, PASSWORD_MSEC, null);
} catch (error) {
    fail(125, error);
}

let command;
try {
    command = Gio.Subprocess.new(ARGV, Gio.SubprocessFlags.STDIN_INHERIT);
} catch (error) {
    fail(error.matches(GLib.SpawnError, GLib.SpawnError.NOENT) ? 127 : 126, error);
}
command.wait(null);
System.exit(command.get_if_exited() ? command.get_exit_status() : 128 + command.get_term_sig());
