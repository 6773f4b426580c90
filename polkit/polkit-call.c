// SPDX-License-Identifier: GPL-3.0-or-later

#include "polkit/polkit-call.h"

#include <stdint.h>
#include <string.h>

#include "backends/base/cleanup.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define POLKIT_FLAG_ALLOW_USER_INTERACTION UINT32_C(1)

DEFINE_CLEANUP(sd_bus_message *, sd_bus_message_unref)

static int append_details(sd_bus_message *call, const char *const *details) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{ss}");
        if (r < 0)
                return r;

        for (size_t i = 0; details && details[i]; i += 2) {
                r = sd_bus_message_append(call, "{ss}", details[i], details[i + 1]);
                if (r < 0)
                        return r;
        }

        return sd_bus_message_close_container(call);
}

int polkit_submit_check(sd_bus *bus, sd_bus_slot **ret_slot, sd_bus_message_handler_t on_answer,
        void *userdata, const char *sender, const char *action, const char *const *details,
        bool interactive, const char *cancellation_id) {
        CLEANUP(sd_bus_message_unref_p) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                bus, &call, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r < 0)
                return r;

        /*
         * Always the bus name. A process id could belong to another program by the time polkitd
         * looks at it (CVE-2013-4288), or be ours by mistake (CVE-2023-4104).
         */
        r = sd_bus_message_append(
                call, "(sa{sv})s", "system-bus-name", 1, "name", "s", sender, action);
        if (r < 0)
                return r;

        r = append_details(call, details);
        if (r < 0)
                return r;

        r = sd_bus_message_append(
                call, "us", interactive ? POLKIT_FLAG_ALLOW_USER_INTERACTION : 0, cancellation_id);
        if (r < 0)
                return r;

        return sd_bus_call_async(bus, ret_slot, call, on_answer, userdata, UINT64_MAX);
}

int polkit_cancel_check(sd_bus *bus, const char *cancellation_id) {
        CLEANUP(sd_bus_message_unref_p) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                bus, &call, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CancelCheckAuthorization");
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "s", cancellation_id);
        if (r < 0)
                return r;

        r = sd_bus_message_set_auto_start(call, 0);
        if (r < 0)
                return r;

        r = sd_bus_message_set_expect_reply(call, 0);
        if (r < 0)
                return r;

        return sd_bus_send(bus, call, NULL);
}

int polkit_read_answer(sd_bus_message *reply, PolkitAnswer *ret) {
        PolkitAnswer answer = {};
        int authorized, challenge, r;

        if (sd_bus_message_is_method_error(reply, NULL))
                return -sd_bus_message_get_errno(reply);

        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r < 0)
                return r;

        r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                return r;

        r = sd_bus_message_enter_container(reply, 'a', "{ss}");
        if (r < 0)
                return r;

        for (;;) {
                const char *key, *value;

                r = sd_bus_message_read(reply, "{ss}", &key, &value);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;

                if (strcmp(key, "polkit.dismissed") == 0)
                        answer.dismissed = true;
        }

        answer.authorized = authorized;
        answer.challenge = challenge;
        *ret = answer;
        return 0;
}
