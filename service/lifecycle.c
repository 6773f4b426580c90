// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/lifecycle.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>

#include "backends/base/log.h"
#include "service/bus/bus.h"

#define JOBS_TIMEOUT_USEC USEC_PER_SEC
#define STOP_TIMEOUT_USEC (5 * USEC_PER_SEC)

typedef enum Phase {
        PHASE_STARTING,
        PHASE_RUNNING,
        PHASE_ASKING,    /* told to stop: does systemd restart us? */
        PHASE_RELEASING, /* names are being given up, or taken back */
        PHASE_RELEASED,  /* no new calls can come; the last ones are answered */
} Phase;

struct Lifecycle {
        LifecycleConfig config;
        Phase phase;
        bool told_to_stop;
        bool clients_settled; /* their intents were ended, or are kept for a restart */
        bool counting;        /* the idle timer runs */
        bool starts_over;     /* whoever needs us needs another instance */
        bool under_systemd;   /* $NOTIFY_SOCKET: STOPPING cannot be taken back */
        EngineState told_state;
        size_t n_name_calls; /* outstanding answers of PHASE_RELEASING */
        bool lost_name;      /* somebody else owns one now */
        sd_event_source *signals[3];
        sd_event_source *idle_timer;
        sd_event_source *stop_timer;
        sd_event_source *post;
        sd_bus_slot *filter;
        sd_bus_slot *question;
        sd_bus_slot *name_slots[4];
};

static bool is_needed(const Lifecycle *lifecycle) {
        return lifecycle->config.waits ||
               !intent_is_empty(engine_intent(lifecycle->config.engine)) ||
               owners_have_subscribers(lifecycle->config.owners);
}

static bool has_work(const Lifecycle *lifecycle) {
        const LifecycleConfig *config = &lifecycle->config;

        return config->has_calls(config->userdata) ||
               engine_has_submissions(lifecycle->config.engine);
}

static void leave(Lifecycle *lifecycle, int code) {
        (void)sd_event_exit(lifecycle->config.event, code);
}

/* Names */

static int on_name_released(sd_bus_message *reply, void *userdata, sd_bus_error *error);
static int on_name_requested(sd_bus_message *reply, void *userdata, sd_bus_error *error);

/* Gives up, or asks for, all names; the answers lead on. */
static void move_names(Lifecycle *lifecycle, bool release) {
        int r = 0;

        lifecycle->phase = PHASE_RELEASING;
        lifecycle->n_name_calls = 0;
        lifecycle->lost_name = false;
        for (size_t i = 0; r >= 0 && bus_names[i]; i++) {
                sd_bus_slot **slot = &lifecycle->name_slots[i];

                assert(i < ARRAY_LENGTH(lifecycle->name_slots));
                *slot = sd_bus_slot_unref(*slot);
                if (release)
                        r = sd_bus_release_name_async(lifecycle->config.bus, slot, bus_names[i],
                                on_name_released, lifecycle);
                else
                        r = sd_bus_request_name_async(lifecycle->config.bus, slot, bus_names[i],
                                /* flags= */ 0, on_name_requested, lifecycle);
                if (r >= 0)
                        lifecycle->n_name_calls++;
        }
        if (r < 0) {
                log_error("Cannot %s the bus name: %s", release ? "give up" : "take back",
                        strerror(-r));
                leave(lifecycle, EXIT_FAILURE);
        }
}

/*
 * The bus delivers in order: whatever was sent to the name has arrived before
 * this answer, and has been dispatched.
 */
static int on_name_released(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Lifecycle *lifecycle = userdata;

        if (--lifecycle->n_name_calls == 0)
                lifecycle->phase = PHASE_RELEASED; /* on_post() leads on */
        return 1;
}

static int on_name_requested(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Lifecycle *lifecycle = userdata;
        uint32_t answer = 0;

        /* 1: primary owner, 4: already so; D-Bus specification, RequestName. */
        if (sd_bus_message_is_method_error(reply, NULL) ||
                sd_bus_message_read(reply, "u", &answer) < 0 || (answer != 1 && answer != 4))
                lifecycle->lost_name = true;
        if (--lifecycle->n_name_calls > 0)
                return 1;

        if (lifecycle->lost_name) {
                log_info("The next instance is there, it takes over");
                leave(lifecycle, EXIT_SUCCESS);
        } else {
                log_debug("Back: a last call gave us something to look after");
                lifecycle->phase = PHASE_RUNNING;
        }
        return 1;
}

/* What lives as long as its client ends with the service, unless that comes back at once. */
static void settle_clients(Lifecycle *lifecycle, bool restart) {
        lifecycle->clients_settled = true;
        if (restart)
                log_info("Restarting: everything stays as it is");
        else
                owners_drop_all(lifecycle->config.owners, /* keep_closed= */ true);
}

