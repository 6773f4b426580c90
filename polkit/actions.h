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

#define ACTION_EXCLUDE_OWN "org.talpid.SplitTunnel.exclude-own"
#define ACTION_EXCLUDE_OTHER "org.talpid.SplitTunnel.exclude-other"
#define ACTION_MANAGE_SELECTORS "org.talpid.SplitTunnel.manage-selectors"

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

#define DETAIL_EXECUTABLE "executable" /* of the process; "several", "" where it is not seen */
#define DETAIL_OWNER "owner"           /* real uid of the process; "several" */
#define DETAIL_START_TIME                                                                          \
        "start-time" /* of the process, clock ticks: tells two of one number apart */
#define DETAIL_SELECTORS "selectors" /* "user 1000", "user 1000 and 3 more" */
#define DETAIL_SETTING "setting"     /* what Mode, Dns or Enabled is to become: "mode=include" */

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
#define MESSAGE_RETURN_OWN                                                                         \
        "Authentication is required to bring your program $(executable) back into the VPN"
#define MESSAGE_RETURN_OTHER                                                                       \
        "Authentication is required to bring the program $(executable) of user $(owner) back "     \
        "into the VPN"
#define MESSAGE_CLEAR_PROCESSES "Authentication is required to bring programs back into the VPN"
#define MESSAGE_LIST_PROCESSES                                                                     \
        "Authentication is required to see which programs of other users go around the VPN"
#define MESSAGE_ADD_SELECTORS "Authentication is required to let $(selectors) go around the VPN"
#define MESSAGE_REMOVE_SELECTORS                                                                   \
        "Authentication is required to let $(selectors) go around the VPN no longer"
#define MESSAGE_SET_SELECTORS                                                                      \
        "Authentication is required to let $(selectors), and nothing else of yours, go around "    \
        "the VPN"
#define MESSAGE_SET_SPLIT                                                                          \
        "Authentication is required to change what goes around the VPN ($(setting))"

/* In include mode, where what is listed alone uses the VPN. */
#define MESSAGE_INCLUDE_OWN                                                                        \
        "Authentication is required to let your program $(executable) use the VPN"
#define MESSAGE_INCLUDE_OTHER                                                                      \
        "Authentication is required to let the program $(executable) of user $(owner) use the VPN"
#define MESSAGE_INCLUDE_RETURN_OWN                                                                 \
        "Authentication is required to take your program $(executable) out of the VPN"
#define MESSAGE_INCLUDE_RETURN_OTHER                                                               \
        "Authentication is required to take the program $(executable) of user $(owner) out of "    \
        "the VPN"
#define MESSAGE_INCLUDE_CLEAR_PROCESSES "Authentication is required to take programs out of the VPN"
#define MESSAGE_INCLUDE_LIST_PROCESSES                                                             \
        "Authentication is required to see which programs of other users use the VPN"
#define MESSAGE_INCLUDE_ADD_SELECTORS "Authentication is required to let $(selectors) use the VPN"
#define MESSAGE_INCLUDE_REMOVE_SELECTORS                                                           \
        "Authentication is required to let $(selectors) use the VPN no longer"
#define MESSAGE_INCLUDE_SET_SELECTORS                                                              \
        "Authentication is required to let $(selectors), and nothing else of yours, use the VPN"
