// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/object.h"

#include <stdio.h>

#include "backends/base/clock.h"
#include "service/bus/errors.h"

Owner object_owner(sd_bus_message *message, uid_t uid, Lifetime lifetime) {
        Owner owner = { .uid = uid };

        if (lifetime == LIFETIME_CLIENT)
                (void)snprintf(
                        owner.name, sizeof(owner.name), "%s", sd_bus_message_get_sender(message));
        return owner;
}

int object_submit(const ObjectParts *parts, sd_bus_message *message, IntentChange *change,
        sd_bus_error *error) {
        CLEANUP(pending_call_free_p) PendingCall *call = NULL;
        int r;

        r = pending_call_new(parts->pending, message, &call);
        if (r >= 0)
                r = engine_submit(parts->engine, change, pending_call_on_done, call);
        if (r < 0)
                return errors_set(error, r, NULL);

        (void)TAKE(call); /* pending_call_on_done() frees it */
        return 1;
}

int object_open_list(sd_bus_message *message, const char *type, sd_bus_message **ret) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', type);
        if (r >= 0)
                *ret = TAKE(reply);
        return r;
}

int object_send_list(sd_bus_message *reply, int r, sd_bus_error *error) {
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? errors_set(error, r, NULL) : sd_bus_send(NULL, reply, NULL);
}

/* Microseconds since the machine started: nobody changes something a million times a second. */
uint64_t object_first_serial(void) {
        return clock_boot_now();
}

int object_get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", 1);
}
