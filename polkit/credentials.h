/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Who has a bus name, as the bus daemon tells: GetConnectionCredentials of the
 * D-Bus specification, as messages.
 */

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

typedef struct Credentials {
        uid_t uid;    /* effective, when it connected */
        uint32_t pid; /* 0: the bus does not say */
} Credentials;

/* Asks about @name. Return: 0, @on_answer is called unless *ret_slot goes before; negative errno.
 */
int credentials_submit(sd_bus *bus, sd_bus_slot **ret_slot, sd_bus_message_handler_t on_answer,
        void *userdata, const char *name);

/* Reads what on_answer got. Return: 0; negative errno, @reply is an error or has no uid. */
int credentials_read_answer(sd_bus_message *reply, Credentials *ret);
