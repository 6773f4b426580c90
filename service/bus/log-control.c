// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/log-control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "backends/base/log.h"

static const struct {
        const char *name;
        int level;
} levels[] = {
        { "emerg", LOG_EMERG }, { "alert", LOG_ALERT }, { "crit", LOG_CRIT }, { "err", LOG_ERR },
        { "warning", LOG_WARNING }, { "notice", LOG_NOTICE }, { "info", LOG_INFO },
        { "debug", LOG_DEBUG }, { "error", LOG_ERR }, /* after "err", which is what we answer */
};

int log_level_parse(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(levels); i++)
                if (strcmp(levels[i].name, name) == 0)
                        return levels[i].level;
        return -EINVAL;
}

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const char *name = "info";

        for (size_t i = ARRAY_LENGTH(levels); i > 0; i--)
                if (levels[i - 1].level == log_get_level())
                        name = levels[i - 1].name;
        return sd_bus_message_append(reply, "s", name);
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *value, void *userdata, sd_bus_error *error) {
        const char *name;
        int level, r;

        r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;
        level = log_level_parse(name);
        if (level < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                        "\"%.32s\" is not a log level: emerg, alert, crit, err, warning, notice, "
                        "info, debug",
                        name);

        log_set_level(level);
        log_info("Logging up to level %s, as asked for over the bus", name);
        return 1;
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", getenv("JOURNAL_STREAM") ? "journal" : "console");
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface,
        const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "talpidd");
}

/* Without SD_BUS_VTABLE_UNPRIVILEGED: root alone may set, or our own user. */
static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_PROPERTY("LogTarget", "s", get_target, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int log_control_add(sd_bus *bus, sd_bus_slot **ret_slot) {
        return sd_bus_add_object_vtable(bus, ret_slot, "/org/freedesktop/LogControl1",
                "org.freedesktop.LogControl1", log_control_vtable, NULL);
}