static void start_leaving(Lifecycle *lifecycle) {
        (void)sd_notify(/* unset_environment= */ 0, "STOPPING=1\nSTATUS=Leaving");
        move_names(lifecycle, /* release= */ true);
}

static void finish_leaving(Lifecycle *lifecycle) {
        if (lifecycle->told_to_stop && !lifecycle->clients_settled) {
                settle_clients(lifecycle, /* restart= */ false);
                if (has_work(lifecycle))
                        return; /* on_post() comes again */
        }
        if (lifecycle->told_to_stop || !is_needed(lifecycle))
                leave(lifecycle, EXIT_SUCCESS);
        else if (lifecycle->under_systemd || lifecycle->starts_over)
                leave(lifecycle, LIFECYCLE_EXIT_AGAIN);
        else
                move_names(lifecycle, /* release= */ false);
}

/* Idle */

static int on_idle_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Lifecycle *lifecycle = userdata;

        lifecycle->counting = false;
        if (lifecycle->phase != PHASE_RUNNING || is_needed(lifecycle) || has_work(lifecycle))
                return 0;

        log_info("Nobody needs us, leaving");
        start_leaving(lifecycle);
        return 0;
}

void lifecycle_start_over(Lifecycle *lifecycle) {
        lifecycle->starts_over = true;
        if (lifecycle->phase == PHASE_RUNNING)
                start_leaving(lifecycle);
}

static void count_idle_time(Lifecycle *lifecycle) {
        usec_t timeout_usec = lifecycle->config.idle_timeout_usec;
        int r;

        if (is_needed(lifecycle) || has_work(lifecycle)) {
                (void)sd_event_source_set_enabled(lifecycle->idle_timer, SD_EVENT_OFF);
                lifecycle->counting = false;
                return;
        }
        if (lifecycle->counting || timeout_usec == USEC_INFINITY)
                return;

        r = sd_event_source_set_time_relative(lifecycle->idle_timer, timeout_usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(lifecycle->idle_timer, SD_EVENT_ONESHOT);
        if (r < 0)
                log_warning("Cannot count idle time: %s", strerror(-r));
        lifecycle->counting = r >= 0;
}

/* A call, even one that changes nothing, starts the count anew. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Lifecycle *lifecycle = userdata;

        if (sd_bus_message_is_method_call(message, NULL, NULL))
                lifecycle->counting = false;
        return 0;
}

static void tell_state(Lifecycle *lifecycle) {
        EngineState state = engine_state(lifecycle->config.engine);

        if (state == lifecycle->told_state)
                return;
        lifecycle->told_state = state;
        (void)sd_notifyf(0, "STATUS=%s%s%s", engine_state_name(state),
                state == ENGINE_DEGRADED ? ": " : "",
                state == ENGINE_DEGRADED ? engine_state_reason(lifecycle->config.engine) : "");
}

/* After everything that happened in a turn. */
static int on_post(sd_event_source *source, void *userdata) {
        Lifecycle *lifecycle = userdata;

        switch (lifecycle->phase) {
        case PHASE_RUNNING:
                tell_state(lifecycle);
                count_idle_time(lifecycle);
                break;
        case PHASE_RELEASED:
                if (!has_work(lifecycle))
                        finish_leaving(lifecycle);
                break;
        case PHASE_STARTING:
        case PHASE_ASKING:
        case PHASE_RELEASING:
                break;
        }
        return 0;
}

/* Told to stop */

static void stop(Lifecycle *lifecycle, bool restart) {
        lifecycle->question = sd_bus_slot_unref(lifecycle->question);
        settle_clients(lifecycle, restart);
        move_names(lifecycle, /* release= */ true);
}

/* Whether one of systemd's jobs restarts @unit. */
static bool read_jobs(sd_bus_message *reply, const char *unit) {
        const char *name, *type;
        bool restart = false;

        if (sd_bus_message_is_method_error(reply, NULL) ||
                sd_bus_message_enter_container(reply, 'a', "(usssoo)") < 0)
                return false;
        while (sd_bus_message_read(reply, "(usssoo)", NULL, &name, &type, NULL, NULL, NULL) > 0)
                restart |= strcmp(name, unit) == 0 &&
                           (strcmp(type, "restart") == 0 || strcmp(type, "try-restart") == 0);
        return restart;
}

static int on_jobs(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        CLEANUP_FREE char *unit = NULL;

        stop(userdata, sd_pid_get_unit(0, &unit) >= 0 && read_jobs(reply, unit));
        return 1;
}

/* An answer, or none within a second, leads to stop(). */
static int ask_for_jobs(Lifecycle *lifecycle) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(lifecycle->config.bus, &call, "org.freedesktop.systemd1",
                "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "ListJobs");
        if (r < 0)
                return r;
        r = sd_bus_message_set_auto_start(call, /* b= */ false);
        if (r < 0)
                return r;
        return sd_bus_call_async(lifecycle->config.bus, &lifecycle->question, call, on_jobs,
                lifecycle, JOBS_TIMEOUT_USEC);
}

static int on_stop_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        log_warning("Not everything ended in time, leaving all the same");
        leave(userdata, EXIT_SUCCESS);
        return 0;
}

