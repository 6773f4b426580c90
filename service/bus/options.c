// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Keys and values in refusals are shortened: they are the client's, of any length. */
#define SHOWN "%.40s"

static const OptionSpec *find_spec(const OptionSpec *specs, const char *key) {
        for (const OptionSpec *spec = specs; spec->key; spec++)
                if (strcmp(spec->key, key) == 0)
                        return spec;
        return NULL;
}

static int read_strings(sd_bus_message *message, const OptionSpec *spec, OptionValue *value,
        const char *where, Refusal *why) {
        const char *string;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "s");
        if (r < 0)
                return r;

        value->strings = ARRAY_INIT(const char *);
        while ((r = sd_bus_message_read_basic(message, 's', &string)) > 0) {
                if (value->strings.n >= spec->strings_max)
                        return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                                "%s: %s has more than %zu entries", where, spec->key,
                                spec->strings_max);
                if (!array_append(&value->strings, &string))
                        return -ENOMEM;
        }
        if (r < 0)
                return r;

        value->type = 'a';
        return sd_bus_message_exit_container(message);
}

static const char *type_name(char type) {
        switch (type) {
        case 'b':
                return "a boolean (b)";
        case 's':
                return "a string (s)";
        case 'u':
                return "an unsigned number (u)";
        default:
                return "a list of strings (as)";
        }
}

static int read_value(sd_bus_message *message, const OptionSpec *spec, OptionValue *value,
        const char *where, Refusal *why) {
        const char *contents;
        int r, boolean;
        char type;

        r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
                return r;

        type = strcmp(contents, "as") == 0 ? 'a' : strlen(contents) == 1 ? contents[0] : '\0';
        if (type == '\0' || !strchr("bsua", type) || !strchr(spec->types, type))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: %s must be %s%s%s, not of type " SHOWN, where, spec->key,
                        type_name(spec->types[0]), spec->types[1] ? " or " : "",
                        spec->types[1] ? type_name(spec->types[1]) : "", contents);

        r = sd_bus_message_enter_container(message, 'v', contents);
        if (r < 0)
                return r;

        switch (type) {
        case 'a':
                r = read_strings(message, spec, value, where, why);
                break;
        case 'b':
                r = sd_bus_message_read_basic(message, 'b', &boolean);
                value->boolean = r > 0 && boolean;
                break;
        case 's':
                r = sd_bus_message_read_basic(message, 's', &value->string);
                break;
        case 'u':
                r = sd_bus_message_read_basic(message, 'u', &value->number);
                break;
        }
        if (r < 0)
                return r;

        value->type = type;
        return sd_bus_message_exit_container(message);
}

static int refuse_unknown(
        const OptionSpec *specs, const char *key, const char *where, Refusal *why) {
        char known[REFUSAL_TEXT_MAX] = "none";
        size_t length = 0;

        for (const OptionSpec *spec = specs; spec->key && length < sizeof(known); spec++)
                length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s",
                        length ? ", " : "", spec->key);

        return refusal_set(why, REFUSAL_INVALID_ARGS, "%s: unknown key \"" SHOWN "\"; known: %s",
                where, key, known);
}

static int read_entry(sd_bus_message *message, const OptionSpec *specs, OptionValue *values,
        const char *where, Refusal *why) {
        const OptionSpec *spec;
        OptionValue *value;
        const char *key;
        int r;

        r = sd_bus_message_read_basic(message, 's', &key);
        if (r < 0)
                return r;

        spec = find_spec(specs, key);
        if (!spec)
                return refuse_unknown(specs, key, where, why);

        value = &values[spec - specs];
        if (value->type)
                return refusal_set(
                        why, REFUSAL_INVALID_ARGS, "%s: %s is given twice", where, spec->key);

        return read_value(message, spec, value, where, why);
}

int options_read(sd_bus_message *message, const OptionSpec *specs, OptionValue *values,
        const char *where, Refusal *why) {
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;
        if (r == 0)
                return -ENXIO;

        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_entry(message, specs, values, where, why);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        return sd_bus_message_exit_container(message);
}

void options_clear(OptionValue *values, size_t n) {
        for (size_t i = 0; i < n; i++)
                array_clear(&values[i].strings);
}
