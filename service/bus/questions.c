// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/questions.h"

#include <errno.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/bus/args-value.h"
#include "service/bus/owners.h"

enum {
        FILTER_FAMILY,
        FILTER_TABLE,
        FILTER_DEVICE,
        FILTER_STATE,
        FILTER_ALL,
        _FILTER_KEY_MAX,
};

static const OptionSpec filter_specs[] = {
        [FILTER_FAMILY] = { .key = "family", .types = "s" },
        [FILTER_TABLE] = { .key = "table", .types = "su" },
        [FILTER_DEVICE] = { .key = "device", .types = "s" },
        [FILTER_STATE] = { .key = "state", .types = "s" },
        [FILTER_ALL] = { .key = "all", .types = "b" },
        [_FILTER_KEY_MAX] = { .key = NULL },
};

static int read_state(const OptionValue *value, WantedState *ret, Refusal *why) {
        static const WantedState states[] = { WANTED_INSTALLED, WANTED_WAITING, WANTED_CONFLICT };

        for (size_t i = 0; i < ARRAY_LENGTH(states); i++)
                if (strcmp(value->string, wanted_state_name(states[i])) == 0) {
                        *ret = states[i];
                        return 0;
                }
        return refusal_set(why, REFUSAL_INVALID_ARGS,
                "filter: state " SHOWN " is not \"installed\", \"waiting\" or \"conflict\"",
                value->string);
}

int questions_read_filter(
        sd_bus_message *message, const Ours *ours, RouteFilter *ret, Refusal *why) {
        OptionValue values[_FILTER_KEY_MAX] = { 0 };
        RouteFilter filter = { 0 };
        int r;

        r = options_read(message, filter_specs, values, "filter", why);
        if (r < 0)
                return r;

        if (values[FILTER_FAMILY].type) {
                filter.family = family_parse(values[FILTER_FAMILY].string);
                if (filter.family < 0)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "filter: family " SHOWN " is not \"ipv4\" or \"ipv6\"",
                                values[FILTER_FAMILY].string);
        }
        if (values[FILTER_TABLE].type) {
                filter.has_table = true;
                r = args_read_table(&values[FILTER_TABLE], ours, "filter", &filter.table, why);
                if (r < 0)
                        return r;
        }
        if (values[FILTER_DEVICE].type) {
                r = args_read_device(&values[FILTER_DEVICE], "filter", filter.device, why);
                if (r < 0)
                        return r;
        }
        if (values[FILTER_STATE].type) {
                filter.has_state = true;
                r = read_state(&values[FILTER_STATE], &filter.state, why);
                if (r < 0)
                        return r;
        }
        filter.own = values[FILTER_ALL].type && !values[FILTER_ALL].boolean;
        *ret = filter;
        return 0;
}

enum {
        LOOKUP_MARK,
        LOOKUP_UID,
        LOOKUP_PID,
        LOOKUP_DEVICE,
        _LOOKUP_KEY_MAX,
};

static const OptionSpec lookup_specs[] = {
        [LOOKUP_MARK] = { .key = "mark", .types = "u" },
        [LOOKUP_UID] = { .key = "uid", .types = "u" },
        [LOOKUP_PID] = { .key = "pid", .types = "u" },
        [LOOKUP_DEVICE] = { .key = "device", .types = "s" },
        [_LOOKUP_KEY_MAX] = { .key = NULL },
};

static int check_lookup(const OptionValue *values, Refusal *why) {
        if (values[LOOKUP_PID].type && (values[LOOKUP_UID].type || values[LOOKUP_MARK].type))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "options: pid stands for uid and mark of that process: leave them out");
        if (values[LOOKUP_PID].type &&
                (values[LOOKUP_PID].number == 0 || values[LOOKUP_PID].number > INT32_MAX))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "options: %u cannot be the pid of a process", values[LOOKUP_PID].number);
        if (values[LOOKUP_UID].number == UINT32_MAX)
                return refusal_set(why, REFUSAL_INVALID_ARGS, "options: %u cannot be a uid",
                        values[LOOKUP_UID].number);
        return 0;
}

int questions_read_lookup(sd_bus_message *message, LookupRequest *ret, Refusal *why) {
        OptionValue values[_LOOKUP_KEY_MAX] = { 0 };
        LookupRequest request = { 0 };
        const char *text;
        int r;

        r = sd_bus_message_read_basic(message, 's', &text);
        if (r < 0)
                return r;
        if (address_parse(text, &request.destination) < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "destination " SHOWN " is not an address such as 192.0.2.1 or 2001:db8::1",
                        text);

        r = options_read(message, lookup_specs, values, "options", why);
        if (r < 0)
                return r;
        r = check_lookup(values, why);
        if (r < 0)
                return r;
        if (values[LOOKUP_DEVICE].type) {
                r = args_read_device(&values[LOOKUP_DEVICE], "options", request.device, why);
                if (r < 0)
                        return r;
        }

        request.has_mark = values[LOOKUP_MARK].type;
        request.mark = values[LOOKUP_MARK].number;
        request.has_uid = values[LOOKUP_UID].type;
        request.uid = values[LOOKUP_UID].number;
        request.has_pid = values[LOOKUP_PID].type;
        request.pid = values[LOOKUP_PID].number;
        *ret = request;
        return 0;
}

static const struct {
        const char *word;
        Subscription subscription;
} subscriptions[] = {
        { "default", SUBSCRIPTION_DEFAULT },
        { "routes", SUBSCRIPTION_ROUTES },
};

int questions_read_subscription(sd_bus_message *message, uint32_t *ret_what, Refusal *why) {
        uint32_t what = 0;
        const char *word;
        size_t i;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(message, 's', &word)) > 0) {
                for (i = 0; i < ARRAY_LENGTH(subscriptions); i++)
                        if (strcmp(word, subscriptions[i].word) == 0)
                                break;
                if (i == ARRAY_LENGTH(subscriptions))
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "what: " SHOWN " is not \"default\" or \"routes\"", word);
                what |= subscriptions[i].subscription;
        }
        if (r < 0)
                return r;
        if (what == 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "what: nothing is asked for; \"default\" or \"routes\" can be");
        *ret_what = what;
        return sd_bus_message_exit_container(message);
}