static int on_stop_signal(
        sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Lifecycle *lifecycle = userdata;
        CLEANUP_FREE char *unit = NULL;
        int r;

        if (lifecycle->told_to_stop)
                return 0;
        lifecycle->told_to_stop = true;
        (void)sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
        (void)sd_event_add_time_relative(lifecycle->config.event, &lifecycle->stop_timer,
                CLOCK_MONOTONIC, STOP_TIMEOUT_USEC, 0, on_stop_timer, lifecycle);

        if (lifecycle->phase != PHASE_RUNNING)
                return 0; /* leaving already: finish_leaving() sees to it */

        lifecycle->phase = PHASE_ASKING;
        r = lifecycle->under_systemd && sd_pid_get_unit(0, &unit) >= 0 ? ask_for_jobs(lifecycle)
                                                                       : -ENODATA;
        if (r < 0)
                stop(lifecycle, /* restart= */ false);
        return 0;
}

static int on_refresh_signal(
        sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Lifecycle *lifecycle = userdata;
        int r;

        r = engine_refresh(lifecycle->config.engine, NULL, NULL);
        if (r < 0)
                log_warning("Cannot refresh: %s", strerror(-r));
        return 0;
}

/* Life */

static int add_signals(Lifecycle *lifecycle) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } handlers[] = {
                { SIGTERM, on_stop_signal },
                { SIGINT, on_stop_signal },
                { SIGHUP, on_refresh_signal },
        };
        sigset_t mask;
        int r = 0;

        (void)sigemptyset(&mask);
        for (size_t i = 0; i < ARRAY_LENGTH(handlers); i++)
                (void)sigaddset(&mask, handlers[i].number);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;

        for (size_t i = 0; r >= 0 && i < ARRAY_LENGTH(handlers); i++)
                r = sd_event_add_signal(lifecycle->config.event, &lifecycle->signals[i],
                        handlers[i].number, handlers[i].handler, lifecycle);
        return r;
}

static int add_sources(Lifecycle *lifecycle) {
        sd_event *event = lifecycle->config.event;
        int r;

        r = add_signals(lifecycle);
        if (r < 0)
                return r;
        r = sd_event_add_time(
                event, &lifecycle->idle_timer, CLOCK_MONOTONIC, 0, 0, on_idle_timer, lifecycle);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(lifecycle->idle_timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_post(event, &lifecycle->post, on_post, lifecycle);
        if (r < 0)
                return r;
        r = sd_bus_add_filter(lifecycle->config.bus, &lifecycle->filter, on_message, lifecycle);
        if (r < 0)
                return r;
        return sd_event_set_watchdog(event, /* b= */ true);
}

int lifecycle_new(const LifecycleConfig *config, Lifecycle **ret) {
        CLEANUP(lifecycle_free_p) Lifecycle *lifecycle = calloc(1, sizeof(*lifecycle));
        int r;

        if (!lifecycle)
                return -ENOMEM;
        lifecycle->config = *config;
        lifecycle->under_systemd = getenv("NOTIFY_SOCKET");

        r = add_sources(lifecycle);
        if (r < 0)
                return r;
        *ret = TAKE(lifecycle);
        return 0;
}

void lifecycle_ready(Lifecycle *lifecycle) {
        lifecycle->phase = PHASE_RUNNING;
        lifecycle->told_state = engine_state(lifecycle->config.engine);
        (void)sd_notifyf(0, "READY=1\nSTATUS=%s", engine_state_name(lifecycle->told_state));
        count_idle_time(lifecycle);
}

Lifecycle *lifecycle_free(Lifecycle *lifecycle) {
        if (!lifecycle)
                return NULL;

        for (size_t i = 0; i < ARRAY_LENGTH(lifecycle->name_slots); i++)
                sd_bus_slot_unref(lifecycle->name_slots[i]);
        for (size_t i = 0; i < ARRAY_LENGTH(lifecycle->signals); i++)
                sd_event_source_disable_unref(lifecycle->signals[i]);
        sd_event_source_disable_unref(lifecycle->idle_timer);
        sd_event_source_disable_unref(lifecycle->stop_timer);
        sd_event_source_disable_unref(lifecycle->post);
        sd_bus_slot_unref(lifecycle->filter);
        sd_bus_slot_unref(lifecycle->question);
        free(lifecycle);
        return NULL;
}
