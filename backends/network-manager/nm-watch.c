// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/network-manager/nm-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/network-manager/nm-state.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define BUS_NAME_BYTES 256 /* D-Bus specification: at most 255 characters */
#define MATCH_MAX 512

/* Below the bus itself, so that a burst of messages is told as one. */
#define TURN_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

#define MATCH_OWNER                                                                                \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" NM_NAME "'"

/* Only of interfaces that we read: access points change all the time. */
#define MATCH_CHANGED                                                                              \
        "type='signal',sender='" NM_NAME "',path_namespace='" NM_PATH "',"                         \
        "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='%s'"

#define MATCH_OBJECTS                                                                              \
        "type='signal',sender='" NM_NAME "',path='" NM_OBJECTS_PATH "',"                           \
        "interface='" OBJECT_MANAGER "',arg0path='%s'"

struct NmWatch {
        sd_bus *bus;
        LinkHintsListener on_hints;
        void *userdata;
        sd_bus_slot *matches[1 + 2 * _NM_KIND_MAX];
        size_t n_matches;
        sd_bus_slot *reading; /* GetManagedObjects: not answered yet */
        sd_event_source *turn;
        char owner[BUS_NAME_BYTES]; /* unique name; "": not known */
        bool ready;                 /* `state` is what it told */
        bool stale;                 /* reading failed: try again when it speaks */
        NmState state;
        Array told; /* of LinkHints, sorted */
};

static int start_reading(NmWatch *watch);

static void mark_changed(NmWatch *watch) {
        (void)sd_event_source_set_enabled(watch->turn, SD_EVENT_ONESHOT);
}

static void forget(NmWatch *watch) {
        watch->reading = sd_bus_slot_unref(watch->reading);
        watch->ready = watch->stale = false;
        watch->owner[0] = '\0';
        nm_state_clear(&watch->state);
        mark_changed(watch);
}

static void read_again(NmWatch *watch) {
        int r = start_reading(watch);

        watch->stale = r < 0;
        if (r >= 0)
                return;
        /* A lost connection is for its owner to tell. */
        if (r != -ENOTCONN)
                log_warning("Cannot ask NetworkManager what it knows: %s", strerror(-r));
}

static int on_objects(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *refused = sd_bus_message_get_error(reply);
        const char *sender = sd_bus_message_get_sender(reply);
        NmWatch *watch = userdata;
        NmReader reader = nm_state_reader(&watch->state);
        int r;

        watch->reading = sd_bus_slot_unref(watch->reading);
        if (refused) {
                log_debug("NetworkManager does not tell: %s", refused->name);
                /* Absent is no failure, and its coming will be told. What hangs is asked again
                 * at each timeout: it may say nothing more of its own once it goes on. */
                watch->stale = watch->owner[0];
                if (sd_bus_error_has_name(refused, SD_BUS_ERROR_NO_REPLY))
                        read_again(watch);
                return 1;
        }

        if (sender)
                (void)snprintf(watch->owner, sizeof(watch->owner), "%s", sender);
        nm_state_clear(&watch->state);
        r = nm_read_objects(reply, &reader);
        if (r < 0)
                log_debug("NetworkManager's objects are not all readable: %s", strerror(-r));
        watch->ready = true;
        watch->stale = false;
        mark_changed(watch);
        return 1;
}

/* Messages to a name that nobody owns start its owner, unless told not to. */
static int start_reading(NmWatch *watch) {
        sd_bus_message *message = NULL;
        int r;

        watch->reading = sd_bus_slot_unref(watch->reading);
        r = sd_bus_message_new_method_call(watch->bus, &message,
                watch->owner[0] ? watch->owner : NM_NAME, NM_OBJECTS_PATH, OBJECT_MANAGER,
                "GetManagedObjects");
        if (r < 0)
                return r;
        r = sd_bus_message_set_auto_start(message, 0);
        if (r >= 0)
                r = sd_bus_call_async(watch->bus, &watch->reading, message, on_objects, watch, 0);
        sd_bus_message_unref(message);
        return r;
}

/* Returns 0: other modules listen to the same signal. */
static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        NmWatch *watch = userdata;

        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0 ||
                strcmp(name, NM_NAME) != 0 || strlen(new_owner) >= sizeof(watch->owner))
                return 0;

        log_debug("NetworkManager is %s", new_owner[0] ? new_owner : "gone");
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
static bool is_believed(NmWatch *watch, sd_bus_message *signal) {
        const char *sender = sd_bus_message_get_sender(signal);

        if (!sender || !watch->owner[0] || strcmp(sender, watch->owner) != 0)
                return false;
        if (watch->stale)
                read_again(watch);
        return watch->ready && !watch->reading;
}

