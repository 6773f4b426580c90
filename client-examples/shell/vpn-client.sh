#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A VPN client for WireGuard: a tunnel from its first packet to its last.
#
# Programs of other languages ask for lifetime "client": the tunnel is theirs, and ends with them
# however they end. A shell has no connection to the bus that lasts, so this one asks for "boot" and
# takes the tunnel away itself, in a trap. After kill -9 the tunnel stays, closed: UnsetTunnel.
#
# Run, as root, with the device, what wg(8) calls its configuration, and the device's addresses:
#     ./vpn-client.sh wg0 wg0.conf 10.64.0.2/32 fd64::2/128
# Prints, as wan0 fails, talpid is killed, wg0 is deleted, and at the end SIGTERM comes:
#     all traffic goes through wg0
#     ipv4 now leaves by wan1
#     ipv6 now leaves by wan1
#     talpid is gone: wg0 stays closed
#     all traffic goes through wg0
#     wg0 failed: nothing leaves until it is back
#     wg0 is back
#     the tunnel is unset

if [ $# -lt 3 ]; then
        echo "Usage: ${0##*/} DEVICE CONFIG ADDRESS..." >&2
        exit 2
fi
device=$1
config=$2
shift 2
if [ -e "/sys/class/net/$device" ]; then
        echo "${0##*/}: there is a device $device already" >&2
        exit 1
fi

call() { # METHOD [ARGUMENT]...
        busctl --quiet call org.talpid.Routing /org/talpid/Routing org.talpid.Routing "$@"
}

device_down() {
        ip link delete "$device" 2>/dev/null
}

device_up() { # ADDRESS...
        ip link add "$device" type wireguard 2>/dev/null || wireguard-go "$device" 2>/dev/null || return
        # With the mark, encrypted packets go around their own tunnel
        wg setconf "$device" "$config" && wg set "$device" fwmark "$mark" || return
        for address; do
                ip address add "$address" dev "$device" || return
        done
        ip link set "$device" up
}

# The numbers may be others when the service was away
read_mark() {
        mark=$(busctl get-property org.talpid.Routing /org/talpid/Routing org.talpid.Routing Mark) &&
                mark=${mark#u }
}

set_tunnel() {
        call SetTunnel 'sa{sv}' "$device" 0 && is_set=yes && echo "all traffic goes through $device"
}

leave() {
        trap '' INT TERM
        [ -z "$is_set" ] || ! call UnsetTunnel 'a{sv}' 0 || echo "the tunnel is unset"
        device_down
        [ -z "$monitor" ] || kill "$monitor"
        rm -r "$events"
}

on_event() { # EVENT ADDRESS...
        event=$1
        shift
        case $event in
        *.DefaultRouteChanged* | *.DefaultRouteAdded*)
                # It makes its socket again, which then has an address of the new link
                wg set "$device" listen-port 0
                family=${event#*"('"}
                uplink=${event##*"'device': <'"}
                echo "${family%%"'"*} now leaves by ${uplink%%"'"*}"
                ;;
        *' does not have an owner')
                echo "talpid is gone: $device stays closed"
                # The unit restarts it, where there are units; elsewhere a call does
                busctl call org.talpid.Routing / org.freedesktop.DBus.Peer Ping 2>/dev/null
                ;;
        *' is owned by '*)
                read_mark && wg set "$device" fwmark "$mark" && set_tunnel
                ;;
        *"'Tunnel': <@a{sv} {}>"*)
                echo "somebody took the tunnel away" >&2
                is_set=
                exit 1
                ;;
        *"'Tunnel': <{"*"'state': <'waiting'>"*)
                [ -z "$failed" ] || return
                failed=yes
                echo "$device failed: nothing leaves until it is back"
                until device_down; device_up "$@" 2>/dev/null; do
                        sleep 1
                done
                ;;
        *"'Tunnel': <{"*"'state': <'active'>"*)
                [ -z "$failed" ] || echo "$device is back"
                failed=
                ;;
        esac
}

failed=
is_set=
monitor=
events=$(mktemp -d) || exit 1
trap leave EXIT
trap 'exit 0' INT TERM

read_mark || exit 1
if ! device_up "$@"; then
        echo "${0##*/}: $device cannot be set up by $config" >&2
        exit 1
fi
mkfifo "$events/fifo"
gdbus monitor --system --dest org.talpid.Routing >"$events/fifo" &
monitor=$!
exec 3<"$events/fifo"
# Who owns the name now is the first that it tells, once it listens
until case ${event-} in *' is owned by '*) ;; *) false ;; esac; do
        read -r event <&3 || exit 1
done
set_tunnel || exit 1

while read -r event <&3; do
        on_event "$event" "$@"
done
