#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Adds a route that goes by whatever the best default route outside of tunnels is, and follows it. It
# stays until RemoveRoutes takes it away or the machine restarts.
#
# Run, as root or with the password of an administrator:
#     ./add-symbolic-route.sh 10.8.0.0/16
# Prints:
#     10.8.0.0/16 follows the default route
# What is refused goes to stderr, in the service's words, and ends it with 1.

if [ $# -ne 1 ]; then
        echo "Usage: ${0##*/} DESTINATION" >&2
        exit 2
fi

# An array of one dictionary with two entries, and no options. Somebody may type a password.
busctl --quiet --timeout=600 call org.talpid.Routing /org/talpid/Routing org.talpid.Routing \
        AddRoutes 'aa{sv}a{sv}' 1 2 destination s "$1" node s default 0 || exit 1
echo "$1 follows the default route"
