// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/network-manager/nm-watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/dbus-peer/dbus-peer.h"
#include "backends/network-manager/nm-state.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define MATCH_MAX 512

/* Only of interfaces that we read: access points change all the time. */
#define MATCH_CHANGED                                                                              \
        "type='signal',sender='" NM_NAME "',path_namespace='" NM_PATH "',"                         \
        "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='%s'"

#define MATCH_OBJECTS                                                                              \
        "type='signal',sender='" NM_NAME "',path='" NM_OBJECTS_PATH "',"                           \
        "interface='" OBJECT_MANAGER "',arg0path='%s'"

struct NmWatch {
        DbusPeer *peer;
        LinkHintsListener on_hints;
        void *userdata;
        NmState state;
        Array told; /* of LinkHints, sorted */
};

static void on_gone(void *userdata) {
        NmWatch *watch = userdata;

        nm_state_clear(&watch->state);
        dbus_peer_mark_changed(watch->peer);
}

static int on_objects(sd_bus_message *reply, void *userdata) {
        NmWatch *watch = userdata;
        NmReader reader = nm_state_reader(&watch->state);

        nm_state_clear(&watch->state);
        dbus_peer_mark_changed(watch->peer);
        return nm_read_objects(reply, &reader);
}

static void heed(NmWatch *watch, sd_bus_message *signal, int r) {
        if (r < 0)
                log_debug("%s of NetworkManager's %s is not readable: %s",
                        sd_bus_message_get_member(signal), sd_bus_message_get_path(signal),
                        strerror(-r));
        if (nm_state_take_stranger(&watch->state))
                (void)dbus_peer_ask(watch->peer);
        dbus_peer_mark_changed(watch->peer);
}

static void on_changed(sd_bus_message *signal, void *userdata) {
        NmWatch *watch = userdata;
        NmReader reader = nm_state_reader(&watch->state);

        heed(watch, signal, nm_read_changed(signal, sd_bus_message_get_path(signal), &reader));
}

static void on_object(sd_bus_message *signal, void *userdata) {
        NmWatch *watch = userdata;
        NmReader reader = nm_state_reader(&watch->state);
        const char *path;
        int r = 0;

        if (sd_bus_message_is_signal(signal, OBJECT_MANAGER, "InterfacesAdded"))
                r = nm_read_added(signal, &reader);
        else if (sd_bus_message_is_signal(signal, OBJECT_MANAGER, "InterfacesRemoved")) {
                r = nm_read_removed(signal, &path);
                if (r > 0)
                        nm_state_remove(&watch->state, path);
        }
        heed(watch, signal, r);
}

static void on_turn(void *userdata) {
        NmWatch *watch = userdata;
        Array hints = ARRAY_INIT(LinkHints), told = watch->told;
        int r;

        r = nm_state_hints(&watch->state, if_nametoindex, &hints);
        if (r < 0) {
                array_clear(&hints);
                log_error("Cannot keep what NetworkManager says of links: %s", strerror(-r));
                return;
        }
        watch->told = hints;
        link_hints_tell(&told, &watch->told, watch->on_hints, watch->userdata);
        array_clear(&told);
}

static int add_matches(DbusPeer *peer) {
        char match[MATCH_MAX];
        int r = 0;

        for (int kind = 0; r >= 0 && kind < _NM_KIND_MAX; kind++) {
                const char *folder = nm_kind_folder(kind);

                (void)snprintf(match, sizeof(match), MATCH_CHANGED, nm_kind_interface(kind));
                r = dbus_peer_add_match(peer, match, on_changed);
                if (r < 0 || !folder)
                        continue;
                (void)snprintf(match, sizeof(match), MATCH_OBJECTS, folder);
                r = dbus_peer_add_match(peer, match, on_object);
        }
        return r;
}

int nm_watch_new(sd_bus *bus, LinkHintsListener on_hints, void *userdata, NmWatch **ret) {
        CLEANUP(nm_watch_free_p) NmWatch *watch = calloc(1, sizeof(*watch));
        const DbusPeerConfig config = {
                .bus = bus,
                .name = NM_NAME,
                .title = "NetworkManager",
                .path = NM_OBJECTS_PATH,
                .interface = OBJECT_MANAGER,
                .member = "GetManagedObjects",
                .types = "",
                .on_answer = on_objects,
                .on_gone = on_gone,
                .on_turn = on_turn,
                .userdata = watch,
        };
        int r;

        if (!watch)
                return -ENOMEM;
        watch->on_hints = on_hints;
        watch->userdata = userdata;
        watch->told = ARRAY_INIT(LinkHints);
        nm_state_init(&watch->state);

        r = dbus_peer_new(&config, &watch->peer);
        if (r >= 0)
                r = add_matches(watch->peer);
        if (r >= 0)
                r = dbus_peer_ask(watch->peer);
        if (r < 0)
                return r;
        *ret = TAKE(watch);
        return 0;
}

NmWatch *nm_watch_free(NmWatch *watch) {
        if (!watch)
                return NULL;

        dbus_peer_free(watch->peer);
        nm_state_clear(&watch->state);
        array_clear(&watch->told);
        free(watch);
        return NULL;
}

void nm_watch_refresh(NmWatch *watch) {
        if (dbus_peer_is_ready(watch->peer))
                dbus_peer_mark_changed(watch->peer);
}
