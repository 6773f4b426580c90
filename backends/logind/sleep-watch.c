// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/logind/sleep-watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/dbus-peer/dbus-peer.h"

/* org.freedesktop.login1(5) */
#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"

#define MATCH_SLEEP                                                                                \
        "type='signal',sender='" LOGIND_NAME "',path='" LOGIND_PATH "',"                           \
        "interface='" LOGIND_MANAGER "',member='PrepareForSleep'"

struct SleepWatch {
        DbusPeer *peer;
        sd_event_source *bound;
        usec_t bound_usec;
        SleepListener on_sleep;
        void *userdata;
        bool asleep;
};

static void fall_asleep(SleepWatch *watch) {
        if (watch->asleep)
                return;
        if (sd_event_source_set_time_relative(watch->bound, watch->bound_usec) < 0 ||
                sd_event_source_set_enabled(watch->bound, SD_EVENT_ONESHOT) < 0) {
                log_warning("Cannot bound how long the machine sleeps: not waiting for its end");
                return;
        }
        watch->asleep = true;
        watch->on_sleep(true, watch->userdata);
}

static void wake_up(SleepWatch *watch) {
        watch->asleep = false;
        (void)sd_event_source_set_enabled(watch->bound, SD_EVENT_OFF);
        watch->on_sleep(false, watch->userdata);
}

static int on_bound(sd_event_source *source, uint64_t usec, void *userdata) {
        log_notice("systemd-logind does not say that the machine woke: taken as awake");
        wake_up(userdata);
        return 0;
}

static void on_gone(void *userdata) {
        SleepWatch *watch = userdata;

        if (watch->asleep)
                wake_up(watch);
}

/* Where the answer is late the signal before it was left out: it tells both ways. */
static int on_preparing(sd_bus_message *reply, void *userdata) {
        SleepWatch *watch = userdata;
        int asleep, r;

        r = sd_bus_message_read(reply, "v", "b", &asleep);
        if (r < 0)
                return r;
        if (asleep)
                fall_asleep(watch);
        else if (watch->asleep)
                wake_up(watch);
        return 0;
}

static void on_prepare(sd_bus_message *signal, void *userdata) {
        int asleep, r = sd_bus_message_read(signal, "b", &asleep);

        if (r < 0)
                log_debug("PrepareForSleep is not readable: %s", strerror(-r));
        else if (asleep)
                fall_asleep(userdata);
        else
                wake_up(userdata);
}

int sleep_watch_new(sd_bus *bus, sd_event *event, usec_t bound_usec, SleepListener on_sleep,
        void *userdata, SleepWatch **ret) {
        CLEANUP(sleep_watch_free_p) SleepWatch *watch = calloc(1, sizeof(*watch));
        const DbusPeerConfig config = {
                .bus = bus,
                .name = LOGIND_NAME,
                .title = "systemd-logind",
                .path = LOGIND_PATH,
                .interface = "org.freedesktop.DBus.Properties",
                .member = "Get",
                .types = "ss",
                .arguments = { LOGIND_MANAGER, "PreparingForSleep" },
                .on_answer = on_preparing,
                .on_gone = on_gone,
                .userdata = watch,
        };
        int r;

        if (!watch)
                return -ENOMEM;
        watch->bound_usec = bound_usec;
        watch->on_sleep = on_sleep;
        watch->userdata = userdata;

        r = sd_event_add_time(event, &watch->bound, CLOCK_MONOTONIC, 0, 0, on_bound, watch);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->bound, SD_EVENT_OFF);
        if (r >= 0)
                r = dbus_peer_new(&config, &watch->peer);
        if (r >= 0)
                r = dbus_peer_add_match(watch->peer, MATCH_SLEEP, on_prepare);
        if (r >= 0)
                r = dbus_peer_ask(watch->peer);
        if (r < 0)
                return r;
        *ret = TAKE(watch);
        return 0;
}

SleepWatch *sleep_watch_free(SleepWatch *watch) {
        if (!watch)
                return NULL;

        dbus_peer_free(watch->peer);
        sd_event_source_disable_unref(watch->bound);
        free(watch);
        return NULL;
}
