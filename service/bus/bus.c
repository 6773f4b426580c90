// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "backends/base/log.h"
#include "service/bus/errors.h"

const char *const bus_names[] = { "org.talpid.Routing", "org.talpid.SplitTunnel", NULL };

int bus_open(sd_event *event, sd_bus **ret) {
        CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = errors_register();
        if (r < 0)
                return r;
        r = sd_bus_open_system_with_description(&bus, "system");
        if (r < 0)
                return r;
        r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;

        /* Without a bus there is nobody left to serve, and no client to see leave. */
        r = sd_bus_set_exit_on_disconnect(bus, /* b= */ true);
        if (r < 0)
                return r;

        *ret = TAKE(bus);
        return 0;
}

int bus_request_names(sd_bus *bus) {
        for (size_t i = 0; bus_names[i]; i++) {
                int r = sd_bus_request_name(bus, bus_names[i], /* flags= */ 0);

                if (r < 0) {
                        log_error("Cannot own the name %s: %s", bus_names[i],
                                r == -EEXIST ? "somebody else does" : strerror(-r));
                        return r;
                }
        }
        return 0;
}

sd_bus *bus_close(sd_bus *bus) {
        return sd_bus_flush_close_unref(bus);
}
