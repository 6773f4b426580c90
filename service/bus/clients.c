// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/clients.h"

#include "polkit/actions.h"
#include "service/bus/errors.h"
#include "service/bus/questions.h"

int clients_subscribe(const ObjectParts *parts, sd_bus_message *message, sd_bus_error *error) {
        Refusal why = { .code = REFUSAL_NONE };
        uint32_t what;
        uid_t uid;
        int r;

        r = questions_read_subscription(message, &what, &why);
        if (r < 0)
                return errors_set(error, r, &why);

        r = authority_get_uid(parts->authority, message, &uid, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = owners_subscribe(parts->owners, sd_bus_message_get_sender(message), uid, what, &why);
        if (r < 0)
                return errors_set(error, r, &why);
        return sd_bus_reply_method_return(message, NULL);
}

int clients_unsubscribe(const ObjectParts *parts, sd_bus_message *message) {
        const char *sender = sd_bus_message_get_sender(message);

        if (sender)
                owners_unsubscribe(parts->owners, sender);
        return sd_bus_reply_method_return(message, NULL);
}

static int reply_permissions(
        sd_bus_message *message, const AuthorityPermission *permissions, size_t n) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = object_open_list(message, "{ss}", &reply);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(
                        reply, "{ss}", permissions[i].action, permissions[i].answer);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void on_permissions(sd_bus_message *message, int r, const AuthorityPermission *permissions,
        size_t n, void *userdata) {
        if (r >= 0)
                r = reply_permissions(message, permissions, n);
        if (r < 0)
                (void)sd_bus_reply_method_errno(message, r, NULL); /* the caller left, mostly */
}

int clients_get_permissions(
        const ObjectParts *parts, sd_bus_message *message, sd_bus_error *error) {
        static const char *const actions[] = { ACTION_MANAGE_ROUTES, ACTION_SET_DEFAULT_ROUTE,
                ACTION_INSPECT, ACTION_EXCLUDE_OWN, ACTION_EXCLUDE_OTHER, ACTION_MANAGE_SELECTORS,
                NULL };
        int r = authority_get_permissions(
                parts->authority, message, actions, on_permissions, NULL, error);

        return r < 0 ? r : 1;
}
