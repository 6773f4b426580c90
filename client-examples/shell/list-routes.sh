#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Lists the routes that were added through talpid, and whether the kernel has them.
#
# Run (needs jq):
#     ./list-routes.sh
# Prints:
#     10.8.0.0/16 by the default route: installed
#     10.9.0.0/16 by 192.168.10.1 wan0: installed
#     192.0.2.0/24 by wg0: waiting, there is no device wg0

routes=$(busctl --json=short call org.talpid.Routing /org/talpid/Routing org.talpid.Routing \
        ListRoutes 'a{sv}' 0) || exit 1

# busctl says of each value what type it is: {"destination": {"type": "s", "data": "10.8.0.0/16"}, …}
printf '%s\n' "$routes" | jq --raw-output '
        .data[0][] | map_values(.data) |
        .destination + " by " +
        (if .node then "the default route" else [.gateway, .device] | map(strings) | join(" ") end) +
        ": " + .state + (if .reason then ", " + .reason else "" end)'
