#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prints the best default route of each family outside of tunnels, and again whenever it differs.
#
# The service leaves when nobody needs it. This script lets it: it reads what is new when the service
# is there again, which NetworkManager's dispatcher sees to when the network changed. To keep the
# service from leaving is Subscribe(["default"]), which holds until the caller leaves the bus. That
# is at once for busctl and gdbus: it takes a program, see the other languages.
#
# Run (needs jq):
#     ./watch-default-route.sh
# Prints:
#     ipv4: wan0 via 192.168.10.1
#     ipv6: wan0 via <address>
#     ipv4: wan1 via 192.168.20.1
#     ipv6: wan1 via <address>

show() { # FAMILY PROPERTY BEFORE START; sets $now
        now=$(busctl --json=short --auto-start="$4" get-property org.talpid.Routing /org/talpid/Routing \
                org.talpid.Routing "$2" | jq --raw-output '.data | map_values(.data) |
                if .device then .device + (if .gateway then " via " + .gateway else "" end) else "none" end')
        # Nothing: the service left meanwhile, and tells when it is back
        if [ -z "$now" ] || [ "$now" = "$3" ]; then
                now=$3
        else
                echo "$1: $now"
        fi
}

show_both() { # START: may the service be started for it?
        show ipv4 DefaultRoute4 "$ipv4" "$1"
        ipv4=$now
        show ipv6 DefaultRoute6 "$ipv6" "$1"
        ipv6=$now
}

ipv4=
ipv6=
events=$(mktemp -d) || exit 1
trap 'kill "$monitor" 2>/dev/null; rm -r "$events"' EXIT
trap 'exit 0' INT TERM

# Listens before it asks, so that nothing falls between
mkfifo "$events/fifo"
gdbus monitor --system --dest org.talpid.Routing >"$events/fifo" &
monitor=$!
exec 3<"$events/fifo"

show_both yes
while read -r event <&3; do
        case $event in
        *DefaultRoute* | *' is owned by '*) show_both no 2>/dev/null ;;
        esac
done
