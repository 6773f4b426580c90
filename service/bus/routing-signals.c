// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/routing-signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/bus/answers.h"
#include "service/bus/routing-object.h"
#include "service/bus/text.h"

struct RoutingSignals {
        sd_bus *bus;
        Engine *engine;
        Owners *owners;
        sd_event_source *flush;
        uint64_t serial, serial_told;
        uint32_t properties; /* EngineProperty: to be told at the end of the turn */
};

static const struct {
        EngineProperty bit;
        const char *name;
} properties[] = {
        { ENGINE_PROPERTY_STATE, "State" },
        { ENGINE_PROPERTY_DEFAULT_ROUTE4, "DefaultRoute4" },
        { ENGINE_PROPERTY_DEFAULT_ROUTE6, "DefaultRoute6" },
        { ENGINE_PROPERTY_TUNNEL, "Tunnel" },
        { ENGINE_PROPERTY_CONFLICTS, "Conflicts" },
};

static int on_flush(sd_event_source *source, void *userdata) {
        const char *names[ARRAY_LENGTH(properties) + 2] = { NULL };
        RoutingSignals *signals = userdata;
        size_t n = 0;
        int r;

        for (size_t i = 0; i < ARRAY_LENGTH(properties); i++)
                if (signals->properties & properties[i].bit)
                        names[n++] = properties[i].name;
        if (signals->serial != signals->serial_told)
                names[n++] = "Serial";

        signals->properties = 0;
        signals->serial_told = signals->serial;
        if (n == 0)
                return 0;

        r = sd_bus_emit_properties_changed_strv(
                signals->bus, ROUTING_PATH, ROUTING_INTERFACE, (char **)names);
        if (r < 0)
                log_warning("Cannot tell of changed properties: %s", strerror(-r));
        return 0;
}

/* The deferred source runs after everything else of this turn has changed what it wants. */
static void flush_later(RoutingSignals *signals) {
        if (signals->flush)
                (void)sd_event_source_set_enabled(signals->flush, SD_EVENT_ONESHOT);
}

/* Signals: begin, append, end. The first fault sticks in @r and shows at the end. */

static int signal_begin(RoutingSignals *signals, const char *member, sd_bus_message **ret) {
        return sd_bus_message_new_signal(
                signals->bus, ret, ROUTING_PATH, ROUTING_INTERFACE, member);
}

static void signal_end(RoutingSignals *signals, const char *member, sd_bus_message *signal, int r) {
        if (r >= 0)
                r = sd_bus_send(signals->bus, signal, NULL);
        if (r < 0)
                log_warning("Cannot send %s: %s", member, strerror(-r));
        flush_later(signals);
}

static void tell_default_route(RoutingSignals *signals, const char *member, int family,
        const DefaultRoute *route, uint64_t serial) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        r = signal_begin(signals, member, &signal);
        if (r >= 0)
                r = sd_bus_message_append(signal, "s", family_name(family));
        if (r >= 0)
                r = answers_append_default_route(signal, signals->engine, route);
        if (r >= 0)
                r = sd_bus_message_append(signal, "t", serial);
        signal_end(signals, member, signal, r);
}

static void on_default_route(int family, const DefaultRoute *before, const DefaultRoute *now,
        const char *reason, void *userdata) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        RoutingSignals *signals = userdata;
        uint64_t serial = ++signals->serial;
        int r;

        if (!before->present || !now->present) {
                if (now->present)
                        tell_default_route(signals, "DefaultRouteAdded", family, now, serial);
                else
                        tell_default_route(signals, "DefaultRouteRemoved", family, before, serial);
                return;
        }

        r = signal_begin(signals, "DefaultRouteChanged", &signal);
        if (r >= 0)
                r = sd_bus_message_append(signal, "s", family_name(family));
        if (r >= 0)
                r = answers_append_default_route(signal, signals->engine, before);
        if (r >= 0)
                r = answers_append_default_route(signal, signals->engine, now);
        if (r >= 0)
                r = sd_bus_message_append(signal, "st", reason, serial);
        signal_end(signals, "DefaultRouteChanged", signal, r);
}

