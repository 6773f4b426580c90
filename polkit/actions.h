/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What polkit is asked, spelled once.
 *
 * An action is a power that an administrator can grant or take away alone; the
 * .policy files give each its defaults. Details are what rules read with
 * action.lookup() and what messages show as $(key): a key that a message names
 * is always passed, see README.md for which call passes what.
 */

#define ACTION_MANAGE_ROUTES "org.talpid.Routing.manage-routes"
#define ACTION_SET_DEFAULT_ROUTE "org.talpid.Routing.set-default-route"
#define ACTION_INSPECT "org.talpid.Routing.inspect"

#define DETAIL_METHOD "method"           /* member that is called: "AddRoutes" */
#define DETAIL_DESTINATION "destination" /* "10.0.0.0/8", or "10.0.0.0/8 and 3 more" */
#define DETAIL_DEVICE "device"           /* "wg0" */
#define DETAIL_GATEWAY "gateway"         /* "192.0.2.1"; "": none */
#define DETAIL_TABLE "table"             /* "main", "tunnel", "excluded", "1000" */
#define DETAIL_LIFETIME "lifetime"       /* "boot", "client" */
#define DETAIL_REPLACES "replaces"       /* device of the tunnel that is set now; "": none */
#define DETAIL_FAIL_CLOSED "fail-closed" /* "true", "false" */
#define DETAIL_ALLOW_LAN "allow-lan"     /* "true", "false" */
#define DETAIL_BYPASS "bypass"           /* as destination; "nothing" */
#define DETAIL_UID "uid"                 /* of the caller */
#define DETAIL_PID "pid"                 /* "1234" */

/*
 * Replaces the message of the .policy file, for the opposite of what that one
 * announces. polkitd takes it from trusted callers only: root, or the user in
 * the policykit.owner annotation.
 */
#define DETAIL_MESSAGE "polkit.message"

#define MESSAGE_REMOVE_ROUTES                                                                      \
        "Authentication is required to remove network routes to $(destination)"
#define MESSAGE_CLEAR_ROUTES "Authentication is required to remove all network routes of yours"
#define MESSAGE_CLEAR_ALL_ROUTES                                                                   \
        "Authentication is required to remove the network routes of all users"
#define MESSAGE_UNSET_TUNNEL                                                                       \
        "Authentication is required to stop sending all network traffic through $(device)"
