// SPDX-License-Identifier: GPL-3.0-or-later

#include "polkit/denial.h"

#include <string.h>

#include "polkit/authority.h"

int denial_by_polkit(
        sd_bus_error *error, const char *action, const PolkitAnswer *answer, bool is_interactive) {
        if (answer->challenge && !is_interactive)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                        "%s needs a password: allow interactive authorization in the call "
                        "(gdbus call --interactive), or call as root.",
                        action);
        if (answer->challenge)
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                        "%s needs a password and no authentication agent can ask for it: "
                        "start one (pkttyagent, or that of the desktop), or call as root.",
                        action);
        if (answer->dismissed)
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                        "%s was not granted, the password dialog was closed: call again.", action);
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                "%s is not allowed to this caller: call as root, or have an administrator "
                "allow it by a rule in /etc/polkit-1/rules.d.",
                action);
}

int denial_unchecked(
        sd_bus_error *error, const char *action, const char *peer, const char *reason) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                "%s cannot be checked, %s does not answer (%s): start it, or call as root.",
                action ? action : "The caller", peer, reason);
}

int denial_changed(sd_bus_error *error, const char *action) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                "What %s is needed for changed while it was asked about: call again.", action);
}

int denial_unfinished(sd_bus_error *error) {
        return sd_bus_error_set(
                error, SD_BUS_ERROR_ACCESS_DENIED, "The authorization is not finished.");
}

int denial_too_many(sd_bus_error *error, uid_t uid) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                "User %u already waits for %u authorizations, answer or cancel some first.",
                (unsigned)uid, AUTHORITY_PENDING_PER_UID_MAX);
}

int denial_too_fast(sd_bus_error *error, const char *sender) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                "%s calls faster than it can be authorized, wait for some replies.", sender);
}

int denial_no_sender(sd_bus_error *error) {
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                "Who calls is known on a message bus only, not on a direct connection.");
}

int denial_not_identified(sd_bus_error *error, int r) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                "The caller cannot be identified: %s", strerror(-r));
}

int denial_no_memory(sd_bus_error *error) {
        return sd_bus_error_set(
                error, SD_BUS_ERROR_NO_MEMORY, "There is no memory to check the caller.");
}
