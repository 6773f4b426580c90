// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The watcher of sleep beside a logind that breaks its word: a stand-in on a
 * bus of one's own. tests/machine/test-sleep.c has the real one.
 */

#include "backends/logind/sleep-watch.h"

#include <gio/gio.h>
#include <syslog.h>

#include "backends/base/log.h"

#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define MANAGER LOGIND ".Manager"
#define DEADLINE_SECONDS 10
#define LONG (100 * USEC_PER_SEC)

typedef struct World {
        GTestDBus *daemon;
        sd_event *event;
        sd_bus *bus, *logind;
        int preparing; /* its property */
        SleepWatch *watch;
        unsigned n_asleep, n_awake;
        bool asleep;
} World;

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("PreparingForSleep", "b", NULL, offsetof(World, preparing), 0),
        SD_BUS_SIGNAL("PrepareForSleep", "b", 0),
        SD_BUS_VTABLE_END,
};

static void on_sleep(bool asleep, void *userdata) {
        World *w = userdata;

        w->asleep = asleep;
        *(asleep ? &w->n_asleep : &w->n_awake) += 1;
}

#define RUN_UNTIL(w, condition)                                                                    \
        do {                                                                                       \
                gint64 until = g_get_monotonic_time() + DEADLINE_SECONDS * G_USEC_PER_SEC;         \
                while (!(condition)) {                                                             \
                        g_assert_cmpint(sd_event_run((w)->event, 100000), >=, 0);                  \
                        g_assert_cmpint(g_get_monotonic_time(), <, until);                         \
                }                                                                                  \
        } while (0)

static sd_bus *connect_bus(World *w) {
        sd_bus *bus;

        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_address(bus, g_test_dbus_get_bus_address(w->daemon)), >=, 0);
        g_assert_cmpint(sd_bus_set_bus_client(bus, true), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        g_assert_cmpint(sd_bus_attach_event(bus, w->event, 0), >=, 0);
        return bus;
}

static void logind_up(World *w) {
        w->logind = connect_bus(w);
        g_assert_cmpint(
                sd_bus_add_object_vtable(w->logind, NULL, LOGIND_PATH, MANAGER, manager, w), >=, 0);
        g_assert_cmpint(sd_bus_request_name(w->logind, LOGIND, 0), >=, 0);
}

static void logind_down(World *w) {
        w->logind = sd_bus_close_unref(w->logind);
}

static int on_pong(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        *(bool *)userdata = true;
        return 0;
}

/* All that is under way has arrived: the bus answered both, twice, one after the other. */
static void settle(World *w) {
        for (int i = 0; i < 4; i++) {
                sd_bus *bus = i % 2 == 0 && w->logind ? w->logind : w->bus;
                bool pong = false;

                g_assert_cmpint(sd_bus_call_method_async(bus, NULL, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus.Peer",
                                        "Ping", on_pong, &pong, ""),
                        >=, 0);
                RUN_UNTIL(w, pong);
        }
}

static World *world_new(usec_t bound_usec, bool has_logind) {
        World *w = g_new0(World, 1);

        w->daemon = g_test_dbus_new(G_TEST_DBUS_NONE);
        g_test_dbus_up(w->daemon);
        g_assert_cmpint(sd_event_new(&w->event), >=, 0);
        w->bus = connect_bus(w);
        if (has_logind)
                logind_up(w);
        g_assert_cmpint(
                sleep_watch_new(w->bus, w->event, bound_usec, on_sleep, w, &w->watch), ==, 0);
        settle(w);
        return w;
}

static void world_free(World *w) {
        (void)sleep_watch_free(w->watch);
        sd_bus_close_unref(w->bus);
        sd_bus_close_unref(w->logind);
        sd_event_unref(w->event);
        g_test_dbus_down(w->daemon);
        g_object_unref(w->daemon);
        g_free(w);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static void prepare(World *w, bool asleep) {
        w->preparing = asleep;
        g_assert_cmpint(
                sd_bus_emit_signal(w->logind, LOGIND_PATH, MANAGER, "PrepareForSleep", "b", asleep),
                >=, 0);
        settle(w);
}

static void test_told(void) {
        g_autoptr(World) w = world_new(LONG, true);

        g_assert_cmpuint(w->n_asleep + w->n_awake, ==, 0);
        prepare(w, true);
        g_assert_true(w->asleep);
        prepare(w, true);
        g_assert_cmpuint(w->n_asleep, ==, 1);
        prepare(w, false);
        g_assert_false(w->asleep);
        g_assert_cmpuint(w->n_awake, ==, 1);
}

static void test_started_asleep(void) {
        g_autoptr(World) w = world_new(LONG, false);

        w->preparing = true;
        logind_up(w);
        RUN_UNTIL(w, w->asleep);
        prepare(w, false);
        g_assert_cmpuint(w->n_awake, ==, 1);
}

static void test_end_stays_out(void) {
        g_autoptr(World) w = world_new(50 * USEC_PER_MSEC, true);

        prepare(w, true);
        RUN_UNTIL(w, w->n_awake == 1);
        prepare(w, false); /* the truth, late: look again */
        g_assert_cmpuint(w->n_awake, ==, 2);
}

static void test_gone(void) {
        g_autoptr(World) w = world_new(LONG, true);

        prepare(w, true);
        logind_down(w);
        RUN_UNTIL(w, !w->asleep);
        w->preparing = false;
        logind_up(w);
        settle(w);
        g_assert_cmpuint(w->n_awake, ==, 1);
        prepare(w, true);
        g_assert_true(w->asleep);
}

static void test_forged(void) {
        g_autoptr(World) w = world_new(LONG, true);
        sd_bus *other = connect_bus(w);
        sd_bus_message *message = NULL;
        const char *name;

        g_assert_cmpint(sd_bus_get_unique_name(w->bus, &name), >=, 0);
        g_assert_cmpint(
                sd_bus_message_new_signal(other, &message, LOGIND_PATH, MANAGER, "PrepareForSleep"),
                >=, 0);
        g_assert_cmpint(sd_bus_message_append(message, "b", true), >=, 0);
        g_assert_cmpint(sd_bus_send_to(other, message, name, NULL), >=, 0);
        g_assert_cmpint(sd_bus_flush(other), >=, 0);
        settle(w);
        g_assert_cmpuint(w->n_asleep, ==, 0);
        sd_bus_message_unref(message);
        sd_bus_close_unref(other);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        log_set_level(LOG_EMERG);

        g_test_add_func("/sleep-watch/begin-and-end-are-told-once", test_told);
        g_test_add_func("/sleep-watch/started-while-the-machine-sleeps", test_started_asleep);
        g_test_add_func("/sleep-watch/an-end-that-stays-out-is-taken-as-come", test_end_stays_out);
        g_test_add_func("/sleep-watch/awake-when-logind-goes", test_gone);
        g_test_add_func("/sleep-watch/others-cannot-send-it-to-sleep", test_forged);
        return g_test_run();
}
