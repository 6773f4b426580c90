/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Dictionaries a{sv} of a message, read by a list of what is allowed.
 *
 * Strings are borrowed from the message. Whatever is not in the list, comes
 * twice or has another type is refused by its name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "backends/base/array.h"
#include "service/model/refusal.h"

/* One key that may be there. A table of them ends with a NULL key. */
typedef struct OptionSpec {
        const char *key;
        const char *types;  /* one letter each: b, s, u; "a" for as */
        size_t strings_max; /* of "a": how many at most */
} OptionSpec;

typedef struct OptionValue {
        char type; /* 0: not there; otherwise one of OptionSpec.types */
        bool boolean;
        uint32_t number;
        const char *string;
        Array strings; /* of const char * */
} OptionValue;

/**
 * options_read() - read one a{sv}
 * @message:  standing before the dictionary
 * @specs:    what may be there
 * @values:   as many as @specs, all zeroes; to be given to options_clear()
 * @where:    how to call the dictionary in a refusal: "options", "routes[3]"
 * @why:      filled when refused
 *
 * Return: 0; -EPERM refused; -ENXIO no dictionary follows; other negative errno.
 */
int options_read(sd_bus_message *message, const OptionSpec *specs, OptionValue *values,
        const char *where, Refusal *why);

/* Frees the lists of the first @n values. */
void options_clear(OptionValue *values, size_t n);