static void heed(NmWatch *watch, sd_bus_message *signal, int r) {
        if (r < 0)
                log_debug("%s of NetworkManager's %s is not readable: %s",
                        sd_bus_message_get_member(signal), sd_bus_message_get_path(signal),
                        strerror(-r));
        if (nm_state_take_stranger(&watch->state))
                read_again(watch);
        mark_changed(watch);
}

static int on_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        NmWatch *watch = userdata;
        NmReader reader = nm_state_reader(&watch->state);

        if (is_believed(watch, signal))
                heed(watch, signal,
                        nm_read_changed(signal, sd_bus_message_get_path(signal), &reader));
        return 0;
}

static int on_object(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        NmWatch *watch = userdata;
        NmReader reader = nm_state_reader(&watch->state);
        const char *path;
        int r = 0;

        if (!is_believed(watch, signal))
                return 0;
        if (sd_bus_message_is_signal(signal, OBJECT_MANAGER, "InterfacesAdded"))
                r = nm_read_added(signal, &reader);
        else if (sd_bus_message_is_signal(signal, OBJECT_MANAGER, "InterfacesRemoved")) {
                r = nm_read_removed(signal, &path);
                if (r > 0)
                        nm_state_remove(&watch->state, path);
        }
        heed(watch, signal, r);
        return 0;
}

static int on_turn(sd_event_source *source, void *userdata) {
        NmWatch *watch = userdata;
        Array hints = ARRAY_INIT(LinkHints), told = watch->told;
        int r;

        r = nm_state_hints(&watch->state, if_nametoindex, &hints);
        if (r < 0) {
                array_clear(&hints);
                log_error("Cannot keep what NetworkManager says of links: %s", strerror(-r));
                return 0;
        }
        watch->told = hints;
        link_hints_tell(&told, &watch->told, watch->on_hints, watch->userdata);
        array_clear(&told);
        return 0;
}

/* Without a handler sd-bus would close the connection when the rule is refused. */
static int on_match_installed(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *refused = sd_bus_message_get_error(reply);

        if (refused)
                log_error("Cannot hear NetworkManager, hints of links may be old: %s",
                        refused->message ? refused->message : refused->name);
        return 1;
}

static int add_match(NmWatch *watch, const char *match, sd_bus_message_handler_t handler) {
        return sd_bus_add_match_async(watch->bus, &watch->matches[watch->n_matches++], match,
                handler, on_match_installed, watch);
}

/* Before anything is asked, so that no change falls between. */
static int add_matches(NmWatch *watch) {
        char match[MATCH_MAX];
        int r;

        r = add_match(watch, MATCH_OWNER, on_owner_changed);
        for (int kind = 0; r >= 0 && kind < _NM_KIND_MAX; kind++) {
                const char *folder = nm_kind_folder(kind);

                (void)snprintf(match, sizeof(match), MATCH_CHANGED, nm_kind_interface(kind));
                r = add_match(watch, match, on_changed);
                if (r < 0 || !folder)
                        continue;
                (void)snprintf(match, sizeof(match), MATCH_OBJECTS, folder);
                r = add_match(watch, match, on_object);
        }
        return r;
}

int nm_watch_new(
        sd_bus *bus, sd_event *event, LinkHintsListener on_hints, void *userdata, NmWatch **ret) {
        CLEANUP(nm_watch_free_p) NmWatch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->bus = bus;
        watch->on_hints = on_hints;
        watch->userdata = userdata;
        watch->told = ARRAY_INIT(LinkHints);
        nm_state_init(&watch->state);

        r = sd_event_add_defer(event, &watch->turn, on_turn, watch);
        if (r >= 0)
                r = sd_event_source_set_enabled(watch->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(watch->turn, TURN_PRIORITY);
        if (r >= 0)
                r = add_matches(watch);
        if (r >= 0)
                r = start_reading(watch);
        if (r < 0)
                return r;
        *ret = TAKE(watch);
        return 0;
}

NmWatch *nm_watch_free(NmWatch *watch) {
        if (!watch)
                return NULL;

        sd_bus_slot_unref(watch->reading);
        for (size_t i = 0; i < watch->n_matches; i++)
                sd_bus_slot_unref(watch->matches[i]);
        sd_event_source_unref(watch->turn);
        nm_state_clear(&watch->state);
        array_clear(&watch->told);
        free(watch);
        return NULL;
}

void nm_watch_refresh(NmWatch *watch) {
        if (watch->ready)
                mark_changed(watch);
}

bool nm_watch_is_ready(const NmWatch *watch) {
        return watch->ready;
}
