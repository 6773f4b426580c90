// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/split-object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/bus/split-args.h"
#include "service/bus/split-process-calls.h"
#include "service/bus/split-selector-calls.h"
#include "service/bus/split-signals.h"

struct SplitObject {
        SplitObjectConfig config;
        SplitSignals *signals;
        sd_bus_slot *slot;
};

static const SplitObjectConfig *config_of(const SplitObject *object) {
        return &object->config;
}

/* Processes */

static int handle_add_process(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_process_calls_move(
                config_of(userdata), message, /* by_fd= */ false, /* is_exclude= */ true, error);
}

static int handle_add_process_fd(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_process_calls_move(
                config_of(userdata), message, /* by_fd= */ true, /* is_exclude= */ true, error);
}

static int handle_remove_process(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_process_calls_move(
                config_of(userdata), message, /* by_fd= */ false, /* is_exclude= */ false, error);
}

static int handle_remove_process_fd(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_process_calls_move(
                config_of(userdata), message, /* by_fd= */ true, /* is_exclude= */ false, error);
}

static int handle_clear_processes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_process_calls_clear(config_of(userdata), message, error);
}

static int handle_list_processes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_process_calls_list(config_of(userdata), message, error);
}

/* Selectors and settings */

static int handle_add_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_selector_calls_change(config_of(userdata), message, INTENT_ADD_SELECTORS,
                SPLIT_OPTION_LIFETIME | SPLIT_OPTION_PERMANENT, error);
}

static int handle_remove_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_selector_calls_change(
                config_of(userdata), message, INTENT_REMOVE_SELECTORS, SPLIT_OPTION_ALL, error);
}

static int handle_set_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_selector_calls_change(config_of(userdata), message, INTENT_SET_SELECTORS,
                SPLIT_OPTION_LIFETIME | SPLIT_OPTION_PERMANENT, error);
}

static int handle_set_enabled(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        SplitChange split = { .has_enabled = true };
        Refusal why = { .code = REFUSAL_NONE };
        int enabled = 0, r;

        r = sd_bus_message_read_basic(message, 'b', &enabled);
        split.enabled = enabled;
        return split_selector_calls_set(config_of(userdata), message, &split, r, &why, error);
}

static int handle_set_mode(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        SplitChange split = { .has_mode = true };
        Refusal why = { .code = REFUSAL_NONE };
        int r = split_args_read_mode(message, &split.mode, &why);

        return split_selector_calls_set(config_of(userdata), message, &split, r, &why, error);
}

static int handle_set_dns(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        SplitChange split = { .has_dns = true };
        Refusal why = { .code = REFUSAL_NONE };
        int r = split_args_read_dns(message, &split.dns, &why);

        return split_selector_calls_set(config_of(userdata), message, &split, r, &why, error);
}

static int handle_list_selectors(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return split_selector_calls_list(config_of(userdata), message, error);
}

/* Properties */

static int get_serial(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(reply, "t", split_signals_serial(object->signals));
}

static int get_available(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(
                reply, "b", (int)split_controller_is_available(object->config.controller));
}

static int get_enabled(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(
                reply, "b", (int)!engine_intent(object->config.parts.engine)->split.disabled);
}

static int get_word(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;
        const char *word;

        if (strcmp(property, "Mechanism") == 0)
                word = split_controller_mechanism(object->config.controller);
        else if (strcmp(property, "Mode") == 0)
                word = split_mode_name(engine_intent(object->config.parts.engine)->split.mode);
        else
                word = split_dns_name(engine_intent(object->config.parts.engine)->split.dns);
        return sd_bus_message_append(reply, "s", word);
}

static int get_process_count(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SplitObject *object = userdata;

        return sd_bus_message_append(
                reply, "u", (uint32_t)split_controller_count(object->config.controller));
}

/* Names, types and annotations are those of dbus/org.talpid.SplitTunnel.xml: check-interfaces. */

/* clang-format off */
static const sd_bus_vtable split_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_ARGS("AddProcess",
                SD_BUS_ARGS("u", pid, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_add_process, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddProcessFd",
                SD_BUS_ARGS("h", pidfd, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_add_process_fd, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveProcess",
                SD_BUS_ARGS("u", pid, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_remove_process, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveProcessFd",
                SD_BUS_ARGS("h", pidfd, "a{sv}", options), SD_BUS_RESULT("a{sv}", result),
                handle_remove_process_fd, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ClearProcesses",
                SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                handle_clear_processes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListProcesses",
                SD_BUS_ARGS("a{sv}", filter), SD_BUS_RESULT("aa{sv}", processes),
                handle_list_processes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddSelectors",
                SD_BUS_ARGS("a(ss)", selectors, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_add_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveSelectors",
                SD_BUS_ARGS("a(ss)", selectors, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_remove_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetSelectors",
                SD_BUS_ARGS("a(ss)", selectors, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListSelectors",
                SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssa{sv})", selectors),
                handle_list_selectors, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetEnabled",
                SD_BUS_ARGS("b", enabled, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_enabled, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetMode",
                SD_BUS_ARGS("s", mode, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_mode, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetDns",
                SD_BUS_ARGS("s", dns, "a{sv}", options), SD_BUS_NO_RESULT,
                handle_set_dns, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("ProcessExcluded", SD_BUS_ARGS("a{sv}", process), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ProcessIncluded",
                SD_BUS_ARGS("a{sv}", process, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SelectorsChanged",
                SD_BUS_ARGS("a(ss)", added, "a(ss)", removed, "t", serial), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SelectorStateChanged",
                SD_BUS_ARGS("s", kind, "s", value, "a{sv}", state), 0),
        SD_BUS_SIGNAL_WITH_ARGS("MechanismChanged",
                SD_BUS_ARGS("s", old, "s", new, "s", reason), 0),

        OBJECT_CONSTANT("Version", "u", object_get_version),
        OBJECT_CHANGING("Serial", "t", get_serial),
        OBJECT_CHANGING("Available", "b", get_available),
        OBJECT_CHANGING("Mechanism", "s", get_word),
        OBJECT_CHANGING("Enabled", "b", get_enabled),
        OBJECT_CHANGING("Mode", "s", get_word),
        OBJECT_CHANGING("Dns", "s", get_word),
        SD_BUS_PROPERTY("ProcessCount", "u", get_process_count, 0, 0),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

int split_object_new(const SplitObjectConfig *config, SplitObject **ret) {
        CLEANUP(split_object_free_p) SplitObject *object = calloc(1, sizeof(*object));
        SplitObserver observer;
        int r;

        if (!object)
                return -ENOMEM;
        object->config = *config;

        r = split_signals_new(config->parts.bus, config->parts.engine, config->parts.owners,
                config->controller, &object->signals);
        if (r < 0)
                return r;
        if (config->controller) {
                observer = split_signals_observer(object->signals);
                split_controller_set_observer(config->controller, &observer);
        }
        r = sd_bus_add_object_vtable(config->parts.bus, &object->slot, SPLIT_PATH, SPLIT_INTERFACE,
                split_vtable, object);
        if (r < 0)
                return r;

        *ret = TAKE(object);
        return 0;
}

SplitObject *split_object_free(SplitObject *object) {
        if (!object)
                return NULL;

        sd_bus_slot_unref(object->slot);
        split_signals_free(object->signals);
        free(object);
        return NULL;
}
