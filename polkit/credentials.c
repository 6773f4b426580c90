// SPDX-License-Identifier: GPL-3.0-or-later

#include "polkit/credentials.h"

#include <errno.h>
#include <string.h>

#define UID_UNKNOWN ((uint32_t)-1)

int credentials_submit(sd_bus *bus, sd_bus_slot **ret_slot, sd_bus_message_handler_t on_answer,
        void *userdata, const char *name) {
        return sd_bus_call_method_async(bus, ret_slot, "org.freedesktop.DBus",
                "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionCredentials",
                on_answer, userdata, "s", name);
}

int credentials_read_answer(sd_bus_message *reply, Credentials *ret) {
        uint32_t uid = UID_UNKNOWN, pid = 0;
        const char *key;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL))
                return -sd_bus_message_get_errno(reply);
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r >= 0 && strcmp(key, "UnixUserID") == 0)
                        r = sd_bus_message_read(reply, "v", "u", &uid);
                else if (r >= 0 && strcmp(key, "ProcessID") == 0)
                        r = sd_bus_message_read(reply, "v", "u", &pid);
                else if (r >= 0)
                        r = sd_bus_message_skip(reply, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return r;
        if (uid == UID_UNKNOWN)
                return -EBADMSG;
        *ret = (Credentials){ .uid = uid, .pid = pid };
        return 0;
}
