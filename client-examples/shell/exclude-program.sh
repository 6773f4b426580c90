#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs a command around the tunnel: this process goes around, and becomes the command.
#
# Run:
#     ./exclude-program.sh curl --silent http://198.51.100.1/
# Prints what the command prints, here the address that a server saw, that of the uplink:
#     203.0.113.10
# Where the service does not grant it, the command is not run, and it ends with 125.

if [ $# -eq 0 ]; then
        echo "Usage: ${0##*/} COMMAND [ARGUMENT]..." >&2
        exit 125
fi

# $$ is this process, and exec keeps the number. Somebody may type a password.
busctl --quiet --timeout=600 call org.talpid.SplitTunnel /org/talpid/SplitTunnel \
        org.talpid.SplitTunnel AddProcess 'ua{sv}' $$ 0 || exit 125
exec "$@"
