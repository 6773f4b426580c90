// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/bus/args-value.h"
#include "service/bus/user-name.h"

enum {
        OPTION_LIFETIME,
        OPTION_ALL,
        OPTION_CHILDREN,
        OPTION_SOCKETS,
        OPTION_PID,
        _OPTION_MAX,
};

static const OptionSpec option_specs[_OPTION_MAX] = {
        [OPTION_LIFETIME] = { .key = "lifetime", .types = "s" },
        [OPTION_ALL] = { .key = "all", .types = "b" },
        [OPTION_CHILDREN] = { .key = "children", .types = "b" },
        [OPTION_SOCKETS] = { .key = "sockets", .types = "s" },
        [OPTION_PID] = { .key = "pid", .types = "u" },
};

static bool takes(uint32_t mask, int option) {
        switch (option) {
        case OPTION_LIFETIME:
                return mask & (SPLIT_OPTION_LIFETIME | SPLIT_OPTION_PERMANENT);
        case OPTION_ALL:
                return mask & SPLIT_OPTION_ALL;
        case OPTION_CHILDREN:
                return mask & SPLIT_OPTION_CHILDREN;
        case OPTION_SOCKETS:
                return mask & SPLIT_OPTION_SOCKETS;
        default:
                return mask & SPLIT_OPTION_PID;
        }
}

static int read_lifetime(
        const OptionValue *value, uint32_t mask, SplitOptions *options, Refusal *why) {
        const char *words = !(mask & SPLIT_OPTION_PERMANENT) ? "\"boot\" or \"client\""
                            : !(mask & SPLIT_OPTION_LIFETIME)
                                    ? "\"boot\" or \"permanent\""
                                    : "\"boot\", \"client\" or \"permanent\"";
        int lifetime;

        if (!value->type)
                return 0;
        if ((mask & SPLIT_OPTION_PERMANENT) && strcmp(value->string, "permanent") == 0) {
                options->permanent = true;
                return 0;
        }
        lifetime = lifetime_parse(value->string);
        if (lifetime < 0 || (lifetime == LIFETIME_CLIENT && !(mask & SPLIT_OPTION_LIFETIME)))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "options: lifetime " SHOWN " is not %s", value->string, words);
        options->lifetime = (Lifetime)lifetime;
        return 0;
}

static int read_sockets(const OptionValue *value, SplitOptions *options, Refusal *why) {
        int sockets;

        if (!value->type)
                return 0;
        sockets = split_sockets_parse(value->string);
        if (sockets < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "options: sockets " SHOWN " is not \"keep\", \"migrate\" or \"reset\"",
                        value->string);
        options->sockets = (SplitSockets)sockets;
        return 0;
}

int split_args_read_options(sd_bus_message *message, uint32_t mask, const char *where,
        SplitOptions *ret, Refusal *why) {
        static const OptionValue absent = { 0 };
        const OptionValue *found[_OPTION_MAX];
        OptionValue values[_OPTION_MAX] = { 0 };
        OptionSpec specs[_OPTION_MAX + 1] = { 0 };
        SplitOptions options = { 0 };
        size_t n = 0;
        int r;

        for (int i = 0; i < _OPTION_MAX; i++) {
                found[i] = &absent;
                if (!takes(mask, i))
                        continue;
                found[i] = &values[n];
                specs[n++] = option_specs[i];
        }

        r = options_read(message, specs, values, where, why);
        if (r >= 0)
                r = read_lifetime(found[OPTION_LIFETIME], mask, &options, why);
        if (r >= 0)
                r = read_sockets(found[OPTION_SOCKETS], &options, why);
        if (r < 0)
                return r;
        if (found[OPTION_PID]->type && found[OPTION_PID]->number == 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS, "%s: there is no pid 0", where);

        options.everybody = found[OPTION_ALL]->boolean;
        options.children = found[OPTION_CHILDREN]->boolean;
        options.pid = found[OPTION_PID]->number;
        *ret = options;
        return 0;
}

static int read_selector(
        const char *kind, const char *value, uid_t uid, Selector *ret, Refusal *why) {
        char number[16];
        uint32_t named;
        int r;

        if (strcmp(kind, "user") == 0 && (value[0] < '0' || value[0] > '9')) {
                r = user_name_find(USER_NAME_FILE, value, &named);
                if (r < 0)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "user " SHOWN " is not in " USER_NAME_FILE
                                ": name users that come from elsewhere by number",
                                value);
                (void)snprintf(number, sizeof(number), "%u", named);
                value = number;
        }
        return selector_parse(kind, value, uid, ret, why);
}

static int check_new(const Array *selectors, const Selector *selector, Refusal *why) {
        const Selector *other;

        ARRAY_FOREACH(other, selectors) {
                if (selector_compare(other, selector) == 0)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "the request holds %s '%.128s' twice",
                                selector_kind_name(selector->kind), selector->value);
        }
        return 0;
}

int split_args_read_selectors(sd_bus_message *message, uid_t uid, Array *selectors, Refusal *why) {
        const char *kind, *value;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "(ss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(message, "(ss)", &kind, &value)) > 0) {
                Selector selector = { 0 };

                if (selectors->n >= SPLIT_SELECTORS_PER_USER_MAX)
                        return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                                "more than %d selectors in one request",
                                SPLIT_SELECTORS_PER_USER_MAX);
                r = read_selector(kind, value, uid, &selector, why);
                if (r >= 0)
                        r = check_new(selectors, &selector, why);
                if (r < 0)
                        return r;
                if (!array_append(selectors, &selector))
                        return -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

int split_args_read_mode(sd_bus_message *message, SplitMode *ret, Refusal *why) {
        const char *text;
        int r = sd_bus_message_read_basic(message, 's', &text);

        if (r < 0)
                return r;
        r = split_mode_parse(text);
        if (r < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "mode " SHOWN " is not \"exclude\" or \"include\"", text);
        *ret = (SplitMode)r;
        return 0;
}

int split_args_read_dns(sd_bus_message *message, SplitDns *ret, Refusal *why) {
        const char *text;
        int r = sd_bus_message_read_basic(message, 's', &text);

        if (r < 0)
                return r;
        r = split_dns_parse(text);
        if (r < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "dns " SHOWN " is not \"system\" or \"tunnel\"", text);
        *ret = (SplitDns)r;
        return 0;
}
