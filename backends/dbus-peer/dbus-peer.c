// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/dbus-peer/dbus-peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"

#define BUS_NAME_BYTES 256 /* D-Bus specification: at most 255 characters */
#define MATCH_MAX 512

/* Below the bus itself, so that a burst of messages is told as one. */
#define TURN_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

#define MATCH_OWNER                                                                                \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'"

typedef struct Match {
        struct Match *next;
        DbusPeer *peer;
        sd_bus_slot *slot;
        void (*on_signal)(sd_bus_message *signal, void *userdata);
} Match;

struct DbusPeer {
        DbusPeerConfig config;
        sd_event_source *turn;
        sd_bus_slot *owner_slot;
        sd_bus_slot *asking; /* not answered yet */
        Match *matches;
        char owner[BUS_NAME_BYTES]; /* unique name; "": not known */
        bool ready;                 /* it told what it knows */
        bool stale;                 /* asking failed: again when it speaks */
};

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *refused = sd_bus_message_get_error(reply);
        const char *sender = sd_bus_message_get_sender(reply);
        DbusPeer *peer = userdata;
        int r;

        peer->asking = sd_bus_slot_unref(peer->asking);
        if (refused) {
                log_debug("%s does not tell: %s", peer->config.title, refused->name);
                /* Absent is no failure, and its coming will be told. What hangs is asked again
                 * at each timeout: it may say nothing more of its own once it goes on. */
                peer->stale = peer->owner[0];
                if (sd_bus_error_has_name(refused, SD_BUS_ERROR_NO_REPLY))
                        (void)dbus_peer_ask(peer);
                return 1;
        }

        if (sender)
                (void)snprintf(peer->owner, sizeof(peer->owner), "%s", sender);
        peer->ready = true;
        peer->stale = false;
        r = peer->config.on_answer(reply, peer->config.userdata);
        if (r < 0)
                log_debug(
                        "What %s knows is not all readable: %s", peer->config.title, strerror(-r));
        return 1;
}

static int ask(DbusPeer *peer) {
        const DbusPeerConfig *config = &peer->config;
        sd_bus_message *message = NULL;
        int r;

        peer->asking = sd_bus_slot_unref(peer->asking);
        r = sd_bus_message_new_method_call(config->bus, &message,
                peer->owner[0] ? peer->owner : config->name, config->path, config->interface,
                config->member);
        if (r < 0)
                return r;
        /* Messages to a name that nobody owns start its owner, unless told not to. */
        r = sd_bus_message_set_auto_start(message, 0);
        for (size_t i = 0; r >= 0 && config->types[i]; i++)
                r = sd_bus_message_append_basic(message, config->types[i], config->arguments[i]);
        if (r >= 0)
                r = sd_bus_call_async(config->bus, &peer->asking, message, on_answer, peer, 0);
        sd_bus_message_unref(message);
        return r < 0 ? r : 0;
}

int dbus_peer_ask(DbusPeer *peer) {
        int r = ask(peer);

        peer->stale = r < 0;
        /* A lost connection is for its owner to tell. */
        if (r < 0 && r != -ENOTCONN)
                log_warning("Cannot ask %s what it knows: %s", peer->config.title, strerror(-r));
        return r;
}

/* Returns 0: other modules listen to the same signal. */
static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        DbusPeer *peer = userdata;

        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0 ||
                strcmp(name, peer->config.name) != 0 || strlen(new_owner) >= sizeof(peer->owner))
                return 0;

        log_debug("%s is %s", peer->config.title, new_owner[0] ? new_owner : "gone");
        peer->asking = sd_bus_slot_unref(peer->asking);
        peer->ready = peer->stale = false;
        (void)snprintf(peer->owner, sizeof(peer->owner), "%s", new_owner);
        peer->config.on_gone(peer->config.userdata);
        if (new_owner[0])
                (void)dbus_peer_ask(peer);
        return 0;
}

/*
 * Whether a signal counts. The bus sends us those of the name's owner; but
 * anybody may address one to us alone, and sd-bus cannot tell the two apart.
 */
static bool is_believed(DbusPeer *peer, sd_bus_message *signal) {
        const char *sender = sd_bus_message_get_sender(signal);

        if (!sender || !peer->owner[0] || strcmp(sender, peer->owner) != 0)
                return false;
        if (peer->stale)
                (void)dbus_peer_ask(peer);
        return peer->ready && !peer->asking;
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        Match *match = userdata;

        if (is_believed(match->peer, signal))
                match->on_signal(signal, match->peer->config.userdata);
        return 0;
}

static void say_refused(const DbusPeer *peer, sd_bus_message *reply) {
        const sd_bus_error *refused = sd_bus_message_get_error(reply);

        if (refused)
                log_error("Cannot hear %s, what it says may be old: %s", peer->config.title,
                        refused->message ? refused->message : refused->name);
}

/* Without a handler sd-bus would close the connection when the rule is refused. */
static int on_match_installed(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Match *match = userdata;

        say_refused(match->peer, reply);
        return 1;
}

static int on_owner_match_installed(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        say_refused(userdata, reply);
        return 1;
}

int dbus_peer_add_match(DbusPeer *peer, const char *match_text,
        void (*callback)(sd_bus_message *signal, void *userdata)) {
        Match *match = calloc(1, sizeof(*match));

        if (!match)
                return -ENOMEM;
        match->peer = peer;
        match->on_signal = callback;
        match->next = peer->matches;
        peer->matches = match;
        return sd_bus_add_match_async(
                peer->config.bus, &match->slot, match_text, on_signal, on_match_installed, match);
}

static int on_turn(sd_event_source *source, void *userdata) {
        const DbusPeer *peer = userdata;

        peer->config.on_turn(peer->config.userdata);
        return 0;
}

void dbus_peer_mark_changed(DbusPeer *peer) {
        (void)sd_event_source_set_enabled(peer->turn, SD_EVENT_ONESHOT);
}

static int add_turn(DbusPeer *peer) {
        int r = sd_event_add_defer(sd_bus_get_event(peer->config.bus), &peer->turn, on_turn, peer);

        if (r >= 0)
                r = sd_event_source_set_enabled(peer->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(peer->turn, TURN_PRIORITY);
        return r;
}

int dbus_peer_new(const DbusPeerConfig *config, DbusPeer **ret) {
        CLEANUP(dbus_peer_free_p) DbusPeer *peer = calloc(1, sizeof(*peer));
        char match[MATCH_MAX];
        int r;

        if (!peer)
                return -ENOMEM;
        peer->config = *config;
        r = config->on_turn ? add_turn(peer) : 0;
        if (r < 0)
                return r;
        r = snprintf(match, sizeof(match), MATCH_OWNER, config->name);
        if (r < 0 || (size_t)r >= sizeof(match))
                return -ENAMETOOLONG;
        r = sd_bus_add_match_async(config->bus, &peer->owner_slot, match, on_owner_changed,
                on_owner_match_installed, peer);
        if (r < 0)
                return r;
        *ret = TAKE(peer);
        return 0;
}

DbusPeer *dbus_peer_free(DbusPeer *peer) {
        if (!peer)
                return NULL;

        sd_event_source_disable_unref(peer->turn);
        sd_bus_slot_unref(peer->asking);
        sd_bus_slot_unref(peer->owner_slot);
        while (peer->matches) {
                Match *match = peer->matches;

                peer->matches = match->next;
                sd_bus_slot_unref(match->slot);
                free(match);
        }
        free(peer);
        return NULL;
}

bool dbus_peer_is_ready(const DbusPeer *peer) {
        return peer->ready;
}