static int append_wanted_list(
        sd_bus_message *message, const Engine *engine, const Array *routes, bool listed) {
        const WantedRoute *wanted;
        int r;

        r = sd_bus_message_open_container(message, 'a', "a{sv}");
        if (r < 0)
                return r;
        ARRAY_FOREACH(wanted, routes) {
                if (!listed)
                        break;
                r = answers_append_wanted(message, engine, wanted);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(message);
}

static void on_routes(
        const Array *added, const Array *removed, const char *reason, void *userdata) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        RoutingSignals *signals = userdata;
        bool listed = added->n + removed->n <= ROUTES_CHANGED_MAX;
        int r;

        r = signal_begin(signals, "RoutesChanged", &signal);
        if (r >= 0)
                r = append_wanted_list(signal, signals->engine, added, listed);
        if (r >= 0)
                r = append_wanted_list(signal, signals->engine, removed, listed);
        if (r >= 0)
                r = sd_bus_message_append(signal, "st", reason, ++signals->serial);
        signal_end(signals, "RoutesChanged", signal, r);
}

static void on_healed(const Fact *what, const char *culprit, void *userdata) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        RoutingSignals *signals = userdata;
        char text[CULPRIT_MAX];
        int r;

        r = signal_begin(signals, "Healed", &signal);
        if (r >= 0)
                r = sd_bus_message_append(signal, "s", fact_kind_name(what->kind));
        if (r >= 0)
                r = answers_append_fact(signal, signals->engine, what);
        if (r >= 0)
                r = sd_bus_message_append(
                        signal, "st", text_clean(culprit, text, sizeof(text)), ++signals->serial);
        signal_end(signals, "Healed", signal, r);
}

static void on_conflict(const Conflict *conflict, void *userdata) {
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        RoutingSignals *signals = userdata;
        int r;

        r = signal_begin(signals, "ConflictDetected", &signal);
        if (r >= 0)
                r = answers_append_conflict(signal, conflict);
        if (r >= 0)
                r = sd_bus_message_append(signal, "t", ++signals->serial);
        signal_end(signals, "ConflictDetected", signal, r);
}

static void on_properties(uint32_t mask, void *userdata) {
        RoutingSignals *signals = userdata;

        signals->properties |= mask;
        flush_later(signals);
}

static void on_owners(void *userdata) {
        RoutingSignals *signals = userdata;

        owners_sync(signals->owners);
}

EngineObserver routing_signals_observer(RoutingSignals *signals) {
        return (EngineObserver){
                .on_default_route = on_default_route,
                .on_routes = on_routes,
                .on_healed = on_healed,
                .on_conflict = on_conflict,
                .on_properties = on_properties,
                .on_owners = on_owners,
                .userdata = signals,
        };
}

/* Sent to each subscriber alone: nobody else is woken by a full table that flaps. */
void routing_signals_on_kernel_route(RoutingSignals *signals, const Route *route, bool removed) {
        const char *member = removed ? "RouteRemoved" : "RouteAdded", *name;
        size_t position = 0;
        int r;

        while ((name = owners_next_subscriber(signals->owners, SUBSCRIPTION_ROUTES, &position))) {
                CLEANUP(sd_bus_message_unrefp) sd_bus_message *signal = NULL;

                r = signal_begin(signals, member, &signal);
                if (r >= 0)
                        r = answers_append_route(signal, signals->engine, route);
                if (r >= 0)
                        r = sd_bus_send_to(signals->bus, signal, name, NULL);
                if (r < 0)
                        log_warning("Cannot send %s to %s: %s", member, name, strerror(-r));
        }
}

uint64_t routing_signals_serial(const RoutingSignals *signals) {
        return signals->serial;
}

static int add_flush(RoutingSignals *signals) {
        sd_event *event = sd_bus_get_event(signals->bus);
        int r;

        if (!event)
                return 0;
        r = sd_event_add_defer(event, &signals->flush, on_flush, signals);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(signals->flush, "properties-changed");
        return sd_event_source_set_enabled(signals->flush, SD_EVENT_OFF);
}

int routing_signals_new(sd_bus *bus, Engine *engine, Owners *owners, RoutingSignals **ret) {
        CLEANUP(routing_signals_free_p) RoutingSignals *signals = calloc(1, sizeof(*signals));
        int r;

        if (!signals)
                return -ENOMEM;

        signals->bus = bus;
        signals->engine = engine;
        signals->owners = owners;
        signals->serial = signals->serial_told = object_first_serial();
        r = add_flush(signals);
        if (r < 0)
                return r;

        *ret = TAKE(signals);
        return 0;
}

RoutingSignals *routing_signals_free(RoutingSignals *signals) {
        if (!signals)
                return NULL;

        sd_event_source_disable_unref(signals->flush);
        free(signals);
        return NULL;
}
