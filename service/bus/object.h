/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What the objects on the bus have in common: their parts, and the steps that
 * handlers of all of them take.
 */

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "polkit/authority.h"
#include "service/bus/owners.h"
#include "service/bus/pending-call.h"
#include "service/engine/engine.h"

/* Everything is borrowed and outlives the objects. */
typedef struct ObjectParts {
        sd_bus *bus;
        Engine *engine;
        Authority *authority;
        Owners *owners;
        PendingCalls *pending;
} ObjectParts;

/* Whose an intent of @message is that ends with @lifetime. @uid: from authority_get_uid(). */
Owner object_owner(sd_bus_message *message, uid_t uid, Lifetime lifetime);

/* Hands @change on; the engine answers. Return: as a handler. */
int object_submit(const ObjectParts *parts, sd_bus_message *message, IntentChange *change,
        sd_bus_error *error);

/* A reply that is one array of @type, open: the caller appends, and owns it. */
int object_open_list(sd_bus_message *message, const char *type, sd_bus_message **ret);

/* Ends and sends it; @r is what appending came to. Return: as a handler. */
int object_send_list(sd_bus_message *reply, int r, sd_bus_error *error);

/* More than any earlier run of the service can have counted to. */
uint64_t object_first_serial(void);

/* The property Version. */
int object_get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error);

/* Lines of a vtable. */
#define OBJECT_CHANGING(member, type, getter)                                                      \
        SD_BUS_PROPERTY(member, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define OBJECT_CONSTANT(member, type, getter)                                                      \
        SD_BUS_PROPERTY(member, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)
