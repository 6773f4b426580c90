// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/resolved/resolved-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/resolved/resolved-codec.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define BUS_NAME_BYTES 256 /* D-Bus specification: at most 255 characters */

/* Below the bus itself, so that a burst of messages is told as one. */
#define TURN_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

#define MATCH_OWNER                                                                                \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" RESOLVED_NAME "'"

#define MATCH_CHANGED                                                                              \
        "type='signal',sender='" RESOLVED_NAME "',path='" RESOLVED_PATH "',"                       \
        "interface='" PROPERTIES "',member='PropertiesChanged',arg0='" RESOLVED_MANAGER "'"

struct ResolvedWatch {
        sd_bus *bus;
        LinkHintsListener on_hints;
        void *userdata;
        sd_bus_slot *match_owner;
        sd_bus_slot *match_changed;
        sd_bus_slot *reading; /* Get: not answered yet */
        sd_event_source *turn;
        char owner[BUS_NAME_BYTES]; /* unique name; "": not known */
        bool ready;                 /* `known` is what it told */
        bool stale;                 /* reading failed: try again when it speaks */
        Array known;                /* of LinkHints, sorted */
        Array told;
};

static int start_reading(ResolvedWatch *watch);

static void mark_changed(ResolvedWatch *watch) {
        (void)sd_event_source_set_enabled(watch->turn, SD_EVENT_ONESHOT);
}

static void forget(ResolvedWatch *watch) {
        watch->reading = sd_bus_slot_unref(watch->reading);
        watch->ready = watch->stale = false;
        watch->owner[0] = '\0';
        array_clear(&watch->known);
        mark_changed(watch);
}

static void read_again(ResolvedWatch *watch) {
        int r = start_reading(watch);

        watch->stale = r < 0;
        if (r >= 0)
                return;
        /* A lost connection is for its owner to tell. */
        if (r != -ENOTCONN)
                log_warning("Cannot ask systemd-resolved for its servers: %s", strerror(-r));
}

static int on_servers(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *refused = sd_bus_message_get_error(reply);
        const char *sender = sd_bus_message_get_sender(reply);
        ResolvedWatch *watch = userdata;
        int r;

        watch->reading = sd_bus_slot_unref(watch->reading);
        if (refused) {
                log_debug("systemd-resolved does not tell: %s", refused->name);
                /* Absent is no failure, and its coming will be told. What hangs is asked again
                 * at each timeout: it may say nothing more of its own once it goes on. */
                watch->stale = watch->owner[0];
                if (sd_bus_error_has_name(refused, SD_BUS_ERROR_NO_REPLY))
                        read_again(watch);
                return 1;
        }

        if (sender)
                (void)snprintf(watch->owner, sizeof(watch->owner), "%s", sender);
        r = resolved_read_reply(reply, &watch->known);
        if (r < 0)
                log_debug("systemd-resolved's servers are not readable: %s", strerror(-r));
        watch->ready = true;
        watch->stale = false;
        mark_changed(watch);
        return 1;
}

/* Messages to a name that nobody owns start its owner, unless told not to. */
static int start_reading(ResolvedWatch *watch) {
        sd_bus_message *message = NULL;
        int r;

        watch->reading = sd_bus_slot_unref(watch->reading);
        r = sd_bus_message_new_method_call(watch->bus, &message,
                watch->owner[0] ? watch->owner : RESOLVED_NAME, RESOLVED_PATH, PROPERTIES, "Get");
        if (r < 0)
                return r;
        r = sd_bus_message_set_auto_start(message, 0);
        if (r >= 0)
                r = sd_bus_message_append(message, "ss", RESOLVED_MANAGER, RESOLVED_DNS);
        if (r >= 0)
                r = sd_bus_call_async(watch->bus, &watch->reading, message, on_servers, watch, 0);
        sd_bus_message_unref(message);
        return r;
}

/* Returns 0: other modules listen to the same signal. */
static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        ResolvedWatch *watch = userdata;

        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0 ||
                strcmp(name, RESOLVED_NAME) != 0 || strlen(new_owner) >= sizeof(watch->owner))
                return 0;

        log_debug("systemd-resolved is %s", new_owner[0] ? new_owner : "gone");
        forget(watch);
        if (!new_owner[0])
                return 0;
        (void)snprintf(watch->owner, sizeof(watch->owner), "%s", new_owner);
        read_again(watch);
        return 0;
}

/*
 * Whether a signal counts. The bus sends us those of the name's owner; but
 * anybody may address one to us alone, and sd-bus cannot tell the two apart.
 */
static bool is_believed(ResolvedWatch *watch, sd_bus_message *signal) {
        const char *sender = sd_bus_message_get_sender(signal);

        if (!sender || !watch->owner[0] || strcmp(sender, watch->owner) != 0)
                return false;
        if (watch->stale)
                read_again(watch);
        return watch->ready && !watch->reading;
}

static int on_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        ResolvedWatch *watch = userdata;
        int r;

        if (!is_believed(watch, signal))
                return 0;
        r = resolved_read_changed(signal, &watch->known);
        if (r < 0)
                log_debug("A change of systemd-resolved is not readable: %s", strerror(-r));
        else if (r == RESOLVED_INVALIDATED)
                read_again(watch);
        else if (r == RESOLVED_CHANGED)
                mark_changed(watch);
        return 0;
}

static int on_turn(sd_event_source *source, void *userdata) {
        ResolvedWatch *watch = userdata;
        Array before = ARRAY_INIT(LinkHints);
        int r;

        r = array_copy(&before, &watch->told);
        if (r >= 0)
                r = array_copy(&watch->told, &watch->known);
        if (r >= 0)
                link_hints_tell(&before, &watch->told, watch->on_hints, watch->userdata);
        else
                log_error("Cannot keep what systemd-resolved says of links: %s", strerror(-r));
        array_clear(&before);
        return 0;
}

/* Without a handler sd-bus would close the connection when the rule is refused. */
static int on_match_installed(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *refused = sd_bus_message_get_error(reply);

        if (refused)
                log_error("Cannot hear systemd-resolved, resolvers of links may be old: %s",
                        refused->message ? refused->message : refused->name);
        return 1;
}

int resolved_watch_new(sd_bus *bus, sd_event *event, LinkHintsListener on_hints, void *userdata,
        ResolvedWatch **ret) {
        CLEANUP(resolved_watch_free_p) ResolvedWatch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->bus = bus;
        watch->on_hints = on_hints;
        watch->userdata = userdata;
        watch->known = ARRAY_INIT(LinkHints);
        watch->told = ARRAY_INIT(LinkHints);

        r = sd_event_add_defer(event, &watch->turn, on_turn, watch);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(watch->turn, TURN_PRIORITY);
        /* The rules stand before anything is asked, so that no change falls between. */
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &watch->match_owner, MATCH_OWNER, on_owner_changed,
                        on_match_installed, watch);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &watch->match_changed, MATCH_CHANGED, on_changed,
                        on_match_installed, watch);
        if (r >= 0)
                r = start_reading(watch);
        if (r < 0)
                return r;
        *ret = TAKE(watch);
        return 0;
}

ResolvedWatch *resolved_watch_free(ResolvedWatch *watch) {
        if (!watch)
                return NULL;

        sd_bus_slot_unref(watch->reading);
        sd_bus_slot_unref(watch->match_owner);
        sd_bus_slot_unref(watch->match_changed);
        sd_event_source_unref(watch->turn);
        array_clear(&watch->known);
        array_clear(&watch->told);
        free(watch);
        return NULL;
}

bool resolved_watch_is_ready(const ResolvedWatch *watch) {
        return watch->ready;
}
