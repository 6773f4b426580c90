#!/usr/bin/env -S gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A VPN client for WireGuard: a tunnel from its first packet to its last.
//
// The tunnel is asked for with lifetime "client": it lasts as long as this program's connection to the
// bus, through crashes and restarts of the service, and however the program ends, the service puts
// everything back. Who wants it closed even then takes "boot", and ends it by UnsetTunnel.
//
// Run (needs gjs), as root, with the device, what wg(8) calls its configuration, and the device's
// addresses:
//     ./vpn-client.js wg0 wg0.conf 10.64.0.2/32 fd64::2/128
// Prints, as wan0 fails, talpid is killed, wg0 is deleted, and at the end SIGTERM comes:
//     all traffic goes through wg0
//     ipv4 now leaves by wan1
//     ipv6 now leaves by wan1
//     talpid is gone: wg0 stays closed
//     all traffic goes through wg0
//     wg0 failed: nothing leaves until it is back
//     wg0 is back
//     the tunnel is unset

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

const NAME = 'org.talpid.Routing';
const PATH = '/org/talpid/Routing';
const PROPERTIES = 'org.freedesktop.DBus.Properties';
const SIGINT = 2, SIGTERM = 15;

// Return: whether it went well; else it told why.
function run(command, flags = Gio.SubprocessFlags.NONE) {
    const process = Gio.Subprocess.new(command, flags);
    process.wait(null);
    return process.get_successful();
}

function runQuietly(command) {
    return run(command, Gio.SubprocessFlags.STDERR_SILENCE);
}

// The tunnel device. WireGuard's transport socket is the kernel's; one of your own gets the mark by
// setsockopt(fd, SOL_SOCKET, SO_MARK, …).
class Device {
    constructor(name, config, addresses) {
        Object.assign(this, {name, config, addresses});
    }

    up(mark) {
        const made = runQuietly(['ip', 'link', 'add', this.name, 'type', 'wireguard']) ||
            runQuietly(['wireguard-go', this.name]);
        return made && run(['wg', 'setconf', this.name, this.config]) && this.setMark(mark) &&
            this.addresses.every(a => run(['ip', 'address', 'add', a, 'dev', this.name])) &&
            run(['ip', 'link', 'set', this.name, 'up']);
    }

    down() {
        runQuietly(['ip', 'link', 'delete', this.name]);
    }

    // With it encrypted packets go around their own tunnel.
    setMark(mark) {
        return run(['wg', 'set', this.name, 'fwmark', `${mark}`]);
    }

    // It makes its socket again, which then has an address of the new link.
    roam() {
        run(['wg', 'set', this.name, 'listen-port', '0']);
    }
}

class VpnClient {
    constructor(device) {
        this.device = device;
        this.loop = new GLib.MainLoop(null, false);
        this.mark = null; // null: nothing is set yet
        this.failed = false;
        this.status = 0;
    }

    run() {
        this.listen(NAME, 'DefaultRouteChanged', null, args => this.onDefaultRoute(args[0], args[2]));
        this.listen(NAME, 'DefaultRouteAdded', null, args => this.onDefaultRoute(args[0], args[1]));
        this.listen(PROPERTIES, 'PropertiesChanged', NAME, args => this.onProperties(args[1]));
        // It starts the service; from then on it tells whenever the service leaves or comes
        Gio.DBus.system.watch_name(NAME, Gio.BusNameWatcherFlags.AUTO_START,
            () => this.onThere(), () => this.onGone());
        for (const number of [SIGINT, SIGTERM])
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, () => this.leave());
        this.loop.run();
        this.device.down();
        return this.status;
    }

    listen(iface, member, firstArgument, handler) {
        Gio.DBus.system.signal_subscribe(NAME, iface, member, PATH, firstArgument,
            Gio.DBusSignalFlags.NONE, (...all) => {
                if (this.mark !== null)
                    handler(all[5].recursiveUnpack());
            });
    }

    call(iface, method, signature, ...args) {
        return Gio.DBus.system.call_sync(NAME, PATH, iface, method, new GLib.Variant(signature, args),
            null, Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, -1, null).recursiveUnpack();
    }

    complain(error) {
        if (error instanceof GLib.Error)
            Gio.DBusError.strip_remote_error(error);
        printerr(`vpn-client: ${error.message}`);
    }

    fail(error) {
        this.complain(error);
        this.status = 1;
        this.loop.quit();
    }

    // At the start, and again for each service that comes: its numbers may be others.
    onThere() {
        const first = this.mark === null;
        try {
            [this.mark] = this.call(PROPERTIES, 'Get', '(ss)', NAME, 'Mark');
            if (!(first ? this.device.up(this.mark) : this.device.setMark(this.mark)))
                throw new Error(`${this.device.name} cannot be set up by ${this.device.config}`);
            this.call(NAME, 'SetTunnel', '(sa{sv})', this.device.name,
                {lifetime: new GLib.Variant('s', 'client')});
            print(`all traffic goes through ${this.device.name}`);
        } catch (error) {
            // To end later would open what is closed; the next one that comes is asked again
            if (first)
                this.fail(error);
            else
                this.complain(error);
        }
    }

    onGone() {
        if (this.mark === null) {
            this.fail(new Error('the service cannot be started: is talpid installed?'));
            return;
        }
        print(`talpid is gone: ${this.device.name} stays closed`);
        // The unit restarts it, where there are units; elsewhere a call does
        Gio.DBus.system.call(NAME, PATH, 'org.freedesktop.DBus.Peer', 'Ping', null, null,
            Gio.DBusCallFlags.NONE, -1, null, null);
    }

    onDefaultRoute(family, route) {
        print(`${family} now leaves by ${route.device}`);
        this.device.roam();
    }

    onProperties({Tunnel: tunnel}) {
        if (!tunnel)
            return;
        if (tunnel.device !== this.device.name) {
            this.fail(new Error('somebody took the tunnel away'));
        } else if (tunnel.state === 'waiting' && !this.failed) {
            this.failed = true;
            print(`${this.device.name} failed: nothing leaves until it is back`);
            GLib.timeout_add_seconds(GLib.PRIORITY_DEFAULT, 1, () => this.repair());
        } else if (tunnel.state === 'active' && this.failed) {
            this.failed = false;
            print(`${this.device.name} is back`);
        }
    }

    // Return: whether to try again.
    repair() {
        this.device.down();
        return !this.device.up(this.mark);
    }

    leave() {
        try {
            this.call(NAME, 'UnsetTunnel', '(a{sv})', {});
            print('the tunnel is unset');
        } catch (error) {
            this.fail(error);
        }
        this.loop.quit();
        return GLib.SOURCE_REMOVE;
    }
}

if (ARGV.length < 3) {
    printerr('Usage: vpn-client.js DEVICE CONFIG ADDRESS...');
    System.exit(2);
}
if (GLib.file_test(`/sys/class/net/${ARGV[0]}`, GLib.FileTest.EXISTS)) {
    printerr(`vpn-client: there is a device ${ARGV[0]} already`);
    System.exit(1);
}
System.exit(new VpnClient(new Device(ARGV[0], ARGV[1], ARGV.slice(2))).run());
